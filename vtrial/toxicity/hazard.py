"""Time to a first event under exposure, its grade, and what becomes of it: interstitial lung disease.

::

    dCe/dt = KE0 (C - Ce)                                                 exposure, with a wash-out
    dH/dt  = HAZ dF/dt (Ce/CREF)^POWER,  F = u^SHAPE / (1 + u^SHAPE)      u = t/SCALE, t: days since the first dose
    dW/dt  = WORSEN (Ce/CREF)^POWER                                       while ill

The time factor is the density of a log-logistic time: it rises, has its top and falls, so that HAZ is all the hazard there
is under the reference exposure for ever. The event comes when H passes a unit exponential, so that it accrues under exposure
only and competes with whatever ends treatment. At onset the grade is at least g with probability Pg; it rises by one
whenever W passes the next event of a unit Poisson process; RECOVERY days after onset the patient is well, unless dead
(grade 5). HAZ carries covariates and the frailty.

The exposure over a step is that of its middle, by the mean of its ends.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import log_ndtr, ndtr

from . import effect

PARAMETERS = (
    *("KE0", "HAZ", "SHAPE", "SCALE", "CREF", "POWER"),
    *("P2", "P3", "P4", "P5", "WORSEN", "RECOVERY"),
)
DEATH = 5
NEVER = jnp.inf


def luck(days, theta):
    """Names of the normal scores a subject needs."""
    return ("onset", "grade", *(f"worse.{k}" for k in range(1, DEATH)))


class State(NamedTuple):
    """``ce`` mg/L, cumulative hazard ``h``, worsening ``w``, day of ``onset`` (`NEVER`), each (subject,); ``t`` days."""

    ce: jnp.ndarray
    h: jnp.ndarray
    w: jnp.ndarray
    onset: jnp.ndarray
    t: jnp.ndarray


class Step(NamedTuple):
    """The effect compartment, the subject's parameters, and its luck as exponentials: of the onset, of each worsening."""

    ce: effect.Step
    p: dict
    at: jnp.ndarray
    dt: float


def prepare(p, modes, dt, duration) -> Step:
    """Constants of steps of ``dt`` days whose dose, if any, is infused over the first ``duration`` days of the step."""
    at = -log_ndtr(p["luck"]["onset"])
    return Step(effect.prepare(p["KE0"], modes, dt, duration), {k: p[k] for k in PARAMETERS}, at, dt)


def start(p) -> State:
    """Untreated."""
    zero = jnp.zeros_like(p["KE0"] * p["HAZ"])
    return State(zero, zero, zero, zero + NEVER, jnp.zeros((), zero.dtype))


def advance(k: Step, state: State, c, dose=None) -> State:
    """One step. ``c`` [mode]: mode concentrations at its start, mg/L; ``dose``: mg given at its start, None for none."""
    p, t = k.p, state.t + k.dt
    ce = effect.advance(k.ce, state.ce, c, dose)
    felt = exposure(p, (ce + state.ce) / 2)
    well = jnp.isinf(state.onset)
    grown = p["HAZ"] * (_clock(p, t) - _clock(p, state.t)) * felt
    h = state.h + jnp.where(well, grown, 0.0)
    ill = ~well & (t <= state.onset + p["RECOVERY"])
    w = state.w + jnp.where(ill, p["WORSEN"] * k.dt * felt, 0.0)
    return State(ce, h, w, jnp.where(well & (h >= k.at), t, state.onset), t)


def exposure(p, ce):
    """``(Ce/CREF)^POWER``, zero without exposure."""
    return jnp.where(ce > 0, jnp.exp(p["POWER"] * jnp.log(jnp.maximum(ce, 1e-30) / p["CREF"])), 0.0)


def worst(p, state: State):
    """The worst grade up to now, (subject,): 0 before onset."""
    u = ndtr(p["luck"]["grade"])
    grade = 1.0 + sum(u < p[f"P{g}"] for g in range(2, DEATH + 1))
    passed = 0.0
    for k in range(1, DEATH):
        passed = passed - log_ndtr(p["luck"][f"worse.{k}"])
        grade = grade + (state.w >= passed)
    return jnp.where(jnp.isinf(state.onset), 0.0, jnp.minimum(grade, float(DEATH)))


def readings(p, state: State):
    """The present grade, (subject,): 0 before onset and after recovery."""
    grade = worst(p, state)
    well = (state.t > state.onset + p["RECOVERY"]) & (grade < DEATH)
    return (jnp.where(well, 0.0, grade),)


def _clock(p, t):
    u = (t / p["SCALE"]) ** p["SHAPE"]
    return u / (1 + u)
