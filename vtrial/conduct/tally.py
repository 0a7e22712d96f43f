"""What is kept of an arm's course while it runs: worst grades, episodes of grade 3 and more, doses."""

from typing import NamedTuple

import jax.numpy as jnp

SEVERE = 3


class Organ(NamedTuple):
    """Of one organ, (subject,) each: ``worst`` grade measured; ``true``: the highest or lowest true value, or true grade;
    ``first`` day of a measured grade 3 or more (inf: none), ``episodes`` of it, whether it ``lasts``, and for how many
    ``days`` it lasted between the visits that saw it begin and end."""

    worst: jnp.ndarray
    true: jnp.ndarray
    first: jnp.ndarray
    episodes: jnp.ndarray
    lasts: jnp.ndarray
    days: jnp.ndarray


class Doses(NamedTuple):
    """Of one drug, (subject,) each: decisions that ``given``, the ``last`` such day, ``mg`` in all and of the ``first`` day,
    and whether any dose was ``reduced`` or ``held``, or treatment ``stopped`` by a rule (its index, -1: by none)."""

    given: jnp.ndarray
    last: jnp.ndarray
    mg: jnp.ndarray
    first: jnp.ndarray
    reduced: jnp.ndarray
    held: jnp.ndarray
    stopped: jnp.ndarray


def organ(true, side) -> Organ:
    """Before any measurement; ``side`` 1: higher is worse."""
    zero = jnp.zeros_like(true)
    none = zero.astype(jnp.int8)
    return Organ(none, jnp.full_like(true, -side * jnp.inf), zero + jnp.inf, none, none > 0, zero)


def doses(mg) -> Doses:
    """Before any dose."""
    zero = jnp.zeros_like(mg)
    no = zero > 0
    return Doses(jnp.zeros(mg.shape, jnp.int32), zero - jnp.inf, zero, zero, no, no, jnp.full(mg.shape, -1, jnp.int8))


def seen(tally: Organ, grade, drawn, day, before) -> Organ:
    """After a measurement of those ``drawn``; ``before``: the day of the last one."""
    severe = grade >= SEVERE
    fresh = drawn & severe & ~tally.lasts
    return Organ(
        worst=jnp.where(drawn, jnp.maximum(tally.worst, grade.astype(jnp.int8)), tally.worst),
        true=tally.true,
        first=jnp.where(fresh, jnp.minimum(tally.first, day), tally.first),
        episodes=tally.episodes + fresh.astype(jnp.int8),
        lasts=jnp.where(drawn, severe, tally.lasts),
        days=tally.days + jnp.where(drawn & tally.lasts, day - before, 0.0),
    )


def lived(tally: Organ, true, side) -> Organ:
    """After a day of true values."""
    worse = jnp.maximum if side > 0 else jnp.minimum
    return tally._replace(true=worse(tally.true, true))


def decided(tally: Doses, action, level, reason, day, codes, counted=True) -> Doses:
    """After a decision; ``codes`` of the actions given, held and stopped. What is not ``counted`` any more (subject,) moves
    the calendar only."""
    given, held, stopped = (action == c for c in codes)
    return tally._replace(
        given=tally.given + given,
        last=jnp.where(given, day, tally.last),
        reduced=tally.reduced | (given & (level > 0) & counted),
        held=tally.held | (held & counted),
        stopped=jnp.where(stopped & counted, reason, tally.stopped),
    )


def dosed(tally: Doses, mg, day) -> Doses:
    """After a day's dose."""
    return tally._replace(mg=tally.mg + mg, first=jnp.where(day == 0, mg, tally.first))
