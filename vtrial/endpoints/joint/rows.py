"""Published rows on organs, adverse events and doses: which the joint look models, and how each is read from its patients."""

import re
from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import ndtr

from ... import units
from ...library import organs, reporting
from ..outcome import hard
from .plan import closed

GRADES = {"any": (1, 9), "grade3plus": (3, 9), **{f"grade{g}": (g, g) for g in range(1, 6)}}
_ORGANS = {"thrombocytopenia": "platelets", "neutropenia": "neutrophils"}
_GROUP = r"(?:_(?P<group>asian|nonasian))?"
FORMS = {
    "lab": re.compile(rf"(?P<organ>{'|'.join(organs.BLOOD)})_lab_(?P<grade>any|grade[1-4]|grade3plus)"),
    "ae": re.compile(rf"(?P<organ>[a-z]+)_ae_(?P<grade>any|grade3plus){_GROUP}"),
    "once": re.compile(rf"(?P<organ>ild)_(?P<grade>any|grade[1-5]|grade3plus){_GROUP}"),
    "event": re.compile(r"(?P<organ>diarrhoea|hand_foot)_(?P<grade>any|grade3plus)"),
    "onset": re.compile(r"(?P<organ>ild)_onset"),
    "dose": re.compile(r"(?P<what>dose_reduced|dose_delayed|discontinued_ae)(?:_(?P<drug>[a-z0-9]+))?"),
    "treated": re.compile(rf"treatment_duration(?:_(?P<drug>(?!asian|nonasian)[a-z]+))?{_GROUP}"),
}
STATISTICS = {"onset": ("median",), "treated": ("median",)}
SHARES = ("share", "count")


class Reading(NamedTuple):
    """What a row tells: its ``form``, and of it the organ, grade, drug, subgroup or kind of dose change."""

    form: str
    organ: str = ""
    grade: str = ""
    group: str = ""
    what: str = ""
    drug: str = ""


def reading(row):
    """The `Reading` of a row on organs or doses, or None."""
    for form, pattern in FORMS.items():
        if (found := pattern.fullmatch(row.endpoint)) and row.statistic in (*STATISTICS.get(form, SHARES), "ratio"):
            told = {k: v for k, v in found.groupdict().items() if v}
            if "organ" in told:
                told["organ"] = _ORGANS.get(told["organ"], told["organ"])
            return Reading(form, **told)
    return None


def unmodelled(row, trial, plans):
    """Why a row on organs or doses is not modelled, or nothing; ``plans``: arm -> `plan.Plan`."""
    r = reading(row)
    if r is None:
        return f"{row.endpoint}, {row.statistic}, is not modelled"
    if missing := [a for a in row.arms if a not in plans]:
        return f"{missing[0]} cannot be followed"
    if (row.statistic == "ratio") != (len(row.arms) == 2):
        return f"{row.statistic} of {row.arm} is not modelled"
    return next((why for a in row.arms if (why := _lacks(r, row, trial, plans[a]))), "")


def _lacks(r, row, trial, plan):
    if r.organ and r.organ not in plan.course.organs:
        return f"{r.organ} has no card in {plan.arm}"
    if r.form == "ae" and r.organ not in reporting.shares():
        return f"reporting of {r.organ} has no card"
    if r.drug and r.drug not in plan.drugs:
        return f"{r.drug} is not given in {plan.arm}"
    if r.group and "ASIAN" not in plan.course.population.marginals:
        return "ASIAN is not modelled"
    if r.form not in ("once", "onset", "treated") and cut(row, trial) != plan.closed:
        return f"organs and doses are counted at the cut {closed(trial)}"
    return ""


def cut(row, trial):
    """Day of a row's data cut: that at which organs and doses are counted where the row does not say."""
    return trial.design.horizon(row.cut or closed(trial))


def sampled(row, trial, plan, patients, values):
    """(value, who counts) of an arm's patients, (subject,) each: a truth value, or days."""
    r, p = reading(row), patients
    counts = _group(r, p)
    if r.form == "treated":
        mine = [t for t, name in zip(p.treated, plan.drugs, strict=True) if r.drug in ("", name)]
        return jnp.minimum(jnp.stack(mine).max(0), followed(p, cut(row, trial))), counts
    if r.form in ("once", "onset"):
        onset = p.course.onset[r.organ]
        seen = onset <= followed(p, cut(row, trial))
        if r.form == "onset":
            return onset, counts & seen
        return seen & _between(p.course.organs[r.organ].worst, r.grade), counts
    return _of_course(r, plan, p, values), counts


def followed(p, day):
    """Days that patients have been followed by a day of the trial, (subject,)."""
    return jnp.minimum(p.followed, jnp.maximum(hard.followed(p.tumour, day), 0.0))


def _of_course(r, plan, p, values):
    if r.form == "dose":
        mine = [d for d, name in zip(p.course.doses, plan.drugs, strict=True) if r.drug in ("", name)]
        return sum(_changed(d, r.what) for d in mine) > 0
    worst = p.course.organs[r.organ].worst
    return _between(reported(r.organ, worst, p, values) if r.form == "ae" else worst, r.grade)


def _changed(doses, what):
    return {"dose_reduced": doses.reduced, "dose_delayed": doses.held, "discontinued_ae": doses.stopped >= 0}[what]


def _between(grade, name):
    low, high = GRADES[name]
    return (grade >= low) & (grade <= high)


def _group(r, p):
    everyone = jnp.ones(p.followed.shape, bool)
    return everyone if not r.group else p.known["ASIAN"] == (1.0 if r.group == "asian" else 0.0)


def reported(organ, worst, p, values):
    """The worst grade (subject,) as reported: the laboratory's, or none. Shares by grade are the shelf's, or ``low`` (grades 1
    and 2) and ``high`` of ``values[REPORTED]``."""
    mine = values.get(reporting.REPORTED, {})
    low, _, high, _ = (jnp.asarray(v) for v in reporting.shares()[organ])
    low, high = mine.get(f"{organ}.low", low), mine.get(f"{organ}.high", high)
    share = jnp.where(worst >= 3, high, low)
    return jnp.where(ndtr(p.tells[organ]) < share, worst, 0)


def statistic(row, of):
    """A row's statistic over replicates, (replicate,); ``of``: of each of its arms (value, who counts), each (replicate,
    subject)."""
    r = reading(row)
    if r.form in STATISTICS:
        months = units.DAYS_PER_MONTH if row.unit == "months" else 1.0
        return middle(*of[0]) / months
    shares = [(v & c).sum(-1) / jnp.maximum(c.sum(-1), 1) for v, c in of]
    return shares[0] / jnp.maximum(shares[1], 1e-9) if len(shares) == 2 else shares[0]


def middle(value, counts):
    """Median over those who count, (replicate,); zero of nobody."""
    ordered = jnp.sort(jnp.where(counts, value, jnp.inf), -1)
    n = counts.sum(-1)
    low, high = (jnp.take_along_axis(ordered, k[..., None], -1)[..., 0] for k in (jnp.maximum(n - 1, 0) // 2, n // 2))
    return jnp.where(n > 0, (low + jnp.where(jnp.isfinite(high), high, low)) / 2, 0.0)


__all__ = ["FORMS", "Reading", "cut", "followed", "middle", "reading", "sampled", "statistic", "unmodelled"]
