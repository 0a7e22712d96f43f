"""The NumPyro model of a problem: a standard-normal score a parameter, one factor a target.

Scores are what is sampled: ``median exp(log_sd score)`` has the log-normal prior, and the half-normal discrepancy is the
matching quantile of its score. All scores then have the same prior, and no boundary.
"""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import ndtr, ndtri

from .targets import shifted


def model(bound, targets, covariances):
    """Samples scores, gives the parameters in the problem's units, and adds each target's log-likelihood.

    ``covariances``: sampling covariance by trial, and where the prediction is known to be off its ``shift`` (row,).
    """
    order = names(bound.problem)
    scores = jnp.stack([numpyro.sample(f"score_{name}", dist.Normal()) for name in order])
    values = {k: numpyro.deterministic(k, v) for k, v in parameters(bound.problem, scores).items()}
    predicted = shifted(bound.rows, bound.predict(values), covariances.get("shift"))
    for target in targets:
        numpyro.factor(target.name, target.loglik(predicted, values.get(bound.problem.discrepancy[0], 0.0), covariances))


def names(problem):
    """Names of the sampled parameters, in order."""
    name, width = problem.discrepancy
    return [f.name for f in problem.free] + [name] * bool(width)


def parameters(problem, scores):
    """Parameters by name from scores (parameter, ...)."""
    out = {f.name: _value(f, scores[i]) for i, f in enumerate(problem.free)}
    name, width = problem.discrepancy
    return out | ({name: width * ndtri((1 + ndtr(scores[-1])) / 2)} if width else {})


def _value(f, score):
    if f.upper is None:
        # the spread of what is above the bound that gives ``log_sd`` at the median
        above = f.median - f.lower
        return f.lower + above * jnp.exp(f.log_sd * f.median / above * score)
    share = f.median / f.upper
    # the logit's spread that gives the logarithm ``log_sd`` at the median
    return f.upper / (1 + (1 - share) / share * jnp.exp(-f.log_sd / (1 - share) * score))
