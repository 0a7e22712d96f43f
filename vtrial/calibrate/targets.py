"""What is fitted: published rows gathered into targets, each with a log-likelihood given the expected statistics.

A grade table is one multinomial, a count a binomial, both summed over the counts that round to the printed number;
the rest are normal on a natural scale with the sampling covariance of the trial's own vector of summaries. The
discrepancy, normal with standard deviation TAU on the logit or log scale, is integrated out of each target.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise, product

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln, logsumexp

from ..endpoints import TABLE
from ..endpoints.outcome.rows import SCALES

NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
LOG_WEIGHTS = np.log(_WEIGHTS / _WEIGHTS.sum())
TINY = 1e-12


def logit(p):
    p = jnp.clip(p, TINY, 1 - TINY)
    return jnp.log(p) - jnp.log1p(-p)


def expit(x):
    return 1 / (1 + jnp.exp(-x))


@dataclass(frozen=True)
class Counts:
    """Binomial or, for a grade table, multinomial of ``n`` over nested levels (any, 3 and more, 4).

    ``at`` are positions in the prediction; ``nested(p)`` turns them into decreasing P(at least) levels; ``tables``
    (table, category) lists the counts compatible with what was printed. ``error``: standard deviation of the
    prediction itself on the logit scale, where it is a surrogate's; it widens the discrepancy.
    """

    name: str
    at: tuple
    n: int
    tables: np.ndarray
    graded: bool
    error: float = 0.0

    def loglik(self, predicted, tau, covariances=None):
        levels = logit(self._levels(predicted))
        shifted = levels[:, None] + jnp.hypot(tau, self.error) * NODES
        p = expit(shifted)
        ones, zeros = jnp.ones_like(p[:1]), jnp.zeros_like(p[:1])
        cells = jnp.clip(jnp.concatenate([ones, p]) - jnp.concatenate([p, zeros]), TINY, 1.0)
        ways = gammaln(self.n + 1.0) - gammaln(self.tables + 1.0).sum(1)
        each = ways[:, None] + self.tables @ jnp.log(cells)
        return logsumexp(logsumexp(each, 0) + LOG_WEIGHTS)

    @property
    def mix(self):
        """What the levels (level, prediction) are of the predictions: those of a grade table are any, 3 and 4."""
        return np.array([[1.0, 0, 0], [0, 1, 1], [0, 0, 1]]) if self.graded else np.eye(len(self.at))

    def _levels(self, predicted):
        return self.mix @ predicted[jnp.array(self.at)]


@dataclass(frozen=True)
class Normal:
    """Normal vector of one trial on its natural scales; its covariance is the trial's sampling covariance, given by name,
    plus ``extra`` variances of rounding and reading."""

    name: str
    at: tuple
    scales: tuple
    observed: np.ndarray
    extra: np.ndarray

    def loglik(self, predicted, tau, covariances):
        off = self.observed - jnp.stack([to_scale(s, predicted[i]) for s, i in zip(self.scales, self.at, strict=True)])
        lower = jnp.linalg.cholesky(covariances[self.name] + jnp.diag(self.extra + tau**2))
        white = jnp.linalg.solve(lower, off)
        return -0.5 * white @ white - jnp.log(jnp.diag(lower)).sum() - len(off) / 2 * math.log(2 * math.pi)


def to_scale(scale, value):
    """A statistic on the scale of its comparison: ``logit``, ``cloglog`` (log(-log S)), ``log`` or ``identity``."""
    if scale == "identity":
        return value
    if scale == "cloglog":
        return jnp.log(-jnp.log(jnp.clip(value, 1e-6, 1 - 1e-6)))
    return logit(value) if scale == "logit" else jnp.log(jnp.maximum(value, TINY))


def from_scale(scale, x):
    """A statistic from the scale of its comparison."""
    if scale == "identity":
        return x
    if scale == "cloglog":
        return jnp.exp(-jnp.exp(x))
    return expit(x) if scale == "logit" else jnp.exp(x)


def shifted(rows, predicted, shift):
    """Predictions (row,) moved on their scales; ``shift`` None: as they are."""
    if shift is None:
        return predicted
    moved = [from_scale(scale(r), to_scale(scale(r), predicted[i]) + shift[i]) for i, r in enumerate(rows)]
    return jnp.stack(moved)


def printed(row):
    """A row's published statistic as the model predicts it: a count of patients as a share."""
    return row.value / row.n if row.unit == "count" else row.value


