"""A course under a protocol, day by day in one scan: visits, measured counts, dose rules, the dose, the state after it.

What a protocol says is numbers (`Protocol`): rule tables of one size share one compiled program.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import toxicity
from . import grading, rules
from .course import day_of, start_of


class Protocol(NamedTuple):
    """``table``: the rules; ``doses`` (level,) in units of the subject's ``mg``; ``limits`` (grade,) of platelets;
    ``first`` and ``later`` (day,): whether the count so many days after a dose is taken, in the first and in later cycles."""

    table: rules.Table
    doses: np.ndarray
    limits: np.ndarray
    first: np.ndarray
    later: np.ndarray


class Course(NamedTuple):
    """``ledger``: the `rules.Entry` of each day, (day, subject) each; ``worst`` (subject,): worst grade measured on
    treatment; ``given`` (subject,): doses; ``mg`` (day, subject): what each day's dose was; ``level`` (day, subject): the
    count as a multiple of baseline at the start of each day."""

    ledger: rules.Entry
    worst: jnp.ndarray
    given: jnp.ndarray
    mg: jnp.ndarray
    level: jnp.ndarray


class _Carry(NamedTuple):
    state: tuple
    memory: rules.Memory
    worst: jnp.ndarray
    given: jnp.ndarray


def protocol(plan, known, limits, size=None):
    """The `Protocol` of an arm's `schedule.Plan` under `library.rules.Rules`, platelets graded by ``limits``.

    The highest level of the list is the plan's own dose; ``size`` is `rules.table`'s.
    """
    days = np.arange(plan.every + 1)
    visits = [np.isin(days, [d - 1 for d, made in zip(plan.watch, row, strict=True) if made]) for row in plan.looked]
    doses = plan.amount * np.array(known.levels) / known.levels[0]
    return Protocol(rules.table(known, size=size), doses, np.array(limits), visits[0], visits[-1])


def follow(of, protocol, mg, log_base, noise, cycles, days, every):
    """The `Course` of a cohort under a protocol.

    Parameters
    ----------
    of : Body
    protocol : Protocol
    mg : (subject,)
        Milligrams of one unit of dose.
    log_base : (subject,)
        Logarithm of the baseline count, 1e9/L.
    noise : callable
        Day -> (subject,) measurement error of that day's log count.
    cycles : (subject,)
        Doses a subject gets where no rule stops earlier.
    days, every : int
        Length of the course, and days between planned doses.
    """
    fx = toxicity.STRUCTURES[of.effect]

    def day(carry, d):
        level = fx.circulating(carry.state[1])
        count = jnp.exp(jnp.log(level) + log_base + noise(d))
        after, entry, worst = _visit(protocol, carry, d, count, cycles, every)
        given = entry.action == rules.GIVEN
        dose = jnp.where(given, jnp.asarray(protocol.doses)[entry.level], 0.0) * mg
        state = day_of(fx, of.pace, of.step, carry.state, dose)
        return _Carry(state, after, worst, carry.given + given), (entry, dose, level)

    none = jnp.zeros(mg.shape, jnp.int32)
    begin = _Carry(start_of(of.pace, of.start), rules.begin(protocol.table, len(mg)), none, none)
    end, (ledger, dosed, level) = jax.lax.scan(day, begin, jnp.arange(float(days)))
    return Course(ledger, end.worst, end.given, dosed, level)


def _visit(protocol, carry, d, count, cycles, every):
    """Memory after a day's decision, its ledger entry, and the worst grade so far."""
    due = (carry.memory.check <= d) & ~carry.memory.ended
    finished = due & (carry.given >= cycles)
    looked = _looked(protocol, carry, d, every) | (due & (carry.given > 0))
    scale = grading.Scale(-1, protocol.limits)
    grade = grading.grade(scale, count)
    worst = jnp.where(looked, jnp.maximum(carry.worst, grade), carry.worst)
    # the first dose is given to whomever the trial took in
    begun = carry.given > 0
    seen = {"platelets": jnp.where(begun, count, jnp.nan)}, {"platelets": jnp.where(begun, grade, 0)}
    x = rules.features(*seen, {})
    memory = carry.memory._replace(ended=carry.memory.ended | finished)
    after, entry = rules.decide(protocol.table, memory, d, x, looked, every)
    return after, entry, worst


def _looked(protocol, carry, d, every):
    since = (d - (carry.memory.planned - every)).astype(int)
    inside = (since >= 0) & (since <= every) & (carry.given > 0)
    at = jnp.clip(since, 0, every)
    return inside & jnp.where(carry.given == 1, jnp.asarray(protocol.first)[at], jnp.asarray(protocol.later)[at])


def frozen(of, mg):
    """The effect (day, subject) and the amounts (day, mode, subject) under fixed doses, ``mg`` (day, subject)."""
    fx = toxicity.STRUCTURES[of.effect]

    def day(carry, dose):
        return day_of(fx, of.pace, of.step, carry, dose), (fx.circulating(carry[1]), jnp.stack(carry[0]))

    return jax.lax.scan(day, start_of(of.pace, of.start), mg)[1]


__all__ = ["Course", "Protocol", "follow", "frozen", "protocol"]
