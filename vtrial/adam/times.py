"""ADTTE: progression-free survival by each assessor, survival, and duration of response."""

import numpy as np
import polars as pl

from .sampled import Arm
from .schema import ADTTE, ASSESSORS, dates, table


def readers(design):
    """PARAMCD -> assessor of progression-free survival: PFS is central review's, where there is one, PFSINV the other's."""
    known = [name for name, _ in design.errors]
    first = "central" if "central" in known else design.response.assessor
    return {"PFS": first} | ({"PFSINV": "investigator"} if "investigator" in known and first != "investigator" else {})


def adtte(a: Arm):
    """A record a subject and parameter, of responses one a responder; CNSR is 0 for an event and 1 for none."""
    who = readers(a.s.design)
    parts = [_progression(a, code, of) for code, of in who.items()]
    return pl.concat([*parts, _survival(a, a.looks[who["PFS"]].outcome), _duration(a, who["PFS"])])


def _progression(a, code, who):
    o = a.looks[who].outcome
    return _times(a, a.sound, code, f"Progression-free survival by {ASSESSORS[who]}", 0.0, o.pfs_day, o.pfs_day, _ends(o))


def _duration(a, who):
    """Of confirmed responses, from the first day of the one that was confirmed."""
    o, label = a.looks[who].outcome, f"Duration of response by {ASSESSORS[who]}"
    return _times(a, a.sound & o.responder, "DOR", label, o.response_day, o.pfs_day, o.dor_day, _ends(o))


def _survival(a, o):
    dead, lost = o.os_event, a.of.gone < a.left
    why = np.where(lost, "Lost to follow-up", "Alive at the data cut")
    ends = dead, np.full(a.s.n, "Death"), why, np.full(a.s.n, "ADSL"), np.where(dead, "DTHDT", "LSTALVDT")
    return _times(a, a.sound, "OS", "Overall survival", 0.0, o.os_day, o.os_day, ends)


def _ends(o):
    """Of progression-free survival: whether an event ends it, what else does, and the domain and variable of that date."""
    died = o.pfs_event & o.os_event & (o.pfs_day == o.os_day)
    scanned = ~died & (o.pfs_event | (o.pfs_day > 0))
    event = np.where(died, "Death", "Progression of disease")
    censored = np.where(scanned, "Last scan without progression", "Randomisation: no scan was read")
    domain = np.where(scanned, "ADRS", "ADSL")
    return o.pfs_event, event, censored, domain, np.where(died, "DTHDT", np.where(scanned, "ADT", "RANDDT"))


def _times(a, rows, code, label, start, day, value, ends):
    """A parameter's records of the subjects ``rows``; ``start`` and ``day`` since randomisation, ``value``: AVAL."""
    event, happened, censored, domain, variable = (x[rows] for x in ends)
    return table(
        ADTTE,
        STUDYID=a.s.trial,
        USUBJID=a.ids[rows],
        ARMCD=a.s.arm,
        TRT01P=a.trial.arms[a.s.arm].title,
        PARAMCD=code,
        PARAM=f"{label} (days)",
        AVAL=value[rows],
        AVALU="DAYS",
        STARTDT=dates(a.start[rows], np.broadcast_to(start, day.shape)[rows]),
        ADT=dates(a.start[rows], day[rows]),
        CNSR=np.where(event, 0, 1),
        EVNTDESC=np.where(event, happened, None),
        CNSDTDSC=np.where(event, None, censored),
        SRCDOM=domain,
        SRCVAR=variable,
    )


__all__ = ["adtte", "readers"]