def gather(rows, error=None):
    """Targets of fit rows, in which a trial's normal rows keep their order; ``error`` (row,): standard deviation of the
    predictions on the rows' scales, where they are a surrogate's."""
    position = {(r.trial, r.id): i for i, r in enumerate(rows)}
    error = np.zeros(len(rows)) if error is None else error
    out, groups, cuts, normal = [], {}, {}, {}
    for row in rows:
        if row.table and _whole(row, rows):
            groups.setdefault((row.trial, row.table), []).append(row)
        elif is_count(row):
            cuts.setdefault((row.trial, row.arm, row.endpoint, row.n if row.cut else row.id), []).append(row)
        else:
            normal.setdefault(row.trial, []).append(row)
    out += [_binomial(same, position) for same in cuts.values()]
    out += [_table(name, group, position) for name, group in groups.items()]
    out = [replace(t, error=float(error[np.array(t.at)].max())) for t in out]
    return out + [_normal(trial, group, position, error) for trial, group in normal.items()]


def common(target, error):
    """One error of all levels of a `Counts`, that of each by what its count tells: a logit of what hardly ever happens may be
    far off, and must not blur the rest."""
    reached = target.tables[:, ::-1].cumsum(1)[:, -2::-1].mean(0) + 0.5
    weight = reached * (target.n + 1 - reached)
    return float((weight * error).sum() / weight.sum())


def _whole(row, rows):
    """Whether all three rows of a row's grade table are fitted."""
    mine = {r.endpoint.rsplit("_", 1)[1] for r in rows if (r.trial, r.table) == (row.trial, row.table)}
    return mine == {"any", "grade3", "grade4"}


def is_count(row):
    """Whether a row is a number of patients among ``n``, printed as such or as a rounded share."""
    return row.unit in ("count", "fraction") and row.statistic in ("count", "share")


def compatible(row):
    """The counts of ``row.n`` that round to what was printed."""
    if row.relation == "<":
        return np.arange(math.ceil(row.value * (row.n if row.unit == "fraction" else 1)))
    if row.unit == "count":
        return np.array([round(row.value)])
    low, high = ((row.value + side * row.rounding) * row.n for side in (-1, 1))
    counts = np.arange(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    # the closest one where the printed share is of another number of patients
    return counts if len(counts) else np.array([round(row.value * row.n)])


def deviation(row):
    """Sampling deviation of a published statistic, as printed or implied: binomial at the published share, smoothed off 0
    and 1; from the printed interval (90 %); else that of a ratio of two counts measured with 12 % error."""
    if is_count(row):
        share = ((row.value if row.unit == "count" else row.value * row.n) + 0.5) / (row.n + 1)
        return math.sqrt(share * (1 - share) / row.n)
    if row.lower is not None:
        return (row.upper - row.lower) / 2 / 1.6449
    return max(row.reading_sd, 0.12 * math.sqrt(2 / row.n))


def _binomial(rows, position):
    """One count, or the counts of one event at several data cuts: those who have it by the earlier have it by the later."""
    rows = sorted(rows, key=lambda r: r.cut, reverse=True)
    n, name = rows[0].n, f"{rows[0].trial}/{rows[0].id}"
    cells = [(n - k[0], *(a - b for a, b in pairwise(k)), k[-1]) for k in product(*map(compatible, rows))]
    at = tuple(position[r.trial, r.id] for r in rows)
    return Counts(name, at, n, np.array([c for c in cells if min(c) >= 0]), False)


def _table(name, rows, position):
    levels = {"any": 0, "grade3": 1, "grade4": 2}
    rows = sorted(rows, key=lambda r: levels[r.endpoint.rsplit("_", 1)[1]])
    n = rows[0].n
    cells = [(n - a, a - b - c, b, c) for a, b, c in product(*map(compatible, rows)) if a >= b + c]
    at = tuple(position[r.trial, r.id] for r in rows)
    return Counts("/".join(name), at, n, np.array(cells), True)


def _normal(trial, rows, position, error):
    extra = [(_slope(r) * math.hypot(r.rounding / math.sqrt(3), r.reading_sd)) ** 2 for r in rows]
    extra = np.array(extra) + error[np.array([position[trial, r.id] for r in rows])] ** 2
    return Normal(
        name=trial,
        at=tuple(position[r.trial, r.id] for r in rows),
        scales=tuple(scale(r) for r in rows),
        observed=np.array([float(to_scale(scale(r), printed(r))) for r in rows]),
        extra=extra,
    )


def _slope(row):
    """Change of a row's statistic on its scale by a change of the printed number."""
    p = printed(row)
    by = {"log": 1 / p, "logit": 1 / (p * (1 - p)) if p < 1 else 0.0, "cloglog": 1 / (p * -math.log(min(p, 1 - 1e-6)))}
    return by.get(scale(row), 1.0) / (row.n if row.unit == "count" else 1)


def scale(row):
    """The natural scale of a row's statistic."""
    known = TABLE.get(row.endpoint)
    return known.scale if known else SCALES.get(row.statistic, "log")
