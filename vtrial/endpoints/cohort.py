"""Quasi-random subjects, dealt so that Sobol's best dimensions go to what moves the counts most.

Sobol points are evenest in their first dimensions. These become the right singular vectors of the sensitivity of the
log counts of a trial's typical patient to the scores: the first few directions carry nearly all there is to integrate.
A rotation of standard-normal scores changes no distribution.
"""

from dataclasses import dataclass
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from .. import population
from ..conduct.course import course
from . import TABLE


@dataclass(frozen=True)
class Cohort:
    """Quasi-random scores (name -> (subject,)) shared by every parameter value."""

    scores: dict

    @classmethod
    def make(cls, settings, rows, n, seed):
        """Scores for every arm's subjects, and for the measurements of endpoints that cannot be integrated over them."""
        names = dict.fromkeys(n for s in settings for n in population.score_names(s.population, s.pk, s.fx))
        names.pop("eta.CIRC0", None)
        noisy = {(r.trial, r.arm) for r in rows if TABLE[r.endpoint].noisy}
        marks = dict.fromkeys(m for s in settings if (s.trial, s.arm) in noisy for m in noise_names(s.plan))
        steps = [n for s in settings for n, m in s.population.marginals.items() if m.distribution == "bernoulli"]
        smooth = [n for n in names if n not in steps]
        # a yes or no has no derivative to rank it by: it keeps a Sobol dimension of its own, the first
        order = [*(n for n in names if n in steps), *smooth, *marks]
        scores = population.quasi(order, n, seed)
        largest = max(settings, key=lambda s: s.n)
        turned = directions(_sensitivity(largest, tuple(names), tuple(smooth))) @ np.stack([scores[n] for n in smooth])
        return cls({**scores, **dict(zip(smooth, turned, strict=True)), "eta.CIRC0": np.zeros(n)})


def noise_names(plan):
    """Names of the measurement scores of an arm's baseline and visits."""
    return ["noise.0", *(f"noise.{c}.{d}" for c in range(1, plan.cycles + 1) for d in plan.watch)]


def directions(sensitivity):
    """Orthogonal matrix (score, direction) of the right singular vectors of a sensitivity (output, score), the largest
    first, each with its largest entry positive; what no output sees completes them."""
    _, size, rows = np.linalg.svd(sensitivity, full_matrices=False)
    seen = rows[size > 1e-6 * size[0]]
    seen = seen * np.sign(np.take_along_axis(seen, np.abs(seen).argmax(1)[:, None], 1))
    # the null space by Householder's reflections of the axes: the same on every machine
    whole, r = np.linalg.qr(np.concatenate([seen.T, np.eye(sensitivity.shape[1])], 1))
    return whole * np.where(np.arange(len(whole)) < len(seen), np.sign(np.diag(r)), 1.0)


@lru_cache(8)
def _sensitivity(s, names, smooth):
    """Derivative of the typical patient's log counts at the visits of a `Setting` by the smooth scores, (visit, score)."""

    def log_counts(z):
        scores = dict.fromkeys([*names, "eta.CIRC0"], jnp.zeros(1)) | dict(zip(smooth, z[:, None], strict=True))
        covs = population.covariates(s.population, scores)
        p, q = (population.individuals(card, scores, covs) for card in (s.pk, s.fx))
        mg = s.plan.amount * (covs["WT"] if s.plan.per_kg else jnp.ones(1))
        regimen = s.plan.every, s.plan.cycles, s.infusion, s.plan.watch
        return jnp.log(course(s.pk.structure, s.fx.structure, p, q, mg, *regimen)).ravel()

    # numbers, also where a caller is being traced
    with jax.ensure_compile_time_eval():
        return np.asarray(jax.jit(jax.jacfwd(log_counts))(np.zeros(len(smooth))))


__all__ = ["Cohort", "directions", "noise_names"]
