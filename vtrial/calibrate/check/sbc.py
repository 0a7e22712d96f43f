"""Simulation-based calibration of a joint problem (Talts et al. 2018, arXiv:1804.06788).

The surrogate is trained once, over the region that the prior allows. Parameters are then drawn from the prior; at each, fresh
trials are simulated by the joint look, moved by a discrepancy as the model has it, and printed as the rows were; and the
posterior is sampled as a calibration samples it. Ranks of the truth among the draws are uniform only if simulator, surrogate,
likelihood and sampler agree.
"""

import io
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...output import write_whole
from .. import mode as modes
from .. import sample, targets, warp
from ..emulate import rounds, simulate
from ..model import names, parameters

# Training points are the prior's, drawn out so much; at so many more the simulator says what the surrogate is off.
WIDE, PROBES = 1.1, 32
# Transitions of a calibration: thrown away, and kept.
WARMUP, DRAWS = 100, 396
ACCEPT, DEPTH = 0.8, 6
# Tables that round to what was printed, at least so many places for them; a table of so many patients fills up, and weighs
# nothing.
ROOM, NOBODY = 8, 1e7


class Truth(NamedTuple):
    """``u`` (fit, parameter): scores; ``stats``: of each job (fit, row), one simulated trial at each."""

    u: np.ndarray
    stats: list


def learn(bound, file, folder, points, seed):
    """Simulates training points and probes over the prior's region and keeps them in ``file``; batches go under ``folder``."""
    size = len(names(bound.problem))
    u = rounds.points(rounds.Place(np.zeros(size), WIDE * np.eye(size)), points, seed)
    probes = rounds.points(rounds.Place(np.zeros(size), np.eye(size)), PROBES, seed + 99)
    stats = rounds.simulated(bound, u, 0, folder / "points", seed)
    again = rounds.simulated(bound, np.repeat(probes, simulate.BATCH, 0), 1, folder / "probes", seed)
    rounds.save(file, names(bound.problem), [(u, stats)], probes, again)


def draw(bound, file, folder, fits, seed):
    """Draws truths from the prior, simulates a trial of each, and keeps both in ``file``, in single precision.

    Truths are balanced: of a parameter that the rows tell little of, ranks are the prior's draws again, and their scatter would
    say nothing of the calibration.
    """
    size = len(names(bound.problem))
    u = rounds.points(rounds.Place(np.zeros(size), np.eye(size)), fits, seed + 1).astype(np.float32)
    stats = rounds.simulated(bound, u.astype(float), 2, folder / "truths", seed)
    held = io.BytesIO()
    np.savez_compressed(held, u=u, **{f"stats_{i}": np.asarray(s, np.float32) for i, s in enumerate(stats)})
    write_whole(file, lambda path: path.write_bytes(held.getvalue()))


def truths(bound, file):
    """The `Truth` that `draw` kept."""
    with np.load(file) as kept:
        return Truth(kept["u"].astype(float), [kept[f"stats_{i}"].astype(float) for i in range(len(bound.work))])


def published(bound, truth, k, seed):
    """Fit rows as the ``k``-th synthetic trials would have been printed: the simulated statistics, moved by the discrepancy,
    read off and rounded as the rows were."""
    rng, rows = np.random.default_rng([seed, k]), bound.rows
    values = parameters(bound.problem, jnp.asarray(truth.u[k]))
    expected, tau = np.asarray(bound.predict(values)), float(values.get(bound.problem.discrepancy[0], 0.0))
    stats = np.concatenate([s[k] for s in truth.stats])
    for target in targets.gather(rows):
        at = np.array(target.at)
        if isinstance(target, targets.Counts):
            stats[at] = _counted(target, expected[at], stats[at], [rows[i] for i in at], tau * rng.normal(), rng)
        else:
            stats[at] = [_moved(targets.scale(rows[i]), stats[i], tau * rng.normal()) for i in at]
    return [replace(r, value=_printed(r, x, rng)) for r, x in zip(rows, stats, strict=True)]


def _moved(scale, x, shift):
    return float(targets.from_scale(scale, targets.to_scale(scale, x) + shift))


def _counted(target, expected, stats, rows, shift, rng):
    """Statistics (row,) of a table whose probabilities are ``shift`` away on the logit scale: each patient's place among all,
    uniform within the category that was simulated, is judged anew."""
    unit = np.array([r.n if r.unit == "count" else 1 for r in rows])
    before, seen = _nested(target, expected), np.round(_nested(target, stats / unit) * target.n)
    edges = np.concatenate([[1.0], before, [0.0]])
    sizes = -np.diff(np.concatenate([[target.n], seen, [0]]).astype(int))
    place = np.concatenate([rng.uniform(low, high, k) for high, low, k in zip(edges[:-1], edges[1:], sizes, strict=True)])
    levels = (place < np.asarray(targets.expit(targets.logit(before) + shift))[:, None]).mean(1)
    return unit * (np.array([levels[0], levels[1] - levels[2], levels[2]]) if target.graded else levels)


