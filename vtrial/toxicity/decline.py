"""A reading that falls with exposure and comes back without it: left ventricular ejection fraction.

``LVEF = BASE - SLOPE Ce`` in points of per cent, with ``dCe/dt = KE0 (C - Ce)`` slow: a linear effect in an effect compartment.
"""

from typing import NamedTuple

import jax.numpy as jnp

from . import effect

PARAMETERS = ("KE0", "BASE", "SLOPE")


class State(NamedTuple):
    """``ce`` (subject,), mg/L."""

    ce: jnp.ndarray


def prepare(p, modes, dt, duration) -> effect.Step:
    """Constants of steps of ``dt`` days whose dose, if any, is infused over the first ``duration`` days of the step."""
    return effect.prepare(p["KE0"], modes, dt, duration)


def start(p) -> State:
    """Untreated."""
    return State(jnp.zeros_like(p["KE0"] * p["BASE"]))


def advance(k: effect.Step, state: State, c, dose=None) -> State:
    """One step. ``c`` [mode]: mode concentrations at its start, mg/L; ``dose``: mg given at its start, None for none."""
    return State(effect.advance(k, state.ce, c, dose))


def readings(p, state: State):
    """The true reading, (subject,)."""
    return (p["BASE"] - p["SLOPE"] * state.ce,)
