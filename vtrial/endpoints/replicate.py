"""Replicate trials: one set of parameter values and one fresh arm of the published size each, in cache-sized chunks."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from . import TABLE, hard, share

CHUNK = 4096  # subjects a chunk: carry and constants fit the second-level cache


def statistics(setting, rows, values, key, *, replicates, tick=lambda n: None):
    """Statistics of an arm's rows over replicates.

    Parameters
    ----------
    setting : Setting
    rows : list of Row
        Rows of this arm, on modelled endpoints, each with its own ``n``.
    values : dict
        Card replacements, each (replicate,) or scalar.
    key : PRNG key
    replicates : int
    tick : callable
        Told the replicates done.

    Returns
    -------
    dict
        ``rows`` (replicate, row), NumPy, and ``failed``: subjects whose course was not finite, who have no weight.
    """
    size = max(r.n or 1 for r in rows)
    per = max(1, CHUNK // size)
    run = _compiled(setting, tuple(rows), size)
    full = {k: np.broadcast_to(np.asarray(v), (replicates,)) for k, v in values.items()}
    stats, failed = [], 0
    for start in range(0, replicates, per):
        # the last chunk is filled up by repeating, so that one compiled size serves all
        index = np.minimum(np.arange(start, start + per), replicates - 1)
        out, lost = run({k: v[index] for k, v in full.items()}, key, index)
        kept = min(per, replicates - start)
        stats.append(np.asarray(out)[:kept])
        failed += int(np.asarray(lost)[:kept].sum())
        tick(kept)
    return {"rows": np.concatenate(stats), "failed": failed}


@lru_cache(maxsize=64)
def _compiled(setting, rows, size):
    def one(values, key, index):
        return _replicate(setting, rows, size, values, jax.random.fold_in(key, index))

    return jax.jit(jax.vmap(one, (0, None, 0)))


def _replicate(setting, rows, size, values, key):
    look = hard.look(setting, values, key, jnp.arange(size))
    sound = jnp.isfinite(look.log_x).all((0, 1))
    stats = [_one(row, look, sound[: row.n]) for row in rows]
    return jnp.stack(stats), jnp.sum(~sound)


def _one(row, look, sound):
    value, weight = TABLE[row.endpoint].hard(look, **row.options)
    value, weight = jnp.where(sound, value[: row.n], 0.0), jnp.where(sound, weight[: row.n], 0.0)
    return share((value, weight)) * (row.n if row.unit == "count" else 1)
