"""Regressions of one statistic on features: logistic for what lies between none and all, straight for what does not.

A ridge keeps what the points do not tell near zero: of products as if by one point, and in a logistic regression, whose points
tell nothing of what hardly ever happens, as by normal priors with the deviations `PRODUCTS` and `LINEAR` beside `PATIENTS`.
"""

from typing import NamedTuple

import numpy as np

RIDGE, STEPS, FAR = 1.0, 25, 4.0
PRODUCTS, LINEAR, PATIENTS = 0.3, 3.0, 256


class Fit(NamedTuple):
    """``beta`` (feature,); ``covariance`` (feature, feature) of it; ``residual`` (point,): of the mean, divided by the root of
    ``mu (1 - mu)`` where the regression is logistic; ``share``: whether it is."""

    beta: np.ndarray
    covariance: np.ndarray
    residual: np.ndarray
    share: bool


def logistic(features, y, linear):
    """A quasi-binomial regression of shares ``y`` (point,) on features (point, feature), of which the first ``linear`` are
    not shrunk. Its dispersion is that of the residuals: a share of few patients needs no count of them."""
    penalty, floor = np.diag(_penalty(features, linear)), _floor(features, linear)
    beta = np.zeros(features.shape[1])
    mean = np.clip(y.mean(), 1e-5, 1 - 1e-5)
    beta[0] = np.log(mean / (1 - mean))
    for _ in range(STEPS):
        mu = _expit(features @ beta)
        weight = np.maximum(mu * (1 - mu), 1e-7)
        ridge = np.maximum(penalty * weight.mean(), floor)
        bread = (features * weight[:, None]).T @ features + np.diag(ridge)
        step = np.linalg.solve(bread, features.T @ (y - mu) - ridge * beta)
        beta = beta + step * min(1.0, 3.0 / max(np.abs(features @ step).max(), 1e-9))
        if np.abs(features @ step).max() < 1e-3:
            break
    mu = _expit(features @ beta)
    residual = (y - mu) / np.sqrt(np.maximum(mu * (1 - mu), 1e-7))
    return Fit(beta, np.linalg.inv(bread) * residual.var(), residual, True)


def straight(features, y, linear):
    """Least squares of ``y`` (point,) on features (point, feature), in which points further off than `FAR` spreads count as
    that far: a median that was not reached must not bend the rest."""
    penalty = _penalty(features, linear)
    bread = features.T @ features + penalty
    seen = y
    for _ in range(4):
        beta = np.linalg.solve(bread, features.T @ seen)
        fitted = features @ beta
        spread = 1.4826 * np.median(np.abs(y - fitted)) + 1e-9
        seen = fitted + np.clip(y - fitted, -FAR * spread, FAR * spread)
    residual = seen - fitted
    return Fit(beta, np.linalg.inv(bread) * residual.var(), residual, False)


def _penalty(features, linear):
    """(feature, feature): nothing for the first ones, `RIDGE` points' worth of each other."""
    scale = np.where(np.arange(features.shape[1]) < linear, 1e-9, RIDGE * (features**2).mean(0) + 1e-9)
    return np.diag(scale)


def _floor(features, linear):
    """(feature,): the least of a ridge, nothing for the constant."""
    index = np.arange(features.shape[1])
    sd = np.where(index < linear, LINEAR, PRODUCTS)
    return np.where(index > 0, 1 / (sd**2 * PATIENTS), 0.0)


def _expit(x):
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


__all__ = ["Fit", "logistic", "straight"]
