"""The spread between trials is told by its prior more than by a few trials: what half and double of it change."""

from dataclasses import replace
from typing import NamedTuple

from ..model import names
from . import refit

FACTORS = {"half": 0.5, "double": 2.0}


class Moved(NamedTuple):
    """A common ``parameter`` under a ``spread`` between trials half or double as wide: the shift of its mean in deviations of
    the posterior, and the ratio of deviations."""

    spread: str
    parameter: str
    shift: float
    sd: float


def moved(known):
    """`Moved` of every free parameter, against the normal approximation under the problem's own spreads."""
    base, free = refit.refitted(known), [f.name for f in known.problem.free]
    at = [names(known.problem).index(name) for name in free]
    out = []
    for word, factor in FACTORS.items():
        other = refit.refitted(known, problem=_scaled(known.problem, factor))
        shift = (other.mean(0) - base.mean(0)) / base.std(0)
        ratio = other.std(0) / base.std(0)
        out += [Moved(word, name, float(shift[i]), float(ratio[i])) for name, i in zip(free, at, strict=True)]
    return out


def _scaled(problem, factor):
    """The problem with spreads between trials ``factor`` times as wide."""
    wider = [replace(f, between=(f.between[0] * factor, f.between[1])) if f.between else f for f in problem.free]
    return replace(problem, free=tuple(wider))


__all__ = ["FACTORS", "Moved", "moved"]
