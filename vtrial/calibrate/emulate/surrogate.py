"""The surrogate of a trial's fit rows: its regressions, what they predict, how far they are off, what trials scatter."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from ...endpoints import TABLE
from .. import targets
from . import regress
from .basis import basis

# Statistics that lie between none and all.
SHARES = ("share", "count", "events", "survival")


@dataclass(frozen=True, eq=False)
class Surrogate:
    """Of the fit rows of one trial. ``bases`` and ``fits`` a row; ``logs``: whether a straight regression is of logarithms;
    ``offset`` (row,): added to the linear predictor, measured by the simulator itself; ``spare`` (row,): its variance."""

    rows: tuple
    bases: tuple
    fits: tuple
    logs: tuple
    offset: np.ndarray
    spare: np.ndarray

    def linear(self, scores):
        """Linear predictors (..., row) at a trial's scores (..., parameter)."""
        out = [None] * len(self.rows)
        for b in dict.fromkeys(self.bases):  # rows with the same features share them
            mine = [i for i, other in enumerate(self.bases) if other == b]
            found = b(scores) @ jnp.asarray(np.stack([self.fits[i].beta for i in mine], 1))
            for k, i in enumerate(mine):
                out[i] = found[..., k]
        return jnp.stack(out, -1) + jnp.asarray(self.offset)

    def predict(self, scores):
        """Statistics (..., row) as `targets.printed`: shares, months, ratios."""
        x = self.linear(scores)
        return jnp.stack([self._back(i, x[..., i]) for i in range(len(self.rows))], -1)

    def _back(self, i, x):
        if self.fits[i].share:
            return 1 / (1 + jnp.exp(-x))
        return jnp.exp(x) if self.logs[i] else x

    def error(self, scores):
        """Standard deviation of the predictions on the rows' scales, (row,), in the mean over a trial's scores (point,
        parameter): of the regressions, and of what they were off."""
        at, out = np.asarray(self.predict(scores)), []
        for i, (b, f) in enumerate(zip(self.bases, self.fits, strict=True)):
            x = b(np.asarray(scores))
            own = ((x @ f.covariance) * x).sum(1).mean() + self.spare[i]
            out.append(np.sqrt(own) * np.abs(self._slope(i, at[:, i])).mean())
        return np.array(out)

    def covariance(self, scores):
        """Sampling covariance (row, row) of the rows that are not counts, on their scales, at a trial's scores."""
        at = np.asarray(self.predict(scores))
        normal = [i for i, r in enumerate(self.rows) if not targets.is_count(r)]
        sd = np.array([self._slope(i, at[i]) * self._root(i, at[i]) for i in normal])
        residual = np.stack([self.fits[i].residual for i in normal]) if normal else np.zeros((0, 2))
        return np.atleast_2d(np.cov(residual)) * np.outer(sd, sd)

    def _root(self, i, mean):
        """By which a residual is multiplied to be one of the linear predictor."""
        return 1 / np.sqrt(np.maximum(mean * (1 - mean), 1e-7)) if self.fits[i].share else 1.0

    def _slope(self, i, mean):
        """Change of the row on its scale by its linear predictor."""
        scale, fit = targets.scale(self.rows[i]), self.fits[i]
        if fit.share and scale == "cloglog":
            p = np.clip(mean, 1e-6, 1 - 1e-6)
            return (1 - p) / np.log(p)
        return 1.0  # logit of a share, log of a time or ratio, or the number itself


def fitted(problem, rows, scores, stats):
    """The `Surrogate` of a trial's rows from simulated statistics ``stats`` (point, row), as printed, at its scores (point,
    parameter); a row's NaN points are left out."""
    bases = tuple(basis(problem, r) for r in rows)
    zero = np.zeros(len(rows))
    fits = tuple(_fit(r, b, scores, stats[:, i]) for i, (r, b) in enumerate(zip(rows, bases, strict=True)))
    return Surrogate(tuple(rows), bases, fits, tuple(_log(r) for r in rows), zero, zero)


def _fit(row, basis, scores, y):
    x, linear = basis(scores), 1 + len(basis.use)
    if share(row):
        return regress.logistic(x, np.clip(y / (row.n if row.unit == "count" else 1), 0, 1), linear)
    return regress.straight(x, np.log(np.maximum(y, 1e-6)) if _log(row) else y, linear)


def share(row):
    """Whether a row's statistic lies between none and all."""
    return row.statistic in SHARES or (row.endpoint in TABLE and TABLE[row.endpoint].scale == "logit")


def _log(row):
    return not share(row) and targets.scale(row) == "log"


__all__ = ["SHARES", "Surrogate", "fitted", "share"]
