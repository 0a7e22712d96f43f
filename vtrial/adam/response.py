"""ADRS and ADTR: what each assessor read at each scan until the cut, and the best responses."""

import numpy as np
import polars as pl

from ..conduct import recist
from .sampled import Arm
from .schema import ADRS, ADTR, ASSESSORS, dates, table

WORDS = np.array(recist.WORDS)


def adrs(a: Arm):
    """OVRLRESP: a record a scan that was due until progression, NE where it was missed; BOR and CBOR, best overall response
    without and with confirmation, a record a subject, dated by the first scan that shows it (null: not evaluable)."""
    parts = [_overall(a, who, look) for who, look in a.looks.items()]
    for who, look in a.looks.items():
        o, words = look.outcome, f"Best overall response by {ASSESSORS[who]}"
        parts.append(_best(a, who, look, "BOR", f"{words}, unconfirmed", o.best, look.overall == recist.PR))
        parts.append(_best(a, who, look, "CBOR", f"{words}, confirmed", o.bor, a.of.days == o.response_day))
    return pl.concat(parts)


def _overall(a, who, look):
    subject, scan = np.nonzero((look.due & a.sound).T)
    words, label = WORDS[look.overall[scan, subject]], f"Overall response by {ASSESSORS[who]}"
    visit = _visit(a, who, subject, a.of.days[scan, subject])
    return table(ADRS, PARAMCD="OVRLRESP", PARAM=label, AVALC=words, AVISITN=scan + 1, **visit)


def _best(a, who, look, code, label, best, partial):
    """``partial``: the scans that may show a partial response."""
    rows, scan = np.flatnonzero(a.sound), _first(a, look, best, partial)
    there = scan[rows] >= 0
    visit = _visit(a, who, rows, np.where(there, a.of.days[scan[rows], rows], np.nan))
    number = np.where(there, scan[rows] + 1, None)
    return table(ADRS, PARAMCD=code, PARAM=label, AVALC=WORDS[best[rows]], AVISITN=number, **visit)


def _first(a, look, best, partial):
    """Index of the first scan that shows a best response, (subject,); -1: none does."""
    late = (look.overall >= recist.SD) & (a.of.days >= a.s.rules.stable_days - recist.SLACK)
    shows = np.stack([np.zeros_like(late), look.overall == recist.PD, late, partial, look.overall == recist.CR])
    found = np.take_along_axis(shows, best.astype(int)[None, None], 0)[0] & look.due
    return np.where(found.any(0), found.argmax(0), -1)


def adtr(a: Arm):
    """SUMLDIAM: baseline (AVISITN 0) and every scan that was read until progression, mm, 0 where too small to see; NADIR is the
    smallest sum before the scan, baseline included."""
    return pl.concat([_sums(a, who, look) for who, look in a.looks.items()])


def _sums(a, who, look):
    read = np.concatenate([a.sound[None], look.due & a.of.made & a.sound])
    sums = np.concatenate([look.baseline[None], look.sums])
    days = np.concatenate([np.zeros((1, a.s.n)), a.of.days])
    lowest = np.minimum.accumulate(np.where(read, sums, np.inf))
    subject, scan = np.nonzero(read.T)
    value, base = sums[scan, subject], look.baseline[subject]
    after = lambda numbers: np.where(scan > 0, numbers, None)  # noqa: E731
    return table(
        ADTR,
        PARAMCD="SUMLDIAM",
        PARAM=f"Sum of longest diameters by {ASSESSORS[who]} (mm)",
        AVALU="mm",
        AVAL=value,
        BASE=base,
        CHG=after(value - base),
        PCHG=after(100 * (value - base) / base),
        NADIR=after(lowest[scan - 1, subject]),
        ABLFL=np.where(scan > 0, None, "Y"),
        AVISITN=scan,
        **_visit(a, who, subject, days[scan, subject]),
    )


def _visit(a, who, subject, day):
    """Columns of visits of some subjects on days since randomisation, NaN for none."""
    studied = np.array([None if d != d else int(d) + 1 for d in np.floor(day)], object)
    names = {"STUDYID": a.s.trial, "USUBJID": a.ids[subject], "PARCAT1": who.upper()}
    return names | {"ADT": dates(a.start[subject], day), "ADY": studied}


__all__ = ["adrs", "adtr"]
