"""Regimens in words: ``3.6 mg/kg q3w x 6``, ``1250 mg qd``, ``1000 mg/m2 bid d1-14 q3w``, parts joined by ``then``."""

import re
from dataclasses import dataclass

from ..errors import bad

# Days between doses.
_EVERY = {"qd": 1, "q2d": 2, "qw": 7, "q1w": 7, "q2w": 14, "q3w": 21, "q4w": 28}
_TIMES_A_DAY = {"bid": 2, "tid": 3}
_WORDS = re.compile(
    r"\s*(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>mg/kg|mg/m2|mg|ug|g)"
    r"(?:\s+over\s+(?P<over>\d+(?:\.\d+)?)\s*(?P<clock>min|h|d))?"
    r"\s+(?P<every>q\d?[dw]|bid|tid)"
    r"(?:\s+d(?P<first>\d+)-(?P<last>\d+)\s+(?P<cycle>q\d?w))?"
    r"(?:\s*x\s*(?P<times>[1-9]\d*))?\s*$"
)
_DAYS = {"min": 1 / 1440, "h": 1 / 24, "d": 1.0}
ALLOWED = "<amount> mg|mg/kg|mg/m2|g|ug [over <t> min|h|d] qd|bid|tid|qw|q2w|q3w|q4w [d<first>-<last> q<n>w] [x <times>]"


@dataclass(frozen=True)
class Regimen:
    """``amount`` in ``unit`` every ``every`` days, ``times`` times (None: until stopped)."""

    amount: float
    unit: str
    every: float
    times: int | None = None


@dataclass(frozen=True)
class Phase:
    """A stretch of doses: ``amount`` in ``unit`` every ``every`` days, infused over ``over`` days (None: the drug's own),
    on the days ``first`` to ``last`` of cycles of ``cycle`` days where these are given; ``times`` doses, or cycles."""

    amount: float
    unit: str
    every: float
    times: int | None = None
    over: float | None = None
    first: int | None = None
    last: int | None = None
    cycle: int | None = None

    @property
    def span(self):
        """Days until the next phase begins."""
        return (self.cycle or self.every) * (self.times or 1)

    def doses(self, until):
        """Days of the doses from 0 until ``until`` (exclusive), at most ``times``."""
        if self.cycle is None:
            days = _count(self.every, until, self.times)
        else:
            a_cycle = _count(self.every, self.last - self.first + 1, None)
            starts = _count(self.cycle, until, self.times)
            days = [s + self.first - 1 + d for s in starts for d in a_cycle]
        return [d for d in days if d < until - 1e-9]


def _count(every, until, times):
    count = int((until - 1e-9) // every) + 1
    return [k * every for k in range(count if times is None else min(count, times))]


def regimen(words, file="regimen", key="", line=None):
    """``"3.6 mg/kg q3w x 6"`` -> `Regimen`, of doses every whole number of days. Raises `InputError` naming what is allowed."""
    (phase,) = schedule(words, file, key, line, most=1)
    if phase.cycle is not None or phase.every < 1 or phase.unit not in ("mg", "mg/kg"):
        raise bad(file, key, f"regimen {words!r}: here one dose in mg or mg/kg every whole number of days", line)
    return Regimen(phase.amount, phase.unit, phase.every, phase.times)


def schedule(words, file="regimen", key="", line=None, most=None):
    """The `Phase` objects of a regimen in words, one after the other.

    Raises
    ------
    InputError
        Where it cannot be read, naming what is allowed.
    """
    parts = re.split(r"\s+then\s+", words.strip())
    phases = [_phase(part, file, key, line) for part in parts]
    if most is not None and len(phases) > most:
        raise bad(file, key, f"regimen {words!r} has {len(phases)} parts; at most {most} here", line)
    if any(p.times is None for p in phases[:-1]):
        raise bad(file, key, f"regimen {words!r}: only the last part may go on without x <times>", line)
    return phases


def _phase(words, file, key, line):
    found = _WORDS.match(words)
    if not found or (found["every"] not in _EVERY and found["every"] not in _TIMES_A_DAY):
        raise bad(file, key, f"regimen {words!r} cannot be read; allowed: {ALLOWED}", line)
    every = _EVERY[found["every"]] if found["every"] in _EVERY else 1 / _TIMES_A_DAY[found["every"]]
    over = float(found["over"]) * _DAYS[found["clock"]] if found["over"] else None
    days = [int(found[k]) if found[k] else None for k in ("first", "last", "times")]
    cycle = _EVERY.get(found["cycle"]) if found["cycle"] else None
    if cycle and not 1 <= days[0] <= days[1] <= cycle:
        raise bad(file, key, f"regimen {words!r}: days {days[0]}-{days[1]} are not within a cycle of {cycle}", line)
    return Phase(float(found["amount"]), found["unit"], every, days[2], over, days[0], days[1], cycle)
