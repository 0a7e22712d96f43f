"""Trials' own effects in the other parametrisation: a trial's own value is what is sampled, not its score about the common one.

The posterior is the same; which coordinates its chains should move in, `scripts/compare_centring.py` tries.
"""

import jax.numpy as jnp
import numpy as np

from ...library.free import AT, BETWEEN
from ..model import names, parameters


def own(problem):
    """(position of the trial's own score, of the common one, name of the spread, slope of the parameter) of each effect."""
    order = {name: i for i, name in enumerate(names(problem))}
    by = {f.name: f for f in problem.free if f.between}
    told = [(i, name.split(AT)[0]) for name, i in order.items() if AT in name]
    return [(i, order[name], f"{BETWEEN}{name}", by[name].slope) for i, name in told]


def to(problem, u):
    """Centred coordinates (..., parameter) of scores (..., parameter): a trial's own value in scores of the common one."""
    spread = _spreads(problem, u)
    w = np.array(u)
    for i, common, tau, slope in own(problem):
        w[..., i] = w[..., common] + spread[tau] * w[..., i] / slope
    return w


def back(problem, w):
    """Scores (parameter,) of centred coordinates (parameter,), and the logarithm of the Jacobian's determinant."""
    spread, u, log = _spreads(problem, w), w, 0.0
    for i, common, tau, slope in own(problem):
        u = u.at[i].set((w[i] - w[common]) * slope / spread[tau])
        log = log + jnp.log(slope / spread[tau])
    return u, log


def _spreads(problem, u):
    return {k: v for k, v in parameters(problem, jnp.moveaxis(jnp.asarray(u), -1, 0)).items() if k.startswith(BETWEEN)}


__all__ = ["back", "own", "to"]
