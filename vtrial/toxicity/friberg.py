"""Transit chain of blood-cell maturation with feedback and a slowly renewing stem pool (Friberg form).

In multiples of baseline CIRC0, with ``ktr = 4/MTT`` and ``E = SLOPE C(t)`` (Friberg et al., J Clin Oncol 2002;20:4713)::

    d ln P /dt = ktr ((1 - E) F - 1)          F = (S / X4)^GAM
    d X1/dt = ktr (P - X1),  d Xj/dt = ktr (Xj-1 - Xj)   j = 2, 3, 4       circulating count = CIRC0 X4
    d S/dt  = KS (1 - S) - KD C S

S, the stem pool, moves the *set point*, so that the count follows S and not a power of it; KD = 0 gives Friberg's own
chain. P is carried as its logarithm, within bounds, and the chain is a convolution with positive weights, so that no
parameter value brings a count to zero or below, nor a gradient to NaN.

One step covers a grid interval ``dt``. Within it F and P are quadratics in time through the ends and the middle, the
concentration enters through its exact moments, and the chain and the stem pool are integrated exactly against them:
fast distribution and short infusions force no small steps. The error against a 1e-10 reference is measured in
tests/reference/test_steppers.py and by ``vtrial benchmark``.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..pk.modes import decay_moments, infusion_moments

# Bounds that no plausible subject meets: feedback stops growing below a thousandth of the set point, and ln P stays
# within [-12, 4]. They keep values and gradients finite where a prior draw makes E exceed one for days.
FLOOR = 1e-3
LOG_P = (-12.0, 4.0)

PARAMETERS = ("CIRC0", "MTT", "GAM", "SLOPE", "KS", "KD")

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2
# Quadratic through s = 0, 1/2, 1: row n gives the coefficients of 1, s, s^2 of the n-th basis polynomial.
_BASIS = np.array([[1.0, -3.0, 2.0], [0.0, 4.0, -4.0], [0.0, -1.0, 2.0]])
# Its integrals over [0, 1/2] and [0, 1].
_AREA = np.array([[5 / 24, 1 / 3, -1 / 24], [1 / 6, 2 / 3, 1 / 6]])


class State(NamedTuple):
    """What the next step needs, each over subjects: ln P, the chain X1..X4 (4, subject), feedback F, stem pool S."""

    log_p: jnp.ndarray
    x: jnp.ndarray
    f: jnp.ndarray
    s: jnp.ndarray


class Step(NamedTuple):
    """Everything about a subject and a step length that does not change from step to step."""

    ktr_dt: jnp.ndarray  # (subject,)
    gam: jnp.ndarray
    carry: jnp.ndarray  # (4, subject) Poisson weights of the chain over a whole step
    feed: jnp.ndarray  # (4, 3, subject) weight of P at the three nodes in X1..X4 at the end
    carry_mid: jnp.ndarray  # (4, subject) the same for X4 at the middle
    feed_mid: jnp.ndarray  # (3, subject)
    kill: jnp.ndarray  # (2, 3, mode, subject) ktr SLOPE int l_n C, upto middle and end, of the modes
    kill_dose: jnp.ndarray  # (2, 3, subject) of 1 mg infused at the start of the step
    renew: jnp.ndarray  # (subject,) KS dt
    drain: jnp.ndarray  # (2, mode, subject) KD int C
    drain_dose: jnp.ndarray  # (2, subject)


def prepare(p, modes, dt, duration) -> Step:
    """Constants of steps of ``dt`` days whose dose, if any, is infused over the first ``duration`` days of the step."""
    z = 4.0 / p["MTT"] * dt
    upto = (dt / 2, dt)
    decays = jnp.stack([decay_moments(modes, dt, u, 3) for u in upto])
    doses = jnp.stack([infusion_moments(modes, dt, u, duration, 3).sum(1) for u in upto])
    strength = 4.0 / p["MTT"] * p["SLOPE"]
    return Step(
        ktr_dt=z,
        gam=p["GAM"] * jnp.ones_like(z),
        carry=_poisson(z),
        feed=_feed(z, 1.0),
        carry_mid=_poisson(z / 2),
        feed_mid=_feed(z, 0.5)[3],
        kill=jnp.einsum("nk,ukms->unms", _BASIS, decays) * strength,
        kill_dose=jnp.einsum("nk,uks->uns", _BASIS, doses) * strength,
        renew=p["KS"] * dt * jnp.ones_like(z),
        drain=decays[:, 0] * p["KD"],
        drain_dose=doses[:, 0] * p["KD"],
    )


def start(p) -> State:
    """The untreated steady state."""
    one = jnp.ones_like(p["MTT"] * p["SLOPE"])
    return State(jnp.zeros_like(one), jnp.stack([one] * 4), one, one)


def advance(k: Step, state: State, c, dose) -> State:
    """One step. ``c`` (mode, subject): mode concentrations at its start, mg/L; ``dose`` (subject,): mg given at its start."""
    log_p, x, f, s = state
    kill = jnp.sum(k.kill * c, 2) + k.kill_dose * dose
    drain = jnp.sum(k.drain * c, 1) + k.drain_dose * dose
    p0 = jnp.exp(log_p)
    s_mid, s_end = _stem(k.renew, drain, s)
    # predictor: feedback frozen over the step; it enters X4 only through four stages of the chain
    nodes = p0, *(jnp.exp(_grown(k, kill, (f, f, f), log_p, upto)) for upto in (0, 1))
    f_mid = _feedback(k.gam, s_mid, _shift(k.carry_mid, x, 3) + _mix(k.feed_mid, nodes))
    f_end = _feedback(k.gam, s_end, _shift(k.carry, x, 3) + _mix(k.feed[3], nodes))
    fs = f, f_mid, f_end
    log_end = _grown(k, kill, fs, log_p, 1)
    nodes = p0, jnp.exp(_grown(k, kill, fs, log_p, 0)), jnp.exp(log_end)
    x = jnp.stack([_shift(k.carry, x, j) + _mix(k.feed[j], nodes) for j in range(4)])
    return State(log_end, x, _feedback(k.gam, s_end, x[3]), s_end)


def circulating(state: State):
    """Circulating count as a multiple of CIRC0, (subject,)."""
    return state.x[3]


def _grown(k, kill, fs, log_p, upto):
    """ln P at the middle (``upto`` 0) or the end (1) of the step, the feedback at its three nodes being ``fs``."""
    growth = k.ktr_dt * (_mix(_AREA[upto], fs) - (upto + 1) / 2) - _mix(kill[upto], fs)
    return jnp.clip(log_p + growth, *LOG_P)


def _stem(renew, drain, s):
    """S at the middle and the end: Simpson on the exact integrating factor."""
    half, full = renew / 2 + drain[0], renew + drain[1]
    e_half, e_full = jnp.exp(-half), jnp.exp(-full)
    middle = e_half * (s + renew / 4) + renew / 4
    return middle, e_full * (s + renew / 6) + renew * (4 * e_full / e_half + 1) / 6


def _feedback(gam, s, x4):
    return jnp.exp(gam * jnp.log(s / jnp.maximum(x4, FLOOR * s)))


def _mix(weights, nodes):
    return sum(w * n for w, n in zip(weights, nodes, strict=True))


def _shift(weights, x, j):
    """Row j of the chain's own propagator: what X1..X4 at the start leave in X(j+1) at the end."""
    return sum(weights[j - i] * x[i] for i in range(j + 1))


def _poisson(z):
    e = jnp.exp(-z)
    return jnp.stack([e, e * z, e * z**2 / 2, e * z**3 / 6])


def _feed(z, upto):
    """Weights (chain, node, subject) of P, a quadratic over the step, in the chain at the fraction ``upto`` of it."""
    total = 0.0
    for node, w in zip(_NODES * upto, _WEIGHTS * upto, strict=True):
        basis = _BASIS @ np.array([1.0, node, node**2])
        total = total + w * z * _poisson(z * (upto - node))[:, None] * basis[None, :, None]
    return total
