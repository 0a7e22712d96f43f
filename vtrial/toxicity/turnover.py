"""ALT, AST and bilirubin: release at a constant rate, loss of first order, release stimulated after a delay.

With ``Ce`` the conjugate in an effect compartment and each marker ``y`` in multiples of its own baseline
(an indirect response with stimulated release; Dayneka et al., J Pharmacokinet Biopharm 1993;21:457)::

    dCe/dt = KE0 (C - Ce)          dy/dt = KOUT (1 + SLOPE Ce - y)

All of it is linear in the concentration, whose modes are exponentials, so that a step has weights: on ``Ce``, on the excess
``y - 1`` and on the modes, and what a milligram infused at its start adds. They come by quadrature within the step and are
exact to 1e-6 or better for steps of a day.
"""

from typing import NamedTuple

import jax.numpy as jnp

from ..pk.modes import unit_moments
from . import effect

MARKERS = ("ALT", "AST", "BIL")
PARAMETERS = ("KE0", *(f"{name}_{m}" for m in MARKERS for name in ("BASE", "KOUT", "SLOPE")))


class State(NamedTuple):
    """``ce`` (subject,) in mg/L, and each marker's excess over its baseline, in multiples of it, a tuple of (subject,)."""

    ce: jnp.ndarray
    excess: tuple


class Step(NamedTuple):
    """Weights over a step: of the effect compartment; and on each marker of its own excess, of ``Ce``, modes and 1 mg."""

    ce: effect.Step
    left: tuple  # [marker] of its own excess
    feed: tuple  # [marker] of Ce
    stir: tuple  # [marker][mode]
    stir_dose: tuple  # [marker]


def prepare(p, modes, dt, duration) -> Step:
    """Constants of steps of ``dt`` days whose dose, if any, is infused over the first ``duration`` days of the step."""
    ke0 = p["KE0"] * dt
    markers = [(p[f"KOUT_{m}"] * dt, p[f"SLOPE_{m}"]) for m in MARKERS]
    stirred = [effect.heard(modes, dt, duration, _kernel(ke0, k, slope)) for k, slope in markers]
    return Step(
        ce=effect.prepare(p["KE0"], modes, dt, duration),
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
    excess = (
        left * y + feed * state.ce + effect.mix(stir, c) + stir_dose * given
        for left, feed, stir, stir_dose, y in zip(k.left, k.feed, k.stir, k.stir_dose, state.excess, strict=True)
    )
    return State(effect.advance(k.ce, state.ce, c, dose), tuple(excess))


def readings(p, state: State):
    """ALT, AST and bilirubin in multiples of ULN, (subject,) each."""
    return tuple(p[f"BASE_{m}"] * (1 + y) for m, y in zip(MARKERS, state.excess, strict=True))


def _kernel(ke0, k, slope):
    """What a unit of concentration does to a marker ``s`` steps later, through the effect compartment."""
    return lambda s: slope * k * ke0 * _both(k, ke0, s)


def _both(a, b, s):
    """``int_0^s exp(-a (s - u) - b u) du``: two first-order processes one after the other, also where a = b."""
    # not abs, whose derivative at equal rates is not zero
    low, high = jnp.minimum(a, b), jnp.maximum(a, b)
    return s * jnp.exp(-low * s) * unit_moments((high - low) * s, 1)[0]


__all__ = ["MARKERS", "PARAMETERS", "State", "Step", "advance", "prepare", "readings", "start"]
