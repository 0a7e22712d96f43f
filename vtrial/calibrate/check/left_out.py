"""A trial, or the arms of one drug in it, left out of a joint posterior and predicted from all the rest: who disagrees.

A row is null where nothing that is left tells of one of its own parameters: its drug has no other rows of that kind.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from .. import blocks, targets
from ..emulate.rounds import values_at
from . import refit

# Rows further off than this many predictive deviations contradict the rest (one in a hundred does by chance).
FAR = 2.58
BAND = 0.05, 0.5, 0.95


class Told(NamedTuple):
    """A ``published`` statistic beside its prediction by the rest, ``low``, ``median`` and ``high`` (90 %, sampling error and
    discrepancy included), and how far off in deviations ``z``; ``null``: nothing that is left tells of it."""

    left_out: str
    row: str
    published: float
    low: float
    median: float
    high: float
    z: float
    null: bool

    @property
    def covered(self):
        return self.low <= self.published <= self.high

    @property
    def far(self):
        return not self.null and abs(self.z) > FAR


def groups(problem):
    """Positions of fit rows by what is left out together: each trial, and of a trial with several arms each arm's."""
    rows, out = problem.rows("fit"), {}
    for name in dict.fromkeys(r.trial for r in rows):
        out[name] = [i for i, r in enumerate(rows) if r.trial == name]
        arms = list(dict.fromkeys(a for i in out[name] for a in rows[i].arms))
        if len(arms) > 1:
            out |= {f"{name}/{a}": [i for i in out[name] if a in rows[i].arms] for a in arms}
    return out


def told(known, name, out, seed=1):
    """`Told` of every row left out at the positions ``out``."""
    draws = refit.refitted(known, out)
    expected, tau = refit.predicted(known, draws)
    rng, rows = np.random.default_rng(seed), known.bound.rows
    covariances = _sampling(known, draws.mean(0))
    return [_told(known, name, i, expected[:, i], tau, covariances.get(i, 0.0), _null(known, rows[i], out), rng) for i in out]


def _sampling(known, at):
    """Sampling variance on its scale of each row that is no count, by position, at scores (parameter,)."""
    values = {k: v[0] for k, v in values_at(known.problem, at[None]).items()}
    found, rows, out = known.bound.sampling(values), known.bound.rows, {}
    for trial, covariance in found.items():
        mine = [i for i, r in enumerate(rows) if r.trial == trial and not targets.is_count(r)]
        out |= dict(zip(mine, np.diag(covariance), strict=True))
    return out


def _told(known, name, i, expected, tau, variance, null, rng):
    row, error = known.bound.rows[i], known.bound.error[i]
    scale, published = targets.scale(row), targets.printed(row)
    off = np.hypot(tau, error) * rng.normal(size=len(expected))
    moved = np.asarray(targets.from_scale(scale, targets.to_scale(scale, expected) + off))
    if targets.is_count(row):
        counts = rng.binomial(row.n, np.clip(moved, 0, 1))
        sample, z = counts / row.n, _of_counts(counts, targets.compatible(row))
    else:
        x = np.asarray(targets.to_scale(scale, moved)) + np.sqrt(variance) * rng.normal(size=len(moved))
        sample = np.asarray(targets.from_scale(scale, x))
        z = (float(targets.to_scale(scale, published)) - np.median(x)) / x.std()
    low, median, high = np.quantile(sample, BAND)
    return Told(name, f"{row.trial}/{row.id}", float(published), float(low), float(median), float(high), float(z), null)


def _of_counts(counts, seen):
    """Normal score of the place among predicted counts of those that round to what was printed."""
    below, at = (counts < seen.min()).mean(), np.isin(counts, seen).mean()
    least = 0.5 / len(counts)
    return norm.ppf(np.clip(below + at / 2, least, 1 - least))


def _null(known, row, out):
    """Whether one of the row's own parameters has no row left that tells of it."""
    problem, out = known.problem, set(out)
    left = [r for i, r in enumerate(known.bound.rows) if i not in out]
    mine = [f for f in problem.free if _own(problem, f, row)]
    return not all(any(_own(problem, f, r) for r in left) for f in mine)


def _own(problem, f, row):
    return blocks.of_parameter(problem, f) in blocks.of_row(row) and blocks.reaches(problem, f, row)


__all__ = ["FAR", "Told", "groups", "told"]
