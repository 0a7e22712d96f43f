"""Structures of one model beside each other: evidence, and the log score of each target at the mode.

A structure without a part is the problem with that part's number held; all are fitted to the same rows with one sampling
covariance, so that they differ by nothing else. The logarithm of the evidence is the sum of the log predictive scores of the
targets, each from those before it, in any order; it is Laplace's here. Importance weights of the normal approximation, by which
each target could be scored from all others, fail on these surfaces (Pareto k of 2 to 7, or none).
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import norm

from .. import mode, targets
from ..model import names, parameters

# Deviation of the logarithm of a number that is held.
HELD = 1e-6


class Evidence(NamedTuple):
    """``evidence``: logarithm of the marginal likelihood (Laplace); ``loglik`` at the mode, and its ``prior`` there."""

    structure: str
    evidence: float
    loglik: float
    prior: float


def held(problem, **numbers):
    """The problem with free parameters held at numbers, in its units."""
    fixed = {n: {"median": v, "log_sd": HELD, "between": None} for n, v in numbers.items()}
    return replace(problem, free=tuple(replace(f, **fixed.get(f.name, {})) for f in problem.free))


def evidence(name, bound, covariances, start=None):
    """`Evidence` of a bound problem, and the log score by target at its mode: of a table, a count, or a row that is neither."""
    fitted = targets.gather(bound.rows, bound.error)
    fixed = {k: jnp.asarray(v) for k, v in covariances.items()}
    fun = jax.jit(jax.value_and_grad(mode.energy(bound, fitted)))
    size = len(names(bound.problem))
    found = mode.find(lambda u: fun(u, fixed), np.zeros(size) if start is None else start)
    scores = np.asarray(jax.jit(lambda u: _rows(bound, fitted, fixed, u))(found.position))
    total = -found.potential + size / 2 * np.log(2 * np.pi) + np.linalg.slogdet(found.covariance)[1] / 2
    prior = float(norm.logpdf(found.position).sum())
    told = Evidence(name, float(total), -found.potential - prior, prior)
    return told, dict(zip(_labels(bound.rows, fitted), map(float, scores), strict=True))


def _labels(rows, fitted):
    for t in fitted:
        yield from [f"{rows[i].trial}/{rows[i].id}" for i in t.at] if isinstance(t, targets.Normal) else [t.name]


def _rows(bound, fitted, covariances, u):
    """Log densities at scores (parameter,): of a table or count, and of each normal row given its trial's others (Bürkner,
    Gabry and Vehtari, Comput Stat 2021;36:1243)."""
    values = parameters(bound.problem, u)
    tau = values.get(bound.problem.discrepancy[0], 0.0)
    predicted = targets.shifted(bound.rows, bound.predict(values), covariances.get("shift"))
    out = []
    for t in fitted:
        normal = isinstance(t, targets.Normal)
        out.append(_conditional(t, predicted, tau, covariances) if normal else t.loglik(predicted, tau, covariances)[None])
    return jnp.concatenate(out)


def _conditional(t, predicted, tau, covariances):
    scaled = [targets.to_scale(s, predicted[i]) for s, i in zip(t.scales, t.at, strict=True)]
    precision = jnp.linalg.inv(covariances[t.name] + jnp.diag(t.extra + tau**2))
    own = jnp.diag(precision)
    off = precision @ (t.observed - jnp.stack(scaled)) / own
    return (jnp.log(own / (2 * jnp.pi)) - own * off**2) / 2


__all__ = ["Evidence", "evidence", "held"]
