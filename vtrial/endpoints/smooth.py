"""The smooth look: a fixed quasi-random cohort whose endpoints are expectations over measurement and treatment time.

The baseline CIRC0 only scales counts, so its random effect is integrated out on a grid of normal nodes instead of
taking a quasi-random dimension: the grade rows then need a quarter of the subjects.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from .. import population
from ..conduct.course import course
from ..conduct.schedule import dose
from . import TABLE, share
from .base import Look

_Z = np.linspace(-3.5, 3.5, 11)
_Z_WEIGHT = np.exp(-(_Z**2) / 2) / np.exp(-(_Z**2) / 2).sum()


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
        marks = [m for s in settings if (s.trial, s.arm) in noisy for m in _marks(s.plan)]
        first = [f"eta.{e}" for e in ("SLOPE", "KD", "MTT") if f"eta.{e}" in names]
        order = dict.fromkeys([*first, *names, *marks])
        return cls({**population.quasi(list(order), n, seed), "eta.CIRC0": np.zeros(n)})


def predictor(settings, rows, cohort):
    """``predict(values) -> (row,)``: the expected statistic of each row, differentiable in every value.

    ``settings`` maps (trial, arm) to `Setting`; arms that share drug, population, dose and interval share one course.
    """

    def predict(values):
        looks = _looks(settings, cohort, values)
        return jnp.stack([_statistic(row, looks[row.trial, row.arm]) for row in rows])

    return predict


def _statistic(row, look):
    return share(TABLE[row.endpoint].smooth(look, **row.options))


def _looks(settings, cohort, values):
    courses, out = {}, {}
    for batch in _batches(settings.values()):
        courses |= _run(batch, cohort.scores, values)
    for name, s in settings.items():
        log_x, watch, q = courses[_share_key(s)]
        pick = jnp.array([watch.index(d) for d in s.plan.watch])
        omega = values.get("omega.CIRC0", np.sqrt(s.fx.omega[s.fx.etas.index("CIRC0")] @ np.eye(len(s.fx.etas))[s.fx.etas.index("CIRC0")]))
        out[name] = Look(
            log_x=log_x[: s.plan.cycles, pick],
            scale=jnp.log(q["CIRC0"]) + omega * _Z[:, None],
            scale_weight=jnp.asarray(_Z_WEIGHT)[:, None] * jnp.ones_like(q["CIRC0"]),
            sigma=values.get("sigma.log", s.fx.sigma["log"]),
            watch=s.plan.watch,
            looked=s.looked,
            limits=s.limits,
            shares=jnp.asarray(s.shares),
            **_noise(s.plan, cohort.scores),
        )
    return out


def _share_key(s):
    return s.pk.path, s.fx.path, s.population.path, s.plan.every, s.plan.per_kg, s.plan.amount


def _batches(settings):
    """Arms in groups that one scan serves: first by identical dosing, then by equal length."""
    same = {}
    for s in settings:
        same.setdefault(_share_key(s), []).append(s)
    equal = {}
    for group in same.values():
        longest = max(s.plan.cycles for s in group)
        equal.setdefault((*_share_key(group[0])[:-1], longest), []).append(group)
    return equal.values()


def _run(groups, scores, values):
    """One scan over all doses of a batch: subjects side by side."""
    s = groups[0][0]
    covs = population.covariates(s.population, scores)
    p = population.individuals(s.pk, scores, covs)
    q = population.individuals(s.fx, scores, covs, values)
    cycles = max(m.plan.cycles for g in groups for m in g)
    watch = tuple(sorted({d for g in groups for m in g for d in m.plan.watch}))
    doses = jnp.concatenate([dose(g[0].plan, covs) for g in groups])
    side = lambda d: {k: jnp.tile(v, len(groups)) for k, v in d.items()}  # noqa: E731
    x = course(s.pk.structure, s.fx.structure, side(p), side(q), doses, s.plan.every, cycles, s.infusion, watch)
    parts = jnp.split(jnp.log(x), len(groups), axis=-1)
    return {_share_key(g[0]): (part, watch, q) for g, part in zip(groups, parts, strict=True)}


def _marks(plan):
    return ["noise.0", *(f"noise.{c}.{d}" for c in range(1, plan.cycles + 1) for d in plan.watch)]


def _noise(plan, scores):
    if not set(_marks(plan)) <= set(scores):
        return {}
    grid = [[scores[f"noise.{c}.{d}"] for d in plan.watch] for c in range(1, plan.cycles + 1)]
    return {"noise": jnp.asarray(np.array(grid)), "noise0": jnp.asarray(scores["noise.0"])}
