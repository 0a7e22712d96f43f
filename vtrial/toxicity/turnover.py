"""ALT, AST and bilirubin: release at a constant rate, loss of first order, release stimulated after a delay.

With ``Ce`` the conjugate in an effect compartment and each marker ``y`` in multiples of its own baseline
(an indirect response with stimulated release; Dayneka et al., J Pharmacokinet Biopharm 1993;21:457)::

    dCe/dt = KE0 (C - Ce)          dy/dt = KOUT (1 + SLOPE Ce - y)

All of it is linear in the concentration, whose modes are exponentials, so that a step of any length is exact: weights on
``Ce``, on the excess ``y - 1`` and on the modes, and what a milligram infused at the start of the step adds.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..pk.modes import infused, unit_moments

MARKERS = ("ALT", "AST", "BIL")
PARAMETERS = ("KE0", *(f"{name}_{m}" for m in MARKERS for name in ("BASE", "KOUT", "SLOPE")))


class State(NamedTuple):
    """``ce`` (subject,) in mg/L, and each marker's excess over its baseline, in multiples of it, a tuple of (subject,)."""

    ce: jnp.ndarray
    excess: tuple


class Step(NamedTuple):
    """Weights over a step: of ``Ce`` on itself, of the modes and of 1 mg on ``Ce``; and the same for each marker."""

    keep: jnp.ndarray
    hear: tuple
    hear_dose: jnp.ndarray
    left: tuple  # [marker] of its own excess
    feed: tuple  # [marker] of Ce
    stir: tuple  # [marker][mode]
    stir_dose: tuple  # [marker]


def prepare(p, modes, dt, duration) -> Step:
    """Constants of steps of ``dt`` days whose dose, if any, is infused over the first ``duration`` days of the step."""
    ke0 = p["KE0"] * dt
    heard = _heard(modes, dt, duration, lambda s: ke0 * jnp.exp(-ke0 * s))
    markers = [(p[f"KOUT_{m}"] * dt, p[f"SLOPE_{m}"]) for m in MARKERS]
    stirred = [_heard(modes, dt, duration, _kernel(ke0, k, slope)) for k, slope in markers]
    return Step(
        keep=jnp.exp(-ke0),
        hear=heard[0],
        hear_dose=heard[1],
        left=tuple(jnp.exp(-k) for k, _ in markers),
        feed=tuple(slope * k * _both(k, ke0, 1.0) for k, slope in markers),
        stir=tuple(modes_of for modes_of, _ in stirred),
        stir_dose=tuple(dose for _, dose in stirred),
    )


def start(p) -> State:
    """Untreated: nothing heard, every marker at its baseline."""
    zero = jnp.zeros_like(p["KE0"] * p["SLOPE_ALT"])
    return State(zero, (zero,) * len(MARKERS))


def advance(k: Step, state: State, c, dose=None) -> State:
    """One step. ``c`` [mode]: mode concentrations at its start, mg/L; ``dose``: mg given at its start, None for none."""
    given = 0.0 if dose is None else dose
    ce = k.keep * state.ce + _mix(k.hear, c) + k.hear_dose * given
    excess = (
        left * y + feed * state.ce + _mix(stir, c) + stir_dose * given
        for left, feed, stir, stir_dose, y in zip(k.left, k.feed, k.stir, k.stir_dose, state.excess, strict=True)
    )
    return State(ce, tuple(excess))


def levels(state: State):
    """The markers as multiples of their baselines, name -> (subject,)."""
    return {m: 1 + y for m, y in zip(MARKERS, state.excess, strict=True)}


def _kernel(ke0, k, slope):
    """What a unit of concentration does to a marker ``s`` steps later, through the effect compartment."""
    return lambda s: slope * k * ke0 * _both(k, ke0, s)


def _both(a, b, s):
    """``int_0^s exp(-a (s - u) - b u) du``: two first-order processes one after the other, also where a = b."""
    # not abs, whose derivative at equal rates is not zero
    low, high = jnp.minimum(a, b), jnp.maximum(a, b)
    return s * jnp.exp(-low * s) * unit_moments((high - low) * s, 1)[0]


def _heard(modes, dt, duration, kernel):
    """``int_0^1 kernel(1 - s) c(s) ds`` of modes that start at one, [mode], and of 1 mg infused over ``duration``.

    By Gauss and Legendre on the infusion and on the rest of the step: rates of a few a day leave errors below 1e-12.
    """
    width = duration / dt
    s, w = np.concatenate([_points(8, 0.0, width), _points(12, width, 1.0)], 1)
    weight = [w_i * kernel(1 - s_i) for s_i, w_i in zip(s, w, strict=True)]
    decays = sum(a * jnp.exp(-modes.rate * (s_i * dt)) for s_i, a in zip(s, weight, strict=True))
    dose = sum(a * infused(modes, s_i * dt, duration).sum(0) for s_i, a in zip(s, weight, strict=True))
    return tuple(decays), dose


def _points(count, low, high):
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return np.stack([low + (high - low) * (nodes + 1) / 2, (high - low) * weights / 2])


def _mix(weights, c):
    return sum(w * x for w, x in zip(weights, c, strict=True))


__all__ = ["MARKERS", "PARAMETERS", "State", "Step", "advance", "levels", "prepare", "start"]
