"""CTCAE limits as data: the grading version is a field of the trial."""

from functools import cache

from ..errors import unknown
from ..library.files import GRADING, read_toml, root


@cache
def limits(version, lab, lower_limit):
    """Counts below which a grade starts, for grades 1 to 4; grade 1 starts at the trial's own lower limit of normal."""
    path = root() / GRADING
    table = read_toml(path)
    if version not in table:
        raise unknown(path, "grading.version", version, table)
    return (lower_limit, *(float(table[version][lab][f"grade{g}"]["value"]) for g in (2, 3, 4)))
