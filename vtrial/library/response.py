"""RECIST as data: the limits and days that make lesion sums a response, by version."""

from functools import cache
from typing import NamedTuple

from ..errors import unknown
from .files import root
from .schema import Sheet

RECIST = "models/response/recist.toml"


class Rules(NamedTuple):
    """One version's numbers: shares of a sum (``_relative``), mm (``pd_absolute``, ``cr_below``), days, and counts of scans
    (``stable_between``, 0 or 1; ``missed_limit``, 0: none). Only numbers, so that one compiled program serves every version."""

    pd_relative: float
    pd_absolute: float
    pr_relative: float
    cr_below: float
    confirm_days: float
    stable_between: float
    stable_days: float
    benefit_days: float
    missed_limit: float


_UNITS = dict.fromkeys(Rules._fields, "1")
_UNITS |= dict.fromkeys(("pd_absolute", "cr_below"), "mm") | dict.fromkeys(
    ("confirm_days", "stable_days", "benefit_days"), "day"
)


def load(version):
    """The `Rules` of a version on the shelf; raises `InputError` for one that is not there."""
    known = versions()
    if version not in known:
        raise unknown(root() / RECIST, "version", version, known)
    return known[version]


@cache
def versions():
    """Version -> `Rules`, the shelf's."""
    return read(root() / RECIST)


def read(path):
    """Version -> `Rules` of a file.

    Raises
    ------
    InputError
        With every fault: a number that is missing, has no source, another dimension, or no sense as what it stands for.
    """
    sheet = Sheet(path)
    out = {version: _version(sheet, version, table) for version, table in sheet.data.items()}
    sheet.done()
    return out


def _version(sheet, version, table):
    if not isinstance(table, dict):
        return sheet.fault(version, f"is {table!r}; a version is a table of numbers")
    if not sheet.keys(table, version, Rules._fields):
        return None
    found = {k: float(sheet.number(table[k], f"{version}.{k}", unit)) for k, unit in _UNITS.items()}
    for key, value in found.items():
        fine, wanted = _SENSE.get(key, _DEFAULT)
        # a NaN is a fault already recorded
        if value == value and not fine(value):
            sheet.fault(f"{version}.{key}", f"is {value!r}; must be {wanted}")
    return Rules(**found)


_DEFAULT = (lambda v: v >= 0, "0 or more")
_SHARE = (lambda v: 0 < v < 1, "between 0 and 1")
_SENSE = {
    "pd_relative": _SHARE,
    "pr_relative": _SHARE,
    "stable_between": (lambda v: v in (0, 1), "0 or 1"),
    "missed_limit": (lambda v: v >= 0 and v == int(v), "a whole number of scans, 0 or more"),
}

__all__ = ["Rules", "load", "read", "versions"]
