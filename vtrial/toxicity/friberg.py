"""Transit chain of blood-cell maturation with feedback and a slowly renewing stem pool (Friberg form).

In multiples of baseline CIRC0, with ``ktr = 4/MTT`` and ``E = SLOPE C(t)`` (Friberg et al., J Clin Oncol 2002;20:4713)::

    d ln P /dt = ktr ((1 - E) F - 1)          F = (S / X4)^GAM
    d X1/dt = ktr (P - X1),  d Xj/dt = ktr (Xj-1 - Xj)   j = 2, 3, 4       circulating count = CIRC0 X4
    d S/dt  = KS (1 - S) - KD C S

S, the stem pool, moves the *set point*, so that the count follows S and not a power of it; KD = 0 gives Friberg's own
chain. P grows by an exponential and is held within bounds, and the chain adds nothing negative to what decays in it, so
that no parameter value brings a count to zero or below, nor a gradient to NaN.

One step covers a grid interval ``dt``. Within it F and P are quadratics in time through the ends and the middle, the
concentration enters through its exact moments, and the chain and the stem pool are integrated exactly against them:
fast distribution and short infusions force no small steps. A dose bends P more sharply than a quadratic can; what the
quadratic misses of it is added to the chain to first order. The error against a 1e-10 reference is measured in
tests/reference/test_steppers.py and by ``vtrial benchmark``.

For speed, everything is a row over subjects, in tuples, for XLA cuts stacked arrays into many more loops; and what
several rows need is held (`_hold`), for XLA would compute it anew in the loop of each, most of all in the reverse pass.
"""

from math import factorial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..pk.modes import decay_moments, infused_area, infusion_moments, unit_moments

# Bounds that no plausible subject meets: feedback stops growing below a thousandth of the set point, P stays within
# [6e-6, 55] and its logarithm changes by 16 a step at most. They keep values and gradients finite where a prior draw
# makes E exceed one for days.
FLOOR = 1e-3
P = (6e-6, 55.0)
MAX_GROWTH = 16.0

PARAMETERS = ("CIRC0", "MTT", "GAM", "SLOPE", "KS", "KD")

# Quadratic through s = 0, 1/2, 1: row n gives the coefficients of 1, s, s^2 of the n-th basis polynomial.
_BASIS = ((1.0, -3.0, 2.0), (0.0, 4.0, -4.0), (0.0, -1.0, 2.0))
# Its integrals over [0, 1/2] and [0, 1].
_AREA = ((5 / 24, 1 / 3, -1 / 24), (1 / 6, 2 / 3, 1 / 6))


class State(NamedTuple):
    """What the next step needs, each over subjects: P, the chain X1..X4 (a tuple), feedback F, stem pool S."""

    p: jnp.ndarray
    x: tuple
    f: jnp.ndarray
    s: jnp.ndarray


class Step(NamedTuple):
    """Everything about a subject and a step length that does not change from step to step, in rows over subjects.

    ``u`` is 0 at the middle and 1 at the end of the step, ``n`` one of its three nodes, ``m`` a mode, ``j`` a stage.
    """

    ktr_dt: jnp.ndarray
    gam: jnp.ndarray
    carry: tuple  # [j] Poisson weights of the chain over a whole step
    feed: tuple  # [j][n] weight of P at the nodes in X1..X4 at the end
    carry_mid: tuple  # [j] the same for X4 at the middle
    feed_mid: tuple  # weight of P at the start and at the middle in X4 at the middle
    kill: tuple  # [u][n][m] ktr SLOPE int l_n C, upto middle and end, of the modes
    kill_dose: tuple  # [u][n] of 1 mg infused at the start of the step
    ill: tuple  # [u][m] the sum of kill over the nodes
    ill_dose: tuple  # [u]
    bend: tuple  # [j] what 1 mg adds to the weights of P at the start and the middle, per unit of F
    renew: jnp.ndarray | None  # KS dt; None: no drift, S stays where it is
    drain: tuple | None  # [u][m] KD int C
    drain_dose: tuple | None  # [u]