def _nested(target, p):
    return np.array([p[0], p[1] + p[2], p[2]]) if target.graded else np.asarray(p)


def _printed(row, x, rng):
    if row.unit == "count":
        return float(round(x))
    x, step = x + row.reading_sd * rng.normal(), 2 * row.rounding
    return float(round(x / step) * step) if step else float(x)


class Sampled(NamedTuple):
    """Of one calibration: ``u`` (draw, parameter) scores, ``loglik`` (draw,) up to a constant, and that of the truth."""

    u: np.ndarray
    loglik: np.ndarray
    at_truth: float


class Refits:
    """Calibrations of a trained `joint.Emulated` to one synthetic set of rows after another, compiled once."""

    def __init__(self, bound, seed):
        self.bound, self.seed = bound, seed
        self.like = targets.gather(bound.rows, bound.error)
        self.size = len(names(bound.problem))
        self._slope, self._run = jax.jit(jax.value_and_grad(self._energy)), jax.jit(self._chain)

    def __call__(self, rows, truth, k, altered=lambda covariances: covariances):
        """`Sampled` of the ``k``-th calibration, to some rows; ``truth`` (parameter,); ``altered`` makes other sampling
        covariances of the right ones, for a likelihood that is wrong on purpose."""
        data = [_numbers(t) for t in targets.gather(rows, self.bound.error)]
        found, covariances = self._mode(data, altered)
        moved = warp.straight(found.position, found.covariance)
        u, potential = self._run(jax.random.fold_in(jax.random.PRNGKey(self.seed), k), data, covariances, moved)
        u, known = np.asarray(u), self.energy(truth, rows, covariances)
        return Sampled(u, (u**2).sum(1) / 2 - np.asarray(potential), (truth**2).sum() / 2 - known)

    def energy(self, u, rows, covariances):
        """The model's potential energy at scores (parameter,), but for a constant."""
        data = [_numbers(t) for t in targets.gather(rows, self.bound.error)]
        return float(self._slope(jnp.asarray(u), data, covariances)[0])

    def _mode(self, data, altered):
        """The mode, and the sampling covariances taken at the mode before it."""
        at = np.zeros(self.size)
        for _ in range(2):
            covariances = altered(self.bound.sampling(parameters(self.bound.problem, jnp.asarray(at))))
            found = modes.find(lambda u, c=covariances: self._slope(u, data, c), at)
            at = found.position
        return found, covariances

    def _energy(self, u, data, covariances):
        # as the model, whose targets are numbers of one calibration: here they are arguments
        values = parameters(self.bound.problem, u)
        predicted, tau = self.bound.predict(values), values.get(self.bound.problem.discrepancy[0], 0.0)
        made = [_with(t, d) for t, d in zip(self.like, data, strict=True)]
        return u @ u / 2 - sum(t.loglik(predicted, tau, covariances) for t in made)

    def _chain(self, key, data, covariances, moved):
        """Scores (draw, parameter) and their energies; ``moved``: the coordinates."""
        nuts = sample.kernel(lambda z: self._energy(moved(z), data, covariances), ACCEPT, depth=DEPTH)

        def step(state, _):
            state = nuts.sample(state, (), {})
            return state, (moved(state.z), state.potential_energy)

        start = jax.random.normal(jax.random.fold_in(key, 1), (self.size,))
        state = nuts.init(key, WARMUP, start, (), {})
        state = jax.lax.fori_loop(0, WARMUP, lambda _, s: step(s, None)[0], state)
        return jax.lax.scan(step, state, length=DRAWS)[1]


def _numbers(target):
    """What of a target is another in every set of rows, in arrays of one size."""
    if isinstance(target, targets.Normal):
        return target.observed, target.extra
    fill = np.zeros((max(ROOM - len(target.tables), 0), target.tables.shape[1]))
    fill[:, 0] = NOBODY
    return np.concatenate([target.tables, fill])


def _with(target, data):
    if isinstance(target, targets.Normal):
        return replace(target, observed=data[0], extra=data[1])
    return replace(target, tables=data)


__all__ = ["Refits", "Sampled", "Truth", "draw", "learn", "published", "truths"]
