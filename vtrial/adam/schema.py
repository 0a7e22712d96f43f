"""Columns and types of the ADaM tables, and how days become dates.

Times keep their fractions, as the statistics read them, lest rounding make ties: AVAL of ADTTE is days from the start to the
event, with no day added. Dates are whole days: RANDDT is the day of joining rounded down, every other date RANDDT plus the
whole days since, rounded down; ADY is ADT - RANDDT + 1. So ADT - STARTDT is AVAL rounded down where a time starts at
randomisation, and within a day of it elsewhere.
"""

import re
from datetime import date, timedelta

import numpy as np
import polars as pl

_ID = {"STUDYID": pl.String, "USUBJID": pl.String}
ADSL = _ID | {
    "SUBJID": pl.String,
    "SITEID": pl.String,
    "AGE": pl.Int32,
    "AGEU": pl.String,
    **dict.fromkeys(("SEX", "RACE", "ARM", "ARMCD", "ACTARM", "TRT01P", "TRT01A"), pl.String),
    **dict.fromkeys(("TRTSDT", "TRTEDT", "RANDDT"), pl.Date),
    **dict.fromkeys(("SAFFL", "ITTFL", "MEASFL", "EOSSTT", "DCSREAS"), pl.String),
    **dict.fromkeys(("DTHDT", "LSTALVDT"), pl.Date),
}
ADTTE = _ID | {
    **dict.fromkeys(("ARMCD", "TRT01P", "PARAMCD", "PARAM"), pl.String),
    "AVAL": pl.Float64,
    "AVALU": pl.String,
    "STARTDT": pl.Date,
    "ADT": pl.Date,
    "CNSR": pl.Int32,  # 0 event, 1 censored
    **dict.fromkeys(("EVNTDESC", "CNSDTDSC", "SRCDOM", "SRCVAR"), pl.String),
}
_VISIT = {"PARCAT1": pl.String, "AVISITN": pl.Int32, "ADT": pl.Date, "ADY": pl.Int32}
ADRS = _ID | {"PARAMCD": pl.String, "PARAM": pl.String, "AVALC": pl.String} | _VISIT
ADTR = (
    _ID
    | {"PARAMCD": pl.String, "PARAM": pl.String, "AVALU": pl.String}
    | dict.fromkeys(("AVAL", "BASE", "CHG", "PCHG", "NADIR"), pl.Float64)
    | {"ABLFL": pl.String}
    | _VISIT
)
ADLB = _ID | {
    **dict.fromkeys(("ARMCD", "PARCAT1", "PARAMCD", "PARAM", "AVALU"), pl.String),
    "AVISITN": pl.Int32,
    "ADY": pl.Int32,
    **dict.fromkeys(("AVAL", "BASE", "CHG", "ANRLO", "ANRHI"), pl.Float64),
    "BNRIND": pl.String,  # of BASE: LOW, NORMAL or HIGH
    **dict.fromkeys(("ATOXGR", "ATOXGRL", "ATOXGRH"), pl.Int32),  # the grade, and whether it is of too little or too much
    "ANL01FL": pl.String,
}
ADAE = _ID | {
    "ARMCD": pl.String,
    "AESEQ": pl.Int32,
    "AEDECOD": pl.String,
    "AEBODSYS": pl.String,  # MedDRA's system organ class
    "AETOXGR": pl.Int32,  # the worst
    "AESTDY": pl.Int32,  # study day of the visit that first saw it; null where no visit did
    "AEACN": pl.String,  # the strongest action that a dose rule took for it
}
# One record of each.
KEYS = {
    "adsl": ("USUBJID",),
    "adtte": ("USUBJID", "PARAMCD"),
    "adrs": ("USUBJID", "PARAMCD", "PARCAT1", "AVISITN"),
    "adtr": ("USUBJID", "PARAMCD", "PARCAT1", "AVISITN"),
    "adlb": ("USUBJID", "PARAMCD", "AVISITN"),
    "adae": ("USUBJID", "AESEQ"),
}
ASSESSORS = {"central": "independent central review", "investigator": "the investigator"}
SOMEDAY = date(2000, 1, 1)
MONTHS = "January February March April May June July August September October November December".split()


def table(schema, **columns):
    """A DataFrame of a schema from columns, NumPy or scalar; None in arrays of objects is null."""
    listed = {k: v.tolist() if isinstance(v, np.ndarray) and v.dtype == object else v for k, v in columns.items()}
    return pl.DataFrame(listed, schema=schema)


def usubjid(of, size):
    """USUBJID (subject,) of an arm's subjects, whose ``trial`` and ``arm`` it has; as `ledger` writes it."""
    return np.array([f"{of.trial}-{of.arm}-{i:04d}" for i in range(1, size + 1)])


def flag(truth):
    return np.where(truth, "Y", "N")


def origin(trial):
    """Date on which the first patient was randomised: that of the design's first cut (its date as printed, else its name) less
    the cut's days, where it tells a day; else 1 January 2000."""
    first = trial.design.cuts[0]
    told = day_of(first.date) or day_of(first.name)
    return told - timedelta(days=int(first.day)) if told and first.day else SOMEDAY


def day_of(text):
    """The `date` of ``14 January 2012`` or ``2012-01-14`` at the start of a text, or None."""
    if iso := re.match(r"(\d{4})-(\d\d)-(\d\d)\b", text):
        return date(*map(int, iso.groups()))
    words = re.match(rf"(\d{{1,2}}) ({'|'.join(MONTHS)}) (\d{{4}})\b", text)
    return date(int(words[3]), MONTHS.index(words[2]) + 1, int(words[1])) if words else None


def dates(start, days):
    """Dates ``days`` after a start, whole days only, rounded down; NaT where days are not finite."""
    there = np.isfinite(days)
    whole = np.floor(np.where(there, days, 0.0)).astype(int).astype("timedelta64[D]")
    return np.where(there, start + whole, np.datetime64("NaT", "D"))


__all__ = ["ADAE", "ADLB", "ADRS", "ADSL", "ADTR", "ADTTE", "ASSESSORS", "KEYS"]
__all__ += ["dates", "day_of", "flag", "origin", "table", "usubjid"]
