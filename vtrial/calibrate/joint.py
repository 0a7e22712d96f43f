"""A joint problem bound to what it needs: the simulator of its trials and, once trained, the surrogate of its fit rows."""

import shutil
from dataclasses import dataclass, field, replace

import jax.numpy as jnp
import numpy as np
from scipy.linalg import block_diag

from ..library.problems import Problem
from . import targets
from .emulate import basis, importance, rounds, simulate, surrogate


@dataclass(frozen=True, eq=False)
class Emulated:
    """``predict(values)`` maps parameter values by name, in the problem's units, to the (row,) fit statistics; ``parts``: the
    surrogates, one a job of ``work``, whose rows follow each other in ``rows``; ``error`` (row,): what they are off by;
    ``made_for``: the problem of whose scores they are functions, where its priors were others."""

    problem: Problem
    work: list = field(repr=False)
    parts: tuple = ()
    error: np.ndarray | None = None
    made_for: Problem | None = None

    @property
    def rows(self):
        return [r for job in self.work for r in job.rows]

    def predict(self, values):
        return jnp.concatenate([p.predict(self.scores(j, values)) for j, p in zip(self.work, self.parts, strict=True)])

    def scores(self, job, values):
        """Scores of a job's trial, (..., parameter)."""
        return jnp.moveaxis(basis.scores_of(self.made_for or self.problem, values, job.trial), 0, -1)

    def sampling(self, values, _key=None):
        """Sampling covariance of each trial's normal rows on their scales, by trial, at parameter values."""
        out = {}
        for job, part in zip(self.work, self.parts, strict=True):
            if any(not targets.is_count(r) for r in job.rows):
                mine = part.covariance(np.asarray(self.scores(job, values)))
                out[job.trial] = block_diag(out[job.trial], mine) if job.trial in out else mine
        return out

    def trained(self, values, stats):
        """The same problem with surrogates fitted to simulated statistics, one (point, row) a job, at parameter values by name,
        each (point,)."""
        scores = [np.asarray(self.scores(job, values)) for job in self.work]
        fits = [surrogate.fitted(self.problem, job.rows, x, y) for job, x, y in zip(self.work, scores, stats, strict=True)]
        return self.with_parts(fits, values)

    def with_parts(self, parts, values):
        """The same problem with other surrogates, whose error is that about some parameter values."""
        pairs = zip(self.work, parts, strict=True)
        error = np.concatenate([p.error(np.asarray(self.scores(job, values))) for job, p in pairs])
        # by the published counts, once: an error that moved with synthetic ones would be no part of a likelihood
        for target in targets.gather(self.rows):
            if isinstance(target, targets.Counts):
                error[list(target.at)] = targets.common(target, error[list(target.at)])
        return replace(self, parts=tuple(parts), error=error)

    def prepared(self, checkpoint, plan, training=None):
        """The problem with surrogates trained about its posterior, or fitted to what a file of ``training`` holds."""
        if not training:
            return rounds.train(self, checkpoint, plan)
        found = rounds.restored(self, training)
        shutil.copyfile(training, checkpoint / rounds.TRAINING)
        return found

    def checked(self, draws, covariances, checkpoint, plan):
        """What a second surrogate says of draws (draw, parameter) of scores by this one."""
        return importance.weighed(self, draws, covariances, checkpoint / "importance", plan["seed"])


def bind(problem):
    """Binds a joint problem's fit rows; raises `InputError` for one that nothing models."""
    return Emulated(problem, simulate.jobs(problem, problem.rows("fit")))


__all__ = ["Emulated", "bind"]
