"""Checks shared by every file: known keys, sources, units. A `Sheet` reads one file and gathers all of its faults."""

import math
from pathlib import Path

from .. import units
from ..errors import Fault, InputError
from .files import bibliography, line_of, names, read_toml

SOURCED = {"source", "at", "why", "confidence"}


class Sheet:
    """One TOML file being read: typed look-ups that record a `Fault` and go on, so that all are listed at once."""

    def __init__(self, path):
        self.path = Path(path)
        self.data = read_toml(path)
        self.faults = []

    def fault(self, key, message):
        self.faults.append(Fault(self.path, key, message, line_of(self.path, key)))

    def done(self):
        """Raises `InputError` with everything found."""
        if self.faults:
            raise InputError(*self.faults)

    def keys(self, table, where, required=(), optional=()):
        """The table holds every required key and none but the required and the optional."""
        allowed = {*required, *optional}
        for key in table:
            if key not in allowed:
                self.fault(_join(where, key), f"unknown key; allowed: {', '.join(sorted(allowed))}")
        for key in required:
            if key not in table:
                self.fault(_join(where, key), "is missing")
        return all(key in table for key in required)

    def choice(self, value, where, allowed):
        """The value is one of those allowed."""
        if value in allowed:
            return True
        self.fault(where, f"unknown {value!r}; allowed: {', '.join(sorted(map(str, allowed)))}")
        return False

    def source(self, table, where):
        """A citation key of models/references.bib, or ``assumed`` with a reason."""
        cited = table.get("source")
        if cited is None:
            self.fault(_join(where, "source"), "is missing; give a key of models/references.bib, or 'assumed' with a 'why'")
        elif cited == "assumed":
            if not str(table.get("why", "")).strip():
                self.fault(_join(where, "why"), "is missing: a number with source 'assumed' says why")
        elif cited not in bibliography():
            self.fault(_join(where, "source"), f"{cited!r} is not a key of models/references.bib")

    def number(self, table, where, unit, extra=(), sourced=True, low=None):
        """``{value, unit, source, ...}`` converted to ``unit``, above ``low``; NaN after a recorded fault."""
        if not isinstance(table, dict):
            self.fault(where, f"is {table!r}; a number is a table {{ value, unit, source }}")
            return float("nan")
        ok = self.keys(table, where, ("value", "unit"), {*SOURCED, *extra})
        if sourced:
            self.source(table, where)
        if not ok or not self.real(table["value"], _join(where, "value"), low):
            return float("nan")
        return table["value"] * self.factor(table["unit"], _join(where, "unit"), unit)

    def pair(self, value, where, allowed):
        """Two of the names allowed; None after a recorded fault."""
        if not isinstance(value, list) or len(value) != 2:
            self.fault(where, f"is {value!r}; two names are needed of {', '.join(allowed)}")
            return None
        return value if all([self.choice(name, where, allowed) for name in value]) else None

    def shelf(self, name, where, kind):
        """A name on a shelf, or a path that is there."""
        return self.choice(name, where, [*names(kind), *([name] if Path(str(name)).exists() else [])])

    def factor(self, unit, where, to):
        """The conversion factor, or NaN after a recorded fault."""
        try:
            return units.factor(str(unit), to)
        except ValueError as error:
            self.fault(where, str(error))
            return float("nan")

    def real(self, value, where, low=None):
        """A finite number (not a truth value), above ``low`` where that is given."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            self.fault(where, f"is {value!r}; a number is needed")
            return False
        if low is not None and not value > low:
            self.fault(where, f"is {value!r}; must be above {low}")
            return False
        return True


def _join(where, key):
    return f"{where}.{key}" if where else key
