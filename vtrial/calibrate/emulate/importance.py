"""Is the posterior by surrogate that of the simulator? Fresh trials at draws of the posterior itself make a second surrogate,
in no way that of the first; weights carry the draws over to its posterior, and Pareto's k says whether they can. Of a hundred
and more targets they cannot, for each surrogate's noise, a fraction of its target's, adds up: then what fresh trials move, once
they join the training, tells what that noise is worth.

Vehtari, Simpson, Gelman, Yao and Gabry, J Mach Learn Res 2024;25:72.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ...progress import say
from .. import stacked, targets
from ..model import names, parameters
from . import rounds

# Draws at which fresh trials are simulated.
FRESH = 1024


def weighed(bound, draws, covariances, folder, seed):
    """Carries draws over to the posterior of a second surrogate.

    Parameters
    ----------
    bound : joint.Emulated
        With the surrogate that the draws are by.
    draws : (draw, parameter)
        Scores.
    covariances : dict
        As the draws were made with.
    folder : Path
        Where the fresh trials are kept.

    Returns
    -------
    dict
        ``pareto_k`` of the weights, ``ess`` of them (share of the draws), and ``moved``: by how many posterior standard
        deviations they move the mean that moves most, of the parameter ``most``.
    """
    u, stats = fresh(bound, draws, folder, seed)
    second = bound.trained(rounds.values_at(bound.problem, u), stats)
    log = np.array(_loglik(second, draws, covariances)) - np.array(_loglik(bound, draws, covariances))
    weights, k = smoothed(log)
    off = (weights @ draws - draws.mean(0)) / draws.std(0)
    most = int(np.abs(off).argmax())
    found = {"pareto_k": k, "ess": float(1 / (weights**2).sum() / len(draws)), "moved": float(off[most])}
    say(f"importance weights of a second surrogate: Pareto k {k:.2f}, effective share {found['ess']:.2f}")
    return found | {"most": names(bound.problem)[most], "fresh": len(u), "log_weight_sd": float(log.std())}


def fresh(bound, draws, folder, seed):
    """Some of the draws (draw, parameter), and statistics of one fresh trial at each; batches are kept in a folder."""
    rng = np.random.default_rng(seed)
    u = draws[rng.choice(len(draws), min(FRESH, len(draws)), replace=False)]
    return u, rounds.simulated(bound, u, 100, folder, seed)


def smoothed(log):
    """Normalised weights (draw,) from their logarithms, Pareto-smoothed, and k."""
    from arviz_stats.base import array_stats

    found, k = array_stats.psislw(np.asarray(log, float))
    weights = np.exp(found - found.max())
    return weights / weights.sum(), float(k)


def _loglik(bound, draws, covariances):
    """Log-likelihood of all targets at scores (draw, parameter)."""
    fitted, fixed = targets.gather(bound.rows, bound.error), {k: jnp.asarray(v) for k, v in covariances.items()}

    known = stacked.stacks(fitted)

    def one(u):
        values = parameters(bound.problem, u)
        tau = values.get(bound.problem.discrepancy[0], 0.0)
        return sum(stacked.logliks(fitted, known, bound.predict(values), tau, fixed))

    return jax.jit(lambda all_: jax.lax.map(one, all_, batch_size=16))(jnp.asarray(draws))


__all__ = ["FRESH", "fresh", "smoothed", "weighed"]
