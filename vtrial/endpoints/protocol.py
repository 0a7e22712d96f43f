"""The hard look under a protocol's dose rules: subjects sampled one by one, dosed as their counts allow."""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import population
from ..conduct import rules
from ..conduct.course import body
from ..conduct.protocol import follow, protocol
from ..conduct.treatment import cycles_given
from . import hard
from .replicate import in_chunks, padded

# Tables of fewer rules are filled up, so that a protocol with other rules needs no new program.
RULES = 24


class Numbers(NamedTuple):
    """What may differ between protocols of one frame: the protocol itself and the time on treatment (cycle,)."""

    protocol: object
    shares: np.ndarray


def numbers(setting, known):
    """The `Numbers` of a setting under `library.rules.Rules`."""
    return Numbers(protocol(setting.plan, known, setting.limits, RULES), setting.shares)


def courses(frame, numbers, values, key, subjects):
    """The `conduct.protocol.Course` of sampled subjects of an arm, dealt like `hard.look` deals them, over the days of the
    plan's cycles."""
    names = population.score_names(frame.population, frame.pk, frame.fx)
    scores = population.deal(key, subjects, [*names, "treatment"])
    covs = population.covariates(frame.population, scores)
    p = population.individuals(frame.pk, scores, covs)
    q = population.individuals(frame.fx, scores, covs, values)
    of = body(frame.pk.structure, frame.fx.structure, p, q, frame.infusion)
    mg = covs["WT"] if frame.per_kg else jnp.ones_like(q["MTT"])
    cycles = cycles_given(numbers.shares, scores["treatment"])
    sigma, days = values.get("sigma.log", frame.fx.sigma["log"]), frame.every * frame.cycles

    def noise(d):
        # the same as `hard.look` has on that day of the study, which counts from 1
        return sigma * hard.errors_on(key, subjects, d.astype(int) + 1)

    return follow(of, numbers.protocol, mg, jnp.log(q["CIRC0"]), noise, cycles, days, frame.every)


STATISTICS = (
    "thrombocytopenia_any",
    "thrombocytopenia_grade3plus",
    "dose_intensity",
    "dose_reduced",
    "dose_delayed",
    "discontinued_ae",
)


def summary(course, every, size):
    """`STATISTICS` of the first ``size`` subjects of a `Course`, (statistic,), and how many courses were not finite.

    Dose intensity is what was given over what the plan would have given until a cycle after the last dose. Shares are of
    subjects whose course is finite.
    """
    sound = jnp.isfinite(course.level).all(0) & (jnp.arange(len(course.given)) < size)
    action = course.ledger.action
    mine = action == rules.GIVEN
    last = jnp.max(jnp.where(mine, jnp.arange(len(action))[:, None], 0), 0)
    first = jnp.max(course.mg[:1], 0)
    planned = first * (last + every) / every
    each = (
        course.worst >= 1,
        course.worst >= 3,
        course.mg.sum(0) / planned,
        (mine & (course.ledger.level > 0)).any(0),
        (action == rules.HELD).any(0),
        (action == rules.STOPPED).any(0),
    )
    count = jnp.maximum(sound.sum(), 1)
    return jnp.stack([jnp.where(sound, e, 0).sum() / count for e in each]), (jnp.arange(len(sound)) < size).sum() - sound.sum()


def statistics(setting, known, values, key, *, replicates, tick=lambda n: None):
    """`STATISTICS` over replicates of an arm of its published size, (replicate, statistic), and the subjects that failed.

    ``values`` are card replacements, each (replicate,) or scalar; ``known`` the dose rules.
    """
    frame, _ = hard.split(setting)
    told, arm, size = numbers(setting, known), hard.arm_key(key, setting), setting.n
    run = _compiled(frame, padded(size))
    return in_chunks(lambda v, index: run(told, v, arm, index, size), values, size, replicates, tick)


@lru_cache(maxsize=64)
def _compiled(frame, size):
    def one(numbers, values, key, index, count):
        course = courses(frame, numbers, values, jax.random.fold_in(key, index), jnp.arange(size))
        return summary(course, frame.every, count)

    return jax.jit(jax.vmap(one, (None, 0, None, 0, None)))


__all__ = ["STATISTICS", "courses", "numbers", "statistics", "summary"]
