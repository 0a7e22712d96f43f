"""The course of a cohort: a scan over days carrying PK amounts and effect state, subjects on the last axis."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from .. import pk, toxicity
from ..pk import modes as pkmodes


class Body(NamedTuple):
    """What a day does to each subject: the PK's pace, the effect's step, and the untreated state to start from."""

    effect: str
    pace: pkmodes.Pace
    step: tuple
    start: tuple


def body(pk_structure, fx_structure, p, q, infusion):
    """The `Body` of subjects.

    Parameters
    ----------
    pk_structure, fx_structure : str
        Names of structures.
    p, q : dict
        PK and effect parameters in internal units, each (subject,).
    infusion : float
        Days a dose takes, at the start of its day.
    """
    fx = toxicity.STRUCTURES[fx_structure]
    modes = pk.STRUCTURES[pk_structure].modes(p)
    return Body(fx_structure, pkmodes.pace(modes, 1.0, infusion), fx.prepare(q, modes, 1.0, infusion), fx.start(q))


def run(of, doses, mg):
    """Daily effect under a dosing calendar, as a multiple of baseline: (day, ..., subject).

    ``doses`` (day, ...) in units of ``mg`` (subject,), given at the start of the day; further axes are calendars run
    side by side for the same subjects. Row ``i`` is the count ``i + 1`` days after the start, before that day's dose.
    """
    fx = toxicity.STRUCTURES[of.effect]

    def day(carry, amount):
        carry = day_of(fx, of.pace, of.step, carry, amount[..., None] * mg)
        return carry, fx.circulating(carry[1])

    side = jnp.ones((*doses.shape[1:], 1))
    begin = jax.tree.map(lambda row: row * side, start_of(of.pace, of.start))
    # the reverse pass recomputes a day instead of storing it: quicker, and small
    return jax.lax.scan(jax.checkpoint(day), begin, doses)[1]


def start_of(pace, start):
    """The carry before any dose: (mode concentrations, a row a mode; effect state)."""
    return tuple(jnp.zeros_like(row) for row in pace.left), start


def day_of(fx, pace, step, carry, dose):
    """One day on, with ``dose`` mg (subject,) infused at its start, None for none."""
    c, state = carry
    given = 0.0 if dose is None else dose
    after = tuple(a * left + given * gain for a, left, gain in zip(c, pace.left, pace.gain, strict=True))
    return after, fx.advance(step, state, c, dose)


def calendar(every, days, amount=1.0):
    """(day,) doses of ``amount`` every ``every`` days from day one."""
    return jnp.where(jnp.arange(days) % every == 0, amount, 0.0)


def watched(counts, every, cycles, watch):
    """(day, subject) -> (cycle, watch, subject): day ``d`` of a cycle is ``d - 1`` days after its dose."""
    return counts[: every * cycles].reshape(cycles, every, -1)[:, jnp.array([d - 2 for d in watch])]


def course(pk_structure, fx_structure, p, q, dose, every, cycles, infusion, watch):
    """Effect on the days ``watch`` of each cycle of one regimen, ``dose`` mg (subject,) a cycle: (cycle, watch, subject)."""
    doses = calendar(every, every * cycles)
    counts = run(body(pk_structure, fx_structure, p, q, infusion), doses, dose * jnp.ones_like(q["MTT"]))
    return watched(counts, every, cycles, watch)
