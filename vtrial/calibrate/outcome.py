"""A problem of tumours bound to what it needs: settings of its arms, quasi-random subjects, the prediction of its fit rows."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from .. import population
from ..endpoints.outcome import replicate, rows, setting, smooth
from ..errors import bad
from ..library.files import line_of
from ..library.problems import Problem, by_card
from . import targets
from .single import single

REPLICATES = 1000
# A correlation estimated from so many replicates is shrunk a little: the matrix of sixty rows stays well conditioned.
SHRINK = 0.02


@dataclass(frozen=True, eq=False)
class Outcomes:
    """``predict(values)`` maps parameter values by name, in the problem's units, to the (row,) fit statistics."""

    problem: Problem
    rows: list
    settings: dict  # (trial, arm) -> Setting
    looks: dict = field(repr=False)  # the same -> (scores, marks, exposure)
    horizons: dict
    error = None  # of the prediction: what it is off by is in the shift

    def prepared(self, *_):
        """Nothing is left to be done before the mode."""
        return self

    def checked(self, *_):
        """The prediction is its own: there is nothing to weigh draws by."""
        return {}

    def predict(self, values):
        return single(self._predict)(by_card(self.problem, values))

    def _predict(self, values):
        # NumPy's doubles become what is being traced
        looks, curves = jax.tree.map(jnp.asarray, self.looks), {}
        for name, horizon in self.horizons.items():
            keys = [key for key in self.settings if key[0] == name]
            made = smooth.curves([self.settings[k] for k in keys], [looks[k] for k in keys], values, horizon)
            curves |= dict(zip(keys, made, strict=True))
        return jnp.stack([self._row(r, curves) for r in self.rows])

    def _row(self, row, curves):
        # read by the primary assessor; what another reads differently is in the shift
        return rows.smooth(row, self.problem.trials[row.trial], {a: curves[row.trial, a] for a in row.arms})

    def sampling(self, values, key, replicates=None):
        """Sampling covariance of each trial's normal rows on their scales, by trial; and ``shift`` (row,): what the hard
        simulator's means differ by from the prediction, on the rows' scales."""
        wanted, shift, out = by_card(self.problem, values), np.zeros(len(self.rows)), {}
        predicted = np.asarray(jax.jit(self.predict)(values))
        for name in dict.fromkeys(r.trial for r in self.rows):
            at = [i for i, r in enumerate(self.rows) if r.trial == name]
            mine = [self.rows[i] for i in at]
            of = arms(self.problem, name, mine)
            count = replicates or REPLICATES
            stats = replicate.statistics(self.problem.trials[name], of, mine, wanted, key, replicates=count)["rows"]
            stats = stats / np.array([r.n if r.unit == "count" else 1 for r in mine])
            scaled = np.stack([np.asarray(targets.to_scale(targets.scale(r), stats[:, j])) for j, r in enumerate(mine)])
            there = [float(targets.to_scale(targets.scale(r), predicted[i])) for i, r in zip(at, mine, strict=True)]
            # medians: a statistic that is not reached in a few replicates has no mean
            shift[at] = np.median(scaled, 1) - there
            normal = [j for j, r in enumerate(mine) if not targets.is_count(r)]
            out[name] = _shrunk(np.cov(scaled[normal]))
        return out | {"shift": shift}


def _shrunk(covariance):
    return (1 - SHRINK) * covariance + SHRINK * np.diag(np.diag(covariance))


def bind(problem, subjects=None, scramble=None):
    """Binds a problem's fit rows; ``subjects`` and ``scramble`` replace the problem's quasi-random subjects."""
    fit = problem.rows("fit")
    for row in fit:
        trial = problem.trials[row.trial]
        why = rows.unmodelled(row, trial) or ("" if row.endpoint in rows.SMOOTH else f"{row.endpoint} cannot be fitted")
        if why := why or ("" if trial.design.cut(row.cut).day else "a data cut that waits for events cannot be fitted"):
            raise bad(problem.path, "roles.fit", f"{row.trial}/{row.id}: {why}", line_of(problem.path, "roles.fit"))
    seed = problem.scramble if scramble is None else scramble
    settings, looks, horizons = {}, {}, {}
    for name in dict.fromkeys(r.trial for r in fit):
        trial, mine = problem.trials[name], [r for r in fit if r.trial == name]
        horizons[name] = _horizon(trial, mine)
        for key in dict.fromkeys((name, a) for r in mine for a in r.arms):
            settings[key] = setting.bare(setting.setting(trial, key[1], problem.tumour, horizons[name]))
    for key, s in settings.items():
        looks[key] = _look(s, subjects or problem.subjects, seed)
    return Outcomes(problem, fit, settings, looks, horizons)


def _horizon(trial, mine):
    """Days until which a trial is followed for some rows: the longest anyone can be by a cut."""
    return max(rows.cut(r, trial) for r in mine)


def _look(s, subjects, seed):
    """Quasi-random scores, measurements and exposure of an arm's subjects; every arm's tumours have the same scores."""
    count = len(s.edges) - 1
    names = [*setting.names(s), *smooth.noise_names(count)]
    scores = population.quasi(names, subjects, seed)
    marks = smooth.marked(scores, count)
    mine = {k: v for k, v in scores.items() if not k.startswith("scan.")}
    return mine, marks, np.asarray(setting.kinetics(s, mine, setting.covariates(s, mine)))


def arms(problem, name, wanted):
    """Arm -> `Setting` of a trial's arms that some rows name, scanned until their last cut."""
    trial = problem.trials[name]
    horizon = _horizon(trial, wanted)
    return {a: setting.setting(trial, a, problem.tumour, horizon) for a in trial.arms if any(a in r.arms for r in wanted)}


def replicates(problem, name, wanted, values, key, count, tick):
    """`endpoints.outcome.replicate.statistics` of some rows of a trial, at parameter values (replicate,)."""
    of = arms(problem, name, wanted)
    return replicate.statistics(problem.trials[name], of, wanted, by_card(problem, values), key, replicates=count, tick=tick)


__all__ = ["Outcomes", "arms", "bind", "replicates"]
