"""The turnover of ALT, AST and bilirubin against an ODE solver at 1e-11, and its laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from vtrial.pk import modes as pkmodes
from vtrial.pk import two_cmt_iv
from vtrial.toxicity import turnover

DAYS, EVERY, INFUSION, N = 42, 21, 0.0625, 10
DOSE = 250.0
# of readings as multiples of the baseline
BASES = {f"BASE_{m}": 1.0 for m in turnover.MARKERS}


def patients():
    rng = np.random.default_rng(11)
    spread = lambda low, high: jnp.asarray(np.exp(rng.uniform(np.log(low), np.log(high), N)))  # noqa: E731
    pk = {"CL": spread(0.3, 1.5), "V1": spread(2, 5), "Q": spread(0.1, 4), "V2": spread(0.3, 3)}
    q = {"KE0": spread(0.1, 2.0)}
    for m in turnover.MARKERS:
        q |= {f"BASE_{m}": spread(0.3, 1.0), f"KOUT_{m}": spread(0.2, 3.0), f"SLOPE_{m}": spread(0.003, 0.1)}
    # equal rates: where differences of exponentials divide by zero
    q["KOUT_ALT"] = q["KOUT_ALT"].at[0].set(q["KE0"][0])
    return pk, q


@jax.jit
def ours(pk, q):
    modes = two_cmt_iv.modes(pk)
    step, pace = turnover.prepare(q, modes, 1.0, INFUSION), pkmodes.pace(modes, 1.0, INFUSION)

    def day(carry, dose):
        c, state = carry
        after = tuple(a * left + dose * gain for a, left, gain in zip(c, pace.left, pace.gain, strict=True))
        state = turnover.advance(step, state, c, dose)
        return (after, state), jnp.stack(list(turnover.readings(BASES, state)))

    begin = tuple(jnp.zeros(N) for _ in modes.rate), turnover.start(q)
    return jax.lax.scan(day, begin, jnp.where(jnp.arange(DAYS) % EVERY == 0, DOSE, 0.0))[1]


def reference(pk, q, j):
    """Markers of subject ``j`` at the end of each day, straight from the equations."""
    cl, v1, qq, v2 = (float(pk[k][j]) for k in ("CL", "V1", "Q", "V2"))
    ke0 = float(q["KE0"][j])
    markers = [(float(q[f"KOUT_{m}"][j]), float(q[f"SLOPE_{m}"][j])) for m in turnover.MARKERS]

    def slope(rate):
        def dydt(t, x):
            c = x[0] / v1
            central = rate - (cl + qq) / v1 * x[0] + qq / v2 * x[1]
            rest = [k * (1 + s * x[2] - x[3 + i]) for i, (k, s) in enumerate(markers)]
            return [central, qq / v1 * x[0] - qq / v2 * x[1], ke0 * (c - x[2]), *rest]

        return dydt

    x, out = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]), []
    for d in range(DAYS):
        parts = [(INFUSION, DOSE / INFUSION), (1 - INFUSION, 0.0)] if d % EVERY == 0 else [(1.0, 0.0)]
        for length, rate in parts:
            x = solve_ivp(slope(rate), (0, length), x, method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
        out.append(x[3:])
    return np.array(out)


def test_against_an_ode_solver():
    pk, q = patients()
    found = np.asarray(ours(pk, q))
    worst = 0.0
    for j in range(N):
        expected = reference(pk, q, j)
        worst = max(worst, np.abs(found[:, :, j] / expected - 1).max())
    print(f"worst relative error of {N} subjects over {DAYS} days: {worst:.1e}")
    assert worst < 1e-8


def test_two_half_steps_are_one():
    pk, q = patients()
    modes = two_cmt_iv.modes(pk)
    whole, half = (turnover.prepare(q, modes, dt, INFUSION) for dt in (1.0, 0.5))
    c = tuple(jnp.asarray(np.random.default_rng(1).uniform(0, 80, (2, N))))
    state = turnover.State(c[0] / 3, tuple(c[1] / (10 * i + 10) for i in range(3)))
    one = turnover.advance(whole, state, c)
    later = tuple(a * jnp.exp(-rate / 2) for a, rate in zip(c, modes.rate, strict=True))
    two = turnover.advance(half, turnover.advance(half, state, c), later)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


def test_without_drug_nothing_moves_and_with_it_nothing_falls_below_baseline():
    pk, q = patients()
    modes = two_cmt_iv.modes(pk)
    step = turnover.prepare(q, modes, 1.0, INFUSION)
    still = turnover.advance(step, turnover.start(q), tuple(jnp.zeros((2, N))))
    assert all(float(jnp.abs(v - 1).max()) == 0 for v in turnover.readings(BASES, still))
    assert float(ours(pk, q).min()) >= 1


@pytest.mark.parametrize("name", ["KE0", "KOUT_ALT", "SLOPE_ALT"])
def test_gradients_are_finite_differences(name):
    pk, q = patients()

    def total(x):
        return ours(pk, q | {name: q[name] * x})[:, 0].sum()

    up, down = total(1 + 1e-5), total(1 - 1e-5)
    assert float(jax.grad(total)(1.0)) == pytest.approx(float(up - down) / 2e-5, rel=1e-5)
