"""An arm's plan: when it doses and looks, in whole days, so that every event is a grid point."""

from typing import NamedTuple

import numpy as np

from .. import events
from ..errors import bad
from ..library.files import line_of


class Plan(NamedTuple):
    """Static facts of an arm. Day ``d`` of a cycle (day 1 is the dose) is ``d - 1`` days after its start; the last day
    of a cycle and day 1 of the next are one time, and its count is taken before the dose."""

    amount: float  # mg or mg/kg
    per_kg: bool
    every: int  # days between doses
    cycles: int  # most cycles a subject can get
    watch: tuple  # days of a cycle on which counts are kept, ascending
    looked: tuple  # (cycle) of (watch) truth values: whether that count is taken under the protocol


def plan(arm, visits, file="", where="arm"):
    """The `Plan` of an arm under visits; raises `InputError` for a regimen that cannot be read or a day off the cycle."""
    key = f"{where}.regimen"
    r = events.regimen(arm.regimen, file, key, line_of(file, key))
    watch = tuple(sorted({*visits.first_cycle, *visits.later_cycles}))
    if any(not 2 <= d <= r.every + 1 for d in watch):
        key, allowed = "visits.platelets", f"2 to {r.every + 1}"
        raise bad(file, key, f"days {watch} of a {r.every}-day cycle; allowed: {allowed}", line_of(file, key))
    cycles = min(arm.treatment.longest, r.times or arm.treatment.longest)
    first, later = (tuple(d in days for d in watch) for days in (visits.first_cycle, visits.later_cycles))
    return Plan(r.amount, r.unit == "mg/kg", r.every, cycles, watch, (first,) + (later,) * (cycles - 1))


def dose(plan, covs):
    """Dose of each subject, mg."""
    return plan.amount * (covs["WT"] if plan.per_kg else np.ones(()))
