"""The held-out log score of a structure: fit rows left out fold by fold, and what the others give for what was published.

Of the rows y of a fold, those it keeps being z: ``log p(y | z) = log E[p(y, z | u) / p(z | u)]`` over the posterior of z, here
its normal approximation. A grade table stays whole; normal rows of a trial are scored beside those kept of the same trial,
with which they share sampling error.
"""

from typing import NamedTuple

import jax
import numpy as np
from scipy.special import logsumexp

from .. import targets
from . import refit

FOLDS = 5


class Fold(NamedTuple):
    """Log ``score`` of the ``rows`` left out, and its Monte-Carlo error ``se``."""

    rows: tuple
    score: float
    se: float


def scored(known, count=FOLDS, seed=1):
    """`Fold` s of a `refit.Whole`; the same rows are left out together whatever the structure."""
    each = jax.jit(jax.vmap(refit.logliks(known), (0, 0, None)))
    return [_scored(known, each, out) for out in dealt(known.bound.rows, known.fitted, count, seed)]


def dealt(rows, fitted, count=FOLDS, seed=1):
    """Positions of the rows of each fold: whole tables, counts, and single normal rows, dealt at random."""
    units = [unit for t in fitted for unit in ([(i,) for i in t.at] if isinstance(t, targets.Normal) else [t.at])]
    units.sort(key=lambda unit: [f"{rows[i].trial}/{rows[i].id}" for i in unit])
    order = np.random.default_rng(seed).permutation(len(units))
    return [sorted(i for k in order[fold::count] for i in units[k]) for fold in range(count)]


def _scored(known, each, out):
    expected = refit.predicted(known, refit.refitted(known, out))
    weights, covariances = refit.without(known, set(out))
    kept = np.asarray(each(*expected, covariances) @ weights) + _said_by_nothing(known, out, weights)
    log = np.asarray(each(*expected, known.covariances)).sum(1) - kept
    share = np.exp(log - log.max())
    rows = tuple(f"{known.bound.rows[i].trial}/{known.bound.rows[i].id}" for i in out)
    return Fold(rows, float(logsumexp(log) - np.log(len(log))), float(share.std() / share.mean() / np.sqrt(len(share))))


def _said_by_nothing(known, out, weights):
    """What is to be added for normal rows whose variance says nothing, but whose density still counts."""
    gone = [np.isin(t.at, out).sum() for t, w in zip(known.fitted, weights, strict=True) if w and isinstance(t, targets.Normal)]
    return sum(gone) * np.log(2 * np.pi * refit.NOTHING) / 2


__all__ = ["FOLDS", "Fold", "dealt", "scored"]
