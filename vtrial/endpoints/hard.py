"""The hard look: subjects sampled one by one, measured with error, as a replay sees them."""

import jax
import jax.numpy as jnp

from .. import population
from ..conduct.course import course
from ..conduct.schedule import dose
from ..conduct.treatment import cycles_given
from .base import Look


def look(setting, values, key, subjects):
    """Counts of sampled subjects of an arm.

    Parameters
    ----------
    setting : Setting
    values : dict
        Replacements of card numbers (``theta.SLOPE``, ``omega.KD``, ``sigma.log``), scalars or (subject,).
    key : PRNG key
        Of the replicate. Subjects are dealt by identity: another arm, visit or random effect re-deals nobody.
    subjects : (subject,) int
        Identities.
    """
    arm = population.stream(key, f"{setting.trial}/{setting.arm}")
    names = population.score_names(setting.population, setting.pk, setting.fx)
    scores = population.deal(arm, subjects, [*names, "treatment", "noise.0"])
    covs = population.covariates(setting.population, scores)
    p = population.individuals(setting.pk, scores, covs)
    q = population.individuals(setting.fx, scores, covs, values)
    plan = setting.plan
    counts = course(
        setting.pk.structure, setting.fx.structure, p, q, dose(plan, covs), plan.every, plan.cycles, setting.infusion, plan.watch
    )
    return Look(
        log_x=jnp.log(counts),
        scale=jnp.log(q["CIRC0"])[None],
        scale_weight=jnp.ones(1),
        sigma=values.get("sigma.log", setting.fx.sigma["log"]),
        watch=plan.watch,
        looked=jnp.asarray(setting.looked),
        limits=setting.limits,
        given=cycles_given(setting.shares, scores["treatment"]),
        noise=_noise(arm, subjects, plan),
        noise0=scores["noise.0"],
    )


def _noise(key, subjects, plan):
    """Measurement scores (cycle, watch, subject), keyed by the study day so that a new visit re-deals none."""
    days = plan.every * jnp.arange(plan.cycles)[:, None] + jnp.asarray(plan.watch)
    stream = population.stream(key, "noise.platelets")

    def one(subject, day):
        return jax.random.normal(jax.random.fold_in(jax.random.fold_in(stream, subject), day))

    return jax.vmap(jax.vmap(jax.vmap(one, (0, None)), (None, 0)), (None, 0))(subjects, days)