def prepare(p, modes, dt, duration, drift=True) -> Step:
    """Constants of steps of ``dt`` days whose dose, if any, is infused over the first ``duration`` days of the step.

    ``drift=False`` leaves the stem pool out of the step, which is only right where KD is zero.
    """
    z = 4.0 / p["MTT"] * dt
    decays = jnp.stack([decay_moments(modes, dt, u, 3) for u in (dt / 2, dt)], 1)
    doses = jnp.stack([infusion_moments(modes, dt, u, duration, 3).sum(1) for u in (dt / 2, dt)], 1)
    strength = 4.0 / p["MTT"] * p["SLOPE"]
    return Step(
        ktr_dt=z,
        gam=p["GAM"] * jnp.ones_like(z),
        carry=_poisson(z),
        feed=_feed(z),
        carry_mid=_poisson(z / 2),
        feed_mid=_feed_mid(z / 2),
        kill=_nodal(decays * strength, 2),
        kill_dose=_nodal(doses * strength, 1),
        ill=_rows(decays[0] * strength, 2),
        ill_dose=_rows(doses[0] * strength, 1),
        bend=_bend(z, strength, modes, dt, duration, doses[0]),
        renew=p["KS"] * dt * jnp.ones_like(z) if drift else None,
        drain=_rows(decays[0] * p["KD"], 2) if drift else None,
        drain_dose=_rows(doses[0] * p["KD"], 1) if drift else None,
    )


def start(p) -> State:
    """The untreated steady state."""
    one = jnp.ones_like(p["MTT"] * p["SLOPE"])
    return State(one, (one,) * 4, one, one)


def advance(k: Step, state: State, c, dose=None) -> State:
    """One step. ``c`` [mode]: mode concentrations at its start, mg/L; ``dose``: mg given at its start, None for none."""
    p, x, f = state.p, state.x, state.f
    kill = tuple(tuple(_mix(row, c) for row in rows) for rows in k.kill)
    ill = tuple(_mix(row, c) for row in k.ill)
    if dose is not None:
        kill = tuple(_plus(rows, more, dose) for rows, more in zip(kill, k.kill_dose, strict=True))
        ill = _plus(ill, k.ill_dose, dose)
    s_mid, s_end = _stem(k, state.s, c, dose)
    # predictor: feedback frozen over the step; it enters X4 only through four stages of the chain
    p_mid, p_end = (_hold(p * _roughly_exp(_hold(k.ktr_dt * (u + 1) / 2 * (f - 1) - f * ill[u]))) for u in (0, 1))
    guess = _hold(_shift(k.carry, x, 3) + _fed(k.feed[3], (p, p_mid, p_end)))
    f_mid = _feedback(k, s_mid, _shift(k.carry_mid, x, 3) + _mix(k.feed_mid, (p, p_mid)))
    f_end = _feedback(k, s_end, guess)
    p_mid, p_end = (_grown(k, p, kill[u], (f, f_mid, f_end), u) for u in (0, 1))
    feed = k.feed if dose is None else _bent(k, dose * f_mid)
    x = tuple(_shift(k.carry, x, j) + _fed(feed[j], (p, p_mid, p_end)) for j in range(4))
    return State(p_end, x, _corrected(k.gam, f_end, x[3] / guess), s_end)


def circulating(state: State):
    """Circulating count as a multiple of CIRC0, (subject,)."""
    return state.x[3]


def readings(p, state: State):
    """The true count, (subject,), in the unit of CIRC0."""
    return (p["CIRC0"] * circulating(state),)


def _grown(k, p, kill, fs, upto):
    """P at the middle (``upto`` 0) or the end (1) of the step, the feedback at its three nodes being ``fs``."""
    growth = k.ktr_dt * (_mix(_AREA[upto], fs) - (upto + 1) / 2) - _mix(kill, fs)
    return _hold(_within(p * jnp.exp(_within(_hold(growth), -MAX_GROWTH, MAX_GROWTH)), *P))


def _hold(x):
    """``x``, computed once and stored, and its cotangent likewise."""
    return jax.lax.optimization_barrier(x)


def _within(x, low, high):
    """``x`` between bounds."""
    # not jnp.clip, which XLA compiles to scalar code next to an exponential
    x = jnp.where(x > low, x, low)
    return jnp.where(x < high, x, high)


def _roughly_exp(g):
    """``(1 + h + h^2/2)^8`` with ``h = g/8`` held within [-1, 2]: within 1e-4 for g = -0.4, enough for the predictor."""
    h = _within(g / 8, -1.0, 2.0)
    y = (1 + h + h * h / 2) ** 2
    return (y * y) ** 2


def _stem(k, s, c, dose):
    """S at the middle and the end, by its exact integrating factor."""
    if k.renew is None:
        return s, s
    half, full = (_mix(row, c) for row in k.drain)
    if dose is not None:
        half, full = half + k.drain_dose[0] * dose, full + k.drain_dose[1] * dose
    # never zero: without renewal and drain the quotients below are then 0 as they should be
    half, full = k.renew / 2 + half + 1e-30, k.renew + full + 2e-30
    e_half, e_rest = jnp.exp(-half), jnp.exp(half - full)
    e_full = e_half * e_rest
    # renewal is exact for an even drain, and by Simpson in what the drain is uneven
    middle = e_half * s + k.renew / 2 * (1 - e_half) / half
    uneven = 2 / 3 * (e_rest - jnp.sqrt(e_full))
    return middle, e_full * s + k.renew * ((1 - e_full) / full + uneven)


