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
    frame, numbers = hard.split(setting)
    arm = hard.arm_key(key, setting)
    run = _compiled(frame, tuple((r.endpoint, r.definition) for r in rows), padded(max(r.n or 1 for r in rows)))
    sizes, counted = np.array([r.n or 1 for r in rows]), np.array([r.unit == "count" for r in rows])
    stats, failed = in_chunks(lambda v, index: run(numbers, v, arm, index, sizes), values, max(sizes), replicates, tick)
    return {"rows": stats * np.where(counted, sizes, 1), "failed": failed}


def in_chunks(run, values, size, replicates, tick, chunk=CHUNK):
    """``run(values, replicates) -> (statistics, failed)`` over replicates of ``size`` subjects, ``chunk`` subjects at a time.

    Returns the statistics (replicate, statistic), NumPy, and all that failed.
    """
    per = max(1, chunk // padded(size))
    full = {k: np.broadcast_to(np.asarray(v), (replicates,)) for k, v in values.items()}
    stats, failed = [], 0
    for start in range(0, replicates, per):
        # the last chunk is filled up by repeating, so that one compiled size serves all
        index = np.minimum(np.arange(start, start + per), replicates - 1)
        out, lost = run({k: v[index] for k, v in full.items()}, index)
        kept = min(per, replicates - start)
        stats.append(np.asarray(out)[:kept])
        failed += int(np.asarray(lost)[:kept].sum())
        tick(kept)
    return np.concatenate(stats), failed


def padded(n):
    """Arms of similar size share one compiled program: the next power of two, at least 16."""
    return max(16, 1 << (int(n) - 1).bit_length())


@lru_cache(maxsize=64)
def _compiled(frame, endpoints, size):
    """``run(numbers, values, key, replicates, sizes)`` over a chunk of replicates of ``size`` subjects."""

    def one(numbers, values, key, index, sizes):
        look = hard.look(frame, numbers, values, jax.random.fold_in(key, index), jnp.arange(size))
        sound = jnp.isfinite(look.log_x).all((0, 1))
        stats = [
            _one(e, dict(d), look, sound & (jnp.arange(size) < n))
            for (e, d), n in zip(endpoints, jnp.unstack(sizes), strict=True)
        ]
        return jnp.stack(stats), jnp.sum(~sound & (jnp.arange(size) < jnp.max(sizes)))

    return jax.jit(jax.vmap(one, (None, 0, None, 0, None)))


def _one(endpoint, options, look, counted):
    """An endpoint's statistic over the subjects that count; one whose course failed has no weight and no NaN."""
    value, weight = TABLE[endpoint].hard(look, **options)
    return share((jnp.where(counted, value, 0.0), jnp.where(counted, weight, 0.0)))
