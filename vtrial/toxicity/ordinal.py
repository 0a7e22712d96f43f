"""Adverse events of a grade that come and go by cycle: diarrhoea, hand-foot syndrome, whatever else asks for another dose.

In each block of BLOCK days a patient has one spell, from a day uniform in the block, for LENGTH days; its grade is the number
of thresholds B1 < ... < B4 below::

    SHIFT + z + POWER log(Ce/CREF)          z ~ N(0, 1) by block,  dCe/dt = KE0 (C - Ce)

a cumulative probit with a patient's own SHIFT; without exposure there is none. The grade follows the exposure of the day.
"""

from math import ceil
from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import ndtr

from . import effect

THRESHOLDS = ("B1", "B2", "B3", "B4")
PARAMETERS = ("KE0", "CREF", "POWER", "SHIFT", *THRESHOLDS, "BLOCK", "LENGTH")


def luck(days, theta):
    """Names of the normal scores a subject needs over ``days``: of the spell's strength and of its onset, by block."""
    return tuple(f"{what}.{k}" for what in ("strength", "onset") for k in range(ceil(days / theta["BLOCK"]) + 1))


class State(NamedTuple):
    """``ce`` (subject,), mg/L; ``t`` days since the first dose."""

    ce: jnp.ndarray
    t: jnp.ndarray


class Step(NamedTuple):
    ce: effect.Step
    dt: float


def prepare(p, modes, dt, duration) -> Step:
    """Constants of steps of ``dt`` days whose dose, if any, is infused over the first ``duration`` days of the step."""
    return Step(effect.prepare(p["KE0"], modes, dt, duration), dt)


def start(p) -> State:
    """Untreated."""
    zero = jnp.zeros_like(p["KE0"] * p["SHIFT"])
    return State(zero, jnp.zeros((), zero.dtype))


def advance(k: Step, state: State, c, dose=None) -> State:
    """One step. ``c`` [mode]: mode concentrations at its start, mg/L; ``dose``: mg given at its start, None for none."""
    return State(effect.advance(k.ce, state.ce, c, dose), state.t + k.dt)


def readings(p, state: State):
    """The present grade, (subject,): of this block's spell or of one that lasts from the block before."""
    block = jnp.floor(state.t / p["BLOCK"].ravel()[0]).astype(int)
    heard = p["SHIFT"] + p["POWER"] * jnp.log(jnp.maximum(state.ce, 1e-30) / p["CREF"])
    strengths = [_strength(p, state, k) for k in (block, block - 1)]
    latent = heard + jnp.maximum(strengths[0], jnp.where(block > 0, strengths[1], -jnp.inf))
    grade = sum((latent > p[b]).astype(state.ce.dtype) for b in THRESHOLDS)
    return (jnp.where(state.ce > 0, grade, 0.0),)


def blocks(luck):
    """By block, (block, subject) each: the spells' ``strength``, and their ``onset`` as a share of the block."""
    count = len(luck) // 2
    rows = {what: jnp.stack([luck[f"{what}.{k}"] for k in range(count)]) for what in ("strength", "onset")}
    return rows | {"onset": ndtr(rows["onset"])}


def _strength(p, state, block):
    """Of a block's spell, (subject,); minus infinity where it has not begun or is over."""
    strength, onset = (jnp.take(p["blocks"][what], block, axis=0, mode="clip") for what in ("strength", "onset"))
    since = state.t - (block + onset) * p["BLOCK"]
    return jnp.where((since >= 0) & (since < p["LENGTH"]), strength, -jnp.inf)
