"""Regimens in words."""

import re
from dataclasses import dataclass

from .errors import bad

_EVERY = {"qd": 1, "qw": 7, "q1w": 7, "q2w": 14, "q3w": 21, "q4w": 28}
_WORDS = re.compile(
    r"\s*(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>mg/kg|mg)\s+(?P<every>q\w+)(?:\s*x\s*(?P<times>[1-9]\d*))?\s*$"
)


@dataclass(frozen=True)
class Regimen:
    """``amount`` in ``unit`` (mg or mg/kg) every ``every`` days, ``times`` times (None: until stopped)."""

    amount: float
    unit: str
    every: int
    times: int | None = None


def regimen(words, file="regimen", key="", line=None):
    """``"3.6 mg/kg q3w x 6"`` -> `Regimen`. Raises `InputError` naming what is allowed."""
    found = _WORDS.match(words)
    if not found or found["every"] not in _EVERY:
        allowed = f"<amount> mg|mg/kg {'|'.join(_EVERY)} [x <times>]"
        raise bad(file, key, f"regimen {words!r} cannot be read; allowed: {allowed}", line)
    times = int(found["times"]) if found["times"] else None
    return Regimen(float(found["amount"]), found["unit"], _EVERY[found["every"]], times)
