"""ADSL: who the subjects of an arm are, how they were treated, and what became of them by the cut."""

import numpy as np
import polars as pl

from ..endpoints.outcome import hard
from .sampled import Arm
from .schema import ADSL, dates, flag, table


def adsl(a: Arm):
    """A record a subject who had joined; one whose course was not finite has EOSSTT ``FAILED``."""
    columns = _plan(a) | _people(a) | _treated(a) | _ended(a) | _strata(a)
    schema = ADSL | dict.fromkeys(strata(a.s), pl.String)
    return table(schema, **{k: np.broadcast_to(v, a.s.n)[a.there] for k, v in columns.items()})


def _plan(a):
    s, title = a.s, a.trial.arms[a.s.arm].title
    # no two subjects differ before they are looked at: the first ones have measurable disease, as in the statistics
    measurable = np.arange(s.n) < s.design.response.patients(s.n)
    return {
        "STUDYID": s.trial,
        "USUBJID": a.ids,
        "SUBJID": np.array([i.removeprefix(f"{s.trial}-") for i in a.ids]),
        "SITEID": "001",
        "ARM": title,
        "ARMCD": s.arm,
        "TRT01P": title,
        "RANDDT": a.start,
        "ITTFL": "Y",
        "MEASFL": flag(measurable),
    }


def _people(a):
    """Null where the population does not tell."""
    known = a.known
    nothing = np.full(a.s.n, None)
    return {
        "AGE": np.floor(known["AGE"]).astype(int) if "AGE" in known else nothing,
        "AGEU": "YEARS",
        "SEX": np.where(known["MALE"] > 0.5, "M", "F") if "MALE" in known else nothing,
        "RACE": np.where(known["ASIAN"] > 0.5, "ASIAN", "OTHER") if "ASIAN" in known else nothing,
    }


def _treated(a):
    """As many as the trial treated, the first ones, who are those of the ledger."""
    me = a.trial.arms[a.s.arm]
    treated = np.arange(a.s.n) < me.n
    return {
        "ACTARM": np.where(treated, me.title, "Not Treated"),
        "TRT01A": np.where(treated, me.title, None),
        "TRTSDT": dates(a.start, np.where(treated, 0.0, np.nan)),
        "TRTEDT": dates(a.start, np.where(treated & a.sound, _last_dose(a), np.nan)),
        "SAFFL": flag(treated),
    }


def _last_dose(a):
    """Day of the last dose before the treating assessor's progression, leaving, death or loss; NaN while treatment goes on."""
    over = np.stack([a.of.progressed, hard.quits(a.of), a.of.death, a.of.gone]).min(0)
    ended = over <= a.left
    doses = np.maximum(np.ceil(np.where(ended, over, 0.0) / a.s.every) - 1, 0)
    return np.where(ended, doses * a.s.every, np.nan)


def _ended(a):
    end = np.minimum(a.left, a.of.gone)
    died, lost = a.of.death <= end, a.of.gone < a.left
    alive = np.where(a.sound, np.minimum(a.of.death, end), np.nan)
    why = np.where(died, "DEATH", np.where(lost, "LOST TO FOLLOW-UP", None))
    return {
        "EOSSTT": np.where(a.sound, np.where(died | lost, "DISCONTINUED", "ONGOING"), "FAILED"),
        "DCSREAS": np.where(a.sound, why, None),
        "DTHDT": dates(a.start, np.where(died, alive, np.nan)),
        "LSTALVDT": dates(a.start, alive),
    }


def strata(s):
    """STRAT1 on -> the `library.design.Stratum` of those that the arm's population has."""
    known = [x for x in s.design.randomisation.strata if x.of in s.population.marginals]
    return {f"STRAT{i}": x for i, x in enumerate(known, 1)}


def _strata(a):
    return {name: _level(x, a.known[x.of]) for name, x in strata(a.s).items()}


def _level(stratum, value):
    if stratum.above is None:
        return flag(value > 0.5)
    return np.where(value > stratum.above, f">{stratum.above:g}", f"<={stratum.above:g}")


__all__ = ["adsl", "strata"]
