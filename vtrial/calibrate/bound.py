"""A problem bound to what it needs: settings of its arms, the quasi-random cohort, the prediction of its fit rows."""

from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import block_diag

from ..conduct.setting import setting
from ..endpoints import TABLE, replicate, smooth
from ..endpoints.calm import calm
from ..endpoints.cohort import Cohort
from ..errors import bad
from ..library.files import line_of
from ..library.problems import EFFICACY, JOINT, Problem, internal
from . import joint, outcome, targets
from .single import single


@dataclass(frozen=True)
class Bound:
    """``predict(values)`` maps parameter values by name, in the problem's units, to the (row,) fit statistics."""

    problem: Problem
    rows: list = field(hash=False)
    settings: dict = field(hash=False)
    cohort: Cohort
    error = None  # of the prediction: it is exact but for the subjects' number

    def prepared(self, *_):
        """Nothing is left to be done before the mode."""
        return self

    def checked(self, *_):
        """The prediction is its own: there is nothing to weigh draws by."""
        return {}

    def predict(self, values):
        wanted = internal(self.problem.free, values)
        return single(smooth.predictor(self.settings, self.rows, self.cohort, calm))(wanted)

    def sampling(self, values, key):
        """`sampling_covariances` at parameter values."""
        return sampling_covariances(self, values, key)


def bind(problem, subjects=None, scramble=None):
    """Binds a problem's fit rows; ``subjects`` and ``scramble`` replace the problem's quasi-random subjects."""
    if problem.effect == JOINT:
        return joint.bind(problem)
    if problem.effect == EFFICACY:
        return outcome.bind(problem, subjects, scramble)
    rows = problem.rows("fit")
    for row in rows:
        if row.endpoint not in TABLE:
            where = problem.path, "roles.fit", f"{row.trial}/{row.id}: {row.endpoint} is not modelled"
            raise bad(*where, line_of(problem.path, "roles.fit"))
    settings = settings_of(problem, rows)
    seed = problem.scramble if scramble is None else scramble
    cohort = Cohort.make(list(settings.values()), rows, subjects or problem.subjects, seed)
    return Bound(problem, rows, settings, cohort)


def settings_of(problem, rows, **alternatives):
    """(trial, arm) -> `Setting` of the arms that some rows need."""
    arms = dict.fromkeys((r.trial, r.arm) for r in rows)
    return {(t, a): setting(problem.trials[t], a, problem.effect, **alternatives) for t, a in arms}


def sampling_covariances(bound, values, key, replicates=400):
    """Sampling covariance of each trial's normal rows, on their natural scales, from replicate trials at ``values``.

    Returns trial -> covariance (row, row), the rows in the order of the problem.
    """
    wanted = internal(bound.problem.free, values)
    parts = {}
    for (trial, arm), rows in _normal_rows(bound.rows).items():
        stats = replicate.statistics(bound.settings[trial, arm], rows, wanted, key, replicates=replicates)["rows"]
        scaled = [np.asarray(targets.to_scale(targets.scale(r), stats[:, i])) for i, r in enumerate(rows)]
        parts.setdefault(trial, []).append(np.atleast_2d(np.cov(np.stack(scaled))))
    # arms are independent
    return {trial: block_diag(*blocks) for trial, blocks in parts.items()}


def _normal_rows(rows):
    groups = {}
    for row in rows:
        if not row.table and not targets.is_count(row):
            groups.setdefault((row.trial, row.arm), []).append(row)
    return groups


__all__ = ["Bound", "bind", "sampling_covariances", "settings_of"]
