"""Structures of one model beside each other: evidence, and the log score of each row from all the others.

A structure without a part is the problem with that part's number held; all are fitted to the same rows with one sampling
covariance, so that they differ by nothing else. Posteriors are normal approximations, their draws weighed by Pareto-smoothed
importance weights.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from .. import mode, targets
from ..emulate.importance import smoothed
from ..model import names, parameters

DRAWS = 400
# Deviation of the logarithm of a number that is held.
HELD = 1e-6


class Evidence(NamedTuple):
    """``evidence``: logarithm of the marginal likelihood (Laplace); ``elpd``: sum over rows of the log density of each from all
    others, ``se`` of it; ``far``: rows whose weights have a Pareto k above 0.7; ``k`` of the normal approximation itself."""

    structure: str
    evidence: float
    elpd: float
    se: float
    far: int
    k: float


def held(problem, **numbers):
    """The problem with free parameters held at numbers, in its units."""
    fixed = {n: {"median": v, "log_sd": HELD, "between": None} for n, v in numbers.items()}
    return replace(problem, free=tuple(replace(f, **fixed.get(f.name, {})) for f in problem.free))


def evidence(name, bound, covariances, start=None):
    """`Evidence` of a bound problem, and its log score by target: a table, a count, or a row that is neither."""
    fitted = targets.gather(bound.rows, bound.error)
    fixed = {k: jnp.asarray(v) for k, v in covariances.items()}
    fun, energy = jax.jit(jax.value_and_grad(mode.energy(bound, fitted))), mode.energy(bound, fitted)
    size = len(names(bound.problem))
    found = mode.find(lambda u: fun(u, fixed), np.zeros(size) if start is None else start)
    z = np.random.default_rng(1).normal(size=(DRAWS, size))
    draws = found.position + z @ np.linalg.cholesky(found.covariance).T
    log = _by_draw(lambda u: energy(u, fixed), draws)
    log = -log - multivariate_normal(found.position, found.covariance).logpdf(draws)
    each = _by_draw(lambda u: _rows(bound, fitted, fixed, u), draws)
    scores, k = zip(*(_left_out(log, ll) for ll in each.T), strict=True)
    total = -found.potential + size / 2 * np.log(2 * np.pi) + np.linalg.slogdet(found.covariance)[1] / 2
    scores, far = np.array(scores), int((np.array(k) > 0.7).sum())
    error = float(np.sqrt(len(scores)) * scores.std())
    told = Evidence(name, float(total), float(scores.sum()), error, far, smoothed(log)[1])
    return told, dict(zip(_labels(bound.rows, fitted), map(float, scores), strict=True))


def _labels(rows, fitted):
    for t in fitted:
        yield from [f"{rows[i].trial}/{rows[i].id}" for i in t.at] if isinstance(t, targets.Normal) else [t.name]


def _by_draw(fun, draws):
    return np.asarray(jax.jit(lambda all_: jax.lax.map(fun, all_))(jnp.asarray(draws)))


def _left_out(log, loglik):
    """Log density of one row from all others by draws with log weights, and Pareto's k of the weights without it."""
    weights, k = smoothed(log - loglik)
    return logsumexp(np.log(np.maximum(weights, 1e-300)) + loglik), k


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
