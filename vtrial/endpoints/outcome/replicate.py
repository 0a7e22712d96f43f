"""Replicate trials with tumours: all arms of a trial, one set of parameter values a replicate, statistics of every row."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from ... import population
from .. import replicate
from ..hard import arm_key
from ..people import flat
from . import hard, rows
from .setting import Setting


def statistics(trial, settings, wanted, values, key, *, replicates, tick=lambda n: None):
    """Statistics of a trial's rows over replicates.

    Parameters
    ----------
    trial : library.trials.Trial
    settings : dict
        Arm -> `Setting`, of every arm that a row names.
    wanted : list of Row
        Rows that are modelled (`rows.unmodelled`).
    values : dict
        Card path -> name -> replacements, each (replicate,) or scalar.
    key : PRNG key
    replicates : int

    Returns
    -------
    dict
        ``rows`` (replicate, row) in the printed units; ``widths`` (row,): the median width of a 90 % interval of a median in
        one trial (Brookmeyer and Crowley), NaN for other rows; ``failed``: subjects whose course was not finite.
    """
    run, places = _compiled(trial, tuple(settings.values()), tuple(wanted)), population.stream(key, trial.name)
    plain = {(path, name): v for path, known in values.items() for name, v in known.items()}
    # arms stand side by side in a chunk
    size = sum(replicate.padded(s.n) for s in settings.values())
    out, failed = replicate.in_chunks(lambda v, index: run(v, places, key, index), plain, size, replicates, tick)
    stats, widths = out[:, : len(wanted)], out[:, len(wanted) :]
    printed = np.stack([rows.units_of(r, stats[:, i]) for i, r in enumerate(wanted)], 1)
    return {"rows": printed, "widths": np.median(widths, 0), "failed": failed}


@lru_cache(maxsize=16)
def _compiled(trial, settings, wanted):
    """``run(values, places, key, replicates)``: (replicate, statistics and widths), and what failed."""
    looks = sorted({rows.look(r, trial) for r in wanted})

    def run(values, places, key, index):
        dealt = {s.arm: _dealt(s, values, places, key, index) for s in settings}
        days = {name: day_of(trial, name, settings, dealt, len(index)) for name in dict.fromkeys(cut for _, cut in looks)}
        seen = {s.arm: seen_by(s, *dealt[s.arm], looks, days) for s in settings}
        stats, widths, memo = [], [], {}
        for r in wanted:
            of = {}
            for a in r.arms:
                outcome, counts = seen[a][rows.look(r, trial)]
                of[a] = outcome, counts & rows.within(r, seen[a]["covariates"])
            stats.append(rows.hard(r, trial, of, memo))
            widths.append(rows.width(r, trial, of, memo))
        return jnp.stack(stats + widths, 1), sum(seen[a]["failed"] for a in seen)

    return jax.jit(run)


def _dealt(s: Setting, values, places, key, index):
    """The subjects of an arm in some replicates, with their scores and covariates, (replicate x subject,)."""
    keys, ids = flat(arm_key(key, s), index, s.n)
    spread = {}
    for (path, name), v in values.items():
        spread.setdefault(path, {})[name] = jnp.repeat(v, s.n)
    return hard.subjects(s, spread, flat(places, index, s.n)[0], keys, ids)


def day_of(trial, name, settings, dealt, count):
    """Day of a data cut in each replicate, (replicate,): the calendar's, or that of the event waited for."""
    cut, latest = trial.design.cut(name), trial.design.horizon(name)
    if cut.day is not None:
        return jnp.full(count, cut.day)
    when = [_events(cut.of, s, *dealt[s.arm]).reshape(count, s.n) for s in settings]
    return jnp.minimum(jnp.sort(jnp.concatenate(when, 1), 1)[:, cut.events - 1], latest)


def _events(endpoint, s, of, known):
    """Day of the trial on which each subject has an event, inf: never."""
    outcome, _ = hard.at_cut(s, of, known, s.design.response.assessor, jnp.inf)
    happened = getattr(outcome, f"{endpoint}_event")
    return jnp.where(happened, of.joined + getattr(outcome, f"{endpoint}_day"), jnp.inf)


def seen_by(s: Setting, of, known, looks, days):
    """(assessor, cut) -> (outcome, who counts), (replicate, subject) each; ``covariates``; ``failed`` (replicate,)."""
    shape = lambda a: a.reshape(-1, s.n)  # noqa: E731
    sound = jnp.isfinite(of.size).all(0) & ~jnp.isnan(of.death)
    made = {"covariates": {k: shape(known[k]) for k in s.population.marginals}, "failed": shape(~sound).sum(1)}
    for assessor, cut in looks:
        outcome, joined = hard.at_cut(s, of, known, assessor, jnp.repeat(days[cut], s.n))
        made[assessor, cut] = jax.tree.map(shape, outcome), shape(joined & sound)
    return made


__all__ = ["day_of", "seen_by", "statistics"]
