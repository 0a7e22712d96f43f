"""Replicate trials of the joint look: all arms of a trial, one set of parameter values a replicate, statistics of every row."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from ... import population
from .. import replicate
from ..hard import arm_key
from ..outcome import replicate as outcomes
from ..outcome import rows as outcome_rows
from ..people import flat
from . import rows
from .subjects import patients

# Subjects a chunk: of all organs and rules a subject carries a lot.
CHUNK = 1024


def statistics(trial, plans, wanted, values, key, *, replicates, first=0, tick=lambda n: None):
    """Statistics of a trial's rows over replicates.

    Parameters
    ----------
    trial : library.trials.Trial
    plans : dict
        Arm -> `plan.Plan`, of every arm that a row names.
    wanted : list of Row
        Rows that are modelled (`unmodelled`).
    values : dict
        Card path -> name -> replacements, each (replicate,) or scalar.
    key : PRNG key
    replicates, first : int
        How many, and the number of the first: replicate 7 is the same trial wherever it is asked for.

    Returns
    -------
    dict
        ``rows`` (replicate, row) in the printed units; ``widths`` (replicate, row): of a median, how wide its own 90 %
        interval is (Brookmeyer and Crowley), NaN for other rows; ``failed``: subjects whose course was not finite.
    """
    run, places = _compiled(trial, tuple(plans.values()), tuple(wanted)), population.stream(key, trial.name)
    numbers = tuple(p.numbers for p in plans.values())
    plain = {(path, name): v for path, known in values.items() for name, v in known.items()}
    size = sum(p.setting.n for p in plans.values())
    out, failed = replicate.in_chunks(
        lambda v, index: run(numbers, v, places, key, index + first), plain, size, replicates, tick, CHUNK
    )
    stats, widths = out[:, : len(wanted)], out[:, len(wanted) :]
    printed = np.stack([outcome_rows.units_of(r, stats[:, i].astype(float)) for i, r in enumerate(wanted)], 1)
    return {"rows": printed, "widths": widths, "failed": failed}


def unmodelled(row, trial, plans):
    """Why a row is not modelled, or nothing."""
    if row.endpoint not in outcome_rows.MODELLED:
        return rows.unmodelled(row, trial, plans)
    missing = [a for a in row.arms if a not in plans]
    return f"{missing[0]} cannot be followed" if missing else outcome_rows.unmodelled(row, trial)


@lru_cache(maxsize=32)
def _compiled(trial, plans, wanted):
    """``run(numbers, values, places, key, replicates)``: (replicate, statistics and widths), and what failed."""
    told = [r for r in wanted if r.endpoint in outcome_rows.MODELLED]
    looks = sorted({outcome_rows.look(r, trial) for r in told})

    def run(numbers, values, places, key, index):
        of = {p.arm: patients_of(p, n, values, places, key, index) for p, n in zip(plans, numbers, strict=True)}
        own = {p.arm: spread(values, p.setting.n) for p in plans}
        settings = [p.setting for p in plans]
        dealt = {a: (p.tumour, p.known) for a, p in of.items()}
        days = {c: outcomes.day_of(trial, c, settings, dealt, len(index)) for c in dict.fromkeys(c for _, c in looks)}
        seen = {s.arm: outcomes.seen_by(s, *dealt[s.arm], looks, days) for s in settings}
        by_arm, stats, widths, memo = {p.arm: p for p in plans}, [], [], {}
        for r in wanted:
            if r in told:
                pairs = {a: seen[a][outcome_rows.look(r, trial)] for a in r.arms}
                pairs = {a: (o, c & outcome_rows.within(r, seen[a]["covariates"])) for a, (o, c) in pairs.items()}
                stats.append(outcome_rows.hard(r, trial, pairs, memo))
                widths.append(outcome_rows.width(r, trial, pairs, memo))
            else:
                stats.append(rows.statistic(r, [_read(r, trial, by_arm[a], of[a], own[a]) for a in r.arms]))
                widths.append(jnp.full(len(index), jnp.nan))
        failed = sum((~_sound(p)).reshape(len(index), -1).sum(1) for p in of.values())
        return jnp.stack(stats + widths, 1), failed

    return jax.jit(run)


def patients_of(plan, numbers, values, places, key, index):
    """The patients of an arm in some replicates, (replicate x subject,)."""
    keys, ids = flat(arm_key(key, plan.setting), index, plan.setting.n)
    return patients(plan, numbers, spread(values, plan.setting.n), flat(places, index, plan.setting.n)[0], keys, ids)


def spread(values, size):
    """Card path -> name -> (replicate x subject,)."""
    out = {}
    for (path, name), v in values.items():
        out.setdefault(path, {})[name] = jnp.repeat(v, size)
    return out


def _sound(p):
    doses = jnp.stack([d.mg for d in p.course.doses])
    true = jnp.stack([o.true for o in p.course.organs.values()])
    lived = jnp.isfinite(true) | (p.followed <= 0)  # nobody's true values are counted before joining
    return jnp.isfinite(p.tumour.size).all(0) & ~jnp.isnan(p.tumour.death) & jnp.isfinite(doses).all(0) & lived.all(0)


def _read(row, trial, plan, p, values):
    """(value, who counts), (replicate, subject) each: of the treated who had joined by the row's cut."""
    value, counts = rows.sampled(row, trial, plan, p, values)
    n = plan.setting.n
    treated = jnp.arange(n) < plan.course.n
    joined = p.tumour.joined < rows.cut(row, trial)
    return value.reshape(-1, n), (counts & joined & _sound(p)).reshape(-1, n) & treated


__all__ = ["CHUNK", "patients_of", "spread", "statistics", "unmodelled"]
