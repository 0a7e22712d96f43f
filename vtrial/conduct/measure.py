"""What is seen of patients on a day: laboratory values with their error, LVEF, grades of events; as rules look at them."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr

from ..library import organs, reporting
from . import grading

HY = {"transaminase": 3.0, "bilirubin": 2.0}  # multiples of ULN


class Spec(NamedTuple):
    """An effect of a compiled arm: its card's structure, the part whose drug drives it, and its organs."""

    structure: str
    part: int
    organs: tuple


@dataclass(frozen=True)
class Frame:
    """What shapes the compiled program of an arm: ``effects`` (`Spec`), the ``packs`` of its parts in days, days ``every``
    cycle, and the ``scale`` of grades (version, ((count, LLN), ...))."""

    effects: tuple
    packs: tuple
    every: int
    scale: tuple

    @property
    def organs(self):
        return tuple(o for e in self.effects for o in e.organs)

    @property
    def features(self):
        return tuple(organs.features(self.organs))

    @property
    def sides(self):
        """1: higher is worse."""
        return {o: -1 if o in (*organs.COUNTS, *organs.POINTS) else 1 for o in self.organs}

    @property
    def lasting(self):
        """Organs whose event comes once, on a day of its own."""
        return tuple(e.organs[0] for e in self.effects if e.structure == "hazard")

    @property
    def kinds(self):
        """Visits at which each organ is looked at; an event is told whenever the patient is seen."""
        return {o: "blood" if o in organs.BLOOD else o for o in self.organs}

    def graded(self, organ):
        """The `grading.Scale` of an organ with values."""
        return grading.scale(self.scale[0], organ, dict(self.scale[1]).get(organ, 1.0))


class People(NamedTuple):
    """A cohort: of each part its ``paces`` and the ``mg`` (subject,) of a unit of its dose; of each effect the parameters,
    ``steps`` and ``starts``; by organ with values the ``sigma`` and the ``noise`` (subject,) keys of its measurement, and the
    ``baseline`` (subject,); ``tells`` (organ -> normal score of what gets reported); ``cycles`` (subject,) a subject gets
    where no rule stops earlier; ``ends`` (subject,) the day from which nothing is given, ``until`` the last day of which
    anything is counted, infinity: neither."""

    paces: tuple
    mg: tuple
    effects: tuple
    steps: tuple
    starts: tuple
    sigma: dict
    noise: dict
    baseline: dict
    tells: dict
    cycles: jnp.ndarray
    ends: jnp.ndarray | float = jnp.inf
    until: jnp.ndarray | float = jnp.inf


class Seen(NamedTuple):
    """A measurement, (subject,): ``value`` (None for an event) and ``grade``."""

    value: jnp.ndarray | None
    grade: jnp.ndarray


def rows(of, part):
    """(organ, feature) -> row of the features, as the rules of a part of an `arm.Arm` name them; row 0: not measured."""
    told = list(organs.features(of.organs))
    own = {f"{organs.OTHER} {of.parts[part].drug}" if part else organs.OTHER: organs.OTHER}
    named = [(own.get(o, o if not o.startswith(organs.OTHER) else ""), f) for o, f in told]
    return {name: i + 1 for i, name in enumerate(named)}


def seen(frame, who, truth, d):
    """`Seen` by organ of a day's true readings, were they measured."""
    valued = [o for o in frame.organs if o in who.noise]
    scores = _scores([who.noise[o] for o in valued], d) if valued else ()
    out = {o: Seen(None, truth[o]) for o in frame.organs}
    for o, score in zip(valued, scores, strict=True):
        error = who.sigma[o] * score
        value = truth[o] + error if o in organs.POINTS else truth[o] * jnp.exp(error)
        out[o] = Seen(value, grading.grade(frame.graded(o), value, who.baseline[o]))
    return out


def _scores(keys, d):
    """Normal scores (organ, subject) of a day, which counts from 1."""
    day = d.astype(int) + 1
    return jax.vmap(jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, day))))(jnp.stack(keys))


def updated(frame, who, x, seen, looked):
    """The features as last measured, (feature, subject)."""
    new = [x[0]]
    for row, (organ, feature) in enumerate(frame.features, 1):
        found = seen[organ].grade if feature == "grade" else seen[organ].value
        if feature == "drop":
            found = who.baseline[organ] - found
        new.append(jnp.where(looked[organ], found.astype(x.dtype), x[row]))
    return jnp.stack(new)


def hys_law(seen, drawn):
    """ALT or AST of three times ULN or more with bilirubin of twice or more, (subject,) bool; false where not modelled."""
    if not set(organs.LIVER) <= set(seen):
        return jnp.zeros_like(drawn)
    high = jnp.maximum(seen["alt"].value, seen["ast"].value) >= HY["transaminase"]
    return drawn & high & (seen["bilirubin"].value >= HY["bilirubin"])


def reported(organ, worst, score):
    """The worst grade (subject,) as reported: an adverse event of the laboratory's grade, or none."""
    share = jnp.array([0.0, *reporting.shares()[organ]])[worst.astype(int)]
    return jnp.where(ndtr(score) < share, worst, 0)


__all__ = ["Frame", "People", "Seen", "Spec", "hys_law", "reported", "rows", "seen", "updated"]
