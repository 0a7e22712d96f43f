"""What the joint look needs of an arm: its course of doses and organs, its tumour's setting, and the days they share."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from ...conduct.arm import Arm
from ...conduct.arm import arm as course_of
from ...errors import InputError, bad
from .. import protocol
from ..outcome import setting as settings

COUNTED = re.compile("_lab_|_ae_|^dose_|^discontinued_|^diarrhoea|^hand_foot")


@dataclass(frozen=True, eq=False)
class Plan:
    """One arm. ``course`` of doses and organs, followed for ``days``; ``windows`` (day,): the interval between scans that each
    day is in; ``planned`` (interval,): dosing days of the first drug in each; ``closed``: day of the trial on which the
    counting of organs and doses ends, but for what comes once: one day for all rows on them."""

    course: Arm
    setting: settings.Setting
    days: int
    windows: np.ndarray
    planned: np.ndarray
    closed: float

    @property
    def arm(self):
        return self.setting.arm

    @property
    def drugs(self):
        return tuple(p.drug for p in self.course.parts)

    @property
    def numbers(self):
        return protocol.numbers(self.course)


def plan(trial, arm_id, horizon, known=None):
    """The `Plan` of an arm of a trial that is followed until ``horizon`` (days since the first patient).

    ``known``: dose rules of each drug other than the trial's. Raises `InputError` where a drug has no card for either half.
    """
    if trial.tumour is None:
        raise bad(trial.path, "tumour", "is missing; a joint look needs a tumour's card")
    of, s = course_of(trial, arm_id), settings.setting(trial, arm_id, trial.tumour, horizon)
    if s.pk.path != of.parts[0].pk.path:
        raise bad(trial.path, "arm.drug", f"the tumour of {arm_id} is not driven by the arm's first drug")
    days = int(np.ceil(horizon))
    windows = np.searchsorted(s.edges, np.arange(days) + 1e-9) - 1
    return Plan(of, s, days, windows, _planned(of.parts[0], windows), min(trial.design.horizon(closed(trial)), horizon))


def closed(trial):
    """Name of the data cut at which organs and doses are counted: that of most published rows on them, else the first."""
    told = [r.cut for r in trial.rows.values() if r.cut and COUNTED.search(r.endpoint)]
    return Counter(told).most_common(1)[0][0] if told else trial.design.cuts[0].name


def _planned(part, windows):
    """Dosing days of a drug's plan in each window, (window,)."""
    day = np.arange(len(windows))
    on = day % part.gap[0] == 0 if part.pack == 1 else np.array(part.on)[day % len(part.on)]
    return np.bincount(windows, on, windows.max() + 1)


def plans(trial, wanted, horizon):
    """Arm -> `Plan` of the arms that can be followed, and arm -> why another cannot."""
    made, left_out = {}, {}
    for arm_id in wanted:
        try:
            made[arm_id] = plan(trial, arm_id, horizon)
        except InputError as error:
            left_out[arm_id] = error.faults[0].message
    return made, left_out


__all__ = ["Plan", "closed", "plan", "plans"]
