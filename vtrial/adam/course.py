"""ADLB and ADAE of an arm under its dose rules: laboratory values as the rules saw them, adverse events by their worst grade.

Study days count from the first dose, which is day 1. A course lasts as long as the trial tells that treatment lasted: neither
the tumour nor a data cut ends it.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl

from .. import ledger
from ..conduct import protocol, rules
from ..endpoints.hard import arm_key
from ..endpoints.joint.subjects import patients
from ..endpoints.people import flat, frame, people
from ..endpoints.protocol import numbers
from ..library import organs
from .schema import ADAE, ADLB, table, usubjid

LABS = {
    "platelets": ("HEMATOLOGY", "PLAT", "Platelets", "10^9/L"),
    "neutrophils": ("HEMATOLOGY", "NEUT", "Neutrophils", "10^9/L"),
    "alt": ("CHEMISTRY", "ALT", "Alanine aminotransferase", "xULN"),
    "ast": ("CHEMISTRY", "AST", "Aspartate aminotransferase", "xULN"),
    "bilirubin": ("CHEMISTRY", "BILI", "Bilirubin", "xULN"),
    "lvef": ("CARDIAC FUNCTION", "LVEF", "Left ventricular ejection fraction", "%"),
}
EVENTS = {
    "platelets": "Thrombocytopenia",
    "neutrophils": "Neutropenia",
    "alt": "Alanine aminotransferase increased",
    "ast": "Aspartate aminotransferase increased",
    "bilirubin": "Blood bilirubin increased",
    "ild": "Interstitial lung disease",
    "diarrhoea": "Diarrhoea",
    "hand_foot": "Palmar-plantar erythrodysaesthesia syndrome",
}

# Of a dose, the strongest last.
ACTIONS = (ledger.ACTIONS[rules.GIVEN], ledger.ACTIONS[rules.HELD], ledger.LOWER, ledger.ACTIONS[rules.STOPPED])

BLOOD, TESTS, GUT = "Blood and lymphatic system disorders", "Investigations", "Gastrointestinal disorders"
CLASSES = {
    "platelets": BLOOD,
    "neutrophils": BLOOD,
    **dict.fromkeys(("alt", "ast", "bilirubin"), TESTS),
    "ild": "Respiratory, thoracic and mediastinal disorders",
    "diarrhoea": GUT,
    "hand_foot": "Skin and subcutaneous tissue disorders",
}


def kept(arm, known, values, key, places=None, plan=None, most=ledger.MOST):
    """The first patients of an arm's first replicate, whose course is run once for all tables. With a ``plan`` (and the trial's
    ``places``) their tumours end it.

    Returns
    -------
    Protocol
    Course
        Kept whole; NumPy.
    dict
        Organ -> baseline as measured, (subject,).
    """
    size, of, told = min(arm.n, most), frame(arm), numbers(arm, known)
    keys, subjects = flat(arm_key(key, arm), jnp.arange(1), size)
    first = {path: {k: np.ravel(v)[0] for k, v in row.items()} for path, row in values.items()}
    days = arm.every * arm.cycles

    def run(n):
        if plan is not None:
            # counted to the end of the tables, not to the day of the published rows
            whole = replace(plan, closed=float(plan.days))
            made = patients(whole, n, first, flat(places, jnp.arange(1), size)[0], keys, subjects, keep=True)
            return made.course, made.baseline
        who = people(arm, of, n.shares, first, keys, subjects, days)
        return protocol.follow(of, n.protocol, who, days, True), who.baseline

    return told.protocol, *jax.tree.map(np.asarray, jax.jit(run)(told))


def lab(arm, course, baseline):
    """ADLB of a kept `Course`: a record a measurement; BASE is the value before the first dose, as measured."""
    parts = [_values(arm, o, course, baseline[o]) for o in arm.organs if o in LABS]
    return pl.concat([pl.DataFrame(schema=ADLB), *parts])


def _rows(arm):
    return {name: row for row, name in enumerate(frame(arm).features, 1)}


def _values(arm, organ, course, baseline):
    index, (category, code, name, unit) = _rows(arm), LABS[organ]
    value = course.features[:, index[organ, "value"]]
    # measured with error, so that a value that stays to the last digit was not measured again
    fresh = np.isfinite(value) & (value != np.concatenate([np.full_like(value[:1], np.nan), value[:-1]]))
    who, day = np.nonzero(fresh.T)
    low = dict(arm.scale[1]).get(organ) if organ in organs.COUNTS else None
    high = 1.0 if organ in organs.LIVER else None
    grade = _grade(course, index.get((organ, "grade")), day, who)
    none = np.full(len(who), None)
    return table(
        ADLB,
        STUDYID=arm.trial,
        USUBJID=usubjid(arm, value.shape[1])[who],
        ARMCD=arm.arm,
        PARCAT1=category,
        PARAMCD=code,
        PARAM=f"{name} ({unit})",
        AVALU=unit,
        AVISITN=(np.cumsum(fresh, 0))[day, who],
        ADY=day + 1,
        AVAL=value[day, who],
        BASE=baseline[who],
        CHG=value[day, who] - baseline[who],
        ANRLO=np.full(len(who), low),
        ANRHI=np.full(len(who), high),
        BNRIND=_range(baseline[who], low, high),
        ATOXGR=grade,
        ATOXGRL=none if high else grade,
        ATOXGRH=grade if high else none,
        ANL01FL="Y",
    )


def _range(value, low, high):
    """Where values lie in a normal range of which one end or neither is known."""
    if low is None and high is None:
        return np.full(len(value), None)
    over = value > (np.inf if high is None else high)
    return np.where(value < (-np.inf if low is None else low), "LOW", np.where(over, "HIGH", "NORMAL")).astype(object)


def _grade(course, row, day, who):
    return np.full(len(who), None) if row is None else course.features[day, row, who].astype(int)


def events(arm, course, doses):
    """ADAE of a kept `Course` with its ledger ``doses``: a record a subject and event, of its worst grade; laboratory values as
    far as they are reported as events (`library.reporting`)."""
    parts = [_event(arm, o, course, worst, doses) for o in arm.organs if (worst := _worst(o, course)) is not None]
    told = pl.concat([pl.DataFrame(schema=ADAE), *parts]).sort("USUBJID", "AESTDY", "AEDECOD", nulls_last=True)
    return told.with_columns(AESEQ=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("USUBJID"))


def _worst(organ, course):
    """The worst grade (subject,) that is told of an organ, None where nothing is."""
    if organ in LABS:
        return course.reported.get(organ)
    return course.organs[organ].worst


def _event(arm, organ, course, worst, doses):
    seen = course.features[:, _rows(arm)[organ, "grade"]] >= 1
    who = np.flatnonzero(worst >= 1)
    day = np.where(seen.any(0), seen.argmax(0) + 1, None)
    ids, strongest = usubjid(arm, len(worst))[who], _strongest(arm, doses, organ)
    return table(
        ADAE,
        STUDYID=arm.trial,
        USUBJID=ids,
        ARMCD=arm.arm,
        AESEQ=0,
        AEDECOD=_name(arm, organ),
        AEBODSYS=CLASSES.get(organ),
        AETOXGR=worst[who].astype(int),
        AESTDY=day[who],
        AEACN=[ACTIONS[strongest.get(i, 0)] for i in ids],
    )


def _strongest(arm, doses, organ):
    """Position in `ACTIONS` of the strongest that the ledger has for an organ, by subject; for all else, of its own drug."""
    rank = pl.col("EXACN").replace_strict({word: i for i, word in enumerate(ACTIONS)}, return_dtype=pl.Int32)
    of = {"EXORGAN": organ} if organ in EVENTS else {"EXORGAN": organs.OTHER, "EXTRT": _drug(arm, organ)}
    return dict(doses.filter(**of).group_by("USUBJID").agg(rank.max()).iter_rows())


def _name(arm, organ):
    """What all else is called names its drug."""
    if organ in EVENTS:
        return EVENTS[organ]
    return f"Other adverse event of {_drug(arm, organ)}"


def _drug(arm, organ):
    return organ.removeprefix(organs.OTHER).strip() or arm.parts[0].drug


__all__ = ["events", "kept", "lab"]
