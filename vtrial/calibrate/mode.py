"""Posterior mode of the scores, and its Laplace covariance: where the chains start and how they stretch."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from numpyro.infer.util import potential_energy

from .model import model, names


class Mode(NamedTuple):
    """``position`` (parameter,) of the scores and their Laplace ``covariance`` (parameter, parameter)."""

    position: np.ndarray
    covariance: np.ndarray
    potential: float


def energy(bound, targets):
    """``energy(scores, covariances)``: the model's potential energy, scores in the order of `names`."""
    order = [f"score_{name}" for name in names(bound.problem)]
    return lambda u, covariances: potential_energy(
        model, (bound, targets, covariances), {}, dict(zip(order, u, strict=True))
    )


def find(fun, start):
    """The mode by BFGS from ``start``, and the inverse Hessian there by central differences of the gradient.

    Raises
    ------
    RuntimeError
        If no mode is found or the Hessian is not positive definite there.
    """
    from scipy.optimize import minimize

    def finite(u):
        value, slope = fun(jnp.asarray(u))
        fine = bool(jnp.isfinite(value)) and bool(jnp.isfinite(slope).all())
        return (float(value), np.asarray(slope)) if fine else (1e10, np.zeros_like(u))

    best = minimize(finite, start, jac=True, method="BFGS", options={"gtol": 1e-3, "maxiter": 300})
    hessian = _hessian(fun, best.x)
    low = np.linalg.eigvalsh(hessian).min()
    if not np.isfinite(best.fun) or best.fun >= 1e10 or low <= 0:
        raise RuntimeError(f"no posterior mode: {best.message} (smallest curvature {low:.3g})")
    return Mode(best.x, np.linalg.inv(hessian), float(best.fun))


def _hessian(fun, at, step=1e-3):
    sides = [[np.asarray(fun(jnp.asarray(at + s * step * e))[1]) for s in (1, -1)] for e in np.eye(len(at))]
    rows = np.stack([(up - down) / (2 * step) for up, down in sides])
    return (rows + rows.T) / 2
