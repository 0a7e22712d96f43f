"""NONMEM's event records: read, checked line by line, written.

Columns in any case: ID TIME EVID AMT RATE II ADDL SS CMT, and whatever else (parameters, covariates, DV). ``.`` and empty
cells are missing. A first column C marks records that are comments. Without EVID, a record with an AMT, or a RATE with SS,
is a dose and any other an observation.
"""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from ..errors import Fault, InputError, bad
from ..output import write_text

DOSING = ("EVID", "AMT", "RATE", "II", "ADDL", "SS", "CMT")
KNOWN = ("ID", "TIME", *DOSING)
# Left as text, and never a parameter or a covariate.
TEXT = ("C", "UNIT")
MISSING = ("", ".", "NA")


@dataclass(frozen=True)
class Records:
    """Checked records in input order.

    ``frame`` holds ID, TIME and the dosing columns, none missing (CMT 0: the structure's own), and the other columns with
    nulls where a cell is missing; ``lines`` are the lines of ``file`` the records stand in.
    """

    frame: pl.DataFrame
    file: str = "events"
    lines: tuple = field(default=())

    def line(self, row):
        return self.lines[row] if self.lines else row + 1

    def fault(self, row, column, message):
        return Fault(self.file, column, message, self.line(row))

    @property
    def others(self):
        """Names of the columns that are neither dosing nor text."""
        return [c for c in self.frame.columns if c not in (*KNOWN, *TEXT)]

    def grid(self, row):
        """Values by row as (record, subject), a NumPy array; shorter subjects repeat their last."""
        parts = self.subjects()
        index = np.arange(max(n for _, _, n in parts))
        return np.stack([row[a + np.minimum(index, n - 1)] for _, a, n in parts], 1)

    def rows(self, grid):
        """(record, subject) back by row."""
        return np.concatenate([np.asarray(grid)[:n, j] for j, (_, _, n) in enumerate(self.subjects())])

    def subjects(self):
        """(ID, first row, rows) of each subject: a new one begins wherever ID changes."""
        ids = self.frame["ID"].to_list()
        starts = [i for i in range(len(ids)) if i == 0 or ids[i] != ids[i - 1]]
        return [(ids[a], a, b - a) for a, b in zip(starts, [*starts[1:], len(ids)], strict=True)]


