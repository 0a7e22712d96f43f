"""The coordinates the chains move in: a triangular map from (nearly) standard-normal ones to the scores.

Published rates identify curved combinations of the parameters (the depth of a nadir is SLOPE, MTT and GAM at once), along
which a straight mass matrix is too long and across which it is too wide. Coordinate by coordinate the map therefore takes
off what the coordinates before it say, linearly and by products::

    u_i = m_i + s_i (q_i(u_1 .. u_i-1) + r_i z_i)

with q_i fitted to pilot draws by least squares. Its Jacobian is a constant, so that the posterior is only carried over,
never changed (a triangular transport map, Parno and Marzouk, SIAM/ASA J Uncertain Quantif 2018;6:645, cut at the second
degree).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

# Products are of coordinates held within about this many standard deviations: a parabola must not run away in the tails.
HELD = 2.5
# Draws' worth of belief that a coefficient of a product is zero.
RIDGE = 10.0
# Parameters beyond which the map is straight, and the share of the normal approximation's covariance in it.
MANY, SHRINK = 40, 0.2


class Warp(NamedTuple):
    """``order`` of the coordinates, their means ``m`` and deviations ``s`` in that order, weights ``q`` (coordinate,
    feature) and residual deviations ``r``."""

    order: tuple
    m: np.ndarray
    s: np.ndarray
    q: tuple
    r: np.ndarray

    def __call__(self, z):
        """Scores (parameter,) at the coordinates ``z`` (parameter,)."""
        x = []
        for q, r, one in zip(self.q, self.r, z, strict=True):
            x.append(q @ jnp.stack(_features(x)) + r * one)
        back = np.argsort(self.order)
        return (self.m + self.s * jnp.stack(x))[back]


class Straight(NamedTuple):
    """The linear map of a normal approximation: its mean ``m`` (parameter,) and a ``root`` of its covariance."""

    m: np.ndarray
    root: np.ndarray

    def __call__(self, z):
        """Scores (parameter,) at the coordinates ``z`` (parameter,)."""
        return self.m + self.root @ z


def straight(mean, covariance):
    """The `Straight` map of a mean and a covariance."""
    return Straight(np.asarray(mean), np.linalg.cholesky(covariance))


def after(draws, covariance):
    """The map that pilot ``draws`` (draw, parameter) are made for: fitted with its products, or of so many parameters that
    the products could not be told a straight one, the draws' covariance shrunk to the normal approximation's."""
    if draws.shape[1] <= MANY:
        return fitted(draws)
    return straight(draws.mean(0), (1 - SHRINK) * np.cov(draws.T) + SHRINK * covariance)


def fitted(draws):
    """The map fitted to ``draws`` (draw, parameter): what the others determine most comes last."""
    m, s = draws.mean(0), draws.std(0)
    order = _order(np.corrcoef(draws.T))
    x = ((draws - m) / s)[:, order]
    q, r = zip(*(_regress(x[:, :i], x[:, i]) for i in range(x.shape[1])), strict=True)
    return Warp(tuple(order), m[order], s[order], q, np.array(r))


def _features(x):
    """One, the coordinates, and their products two by two, of a list of coordinates."""
    held = [HELD * jnp.tanh(a / HELD) for a in x]
    return [jnp.ones(()), *x, *(a * b for i, a in enumerate(held) for b in held[i:])]


def _regress(x, y):
    """Weights of the features of ``x`` (draw, coordinate) for ``y`` (draw,), and what they leave (standard deviation)."""
    f = np.stack([np.broadcast_to(a, y.shape) for a in _features(list(x.T))], 1)
    free = 1 + x.shape[1]
    gram = f.T @ f + np.diag(np.where(np.arange(f.shape[1]) < free, 1e-6, RIDGE))
    q = np.linalg.solve(gram, f.T @ y)
    return q, (y - f @ q).std()


def _order(correlation):
    """Pivots of the Cholesky factorisation of a correlation matrix: the largest variance left, each time."""
    left, order = correlation.copy(), []
    for _ in range(len(correlation)):
        best = max((i for i in range(len(left)) if i not in order), key=lambda i: left[i, i])
        order.append(best)
        left = left - np.outer(left[best], left[best]) / left[best, best]
    return order


__all__ = ["Straight", "Warp", "after", "fitted", "straight"]
