"""Published rows on response and survival: which are modelled, on what scale they are compared, and how each is read from
smooth curves or from sampled subjects."""

import math

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from ... import units
from ...conduct import enrolment
from ...conduct.recist import CR
from ...library import populations
from .. import survival
from . import setting as settings

SCALES = {
    "survival": "cloglog",
    "share": "logit",
    "count": "logit",
    "events": "logit",
    "at risk": "logit",
    "difference": "identity",
    "median": "log",
    "hazard ratio": "log",
}
TIMES = ("median", "survival", "hazard ratio", "events")
MODELLED = {
    "pfs": (*TIMES, "at risk"),
    "os": TIMES,
    "dor": ("median", "survival"),
    "orr": ("share", "count", "difference"),
    "cr": ("share",),
    "cbr": ("share",),
}
OPTIONS = ("month", "assessor", "measurable", "subgroup")
# Subgroups are told by a covariate's value, or by one of these: above a number, that covariate (1) or at or below it (0).
ABOVE = {"AGE65": ("AGE", 64.5), "HER2MRNA_HIGH": ("HER2MRNA", 1.0)}
SMOOTH = ("pfs", "os", "dor", "orr")
NEWTON = 8
# Floors and ceilings of what is divided by or raised: in single precision nothing is lost.
LOW, FAR = 1e-3, 6.0


def unmodelled(row, trial):
    """Why a row is not modelled, or nothing."""
    if row.statistic not in MODELLED.get(row.endpoint, ()):
        return f"{row.endpoint}, {row.statistic}, is not modelled"
    if row.statistic in ("survival", "at risk") and "month" not in row.options:
        return f"the month of {row.statistic} is not told"
    if row.options.get("adjusted"):
        return "a model adjusted for other covariates is not fitted"
    if trial.design is None:
        return "the trial has no design"
    known = populations.load(trial.population).marginals
    if other := [k for k in groups(row) if k not in known and ABOVE.get(k, ("",))[0] not in known]:
        return f"{', '.join(other)} is not modelled"
    if "subgroup" in row.options and not groups(row):
        return f"{row.options['subgroup']} is not modelled"
    return ""


def groups(row):
    """Covariate -> value of a row's subgroup."""
    return {k: v for k, v in row.options.items() if k not in OPTIONS}


def within(row, covariates):
    """Who is in a row's subgroup, of covariates (subject,)."""
    told = [(covariates[ABOVE[k][0]] > ABOVE[k][1], v) if k in ABOVE else (covariates[k], v) for k, v in groups(row).items()]
    return math.prod((x == v) for x, v in told) if told else True


def assessor(row, trial):
    """Whose reading a row tells: the trial's primary one where the row does not say."""
    return row.options.get("assessor", trial.design.response.assessor)


def cut(row, trial):
    """Day of a row's data cut, the last one where the row does not say; the latest possible one where it waits for events."""
    return trial.design.horizon(row.cut)


def look(row, trial):
    """(assessor, name of the data cut) of a row."""
    return assessor(row, trial), trial.design.cut(row.cut).name


def smooth(row, trial, curves):
    """A row's expectation, differentiable; ``curves``: arm -> `smooth.Curves` of the row's assessor."""
    of = [curves[a] for a in row.arms]
    if row.endpoint == "orr":
        return of[0].orr - of[1].orr if row.statistic == "difference" else of[0].orr
    if row.statistic == "at risk":
        return _at_risk(row, trial, of[0])
    days, lines = of[0].days, [getattr(c, row.endpoint) for c in of]
    if row.statistic == "survival":
        return jnp.interp(row.options["month"] * units.DAYS_PER_MONTH, days, lines[0])
    kept = enrolment.followed(trial.design.enrolment, trial.design.dropout, cut(row, trial), (days[1:] + days[:-1]) / 2)
    if row.statistic == "median":
        return median(days, lines[0], kept * _patients(row, trial, of[0])) / units.DAYS_PER_MONTH
    # of progression-free survival those whom nobody watches any more are neither at risk nor events
    counted = [(c.events, c.watched) if row.endpoint == "pfs" else (1 - c.os, c.os) for c in of]
    events = [jnp.diff(seen) * kept for seen, _ in counted]
    if row.statistic == "events":
        return events[0].sum()
    risk = [(line[1:] + line[:-1]) / 2 * kept for _, line in counted]
    sizes = [trial.arms[a].randomised for a in row.arms]
    return hazard_ratio([n * e for n, e in zip(sizes, events, strict=True)], [n * r for n, r in zip(sizes, risk, strict=True)])


def _at_risk(row, trial, curves):
    """Share still at risk at a month: watched, and followed until the scan after it, as else the scan before censors."""
    design, day = trial.design, row.options["month"] * units.DAYS_PER_MONTH
    scan = settings.edges(design.scans, day + max(design.scans.every, design.scans.then or 0.0))
    there = enrolment.followed(design.enrolment, design.dropout, cut(row, trial), scan[scan >= day][0])
    return jnp.interp(day, curves.days, curves.watched) * there


