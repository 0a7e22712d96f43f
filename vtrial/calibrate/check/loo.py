"""Each target left out of a posterior by Pareto-smoothed importance weights: what it adds, and what it moves.

Vehtari, Gelman and Gabry, Stat Comput 2017;27:1413; the weights are ArviZ's.
"""

import warnings
from typing import NamedTuple

import numpy as np

# Weights of a larger k tell a direction only.
LIMIT = 0.7


class Left(NamedTuple):
    """A target without itself: its expected log predictive density, Pareto's ``k``, and by how many posterior standard
    deviations leaving it out ``moved`` the mean of the parameter that moves ``most``."""

    target: str
    elpd: float
    k: float
    moved: float
    most: str


def table(data):
    """`Left` of every target, the most influential first, and the total: ``elpd``, its ``se``, ``far``: targets whose k is
    above `LIMIT`."""
    names, found = list(data["log_likelihood"].data_vars), _loo(data)
    parameters, draws = _scaled(data)
    rows = []
    for i, name in enumerate(names):
        weights = np.exp(_weights(found, i))
        off = weights / weights.sum() @ draws
        most = int(np.abs(off).argmax())
        elpd, k = float(found.elpd_i[i]), float(found.pareto_k[i])
        rows.append(Left(name.replace("|", "/"), elpd, k, float(off[most]), parameters[most]))
    far = sum(row.k > LIMIT for row in rows)
    return sorted(rows, key=lambda row: -abs(row.moved)), {"elpd": float(found.elpd), "se": float(found.se), "far": far}


def _loo(data):
    import arviz as az

    each = np.stack([np.asarray(v) for v in data["log_likelihood"].data_vars.values()], -1)
    posterior = {k: np.asarray(v) for k, v in data["posterior"].data_vars.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the k themselves are told
        return az.loo(az.from_dict({"posterior": posterior, "log_likelihood": {"target": each}}), pointwise=True)


def _weights(found, i):
    log = np.asarray(found.log_weights.transpose("chain", "draw", ...))[..., i].reshape(-1)
    return log - log.max()


def _scaled(data):
    """Names, and draws (draw, parameter) in posterior standard deviations from the mean, of the logarithm where it exists."""
    names = list(data["posterior"].data_vars)
    flat = [np.asarray(data["posterior"][n]).reshape(-1) for n in names]
    x = np.stack([np.log(v) if v.min() > 0 else v for v in flat], 1)
    return names, (x - x.mean(0)) / np.maximum(x.std(0), 1e-300)


__all__ = ["LIMIT", "Left", "table"]
