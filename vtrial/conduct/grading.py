"""CTCAE grades of laboratory values, by limits that are data: the version is a field of the trial."""

from functools import cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..errors import unknown
from ..library.files import GRADING, read_toml, root

GRADES = (1, 2, 3, 4)


class Scale(NamedTuple):
    """Limits of grades 1 to 4 of one laboratory value, (grade,) each.

    ``side`` is 1 where a grade starts above its limit and -1 where it starts below. ``normal`` are in the value's unit;
    ``baseline`` are multiples of the patient's baseline, for those whose baseline is above ULN (1), or None; the grades
    ``starting`` there start at the limit itself.
    """

    side: int
    normal: np.ndarray
    baseline: np.ndarray | None = None
    starting: np.ndarray | None = None


@cache
def scale(version, lab, lower_limit=1.0):
    """The `Scale` of ``platelets``, ``neutrophils`` (1e9/L), ``alt``, ``ast`` or ``bilirubin`` (multiples of ULN).

    ``lower_limit`` is the laboratory's, for the counts. Raises `InputError` for a version or a value that has no table.
    """
    path = root() / GRADING
    table = read_toml(path)
    if version not in table:
        raise unknown(path, "grading.version", version, table)
    if lab not in table[version]:
        raise unknown(path, f"grading.{version}", lab, table[version])
    rows = table[version][lab]
    limits = np.array([_limit(rows[f"grade{g}"], lower_limit) for g in GRADES])
    side = {"above": 1, "below": -1}[rows["side"]]
    if "baseline" not in rows:
        return Scale(side, limits)
    own = [rows["baseline"][f"grade{g}"] for g in GRADES]
    return Scale(side, limits, np.array([float(r["value"]) for r in own]), np.array([r.get("from", False) for r in own]))


def _limit(row, lower_limit):
    return float(row["value"]) * (lower_limit if row.get("unit") == "LLN" else 1.0)


def limits(version, lab, lower_limit):
    """Counts below which a grade starts, for grades 1 to 4; grade 1 starts at the trial's own lower limit of normal."""
    return tuple(scale(version, lab, lower_limit).normal)


def grade(scale, value, baseline=None):
    """Grades 0 to 4 of values (..., subject), whose patients had ``baseline`` (subject,) before treatment."""
    passed = _passed(scale.side, value, scale.normal)
    if scale.baseline is not None and baseline is not None:
        limits = [m * baseline for m in scale.baseline]
        own = _passed(scale.side, value, limits)
        own = [p | (jnp.equal(value, limit) & bool(at)) for p, limit, at in zip(own, limits, scale.starting, strict=True)]
        passed = [jnp.where(baseline > 1.0, o, p) for o, p in zip(own, passed, strict=True)]
    return sum(p.astype(jnp.int8) for p in passed)


def _passed(side, value, limits):
    return [jnp.greater(value, limit) if side > 0 else jnp.less(value, limit) for limit in limits]


__all__ = ["GRADES", "Scale", "grade", "limits", "scale"]