def _patients(row, trial, curves):
    """Whose curve a row's is: of duration of response those who responded."""
    n = trial.arms[row.arms[0]].randomised
    return n if row.endpoint != "dor" else jnp.maximum(trial.design.response.patients(n) * curves.orr, 1.0)


def median(days, line, followed):
    """Mean of the medians that samples have, whose curves are ``line`` (point,) in expectation.

    A sample's median is later than a day where its curve is above a half there: normal, with the standard error that
    Greenwood's sum gives where ``line`` passes a half. Unlike the day of that passing it does not leap from scan to scan.
    ``followed`` (interval,): patients who are followed so long, were nothing to happen to them.
    """
    before, after = jnp.maximum(line[:-1], LOW), jnp.maximum(line[1:], LOW)
    lost = jnp.clip(before - jnp.maximum(after, 0.5), 0.0)
    error = jnp.sqrt((lost / (before * after * jnp.maximum(followed, LOW))).sum() + LOW**2) / 2
    later = ndtr(jnp.clip((line - 0.5) / error, -FAR, FAR))
    return ((later[1:] + later[:-1]) / 2 * np.diff(days)).sum()


def hazard_ratio(events, risk):
    """Hazard of the first arm over the second: the root of the expected Cox score.

    Parameters
    ----------
    events, risk : two (interval,)
        Of each arm: how many events each interval has, and how many are at risk in it.
    """
    both, b = events[0] + events[1], 0.0
    for _ in range(NEWTON):
        p = risk[0] / (risk[0] + jnp.exp(-b) * risk[1] + 1e-6)
        b = b + (events[0] - p * both).sum() / (p * (1 - p) * both).sum()
    return jnp.exp(b)


def hard(row, trial, outcomes, memo=None):
    """A row's statistic over replicates, (replicate,); ``outcomes``: arm -> (`recist.Outcome`, who counts), each
    (replicate, subject), at the row's cut by its assessor. ``memo`` keeps curves that several rows read."""
    of = [outcomes[a] for a in row.arms]
    months = units.DAYS_PER_MONTH
    if row.endpoint in ("orr", "cr", "cbr"):
        shares = [_share(row, trial, *o) for o in of]
        return shares[0] - shares[1] if row.statistic == "difference" else shares[0]
    (time, event, counts), *other = [_times(row, trial, *o) for o in of]
    if row.statistic in ("events", "at risk"):
        yes = event if row.statistic == "events" else time >= row.options["month"] * months
        return (yes & counts).sum(-1) / jnp.maximum(counts.sum(-1), 1)
    if row.statistic == "hazard ratio":
        stacked = [jnp.concatenate(pair, -1) for pair in zip((time, event, counts), other[0], strict=True)]
        first = jnp.broadcast_to(jnp.arange(stacked[0].shape[-1]) < time.shape[-1], stacked[0].shape)
        return jnp.exp(survival.cox(*stacked[:2], first, weight=stacked[2]).log_hr)
    curve = _curve(row, trial, (time, event, counts), memo)
    if row.statistic == "survival":
        return survival.at(curve, row.options["month"] * months)
    # not reached: as long as anyone can have been followed
    return jnp.minimum(survival.median(curve), cut(row, trial)) / months


def _curve(row, trial, times, memo):
    key = row.arm, row.endpoint, look(row, trial), tuple(groups(row).items()), row.options.get("measurable")
    memo = {} if memo is None else memo
    if key not in memo:
        memo[key] = survival.curve(*times)
    return memo[key]


def width(row, trial, outcomes, memo=None):
    """Width of a single trial's 90 % interval of a median, months, (replicate,); NaN for other rows."""
    first = outcomes[row.arms[0]]
    if row.statistic != "median":
        return jnp.full(len(first[1]), jnp.nan)
    limits = survival.median_interval(_curve(row, trial, _times(row, trial, *first), memo), 0.9)
    low, high = (jnp.minimum(x, cut(row, trial)) for x in limits)
    return (high - low) / units.DAYS_PER_MONTH


def _times(row, trial, outcome, joined):
    time, event = (getattr(outcome, f"{row.endpoint}_{k}") for k in ("day", "event"))
    if row.endpoint != "dor":
        return time, event, joined
    return jnp.nan_to_num(time), event, joined & outcome.responder & _measurable(row, trial, joined)


def _share(row, trial, outcome, joined):
    yes = {"orr": outcome.responder, "cr": outcome.bor == CR, "cbr": outcome.benefit}[row.endpoint]
    counts = joined & _measurable(row, trial, joined)
    return (yes & counts).sum(-1) / jnp.maximum(counts.sum(-1), 1)


def _measurable(row, trial, joined):
    """Whose disease is measurable, where only those count: the first, as no two subjects differ before they are looked at."""
    size = joined.shape[-1]
    return jnp.arange(size) < (trial.design.response.patients(size) if row.options.get("measurable") else size)


def units_of(row, stats):
    """Statistics in the unit that is printed: counts of events or responders from shares."""
    return stats * row.n if row.unit == "count" and row.n else np.asarray(stats)


__all__ = [
    "SCALES",
    "SMOOTH",
    "assessor",
    "cut",
    "groups",
    "hard",
    "hazard_ratio",
    "smooth",
    "units_of",
    "unmodelled",
    "width",
    "within",
]
