"""The NumPyro model of a problem: a standard-normal score a parameter, one factor a target.

Scores are what is sampled: ``median exp(log_sd score)`` has the log-normal prior, and the half-normal discrepancy is the
matching quantile of its score. All scores then have the same prior, and no boundary.
"""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import ndtr, ndtri

from ..library.free import AT, BETWEEN
from .blocks import touched
from .stacked import logliks, stacks
from .targets import shifted


def model(bound, targets, covariances):
    """Samples scores, gives the parameters in the problem's units, and adds each target's log-likelihood.

    ``covariances``: sampling covariance by trial, and where the prediction is known to be off its ``shift`` (row,).
    """
    order = names(bound.problem)
    scores = jnp.stack([numpyro.sample(f"score_{name}", dist.Normal()) for name in order])
    values = {k: numpyro.deterministic(k, v) for k, v in parameters(bound.problem, scores).items()}
    predicted = shifted(bound.rows, bound.predict(values), covariances.get("shift"))
    tau = values.get(bound.problem.discrepancy[0], 0.0)
    for target, found in zip(targets, logliks(targets, stacks(targets), predicted, tau, covariances), strict=True):
        numpyro.factor(target.name, found)


def names(problem):
    """Names of the sampled parameters, in order: the free ones, spreads between trials, each fitted trial's own scores, and
    the discrepancy."""
    name, width = problem.discrepancy
    spread = [f for f in problem.free if f.between]
    own = [f"{f.name}{AT}{t}" for f in spread for t in touched(problem, f)]
    return [*(f.name for f in problem.free), *(f"{BETWEEN}{f.name}" for f in spread), *own] + [name] * bool(width)


def parameters(problem, scores):
    """Parameters by name from scores (parameter, ...); a trial's own ones (``NAME@trial``) stay scores."""
    by = dict(zip(names(problem), scores, strict=True))
    out = by | {f.name: f.value(by[f.name]) for f in problem.free}
    for f in problem.free:
        if f.between:
            median, log_sd = f.between
            out[f"{BETWEEN}{f.name}"] = median * jnp.exp(log_sd * by[f"{BETWEEN}{f.name}"])
    name, width = problem.discrepancy
    return out | ({name: width * ndtri((1 + ndtr(scores[-1])) / 2)} if width else {})


def scores(problem, values):
    """Scores (parameter, ...) from parameter values by name: the inverse of `parameters`."""
    by, (tau, width) = {f.name: f for f in problem.free}, problem.discrepancy
    return jnp.stack([_score(by, width, name == tau, name, values[name]) for name in names(problem)])


def _score(by, width, discrepancy, name, x):
    if discrepancy:
        return ndtri(2 * ndtr(x / width) - 1)
    if name.startswith(BETWEEN):
        median, log_sd = by[name.removeprefix(BETWEEN)].between
        return jnp.log(x / median) / log_sd
    return by[name].score(x) if name in by else x
