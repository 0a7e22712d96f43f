"""The hard look at a whole arm: subjects sampled one by one, dosed as their organs allow under the protocol's rules."""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..conduct import protocol, tally
from ..conduct.measure import rows
from ..library import organs, reporting
from . import hard
from .people import flat, frame, people
from .replicate import in_chunks, padded

# Tables of fewer rules are filled up, so that a protocol with other rules needs no new program.
RULES = 24
# What the names of days of a first grade 3 or more end in.
FIRST = "_first3plus_days"
# Subjects a chunk, as of `replicate`: of all organs and rules a subject carries several times as much.
CHUNK = 512


class Numbers(NamedTuple):
    """What may differ between protocols of one frame: the protocol itself and the time on treatment (cycle,)."""

    protocol: protocol.Protocol
    shares: np.ndarray


def numbers(arm, known=None):
    """The `Numbers` of an `arm.Arm`, under a tuple of `library.rules.Rules`, one a drug, other than its own."""
    return Numbers(protocol.protocol(arm, known or arm.rules, RULES), arm.shares)


def courses(arm, numbers, values, keys, subjects, keep=False):
    """The `conduct.protocol.Course` of sampled subjects over the days of the arm's cycles; arguments as of `people`."""
    of, days = frame(arm), arm.every * arm.cycles
    who = people(arm, of, numbers.shares, values, keys, subjects, days)
    return protocol.follow(of, numbers.protocol, who, days, keep)


def statistics(arm, known, values, key, *, replicates, tick=lambda n: None):
    """Statistics over replicates of an arm of its published size, name -> (replicate,), and the subjects that failed; days
    of a first event are NaN in a replicate in which nobody had one.

    ``values``: card path -> replacements, each (replicate,) or scalar; ``known`` the dose rules of each drug.
    """
    told, of, size = numbers(arm, known), hard.arm_key(key, arm), arm.n
    run = _compiled(arm, padded(size))
    plain = {(path, name): v for path, known in values.items() for name, v in known.items()}
    found, failed = in_chunks(lambda v, index: run(told, v, of, index, size), plain, size, replicates, tick, CHUNK)
    return dict(zip(names(arm), found.T, strict=True)), failed


@lru_cache(maxsize=64)
def _compiled(arm, size):
    def run(numbers, values, key, index, count):
        keys, subjects = flat(key, index, size)
        spread = {}
        for (path, name), v in values.items():
            spread.setdefault(path, {})[name] = jnp.repeat(v, size)
        course, there = courses(arm, numbers, spread, keys, subjects), subjects < count
        found, sound = means(arm, course, there, size)
        return found, (there & ~sound).reshape(len(index), size).sum(1)

    return jax.jit(run)


def means(arm, course, there, size):
    """Means (replicate, statistic) over the patients who are ``there``, (replicate x subject,), of a course; and who of all has
    a finite one. Of what is told of those in whom it happened a replicate without any is NaN."""
    rare = np.array([name.endswith(FIRST) for name in names(arm)])[:, None]
    each = jnp.stack(list(summary(arm, course).values()))
    true = jnp.stack([o.true for o in course.organs.values()])
    sound = ~jnp.isnan(each).any(0) & (jnp.isfinite(true).all(0) | ~there)
    counts = there & sound & jnp.isfinite(each)
    total, weight = (x.reshape(len(each), -1, size).sum(-1) for x in (jnp.where(counts, each, 0.0), counts))
    return jnp.where(rare & (weight == 0), jnp.nan, total / jnp.maximum(weight, 1)).T, sound


def names(arm):
    """Names of an arm's statistics."""
    return [n for n, _ in _named(arm)]


def summary(arm, course):
    """What each subject adds to the statistics, name -> (subject,): truth values, and numbers of which the mean is told over
    the subjects in whom they are finite."""
    return {n: jnp.asarray(get(course), float) for n, get in _named(arm)}


def _named(arm):
    """(name, what a subject adds to it) of every statistic of an arm."""
    for organ in arm.organs:
        if not organ.startswith(organs.OTHER):
            yield from _of_organ(organs.EVENTS.get(organ, organ), organ)
    for organ in reporting.shares():
        if organ in arm.organs:
            event = organs.EVENTS.get(organ, organ)
            yield f"{event}_reported_any", lambda c, o=organ: c.reported[o] >= 1
            yield f"{event}_reported_grade3plus", lambda c, o=organ: c.reported[o] >= tally.SEVERE
    if set(organs.LIVER) <= set(arm.organs):
        yield "hys_law", lambda c: c.hys_law
    for part, p in enumerate(arm.parts):
        for name, get in _DOSES.items():
            yield f"{name} {p.drug}", lambda c, part=part, get=get: get(c.doses[part], arm.parts[part], arm.every)
    for name in ("dose_reduced", "dose_delayed", "discontinued_ae"):
        yield name, lambda c, get=_DOSES[name]: sum(get(d, None, None) for d in c.doses) > 0
    yield (
        "dose_intensity",
        lambda c: sum(_intensity(d, p, arm.every) for d, p in zip(c.doses, arm.parts, strict=True)) / len(c.doses),
    )


def _of_organ(event, organ):
    """Rates of any grade and of grade 3 or more as measured; episodes and days of the latter, and the first day of it, of
    which the mean is over those who had one."""
    yield f"{event}_any", lambda c: c.organs[organ].worst >= 1
    yield f"{event}_grade3plus", lambda c: c.organs[organ].worst >= tally.SEVERE
    yield f"{event}_episodes3plus", lambda c: c.organs[organ].episodes
    yield f"{event}_days3plus", lambda c: c.organs[organ].days
    yield f"{event}{FIRST}", lambda c: c.organs[organ].first


def _intensity(doses, part, every):
    """What was given over what the plan would have given until a cycle after the last decision, (subject,)."""
    decided = doses.last + every if part.pack == 1 else doses.last + part.pack
    days = jnp.asarray(np.cumsum(np.tile(part.on, -(-4000 // len(part.on)))), float)
    planned = decided / part.gap[0] if part.pack == 1 else days[jnp.clip(decided - 1, 0, 3999).astype(int)]
    return jnp.where(doses.first > 0, doses.mg / (jnp.maximum(planned, 1) * jnp.maximum(doses.first, 1e-30)), 0.0)


_DOSES = {
    "dose_intensity": _intensity,
    "dose_reduced": lambda d, *_: d.reduced,
    "dose_delayed": lambda d, *_: d.held,
    "discontinued_ae": lambda d, *_: d.stopped >= 0,
}

__all__ = ["FIRST", "Numbers", "courses", "means", "names", "numbers", "rows", "statistics", "summary"]
