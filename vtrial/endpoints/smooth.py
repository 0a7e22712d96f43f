"""The smooth look: a fixed quasi-random cohort whose endpoints are expectations over measurement and treatment time.

The baseline CIRC0 only scales counts, so its random effect is integrated out on a grid of normal nodes instead of
taking a quasi-random dimension: the grade rows then need a quarter of the subjects.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from .. import population
from ..conduct.course import body, calendar, run, watched
from . import TABLE, share
from .base import Look
from .cohort import noise_names

# An arm of so few patients has a sampling error that a quarter of the subjects is far below.
SMALL_ARM = 16
PART = 256
_Z = np.linspace(-3.5, 3.5, 11)
_Z_WEIGHT = np.exp(-(_Z**2) / 2) / np.exp(-(_Z**2) / 2).sum()


def predictor(settings, rows, cohort, guard=lambda parameters: parameters):
    """``predict(values) -> (row,)``: the expected statistic of each row, differentiable in every value.

    ``settings`` maps (trial, arm) to `Setting`; arms that share drug, population, dose and interval share one course.
    ``guard`` sees the effect parameters of the subjects before their course is run (`calm.calm` bounds their gradient).
    """

    def predict(values):
        looks = _looks(settings, cohort, values, guard)
        return jnp.stack([_statistic(row, looks[row.trial, row.arm]) for row in rows])

    return predict


def _statistic(row, look):
    return share(TABLE[row.endpoint].smooth(look, **row.options))


def _looks(settings, cohort, values, guard):
    bodies, out = {}, {}
    for group in _alike(settings.values()):
        bodies |= _run(group, cohort.scores, values, guard)
    for name, s in settings.items():
        counts, q = bodies[_regimen(s)]
        out[name] = Look(
            log_x=jnp.log(watched(counts, s.plan.every, s.plan.cycles, s.plan.watch)),
            scale=jnp.log(q["CIRC0"]) + values.get("omega.CIRC0", s.fx.sd("CIRC0")) * _Z[:, None],
            scale_weight=jnp.asarray(_Z_WEIGHT)[:, None] * jnp.ones_like(q["CIRC0"]),
            sigma=values.get("sigma.log", s.fx.sigma["log"]),
            watch=s.plan.watch,
            looked=s.looked,
            limits=s.limits,
            shares=jnp.asarray(s.shares),
            **_noise(s.plan, cohort.scores, counts.shape[-1]),
        )
    return out


def _cards(s):
    """What makes subjects the same subjects."""
    return s.pk.path, s.fx.path, s.population.path, s.infusion, s.plan.per_kg


def _regimen(s):
    return *_cards(s), s.plan.every, s.plan.amount


def _alike(settings):
    """Arms with the same subjects."""
    groups = {}
    for s in settings:
        groups.setdefault(_cards(s), []).append(s)
    return groups.values()


def _run(group, scores, values, guard):
    """Daily counts of each regimen of the same subjects."""
    s = group[0]
    covs = population.covariates(s.population, scores)
    q = guard(population.individuals(s.fx, scores, covs, values))
    of = body(s.pk.structure, s.fx.structure, population.individuals(s.pk, scores, covs), q, s.infusion)
    mg = covs["WT"] if s.plan.per_kg else jnp.ones_like(covs["WT"])
    out = {}
    for (length, size), regimens in _side_by_side(group, mg.shape[-1]).items():
        few = partial(jax.tree.map, lambda a, n=size: a[..., :n])
        part = of._replace(pace=few(of.pace), step=few(of.step), start=few(of.start))
        counts = _in_parts(part, jnp.stack([calendar(r[-2], length, r[-1]) for r in regimens], 1), few(mg))
        out |= {r: (counts[:, i], few(q)) for i, r in enumerate(regimens)}
    return out


def _in_parts(of, doses, mg):
    """`run` on parts of the subjects, one after the other, that the processor's nearest memory holds."""
    if mg.shape[-1] <= PART:
        return run(of, doses, mg)

    def split(a):
        return jnp.moveaxis(a.reshape(*a.shape[:-1], -1, PART), -2, 0)

    parts = jax.tree.map(split, ((of.pace, of.step, of.start), mg))
    counts = jax.lax.map(lambda p: run(of._replace(pace=p[0][0], step=p[0][1], start=p[0][2]), doses, p[1]), parts)
    return jnp.moveaxis(counts, 0, -2).reshape(*counts.shape[1:-1], -1)


def _side_by_side(group, size):
    """(days, subjects) -> regimens that one scan serves; dose-escalation cohorts take the first quarter of the subjects."""
    days, largest, out = {}, {}, {}
    for s in group:
        r = _regimen(s)
        days[r] = max(days.get(r, 0), s.plan.every * s.plan.cycles)
        largest[r] = max(largest.get(r, 0), s.n)
    for r, length in days.items():
        out.setdefault((length, size if largest[r] > SMALL_ARM else max(size // 4, 1)), []).append(r)
    return out


def _noise(plan, scores, size):
    if not set(noise_names(plan)) <= set(scores):
        return {}
    grid = [[scores[f"noise.{c}.{d}"][:size] for d in plan.watch] for c in range(1, plan.cycles + 1)]
    return {"noise": jnp.asarray(grid), "noise0": jnp.asarray(scores["noise.0"][:size])}
