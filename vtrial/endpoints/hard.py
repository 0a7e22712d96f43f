"""The hard look: subjects sampled one by one, measured with error, as a replay sees them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import population
from ..conduct.course import body, calendar, run, watched
from ..conduct.treatment import cycles_given
from .base import Look


class Frame(NamedTuple):
    """What shapes the compiled program of an arm: arms that share it are compiled once."""

    pk: object
    fx: object
    population: object
    infusion: float
    per_kg: bool
    every: int
    cycles: int
    watch: tuple


class Numbers(NamedTuple):
    """What may differ between arms of one frame: dose, protocol's visits, grading limits, time on treatment."""

    amount: float
    looked: np.ndarray  # (cycle, watch)
    limits: np.ndarray  # (grade,)
    shares: np.ndarray  # (cycle,)


def split(setting):
    """The `Frame` and the `Numbers` of a setting."""
    plan = setting.plan
    frame = Frame(
        setting.pk, setting.fx, setting.population, setting.infusion, plan.per_kg, plan.every, plan.cycles, plan.watch
    )
    return frame, Numbers(plan.amount, setting.looked, np.array(setting.limits), setting.shares)


def arm_key(key, setting):
    """The key of an arm, by its name: another arm in the trial re-deals nobody."""
    return population.stream(key, f"{setting.trial}/{setting.arm}")


def look(frame, numbers, values, key, subjects):
    """Counts of sampled subjects of an arm.

    Parameters
    ----------
    frame, numbers : Frame, Numbers
        Of the arm's setting.
    values : dict
        Replacements of card numbers (``theta.SLOPE``, ``omega.KD``, ``sigma.log``), scalars or (subject,).
    key : PRNG key
        Of the arm in this replicate. Subjects are dealt by identity: a new visit or random effect re-deals nobody.
    subjects : (subject,) int
        Identities.
    """
    names = population.score_names(frame.population, frame.pk, frame.fx)
    scores = population.deal(key, subjects, [*names, "treatment", "noise.0"])
    covs = population.covariates(frame.population, scores)
    p = population.individuals(frame.pk, scores, covs)
    q = population.individuals(frame.fx, scores, covs, values)
    of = body(frame.pk.structure, frame.fx.structure, p, q, frame.infusion)
    doses = calendar(frame.every, frame.every * frame.cycles, numbers.amount)
    counts = run(of, doses, covs["WT"] if frame.per_kg else jnp.ones_like(q["MTT"]))
    return Look(
        log_x=jnp.log(watched(counts, frame.every, frame.cycles, frame.watch)),
        scale=jnp.log(q["CIRC0"])[None],
        scale_weight=jnp.ones(1),
        sigma=values.get("sigma.log", frame.fx.sigma["log"]),
        watch=frame.watch,
        looked=jnp.asarray(numbers.looked),
        limits=numbers.limits,
        given=cycles_given(numbers.shares, scores["treatment"]),
        noise=_noise(key, subjects, frame),
        noise0=scores["noise.0"],
    )


def _noise(key, subjects, frame):
    """Measurement scores (cycle, watch, subject), keyed by the study day so that a new visit re-deals none."""
    days = frame.every * jnp.arange(frame.cycles)[:, None] + jnp.asarray(frame.watch)
    return jax.vmap(jax.vmap(lambda day: errors_on(key, subjects, day)))(days)


def errors_on(key, subjects, day):
    """Measurement scores (subject,) of the count on a study day."""
    stream = population.stream(key, "noise.platelets")
    return jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(jax.random.fold_in(stream, i), day)))(subjects)
