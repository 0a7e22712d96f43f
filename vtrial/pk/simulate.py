"""Concentrations at the records of a dosing history: records and parameters in, one row a record out."""

from functools import cache

import numpy as np
import polars as pl

from ..errors import Fault, InputError
from ..library.cards import ANY_SIGN
from . import STRUCTURES, engine, names
from .timeline import compile_line, dose

DEFAULT = {"F": 1.0, "ALAG": 0.0, "D": 0.0, "R": 0.0}


def simulate(name, records, values, interpolation="nocb"):
    """Concentrations at every record, doses included, in input order; no residual error.

    Parameters
    ----------
    name : str
        A structure.
    records : Records
        Their columns named like parameters (also F1, ALAG1, D1, R1 by compartment) override ``values``.
    values : dict
        Parameters by name, each a number, one a subject (subject,), or one a record and subject (record, subject).
    interpolation : str
        ``nocb``, ``locf`` or ``linear``.

    Returns
    -------
    polars.DataFrame
        ID, TIME, EVID and a column an analyte, amount over volume.

    Raises
    ------
    InputError
        For an unknown compartment, a parameter that is missing or out of range; with file, line and column.
    """
    own, doses = parameters(name, records, values)
    course = engine.amounts(name, lines(name, records, doses), own, interpolation)
    outputs = STRUCTURES[name].outputs(own, np.moveaxis(np.asarray(course), 1, 0))
    return frame(records, {k: records.rows(v) for k, v in outputs.items()})


def parameters(name, records, values):
    """The structure's parameters, name -> (record, subject), and those of doses, (kind, compartment) -> (record, subject)."""
    columns = [c for c in records.others if c in names.resolve(name, [*records.others, *values]) or c in names.dosing([c])]
    given = {**values, **{c: records.grid(records.frame[c].cast(float).to_numpy()) for c in columns}}
    shape = records.grid(np.arange(len(records.frame))).shape
    wide = {k: np.broadcast_to(np.asarray(v, float), shape) for k, v in given.items()}
    doses = {kind: _filled(wide[k], DEFAULT[kind[0]]) for k, kind in names.dosing(wide).items()}
    called = {to: k for k, to in names.resolve(name, wide).items()}
    own = {to: wide[k] for to, k in called.items()}
    _check(name, records, own, doses, called)
    return own, doses


def _filled(value, default):
    return np.where(np.isnan(value), default, value)


def frame(records, outputs):
    """ID, TIME, EVID of the records and the outputs (row,)."""
    kept = records.frame.select(_whole(records.frame, "ID"), "TIME", pl.col("EVID").cast(pl.Int64))
    return kept.with_columns(**{k: pl.Series(v) for k, v in outputs.items()})


def _whole(frame, column):
    """A column, as integers where all of it is whole."""
    whole = (frame[column] == frame[column].round()).all()
    return pl.col(column).cast(pl.Int64) if whole else pl.col(column)


def _check(name, records, own, doses, called):
    structure = STRUCTURES[name]
    size, faults = len(structure.COMPARTMENTS), []
    missing = [p for p in structure.PARAMETERS if p not in own]
    if missing:
        what = f"{name} needs {', '.join(structure.PARAMETERS)}; missing: {', '.join(missing)}"
        raise InputError(Fault(records.file, missing[0], f"{what} (give --set {missing[0]}=… or a column)"))
    far = [k for k in doses if k[1] >= size]
    if far:
        kind, at = far[0]
        raise InputError(Fault(records.file, f"{kind}{at + 1}", f"{name} has compartments 1 to {size}"))
    starts = records.subjects()
    for p, value in own.items():
        free = p in ANY_SIGN
        wrong = np.isnan(value) | (~np.isfinite(value) if free else value <= 0 if p[0] == "V" else value < 0)
        allowed = "a number" if free else "above 0" if p[0] == "V" else "0 or more"
        faults += _first(records, starts, wrong, value, called[p], allowed)
    for (kind, at), value in doses.items():
        faults += _first(records, starts, value < 0, value, f"{kind}{at + 1}", "0 or more")
    faults += list(_records(records, size))
    if faults:
        raise InputError(*faults)


def _first(records, starts, wrong, value, column, allowed):
    if not wrong.any():
        return []
    i, j = np.argwhere(wrong)[0]
    shown = "missing" if np.isnan(value[i, j]) else f"{value[i, j]:g}"
    return [records.fault(starts[j][1] + min(i, starts[j][2] - 1), column, f"is {shown}; allowed: {allowed}")]


def _records(records, size):
    for i, cmt in enumerate(records.frame["CMT"]):
        if cmt > size:
            yield records.fault(i, "CMT", f"is {cmt:g}; allowed: 1 to {size}, or 0 for the structure's own")


def lines(name, records, doses):
    """The `engine.Table` of all subjects; those with the same records share one line."""
    size = len(STRUCTURES[name].COMPARTMENTS)
    columns = ("TIME", "EVID", "AMT", "RATE", "II", "ADDL", "SS", "CMT")
    rows, faults = records.frame.select(columns).to_numpy(), []

    @cache
    def line(cells, items):
        history = [dict(zip(columns, r, strict=True)) for r in np.frombuffer(cells).reshape(-1, len(columns))]
        by_dose = dict(zip(doses, np.frombuffer(items).reshape(len(doses), len(history)), strict=True))
        return compile_line(*_given(history, by_dose, faults), size)

    out = []
    for j, (_, first, count) in enumerate(records.subjects()):
        items = np.array([v[:count, j] for v in doses.values()], float)
        out.append(line(rows[first : first + count].tobytes(), items.tobytes()))
        if faults:
            raise InputError(*(records.fault(first + i, column, message) for i, column, message in faults))
    return engine.table(out)


def _given(history, items, faults):
    """Records with their compartment, and the `Dose` of each that gives one."""
    doses = []
    for i, r in enumerate(history):
        at = int(r["CMT"] or 1) - 1
        r["CMT"] = at + 1
        kinds = {kind: items[kind, at][i] if (kind, at) in items else DEFAULT[kind] for kind in DEFAULT}
        fault = _fault(r, kinds, at)
        if fault:
            faults.append((i, *fault))
        given = r["EVID"] in (1, 4) and not fault
        modelled = {-1: kinds["R"], -2: kinds["D"]}.get(r["RATE"], 0.0)
        doses.append(dose(r, kinds["F"], kinds["ALAG"], modelled) if given else None)
    return history, doses


def _fault(r, kinds, at):
    if r["EVID"] not in (1, 4):
        return None
    if r["RATE"] == -1 and kinds["R"] <= 0:
        return f"R{at + 1}", "RATE is -1: the modelled rate is needed, above 0"
    if r["RATE"] == -2 and kinds["D"] <= 0:
        return f"D{at + 1}", "RATE is -2: the modelled duration is needed, above 0"
    if r["SS"] and r["AMT"] > 0 and kinds["ALAG"] > r["II"]:
        return f"ALAG{at + 1}", f"is {kinds['ALAG']:g} with SS; allowed: up to II = {r['II']:g}"
    return None