def from_nonmem_csv(path):
    """`Records` of a comma-separated file.

    Raises
    ------
    InputError
        With every fault: file, line, column, what is allowed.
    """
    import csv

    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError) as error:
        raise bad(path, "", f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not rows:
        raise bad(path, "", "is empty; a header line and records are needed")
    names = [name.strip().upper() for name in rows[0][1]]
    _header(path, names)
    short = [(n, len(r)) for n, r in rows[1:] if len(r) != len(names)]
    if short:
        raise InputError(*(Fault(path, "", f"has {k} cells; the header has {len(names)}", n) for n, k in short))
    kept = [(n, r) for n, r in rows[1:] if not (names[0] == "C" and r[0].strip() not in MISSING)]
    columns = {name: [r[j].strip() for _, r in kept] for j, name in enumerate(names)}
    return _checked(columns, str(path), tuple(n for n, _ in kept))


def from_frame(frame, file="events"):
    """`Records` of a Polars frame with the same columns; faults name rows from 1."""
    names = [name.upper() for name in frame.columns]
    _header(file, names)
    columns = {n: ["" if v is None else str(v) for v in frame[c].to_list()] for n, c in zip(names, frame.columns, strict=True)}
    return _checked(columns, file, ())


def to_nonmem_csv(records, path):
    """Writes records as NONMEM reads them: missing cells are ``.``."""
    lines = [",".join(records.frame.columns)]
    lines += [",".join(_cell(v) for v in row) for row in records.frame.iter_rows()]
    write_text(path, "\n".join(lines) + "\n")


def _cell(value):
    if value is None:
        return "."
    # the shortest text that reads back as the same number
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _header(file, names):
    doubled = sorted({n for n in names if names.count(n) > 1})
    if doubled:
        raise bad(file, doubled[0], "stands twice in the header", 1)
    if "TIME" not in names:
        raise bad(file, "TIME", f"is missing; columns: {', '.join(names)}", 1)


def _checked(columns, file, lines):
    """Records of columns of text."""
    count = len(columns["TIME"])
    if not count:
        raise bad(file, "", "holds no records")
    faults, out = [], {}
    where = Records(pl.DataFrame(), file, lines)
    for name, cells in columns.items():
        out[name] = cells if name in TEXT else [_number(where, faults, i, name, c) for i, c in enumerate(cells)]
    if faults:
        raise InputError(*faults)
    out.setdefault("ID", [1.0] * count)
    for name in DOSING:
        given = out.get(name, [None] * count)
        out[name] = [0.0 if v is None else v for v in given]
        if name == "EVID":
            out[name] = [_evid(out, i) if v is None else v for i, v in enumerate(given)]
    frame = pl.DataFrame({k: out[k] for k in (*KNOWN, *(c for c in out if c not in KNOWN))}, strict=False)
    records = Records(frame, file, lines)
    faults = list(_faults(records))
    if faults:
        raise InputError(*faults)
    return records


def _evid(columns, i):
    """What a record without EVID is."""
    amount, rate, settled = (columns.get(k, [0.0] * (i + 1))[i] or 0.0 for k in ("AMT", "RATE", "SS"))
    return 1.0 if amount or (rate and settled) else 0.0


def _number(where, faults, row, name, cell):
    if cell in MISSING:
        if name in ("ID", "TIME"):
            faults.append(where.fault(row, name, "is missing; a number is needed"))
        return None
    try:
        value = float(cell)
    except ValueError:
        faults.append(where.fault(row, name, f"is {cell!r}; a number or . is needed"))
        return None
    if value != value or value in (float("inf"), float("-inf")):
        faults.append(where.fault(row, name, f"is {cell}; a finite number is needed"))
    return value


def _faults(records):
    last = None
    for i, r in enumerate(records.frame.select(KNOWN).iter_rows(named=True)):
        new = last is None or r["ID"] != last["ID"]
        for column, message in (*_values(r), *_order(r, None if new else last), *_doses(r)):
            yield records.fault(i, column, message)
        last = r


def _values(r):
    if r["EVID"] not in (0, 1, 2, 3, 4):
        yield "EVID", f"is {r['EVID']:g}; allowed: 0 observation, 1 dose, 2 other, 3 reset, 4 reset and dose"
    if r["SS"] not in (0, 1, 2):
        yield "SS", f"is {r['SS']:g}; allowed: 0, 1, 2"
    if r["CMT"] < 0 or r["CMT"] % 1:
        yield "CMT", f"is {r['CMT']:g}; a compartment's number, 0 for the structure's own"
    if r["ADDL"] < 0 or r["ADDL"] % 1:
        yield "ADDL", f"is {r['ADDL']:g}; a whole number, 0 or more"
    if r["II"] < 0:
        yield "II", f"is {r['II']:g}; an interval is not negative"
    if r["AMT"] < 0:
        yield "AMT", f"is {r['AMT']:g}; an amount is not negative"
    if r["RATE"] < 0 and r["RATE"] not in (-1, -2):
        yield "RATE", f"is {r['RATE']:g}; allowed: above 0, 0 (bolus), -1 (modelled rate), -2 (modelled duration)"


def _order(r, last):
    if last and r["TIME"] < last["TIME"] and r["EVID"] not in (3, 4):
        yield "TIME", f"is {r['TIME']:g} after {last['TIME']:g}; time runs back only at EVID 3 or 4, or where ID changes"


def _doses(r):
    if r["EVID"] not in (1, 4):
        if r["AMT"] > 0 and r["EVID"] == 0:
            yield "AMT", f"is {r['AMT']:g} on an observation (EVID 0); a dose is EVID 1 or 4"
        return
    constant = r["SS"] > 0 and r["AMT"] == 0 and r["RATE"] not in (0, -2)
    if r["AMT"] == 0 and not constant:
        yield "AMT", "is 0 on a dose; allowed only with SS=1 and a RATE (constant infusion)"
    if r["SS"] > 0 and r["AMT"] > 0 and r["II"] == 0:
        yield "II", "is 0 with SS; the interval of the steady state is needed (or AMT=0 and a RATE: constant infusion)"
    if constant and (r["II"] > 0 or r["ADDL"] > 0):
        yield "II", "and ADDL have no meaning in a constant infusion (AMT=0, RATE, SS=1); both must be 0"
    if r["ADDL"] > 0 and r["II"] == 0 and r["AMT"] > 0:
        yield "II", f"is 0 with ADDL={r['ADDL']:g}; the interval is needed"
