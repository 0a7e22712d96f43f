"""Posterior mode of the scores, and its Laplace covariance: where the chains start and how they stretch."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from numpyro.infer.util import potential_energy

from .model import model, names

STARTS, WALL = 4, 1e10


class Mode(NamedTuple):
    """``position`` (parameter,) of the scores and their Laplace ``covariance`` (parameter, parameter)."""

    position: np.ndarray
    covariance: np.ndarray
    potential: float


def energy(bound, targets):
    """``energy(scores, covariances)``: the model's potential energy, scores in the order of `names`."""
    order = [f"score_{name}" for name in names(bound.problem)]
    return lambda u, covariances: potential_energy(model, (bound, targets, covariances), {}, dict(zip(order, u, strict=True)))


def find(fun, start):
    """The mode by BFGS from ``start``, and the inverse Hessian there by central differences of the gradient.

    The surface of a few hundred patients is finely rough: BFGS is started anew from where it stops, the differences
    are wide, and no direction counts as flatter than half of what the prior alone makes it.

    Raises
    ------
    RuntimeError
        If no finite energy is found.
    """
    best = None
    for _ in range(STARTS):
        found = minimize(fun, start if best is None else best.x)
        gain = np.inf if best is None else best.fun - found.fun
        best = found if gain > 0 else best
        if gain < 0.01:
            break
    if not np.isfinite(best.fun) or best.fun >= WALL:
        raise RuntimeError(f"no posterior mode: {best.message}")
    return Mode(best.x, _covariance(_hessian(fun, best.x)), float(best.fun))


def minimize(fun, start):
    """SciPy's BFGS, which meets a wall where the energy is not finite."""
    from scipy.optimize import minimize as scipys

    def finite(u):
        value, slope = fun(jnp.asarray(u))
        fine = bool(jnp.isfinite(value)) and bool(jnp.isfinite(slope).all())
        return (float(value), np.asarray(slope)) if fine else (WALL, np.zeros_like(u))

    return scipys(finite, start, jac=True, method="BFGS", options={"gtol": 1e-3, "maxiter": 300})


def _covariance(hessian):
    values, vectors = np.linalg.eigh(hessian)
    return (vectors / np.maximum(values, 0.5)) @ vectors.T


def _hessian(fun, at, step=0.1):
    sides = [[np.asarray(fun(jnp.asarray(at + s * step * e))[1]) for s in (1, -1)] for e in np.eye(len(at))]
    rows = np.stack([(up - down) / (2 * step) for up, down in sides])
    return (rows + rows.T) / 2
