"""The NumPyro model of a problem: log-normal priors, half-normal discrepancy, one factor a target."""

import math

import numpyro
import numpyro.distributions as dist


def model(bound, targets, covariances):
    """Samples the free parameters in the problem's units and adds each target's log-likelihood as a factor."""
    values = {f.name: numpyro.sample(f.name, dist.LogNormal(math.log(f.median), f.log_sd)) for f in bound.problem.free}
    name, width = bound.problem.discrepancy
    tau = numpyro.sample(name, dist.HalfNormal(width))
    predicted = bound.predict(values)
    for target in targets:
        numpyro.factor(target.name, target.loglik(predicted, tau, covariances))


def names(problem):
    """Names of the sampled parameters, in order."""
    return [f.name for f in problem.free] + [problem.discrepancy[0]]
