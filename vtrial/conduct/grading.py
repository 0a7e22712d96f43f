"""CTCAE grades of laboratory values and the ejection fraction, by limits that are data: the version is a field of the trial."""

from functools import cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..errors import unknown
from ..library.files import GRADING, read_toml, root

GRADES = (1, 2, 3, 4)


class Limits(NamedTuple):
    """Of grades 1 to 4, (grade,) each: the limit ``at`` which a grade starts, infinity where none does, and whether a value at
    the limit ``itself`` has the grade."""

    at: np.ndarray
    itself: np.ndarray


class Scale(NamedTuple):
    """Limits of grades 1 to 4 of one value, each a `Limits` or None.

    ``side`` is 1 where a grade starts above its limit and -1 where it starts below. ``normal`` are in the value's unit;
    ``baseline`` are multiples of the patient's baseline, and take the place of ``normal`` for those whose baseline is above
    ULN (1); ``drop`` are falls from the baseline, in the value's unit: the worse of both grades counts.
    """

    side: int
    normal: Limits
    baseline: Limits | None = None
    drop: Limits | None = None


@cache
def scale(version, lab, lower_limit=1.0):
    """The `Scale` of ``platelets``, ``neutrophils`` (1e9/L), ``alt``, ``ast``, ``bilirubin`` (multiples of ULN) or ``lvef``
    (points of per cent).

    ``lower_limit`` is the laboratory's, for the counts. Raises `InputError` for a version or a value that has no table.
    """
    path = root() / GRADING
    table = read_toml(path)
    if version not in table:
        raise unknown(path, "grading.version", version, table)
    if lab not in table[version]:
        raise unknown(path, f"grading.{version}", lab, table[version])
    rows = table[version][lab]
    others = {k: _limits(rows[k]) for k in ("baseline", "drop") if k in rows}
    return Scale({"above": 1, "below": -1}[rows["side"]], _limits(rows, lower_limit), **others)


def _limits(rows, lower_limit=1.0):
    told = [rows.get(f"grade{g}", {"value": np.inf}) for g in GRADES]
    return Limits(np.array([_limit(r, lower_limit) for r in told]), np.array([r.get("from", False) for r in told]))


def _limit(row, lower_limit):
    return float(row["value"]) * (lower_limit if row.get("unit") == "LLN" else 1.0)


def limits(version, lab, lower_limit):
    """Counts below which a grade starts, for grades 1 to 4; grade 1 starts at the trial's own lower limit of normal."""
    return tuple(scale(version, lab, lower_limit).normal.at)


def grade(scale, value, baseline=None):
    """Grades 0 to 4 of values (..., subject), whose patients had ``baseline`` (subject,) before treatment."""
    passed = _passed(scale.side, value, scale.normal)
    if scale.baseline is not None and baseline is not None:
        own = _passed(scale.side, value, scale.baseline, baseline)
        passed = [jnp.where(baseline > 1.0, o, p) for o, p in zip(own, passed, strict=True)]
    if scale.drop is not None and baseline is not None:
        fallen = _passed(1, baseline - value, scale.drop)
        passed = [p | f for p, f in zip(passed, fallen, strict=True)]
    return sum(p.astype(jnp.int8) for p in passed)


def _passed(side, value, limits, unit=1.0):
    """Whether a value has passed each grade's limit, told in multiples of a ``unit`` (subject,)."""
    beyond = jnp.greater if side > 0 else jnp.less
    pairs = [(at * unit, bool(itself)) for at, itself in zip(limits.at, limits.itself, strict=True)]
    return [beyond(value, at) | (jnp.equal(value, at) & itself) for at, itself in pairs]


__all__ = ["GRADES", "Limits", "Scale", "grade", "limits", "scale"]
