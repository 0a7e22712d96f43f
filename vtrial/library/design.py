"""What a design is: how patients are randomised, enrolled, scanned, assessed and lost, when data are cut, who crosses over.

Times are in days since the first patient was randomised.
"""

import math
from dataclasses import dataclass

ASSESSORS = ("central", "investigator")
# What a calibration may replace of how a trial's scans are read and end, under `READING` in place of a card's path; its units.
READING = "reading"
READINGS = {"agreement": "1", "leaving": "1/day", **{f"error.{who}": "1" for who in ASSESSORS}}
# Days after the last patient by which a cut that waits for events is made at the latest.
PATIENCE = 1461.0


@dataclass(frozen=True)
class Stratum:
    """A stratification factor of two levels: a yes-or-no covariate, or one cut ``above`` a number in its own unit."""

    of: str
    above: float | None = None


@dataclass(frozen=True)
class Randomisation:
    """``ratio``: weights in the order of the arms; ``block``: patients; ``probability``: that minimisation's better arm is
    taken; ``strata``: factors, each of two levels; ``played``: patient by patient, where arms are else balanced exactly (see
    `endpoints.outcome.played`)."""

    kind: str
    ratio: tuple = ()
    block: int | None = None
    probability: float | None = None
    strata: tuple = ()
    played: bool = False


@dataclass(frozen=True)
class Enrolment:
    """``duration`` from the first patient to the last; ``ramp``: until when the rate rises linearly from zero (days)."""

    duration: float
    ramp: float


@dataclass(frozen=True)
class Scans:
    """Planned ``every`` so many days, after day ``since`` every ``then``; ``scatter``: standard deviation of the actual day
    about the planned one (days); ``missed``: the probability that a scan is not made; ``beyond``: they go on after the
    progression that ends treatment, until central review's."""

    every: float
    scatter: float
    missed: float
    since: float = math.inf
    then: float | None = None
    beyond: bool = False


@dataclass(frozen=True)
class Response:
    """RECIST ``version``, whose reading is the primary one, the share of patients with ``measurable`` disease, the
    ``agreement`` of assessors: the correlation of their errors on one sum, and of those whose target lesions are gone the share
    in whom all others are gone too, so that the response is ``complete`` (None: all)."""

    version: str
    assessor: str
    measurable: float
    agreement: float = 0.0
    complete: float | None = None

    def patients(self, n):
        """How many of ``n`` have measurable disease."""
        return round(self.measurable * n)


@dataclass(frozen=True)
class Dropout:
    """``hazard`` of leaving follow-up (1/day); ``past_progression``: share who are treated beyond progression. Survival of
    others is followed though they leave scans and treatment, without progression: ``unscanned``, a share of all before the
    first scan, and the rest at the hazard ``leaving`` (1/day); ``arms``: (arm, unscanned, leaving) where an arm has its own."""

    hazard: float
    past_progression: float
    unscanned: float = 0.0
    leaving: float = 0.0
    arms: tuple = ()

    def of(self, arm):
        """``unscanned`` and ``leaving`` of an arm."""
        return {name: own for name, *own in self.arms}.get(arm, [self.unscanned, self.leaving])


@dataclass(frozen=True)
class Cut:
    """A data cut: on a ``day``, or when so many ``events`` of an endpoint (``of``) have been seen; ``date`` as printed."""

    name: str
    kind: str
    day: float | None = None
    of: str | None = None
    events: int | None = None
    date: str = ""


@dataclass(frozen=True)
class Crossover:
    """From day ``opens`` on, of the patients of arm ``leaves`` who are then in follow-up, a ``share`` are given what arm
    ``joins`` is given: at once where they have progressed, else when they do."""

    leaves: str
    joins: str
    opens: float
    share: float


@dataclass(frozen=True)
class Design:
    """How a trial is run. ``errors``: (assessor, standard deviation of the logarithm of one measured sum)."""

    randomisation: Randomisation
    enrolment: Enrolment
    scans: Scans
    response: Response
    errors: tuple
    dropout: Dropout
    cuts: tuple
    crossovers: tuple = ()

    @property
    def readings(self):
        """The trial's own number of each of `READINGS` that it has; an arm may have its own hazard of `Dropout.leaving`."""
        own = {"agreement": self.response.agreement, "leaving": self.dropout.leaving}
        return own | {f"error.{who}": error for who, error in self.errors}

    @property
    def treating(self):
        """The assessor upon whose reading treatment and scans end: the investigator, where there is one."""
        return "investigator" if "investigator" in dict(self.errors) else self.response.assessor

    def cut(self, name=""):
        """The `Cut` of a name, the last one by default; `KeyError` where there is none."""
        return {c.name: c for c in self.cuts}[name] if name else self.cuts[-1]

    def horizon(self, name=""):
        """The latest day on which a cut can fall: its own, or where it waits for events `PATIENCE` after the last patient."""
        known = self.cut(name).day
        return self.enrolment.duration + PATIENCE if known is None else known


__all__ = [
    "ASSESSORS",
    "PATIENCE",
    "READING",
    "READINGS",
    "Crossover",
    "Cut",
    "Design",
    "Dropout",
    "Enrolment",
    "Randomisation",
    "Response",
    "Scans",
    "Stratum",
]