def _feedback(k, s, x4):
    # a pool drained to nothing would divide by zero
    ratio = _hold(x4 if k.renew is None else x4 / jnp.where(s > FLOOR, s, FLOOR))
    return _hold(jnp.exp(-k.gam * jnp.log(jnp.where(ratio > FLOOR, ratio, FLOOR))))


def _corrected(gam, f, ratio):
    """F where X4 turned out ``ratio`` of what it was guessed to be: first order, positive for any ratio and GAM."""
    change = gam * (ratio - 1)
    up = jnp.where(change > 0.0, change, 0.0)
    return f * (1 + up - change) / (1 + up)


def _fed(weights, nodes):
    """What P adds to a stage: never below zero, which a quadratic could fall to where MTT is a day or two."""
    fed = _mix(weights, nodes)
    return jnp.where(fed > 0.0, fed, 0.0)


def _bent(k, strength):
    """The weights of P with what the dose bends it added."""
    return tuple((*_plus(row[:2], bend, strength), row[2]) for row, bend in zip(k.feed, k.bend, strict=True))


def _mix(weights, nodes):
    return sum(w * n for w, n in zip(weights, nodes, strict=True))


def _plus(rows, more, dose):
    return tuple(a + b * dose for a, b in zip(rows, more, strict=True))


def _shift(weights, x, j):
    """Row j of the chain's own propagator: what X1..X4 at the start leave in X(j+1) at the end."""
    return sum(weights[j - i] * x[i] for i in range(j + 1))


def _rows(array, depth):
    """The leading ``depth`` axes of an array as nested tuples."""
    return tuple(_rows(a, depth - 1) for a in array) if depth else array


def _nodal(moments, depth):
    """Weights [u][n]... of the three nodes from the moments 0, 1, 2, whose first axis is u."""
    return _rows(jnp.stack([_mix(row, moments) for row in _BASIS], 1), depth + 1)


def _poisson(z):
    e = jnp.exp(-z)
    return e, e * z, e * z**2 / 2, e * z**3 / 6


def _feed(z):
    """Weights [stage][node] of P, a quadratic over the step, in the chain at its end.

    With ``t`` the time to the end, stage j hears ``z (zt)^j exp(-zt) / j!``; the basis in ``t`` is that in ``s`` reversed.
    """
    m = unit_moments(z, 6)
    scale = [z ** (j + 1) / factorial(j) for j in range(4)]
    return tuple(tuple(scale[j] * _mix(row, m[j : j + 3]) for row in _BASIS[::-1]) for j in range(4))


def _feed_mid(z):
    """Weights of P at the start and the middle in X4 at the middle, P being linear; ``z`` is that of half a step."""
    m = unit_moments(z, 5)
    return z**4 / 6 * m[4], z**4 / 6 * (m[3] - m[4])


def _bend(z, strength, modes, dt, duration, area):
    """Weights [j] of P at the start and the middle for what 1 mg does to ln P, per unit of F, beyond its quadratic.

    ``area`` [u]: the dose's part of int C. P is taken for linear over the first half and level over the second.
    """
    width = jnp.minimum(duration, dt)
    (t, w), (t_late, w_late) = _points(4, width, z.dtype), _points(8, dt - width, z.dtype)
    early = infused_area(modes, t[:, None], 0.0, duration)
    late = infused_area(modes, width, t_late[:, None], duration)
    s = jnp.concatenate([t, width + t_late]) / dt
    beyond = jnp.concatenate([early, late]).sum(1) - 4 * s * (1 - s) * area[0] - s * (2 * s - 1) * area[1]
    beyond = -strength * z / dt * jnp.concatenate([w, w_late]) * beyond
    share = jnp.where(s < 0.5, 2 * s, 1.0)
    heard = [beyond * kernel for kernel in _poisson(z * (1 - s))]
    return tuple((((1 - share) * row).sum(0), (share * row).sum(0)) for row in heard)


def _points(count, length, dtype):
    """Gauss-Legendre points and weights on [0, length], in columns."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (jnp.asarray(a, dtype)[:, None] * length for a in ((nodes + 1) / 2, weights / 2))
