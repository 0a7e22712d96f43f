"""The ledger of doses as a table (ADEX): each planned dose, what became of it, and why."""

import numpy as np
import polars as pl

from .conduct import rules
from .endpoints import protocol

COLUMNS = {
    "STUDYID": pl.String,
    "ARM": pl.String,
    "USUBJID": pl.String,
    "EXTRT": pl.String,
    "EXSEQ": pl.Int32,
    "EXPLDY": pl.Int32,  # study day for which the dose was planned
    "EXDY": pl.Int32,  # study day of the decision
    "EXPLDOS": pl.Float64,  # mg of a dosing day, as planned
    "EXDOSE": pl.Float64,  # mg of a dosing day, as given; 0 when held or stopped
    "EXLEVEL": pl.Int32,  # dose level, 0 the highest
    "EXACN": pl.String,
    "EXADJ": pl.String,  # the rule that is the reason
    "EXORGAN": pl.String,
    "EXTOXGR": pl.Int32,  # the organ's worst grade seen since the last dose
}
ACTIONS = {
    rules.GIVEN: "DOSE NOT CHANGED",
    rules.HELD: "DRUG INTERRUPTED",
    rules.STOPPED: "DRUG WITHDRAWN",
}
LOWER = "DOSE REDUCED"
# Patients of a ledger that is written: enough to read, few enough to keep.
MOST = 512


def table(arm, known, of, course):
    """The ledger of a `conduct.protocol.Course` that was kept whole, by subject, drug and day."""
    parts = [_part(arm, i, known[i], of, course) for i in range(len(arm.parts))]
    return joined(parts).sort("USUBJID", "EXDY", "EXTRT", maintain_order=True)


def joined(tables):
    """Tables one after the other."""
    return pl.concat([pl.DataFrame(schema=COLUMNS), *tables])


def _part(arm, i, known, of, course):
    entry = course.ledger[i]
    subject, day = np.nonzero(entry.action.T != rules.NOTHING)
    action, level, reason = (a[day, subject] for a in (entry.action, entry.level, entry.reason))
    before = _before(level, subject)
    unit = course.mg[0, i] / of.drugs[i].doses[0]
    doses = np.asarray(of.drugs[i].doses)
    given = np.where(action == rules.GIVEN, doses[level] * unit[subject], 0.0)
    why = [known.rules[r] if r >= 0 else None for r in reason]
    organ = [w.trigger[0].organ if w else None for w in why]
    return pl.DataFrame(
        {
            "STUDYID": arm.trial,
            "ARM": arm.arm,
            "USUBJID": [f"{arm.trial}-{arm.arm}-{s + 1:04d}" for s in subject],
            "EXTRT": arm.parts[i].drug,
            "EXSEQ": _sequence(subject),
            "EXPLDY": entry.planned[day, subject].astype(int) + 1,
            "EXDY": day + 1,
            "EXPLDOS": doses[0] * unit[subject],
            "EXDOSE": given,
            "EXLEVEL": level.astype(int),
            "EXACN": _words(action, level, before),
            "EXADJ": [w.id if w else None for w in why],
            "EXORGAN": organ,
            "EXTOXGR": _grades(arm, i, organ, course, day, subject, action),
        },
        schema=COLUMNS,
    )


def _before(level, subject):
    """The level of the subject's entry before, 0 at first."""
    return np.where(np.diff(subject, prepend=-1) == 0, np.concatenate([[0], level[:-1]]), 0)


def _sequence(subject):
    starts = np.flatnonzero(np.diff(subject, prepend=-1))
    return np.arange(len(subject)) - np.repeat(starts, np.diff([*starts, len(subject)])) + 1


def _words(action, level, before):
    lower = (action == rules.GIVEN) & (level > before)
    return [LOWER if low else ACTIONS[int(a)] for a, low in zip(action, lower, strict=True)]


def _grades(arm, part, organ, course, day, subject, action):
    """The worst grade of each entry's organ since the subject's last dose, None where it has no grade."""
    index, out, since, last = protocol.rows(arm, part), [], 0, -1
    for o, d, s, a in zip(organ, day, subject, action, strict=True):
        since = since if s == last else 0
        seen = course.features[since : d + 1, index.get((o, "grade"), 0), s]
        seen = seen[np.isfinite(seen)]
        out.append(int(seen.max()) if o and len(seen) else None)
        last, since = s, d + 1 if a == rules.GIVEN else since
    return out


__all__ = ["COLUMNS", "joined", "table"]
