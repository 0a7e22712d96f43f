"""The run folder as the page needs it: replay.json checked, the tables beside it where they are there."""

import json
from pathlib import Path
from typing import NamedTuple

import polars as pl

from ..errors import Fault, InputError, bad

NEEDED = ("trials", "problem", "seed", "replicates", "draws", "targets", "coverage90")
NEEDED_OF = {
    "targets": ("id", "trial", "arm", "endpoint", "role", "unit", "relation", "published", "replayed", "covered90"),
    "alternatives": ("trial", "arm", "id", "endpoint", "assumption", "replayed"),
    "conflicts": ("text", "decision"),
}
NUMBER = (int, float)
KINDS = {
    "trials": list,
    "targets": list,
    "alternatives": list,
    "conflicts": list,
    "stale": list,
    "coverage90": dict,
    "coverage90_discrepancy": dict,
    "sharpness": dict,
    "diagnostics": dict,
    "replicates": NUMBER,
    "draws": NUMBER,
}
KINDS_OF_TARGET = {
    "id": str,
    "endpoint": str,
    "published": dict,
    "replayed": dict,
    "replayed_discrepancy": dict,
    "covered90": bool,
    "covered90_discrepancy": bool,
    "z": NUMBER,
    "sharpness": NUMBER,
}
_KIND_WORDS = {list: "a list", dict: "an object", str: "a text", bool: "true, false", NUMBER: "a number"}
ROLES = ("fit", "holdout", "context")
QUANTILES = ("q05", "q25", "q50", "q75", "q95")
COURSE = ("trial", "arm", "day", *QUANTILES)
PARAMETERS = ("group", "parameter", "value")


class Run(NamedTuple):
    """One run folder; a table that is missing or empty is None."""

    result: dict
    course: pl.DataFrame | None
    parameters: pl.DataFrame | None
    summary: pl.DataFrame | None


def run(folder):
    """The run in ``folder``; raises `InputError` naming file and key where it cannot be read."""
    folder = Path(folder)
    result = replay(folder / "replay.json")
    course = table(folder / "course.csv", COURSE, ("day", *QUANTILES))
    parameters = table(folder / "parameters.csv", PARAMETERS, ("value",))
    summary = table(folder / "summary.csv")
    return Run(result, course, parameters, None if summary is None else named(summary))


def replay(path):
    """The checked object of ``replay.json``."""
    try:
        result = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise bad(path, "", f"cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise bad(path, "", f"is not JSON: {error.msg}", error.lineno) from error
    except ValueError as error:
        raise bad(path, "", f"is not JSON: {error}") from error
    faults = list(_faults(path, result))
    if faults:
        raise InputError(*faults)
    return result


def _refuse(constant):
    raise ValueError(f"{constant} is not a value that JSON allows")


def _faults(path, result):
    """Every fault of the object, so far as the page would stumble over it."""
    if not isinstance(result, dict):
        yield Fault(path, "", "must hold one object")
        return
    yield from _missing(path, result, NEEDED, "")
    yield from _kinds(path, result, KINDS, "")
    for key, needed in NEEDED_OF.items():
        found = result.get(key)
        for i, one in enumerate(found if isinstance(found, list) else ()):
            yield from _element_faults(path, one, needed, f"{key}[{i}]")


def _element_faults(path, one, needed, where):
    if not isinstance(one, dict):
        yield Fault(path, where, "must be an object")
        return
    yield from _missing(path, one, needed, f"{where}.")
    if "role" in needed:
        yield from _target_faults(path, one, where)


def _target_faults(path, target, where):
    if target.get("role", "fit") not in ROLES:
        yield Fault(path, f"{where}.role", f"unknown {target['role']!r}; allowed: {', '.join(ROLES)}")
    yield from _kinds(path, target, KINDS_OF_TARGET, f"{where}.")
    for key in ("published", "replayed", "replayed_discrepancy"):
        inner = target.get(key)
        yield from (_kinds(path, inner, dict.fromkeys(inner, NUMBER), f"{where}.{key}.") if isinstance(inner, dict) else ())
    if target.get("published", {}) is None:
        yield Fault(path, f"{where}.published", "must not be null")


def _missing(path, found, needed, where):
    return (Fault(path, f"{where}{key}", "is missing") for key in needed if key not in found)


def _kinds(path, found, kinds, where):
    """Faults of keys that are there, not null, and of another kind."""
    for key, kind in kinds.items():
        value = found.get(key)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool) != (kind is bool)):
            yield Fault(path, f"{where}{key}", f"{value!r} must be {_KIND_WORDS[kind]} or null")


def table(path, needed=(), numeric=()):
    """A CSV file as a frame, None where it is missing or has no rows."""
    if not path.exists():
        return None
    try:
        frame = pl.read_csv(path, infer_schema_length=None, null_values=["", "nan", "NaN"])
        missing = [c for c in needed if c not in frame.columns]
        if missing:
            raise bad(path, missing[0], f"column is missing; needed: {', '.join(needed)}", 1)
        frame = frame.with_columns(pl.col(c).cast(pl.Float64) for c in numeric)
    except pl.exceptions.NoDataError:
        return None
    except pl.exceptions.PolarsError as error:
        raise bad(path, "", f"is not a table: {str(error).splitlines()[0]}") from error
    return frame if frame.height else None


def named(summary):
    """A summary whose first column, unnamed where ArviZ wrote it, is called ``parameter``."""
    first = summary.columns[0]
    return summary.rename({first: "parameter"}).with_columns(pl.col("parameter").cast(pl.String))
