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
    looks = sorted({(rows.assessor(r, trial), rows.cut(r, trial)) for r in wanted})

    def run(values, places, key, index):
        seen, failed = {}, 0
        for s in settings:
            seen[s.arm], covariates, lost = _arm(s, values, places, key, index, looks)
            seen[s.arm]["covariates"], failed = covariates, failed + lost
        stats, widths = [], []
        for r in wanted:
            look = rows.assessor(r, trial), rows.cut(r, trial)
            of = {a: (seen[a][look][0], seen[a][look][1] & rows.within(r, seen[a]["covariates"])) for a in r.arms}
            stats.append(rows.hard(r, trial, of))
            widths.append(rows.width(r, trial, of))
        return jnp.stack(stats + widths, 1), failed

    return jax.jit(run)


def _arm(s: Setting, values, places, key, index, looks):
    """(assessor, cut) -> (outcome, joined), (replicate, subject) each; covariates; the subjects that failed, (replicate,)."""
    keys, ids = flat(arm_key(key, s), index, s.n)
    spread = {}
    for (path, name), v in values.items():
        spread.setdefault(path, {})[name] = jnp.repeat(v, s.n)
    of, known = hard.subjects(s, spread, flat(places, index, s.n)[0], keys, ids)
    sound = jnp.isfinite(of.size).all(0) & ~jnp.isnan(of.death)
    shape = lambda a: a.reshape(len(index), s.n)  # noqa: E731
    made = {}
    for assessor, cut in looks:
        outcome, joined = hard.at_cut(s, of, known, assessor, cut)
        made[assessor, cut] = jax.tree.map(shape, outcome), shape(joined & sound)
    return made, {k: shape(known[k]) for k in s.population.marginals}, shape(~sound).sum(1)


__all__ = ["statistics"]
