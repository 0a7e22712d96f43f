"""A joint posterior fitted again without some rows or under other priors: the mode and its normal approximation, by the
surrogates that the whole one was made with.

What a normal approximation is worth, `agreement` tells: that of everything beside the chains' own draws.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from .. import joint, mode, results, stacked, targets
from ..emulate import rounds
from ..model import names, parameters, scores

DRAWS = 1000
# Variance of a row that is left out, on its scale.
NOTHING = 1e8


@dataclass(frozen=True, eq=False)
class Whole:
    """A result to be questioned: its ``bound`` problem, ``fitted`` targets, sampling ``covariances`` by trial, the ``start`` of
    every refit (parameter,), and the chains' ``draws`` (draw, parameter) of scores."""

    bound: joint.Emulated
    fitted: list
    covariances: dict
    start: np.ndarray
    draws: np.ndarray

    @property
    def problem(self):
        return self.bound.problem


def whole(problem, data, training):
    """The `Whole` of a result: its problem, its DataTree, and the file that its surrogates are made of."""
    bound, start = rounds.restored(joint.bind(problem), training), np.asarray(data["constant_data"]["mode"])
    values = {name: np.asarray(data["posterior"][name]).reshape(-1) for name in names(problem)}
    draws = np.asarray(scores(problem, values)).T
    return Whole(bound, targets.gather(bound.rows, bound.error), results.covariances(data), start, draws)


def refitted(known, out=(), problem=None):
    """Draws (draw, parameter) of the normal approximation without the rows at the positions ``out``, or of ``problem`` with
    other priors of the same parameters."""
    weights, covariances = without(known, set(out))
    fun = _energy(known, problem)
    found = mode.find(lambda u: fun(u, weights, covariances), known.start)
    z = np.random.default_rng(1).normal(size=(DRAWS, len(found.position)))
    return found.position + z @ np.linalg.cholesky(found.covariance).T


@lru_cache(maxsize=8)
def _energy(known, problem):
    """``(u, weights, covariances) -> (energy, gradient)``, up to a constant: one program, whatever is left out."""
    expect, each = expectation(known, problem), logliks(known)

    def energy(u, weights, covariances):
        return u @ u / 2 - each(*expect(u), covariances) @ weights

    return jax.jit(jax.value_and_grad(energy))


def expectation(known, problem=None):
    """``u -> (expected, tau)``: statistics (row,) and the discrepancy's deviation at scores (parameter,)."""
    bound = known.bound if problem is None else replace(known.bound, problem=problem)
    name, shift = known.problem.discrepancy[0], known.covariances.get("shift")

    def expect(u):
        values = parameters(bound.problem, u)
        return targets.shifted(bound.rows, bound.predict(values), shift), values.get(name, jnp.zeros(()))

    return expect


def logliks(known):
    """``(expected, tau, covariances) -> (target,)`` log-likelihoods."""
    stacks = stacked.stacks(known.fitted)
    return lambda expected, tau, given: jnp.stack(stacked.logliks(known.fitted, stacks, expected, tau, given))


def without(known, out):
    """Weights (target,) of the targets, none of those that rows at the positions ``out`` are part of, and the covariances that
    go with them: of a trial's normal rows the others stay, and those left out have a variance that says nothing."""
    weights, covariances = np.ones(len(known.fitted)), {k: jnp.asarray(v) for k, v in known.covariances.items()}
    for k, target in enumerate(known.fitted):
        gone = np.isin(target.at, list(out))
        if isinstance(target, targets.Normal):
            weights[k] = float(not gone.all())
            covariances[target.name] = covariances[target.name] + jnp.diag(NOTHING * gone)
        else:
            weights[k] = float(not gone.any())
    return jnp.asarray(weights), covariances


def agreement(known):
    """How far the normal approximation of everything is from the chains' draws: the largest shift of a mean, in posterior
    standard deviations, and the smallest and largest ratio of deviations."""
    near, draws = refitted(known), known.draws
    shift = np.abs(near.mean(0) - draws.mean(0)) / draws.std(0)
    ratio = near.std(0) / draws.std(0)
    return {"shift": float(shift.max()), "least_sd": float(ratio.min()), "most_sd": float(ratio.max())}


def moved(known, other):
    """How far the mean of a normal approximation is, by another surrogate, from that of ``known``, in its deviations: root mean
    square over parameters, and the most."""
    base, more = refitted(known), refitted(other)
    shift = (more.mean(0) - base.mean(0)) / base.std(0)
    most = int(np.abs(shift).argmax())
    root = float(np.sqrt((shift**2).mean()))
    return {"joined_rms": root, "joined_most": float(shift[most]), "joined_parameter": names(known.problem)[most]}


def predicted(known, draws):
    """Expected statistics (draw, row) and the discrepancy's deviation (draw,) at scores (draw, parameter)."""
    return jax.tree.map(np.asarray, _predictions(known)(jnp.asarray(draws)))


@lru_cache(maxsize=8)
def _predictions(known):
    return jax.jit(lambda draws: jax.lax.map(expectation(known), draws))


__all__ = ["DRAWS", "NOTHING", "Whole", "agreement", "logliks", "moved", "predicted", "refitted", "whole", "without"]
