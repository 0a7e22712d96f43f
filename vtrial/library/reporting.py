"""The link from laboratory grades to reported adverse events: P(reported | worst grade), by organ."""

from functools import cache

from ..errors import bad
from .files import REPORTING, root
from .schema import SOURCED, Sheet

# In place of a card's path, where a calibration replaces shares.
REPORTED = "reporting"
GRADES = ("grade1", "grade2", "grade3", "grade4")


@cache
def shares():
    """Organ -> P(reported | worst grade 1 to 4), the shelf's."""
    return read(root() / REPORTING)


def read(path):
    """Organ -> P(reported | worst grade 1 to 4), which never falls with the grade.

    Raises
    ------
    InputError
        For a share that is missing, has no source, is no probability, or is below that of a lower grade.
    """
    sheet = Sheet(path)
    out = {organ: _row(sheet, organ, table) for organ, table in sheet.data.items()}
    sheet.done()
    for organ, row in out.items():
        if list(row) != sorted(row):
            raise bad(sheet.path, organ, f"shares {row} fall with the grade; a worse grade is reported as often or more")
    return out


def _row(sheet, organ, table):
    sheet.keys(table, organ, GRADES)
    values = []
    for grade in (g for g in GRADES if g in table):
        where = f"{organ}.{grade}"
        sheet.keys(table[grade], where, ("value",), SOURCED)
        sheet.source(table[grade], where)
        if sheet.real(table[grade].get("value"), where) and not 0 <= table[grade]["value"] <= 1:
            sheet.fault(where, f"is {table[grade]['value']!r}; must be from 0 to 1")
        values.append(table[grade].get("value"))
    return tuple(values)
