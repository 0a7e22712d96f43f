"""A joint posterior fitted again without some rows or under other priors: the mode and its normal approximation, by the
surrogates that the whole one was made with.

What a normal approximation is worth, `agreement` tells: that of everything beside the chains' own draws.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from .. import joint, mode, targets
from ..emulate import rounds
from ..model import names, parameters, scores

DRAWS = 1000


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
    bound, prefix = rounds.restored(joint.bind(problem), training), "sampling_covariance_"
    kept = data["constant_data"].data_vars
    covariances = {k.removeprefix(prefix): np.asarray(v) for k, v in kept.items() if k.startswith(prefix)}
    values = {name: np.asarray(data["posterior"][name]).reshape(-1) for name in names(problem)}
    draws = np.asarray(scores(problem, values)).T
    return Whole(bound, targets.gather(bound.rows, bound.error), covariances, np.asarray(kept["mode"]), draws)


def refitted(known, out=(), problem=None):
    """Draws (draw, parameter) of the normal approximation without the rows at the positions ``out``, or of ``problem`` with
    other priors of the same parameters."""
    bound = known.bound if problem is None else replace(known.bound, problem=problem)
    fitted, covariances = without(known, set(out))
    fun = jax.jit(jax.value_and_grad(mode.energy(bound, fitted)))
    fixed = {k: jnp.asarray(v) for k, v in covariances.items()}
    found = mode.find(lambda u: fun(u, fixed), known.start)
    z = np.random.default_rng(1).normal(size=(DRAWS, len(found.position)))
    return found.position + z @ np.linalg.cholesky(found.covariance).T


def without(known, out):
    """Targets that no row at the positions ``out`` is part of, and the covariances that go with them: of a trial's normal rows
    the others stay."""
    fitted, covariances = [], dict(known.covariances)
    for target in known.fitted:
        if isinstance(target, targets.Normal):
            keep = [k for k, i in enumerate(target.at) if i not in out]
            covariances[target.name] = known.covariances[target.name][np.ix_(keep, keep)]
            target = _part(target, keep)
        if target.at and not out & set(target.at):
            fitted.append(target)
    return fitted, covariances


def _part(target, keep):
    at, scales = (tuple(x[k] for k in keep) for x in (target.at, target.scales))
    return replace(target, at=at, scales=scales, observed=target.observed[keep], extra=target.extra[keep])


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
    values = parameters(known.problem, jnp.asarray(draws).T)
    expected = jax.jit(lambda all_: jax.lax.map(known.bound.predict, all_))(values)
    return np.asarray(expected), np.asarray(values.get(known.problem.discrepancy[0], jnp.zeros(len(draws))))


__all__ = ["DRAWS", "Whole", "agreement", "moved", "predicted", "refitted", "whole", "without"]
