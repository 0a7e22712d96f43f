"""What any trial is told of by the joint look: rates, doses, response and survival, per arm and per contrast."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from ... import population
from .. import protocol, replicate
from ..outcome import replicate as outcomes
from ..outcome import rows as outcome_rows
from ..outcome import summary
from .replicate import CHUNK, patients_of


def statistics(trial, plans, known, values, key, *, replicates, tick=lambda n: None):
    """Statistics over replicates of arms under dose rules.

    Parameters
    ----------
    trial : library.trials.Trial
    plans : dict
        Arm -> `plan.Plan`.
    known : dict
        Arm -> dose rules, one a drug.
    values : dict
        Card path -> replacements, each (replicate,) or scalar.

    Returns
    -------
    dict
        Arm -> name -> (replicate,), as of `endpoints.protocol.statistics`.
    dict
        (arm or contrast, name) -> (replicate,), as of `endpoints.outcome.summary.statistics`.
    int
        Subjects that failed.
    """
    run, places = _compiled(trial, tuple(plans.values())), population.stream(key, trial.name)
    numbers = tuple(protocol.numbers(p.course, known[a]) for a, p in plans.items())
    plain = {(path, name): v for path, row in values.items() for name, v in row.items()}
    size = sum(p.setting.n for p in plans.values())
    out, failed = replicate.in_chunks(lambda v, i: run(numbers, v, places, key, i), plain, size, replicates, tick, CHUNK)
    told, at = {}, 0
    for a, p in plans.items():
        names = protocol.names(p.course)
        told[a], at = dict(zip(names, out[:, at : at + len(names)].T, strict=True)), at + len(names)
    names, _ = zip(*summary.rows(trial, {a: p.setting for a, p in plans.items()}), strict=True)
    return told, dict(zip(names, out[:, at:].T, strict=True)), failed


@lru_cache(maxsize=16)
def _compiled(trial, plans):
    settings = {p.arm: p.setting for p in plans}
    wanted = [row for _, row in summary.rows(trial, settings)]
    looks = sorted({outcome_rows.look(r, trial) for r in wanted})

    def run(numbers, values, places, key, index):
        of = {p.arm: patients_of(p, n, values, places, key, index) for p, n in zip(plans, numbers, strict=True)}
        organs, failed = zip(*(_means(p, of[p.arm]) for p in plans), strict=True)
        dealt = {a: (p.tumour, p.known) for a, p in of.items()}
        days = {c: outcomes.day_of(trial, c, settings.values(), dealt, len(index)) for c in dict.fromkeys(c for _, c in looks)}
        seen = {a: outcomes.seen_by(s, *dealt[a], looks, days) for a, s in settings.items()}
        memo, stats = {}, []
        for r in wanted:
            pairs = {a: seen[a][outcome_rows.look(r, trial)] for a in r.arms}
            stats.append(outcome_rows.hard(r, trial, pairs, memo))
        return jnp.concatenate([*organs, jnp.stack(stats, 1)], 1), sum(failed)

    return jax.jit(run)


def _means(plan, p):
    """Means (replicate, statistic) over the treated who have joined by the day on which organs are counted; who failed."""
    n = plan.setting.n
    treated = jnp.tile(jnp.asarray(np.arange(n) < plan.course.n), len(p.followed) // n)
    there = treated & (p.tumour.joined < plan.closed)
    found, sound = protocol.means(plan.course, p.course, there, n)
    return found, (there & ~sound).reshape(-1, n).sum(1)


__all__ = ["statistics"]
