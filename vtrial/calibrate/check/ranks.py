"""Ranks and intervals of many calibrations to synthetic data: one row a calibration and parameter, and what is wrong with them.

The log-likelihood is ranked beside the parameters: it sees what no single one of them does (Modrak et al., Bayesian Anal
2025;20:461).
"""

import csv
from functools import lru_cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ...output import write_whole
from ..model import parameters

LIKELIHOOD = "log-likelihood"
# Every so many draws is ranked among; the interval is of all of them.
THIN, MASS = 4, 0.9
# Envelopes hold with this probability for all quantities at once; a histogram has so many bins.
LEVEL, BINS = 0.95, 10
COVERED = 0.80, 0.98
# Of ArviZ's envelope: the tails of so many quantities need many.
SIMULATIONS = 20_000


class Row(NamedTuple):
    """``rank`` of the ``truth`` among ``draws``, and the ends of the 90 % interval, in the problem's units."""

    calibration: int
    quantity: str
    truth: float
    rank: int
    draws: int
    lower: float
    upper: float


def told(problem, k, truth, sampled):
    """The `Row` s of the ``k``-th calibration; ``truth`` (parameter,) scores, ``sampled`` an `sbc.Sampled`."""
    both = np.concatenate([truth[None], sampled.u])
    values = {name: np.asarray(v) for name, v in parameters(problem, jnp.asarray(both.T)).items()}
    values[LIKELIHOOD] = np.append(sampled.at_truth, sampled.loglik)
    return [_row(k, name, v[0], v[1:]) for name, v in values.items()]


def _row(k, name, truth, draws):
    ranked, tail = draws[::THIN], (1 - MASS) / 2
    lower, upper = np.quantile(draws, [tail, 1 - tail])
    return Row(k, name, float(truth), int((ranked < truth).sum()), len(ranked), float(lower), float(upper))


def write(path, rows):
    """Writes `Row` s as a table."""

    def lines(temporary):
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(Row._fields)
            out.writerows([f"{x:.6g}" if isinstance(x, float) else x for x in row] for row in rows)

    write_whole(path, lines)


def read(path):
    """The `Row` s of a table."""
    with open(path, newline="", encoding="utf-8") as file:
        found = [tuple(row) for row in csv.reader(file)][1:]
    kinds = int, str, float, int, int, float, float
    return [Row(*(kind(x) for kind, x in zip(kinds, row, strict=True))) for row in found]


class Verdict(NamedTuple):
    """Of one quantity: ``coverage`` of its intervals, ``histogram`` of its ranks (bin,), by how much their distribution
    function is ``outside`` its envelope, and ``faults`` in words."""

    coverage: float
    histogram: np.ndarray
    outside: float
    faults: tuple


def verdicts(rows):
    """`Verdict` by quantity."""
    by = {}
    for r in rows:
        by.setdefault(r.quantity, []).append(r)
    return {name: _verdict(mine, len(by)) for name, mine in by.items()}


def _verdict(rows, quantities):
    inside = np.mean([r.lower <= r.truth <= r.upper for r in rows])
    # half a step of jitter makes ranks continuous
    at = (np.array([r.rank for r in rows]) + np.random.default_rng(1).uniform(size=len(rows))) / (rows[0].draws + 1)
    histogram, outside = np.histogram(at, BINS, (0, 1))[0], _outside(at, quantities)
    low, high = envelope(len(rows), quantities)
    faults = []
    if not COVERED[0] <= inside <= COVERED[1]:
        faults.append(f"coverage {inside:.3f}")
    if histogram.min() < low or histogram.max() > high:
        faults.append(f"histogram {histogram.min()} to {histogram.max()}, envelope {low} to {high}")
    if outside > 0:
        faults.append(f"distribution of ranks {outside:.3f} outside its envelope")
    return Verdict(float(inside), histogram, float(outside), tuple(faults))


def envelope(fits, quantities):
    """Least and most of ``fits`` ranks that a bin may hold: binomial, `LEVEL` for all bins of all quantities at once."""
    from scipy.stats import binom

    tail = (1 - LEVEL) / (BINS * quantities) / 2
    low, high = binom.ppf([tail, 1 - tail], fits, 1 / BINS)
    return int(low), int(high)


def _outside(at, quantities):
    """By how much the distribution function of ranks leaves ArviZ's simultaneous envelope (Sailynoja et al. 2022)."""
    from arviz_stats import ecdf_utils

    n = len(at)
    points = np.arange(1, n) / n
    lower, upper = ecdf_utils.get_pointwise_confidence_band(_pointwise(n, quantities), n, points)
    found = ecdf_utils.compute_ecdf(at, points)
    return max((lower - found).max(), (found - upper).max(), 0.0)


@lru_cache(maxsize=8)
def _pointwise(n, quantities):
    """Probability of the pointwise envelope of ``n`` ranks that all of a quantity's points stay within."""
    from arviz_stats import ecdf_utils

    level = 1 - (1 - LEVEL) / quantities
    return ecdf_utils.simulate_confidence_bands(n, 1, np.arange(1, n) / n, level, SIMULATIONS, np.random.default_rng(214))


__all__ = ["LIKELIHOOD", "Row", "Verdict", "envelope", "read", "told", "verdicts", "write"]
