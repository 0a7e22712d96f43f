"""Replicate trials at points of the parameters: one fresh trial a point, in batches that are kept as they come.

A batch is the same trials wherever and whenever it is simulated, so that an interrupted stage goes on where it was.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np

from ...conduct.setting import setting
from ...endpoints import TABLE
from ...endpoints import replicate as courses
from ...endpoints.joint import lanes, plan
from ...endpoints.joint import replicate as joint
from ...endpoints.joint import rows as organs
from ...endpoints.outcome import rows as outcomes
from ...errors import bad
from ...library.files import line_of
from ...library.problems import by_card
from ...output import write_whole
from .. import targets

BATCH = 64
# An arm of which only shares are told has at least so many patients, whose mean they are (a cohort of a dose escalation fewer:
# each point has fresh ones, and there are thousands of points); none has more than the most.
LEAST, FEW, MOST = 256, 64, 512
SMALL = 16
PLATELETS = "thrombocytopenia"


@dataclass(frozen=True, eq=False)
class Job:
    """Fit rows of one trial that one program simulates: ``run(values by card, key, first, count)`` gives (point, row);
    ``cost``: patient-days a point."""

    trial: str
    rows: tuple
    run: object
    cost: float


def jobs(problem, rows):
    """The `Job` s of a problem's rows; raises `InputError` for a row that nothing models."""
    out = []
    for name in dict.fromkeys(r.trial for r in rows):
        mine, trial = [r for r in rows if r.trial == name], problem.trials[name]
        whole = _whole(problem, trial, mine) if trial.design else {}
        if whole:
            out.append(_joint(trial, whole))
        for arm in dict.fromkeys(r.arm for r in mine if r not in whole):
            out.append(_course(problem, trial, arm, [r for r in mine if r.arm == arm and r not in whole]))
    return out


def _whole(problem, trial, rows):
    """Rows that the joint look models, in their order; what it does not must be of platelet counts alone."""
    arms = dict.fromkeys(a for r in rows for a in r.arms)
    plans, _ = plan.plans(trial, arms, horizon(trial, rows))
    why = {r: joint.unmodelled(r, trial, plans) for r in rows}
    for r, text in why.items():
        if text and r.endpoint not in TABLE:
            raise bad(problem.path, "roles.fit", f"{r.trial}/{r.id}: {text}", line_of(problem.path, "roles.fit"))
    return [r for r in rows if not why[r]]


def horizon(trial, rows):
    """Days until which a trial is followed for some rows."""
    return max(outcomes.cut(r, trial) if r.endpoint in outcomes.MODELLED else organs.cut(r, trial) for r in rows)


def _joint(trial, rows):
    arms = dict.fromkeys(a for r in rows for a in r.arms)
    sized = replace(trial, arms={**trial.arms, **{a: _sized(trial.arms[a], [r for r in rows if a in r.arms]) for a in arms}})
    plans, _ = plan.plans(sized, arms, horizon(trial, rows))
    cost = sum(p.setting.n * p.days for p in plans.values())

    def run(values, key, first, count):
        return joint.statistics(sized, plans, rows, values, key, replicates=count, first=first)["rows"]

    return Job(trial.name, tuple(rows), run, cost)


def _sized(arm, rows):
    """An arm with as many patients as are simulated."""
    n, counted = arm.randomised, all(targets.is_count(r) for r in rows)
    size = min(_most(n) if counted else n, MOST)
    return arm if size == n else replace(arm, n=size, assigned=size)


def _most(n):
    return max(n, FEW if n <= SMALL else LEAST)


def _course(problem, trial, arm, rows):
    """Platelet counts under full doses, in a trial that tells neither scans nor other organs."""
    if any(r.endpoint not in TABLE for r in rows):
        row = next(r for r in rows if r.endpoint not in TABLE)
        where = problem.path, "roles.fit", f"{row.trial}/{row.id}: {row.endpoint} is not modelled"
        raise bad(*where, line_of(problem.path, "roles.fit"))
    s = setting(trial, arm, PLATELETS)
    told = [replace(r, n=_most(r.n)) if targets.is_count(r) else r for r in rows]

    def run(values, key, first, count):
        mine, key = values.get(s.fx.path, {}), jax.random.fold_in(key, first)
        stats = courses.statistics(s, told, mine, key, replicates=count)["rows"]
        return stats * np.array([r.n / t.n if r.unit == "count" else 1 for r, t in zip(rows, told, strict=True)])

    return Job(trial.name, tuple(rows), run, s.n * s.plan.cycles * s.plan.every)


def simulated(problem, work, values, key, folder, tick=lambda n, note="": None):
    """Statistics of every job at points of the parameters.

    Parameters
    ----------
    problem : Problem
    work : list of Job
    values : dict
        Parameter values by name, each (point,).
    key : PRNG key
    folder : Path
        Where batches are kept; what is there is not simulated again.

    Returns
    -------
    list
        (point, row), NumPy, of each job.
    """
    size = len(next(iter(values.values())))
    return lanes.spread(
        [job.cost for job in work],
        lambda i: _points(problem, work[i], i, values, key, size, Path(folder), tick),
    )


def _points(problem, job, number, values, key, size, folder, tick):
    out = []
    for first in range(0, size, BATCH):
        file = folder / f"job-{number}-{first}.npy"
        if not file.exists():
            # the last batch is filled up by repeating, so that one compiled size serves all
            index = np.minimum(np.arange(first, first + BATCH), size - 1)
            mine = by_card(problem, {k: np.asarray(v)[index] for k, v in values.items()}, job.trial)
            stats = job.run({p: {k: np.asarray(v) for k, v in row.items()} for p, row in mine.items()}, key, first, BATCH)
            write_whole(file, lambda path, stats=stats: path.write_bytes(_bytes(stats)))
        out.append(np.load(file))
        tick(1, job.trial)
    return np.concatenate(out)[:size]


def _bytes(stats):
    import io

    held = io.BytesIO()
    np.save(held, np.asarray(stats))
    return held.getvalue()


__all__ = ["BATCH", "Job", "horizon", "jobs", "simulated"]
