"""Designs as data: the sections of a trial file that tell a `design.Design`, where times may be in months."""

import math

from .cards import COVARIATES
from .design import ASSESSORS, Crossover, Cut, Design, Dropout, Enrolment, Randomisation, Response, Scans, Stratum
from .files import read_toml, root
from .response import RECIST
from .schema import SOURCED

NEEDED = ("randomisation", "enrolment", "scans", "response", "assessor", "dropout", "cut")
SECTIONS = (*NEEDED, "crossover")
# What each kind of randomisation is told besides its source.
KINDS = {
    "permuted_blocks": ("ratio", "block"),
    "minimisation": ("ratio", "probability"),
    "simple": ("ratio",),
    "none": (),
}
EVENTS = ("pfs", "os")


def read(sheet, data, arms):
    """The `Design` told by the sections of a trial file, or None where it has none of them.

    Parameters
    ----------
    sheet : Sheet
        Takes the faults: a section, key, source or number that is missing, unknown or out of range.
    data : dict
        The trial file.
    arms : list of str
        Ids of the arms, in their order; none where the arms are at fault, and what names them is not checked.
    """
    if not any(name in data for name in SECTIONS):
        return None
    crossovers = data.get("crossover", [])
    lists = all([_is(sheet, rows, name, list) for name, rows in (("cut", data.get("cut")), ("crossover", crossovers))])
    if not all([_is(sheet, data.get(name), name) for name in NEEDED[:-1]]) or not lists:
        return None
    randomisation, enrolment, scans, response, assessor, dropout = (data[name] for name in NEEDED[:-1])
    return Design(
        randomisation=_randomisation(sheet, randomisation, arms),
        enrolment=_enrolment(sheet, enrolment),
        scans=_scans(sheet, scans, assessor),
        response=_response(sheet, response, assessor),
        errors=tuple(_errors(sheet, assessor)),
        dropout=_dropout(sheet, dropout, arms),
        cuts=_cuts(sheet, data["cut"]),
        crossovers=tuple(_crossover(sheet, row, f"crossover[{i}]", arms) for i, row in enumerate(crossovers)),
    )


def _is(sheet, value, where, kind=dict):
    """A table, or a list of tables."""
    if value is None:
        sheet.fault(where, f"is missing; a design has {', '.join(NEEDED)}")
    elif not isinstance(value, kind) or not all(isinstance(row, dict) for row in (value if kind is list else ())):
        sheet.fault(where, f"is {value!r}; write {f'[[{where}]]' if kind is list else f'[{where}]'}")
    else:
        return True
    return False


def _randomisation(sheet, table, arms):
    where, kind = "randomisation", table.get("kind")
    if not sheet.choice(kind, f"{where}.kind", tuple(KINDS)):
        return Randomisation("none")
    sheet.source(table, where)
    if not sheet.keys(table, where, ("kind", *KINDS[kind]), {*SOURCED, *(() if kind == "none" else ("stratum", "played"))}):
        return Randomisation(kind)
    ratio = _ratio(sheet, table["ratio"], arms) if "ratio" in KINDS[kind] else ()
    block = _block(sheet, table, ratio) if "block" in KINDS[kind] else None
    even = 1 / len(arms) if arms else 0.0
    chance = _between(sheet, table, where, "probability", "1", even, 1) if "probability" in KINDS[kind] else None
    strata = tuple(_strata(sheet, table.get("stratum", []), f"{where}.stratum"))
    return Randomisation(kind, ratio, block, chance, strata, _played(sheet, table.get("played", False)))


def _played(sheet, value):
    if not isinstance(value, bool):
        sheet.fault("randomisation.played", f"is {value!r}; true or false is needed")
    return value is True


def _strata(sheet, rows, where):
    for i, row in enumerate(rows if _is(sheet, rows, where, list) else []):
        yield _stratum(sheet, row, f"{where}[{i}]")


def _ratio(sheet, ratio, arms):
    fits = isinstance(ratio, list) and len(ratio) == len(arms or ratio)
    if fits and all(type(w) is int and w > 0 for w in ratio):
        return tuple(ratio)
    sheet.fault("randomisation.ratio", f"is {ratio!r}; whole numbers are needed, one for each of {', '.join(arms)}")
    return ()


def _block(sheet, table, ratio):
    size = _count(sheet, table, "randomisation", "block")
    if size and ratio and size % sum(ratio):
        sheet.fault("randomisation.block.value", f"is {size}; must be a multiple of {sum(ratio)}, the sum of the ratio")
    return size


def _stratum(sheet, row, where):
    if not sheet.keys(row, where, ("of",), ("above",)):
        return Stratum("")
    sheet.choice(row["of"], f"{where}.of", tuple(COVARIATES))
    if "above" not in row or not sheet.real(row["above"], f"{where}.above"):
        return Stratum(row["of"])
    return Stratum(row["of"], float(row["above"]))


def _enrolment(sheet, table):
    where = "enrolment"
    if not sheet.keys(table, where, ("duration", "ramp")):
        return Enrolment(math.nan, math.nan)
    duration = sheet.number(table["duration"], f"{where}.duration", "day", low=0)
    ramp = _between(sheet, table, where, "ramp", "day", 0)
    if ramp > duration:
        sheet.fault(f"{where}.ramp.value", f"is {ramp:g} days; must not outlast the enrolment's {duration:g}")
    return Enrolment(duration, ramp)


def _scans(sheet, table, assessors):
    where = "scans"
    if not sheet.keys(table, where, ("every", "scatter", "missed"), ("later", "until")):
        return Scans(math.nan, math.nan, math.nan)
    every = sheet.number(table["every"], f"{where}.every", "day", low=0)
    scatter = _between(sheet, table, where, "scatter", "day", 0)
    missed = _between(sheet, table, where, "missed", "1", 0, 1)
    return Scans(every, scatter, missed, *_later(sheet, table.get("later")), _beyond(sheet, table, assessors))


def _later(sheet, table):
    """From when on scans are planned at another interval, and at which."""
    where = "scans.later"
    if table is None or not _is(sheet, table, where) or not sheet.keys(table, where, ("from", "every")):
        return math.inf, None
    return tuple(sheet.number(table[k], f"{where}.{k}", "day", low=0) for k in ("from", "every"))


def _beyond(sheet, scans, assessors):
    """Whether scans go on until central review sees progression, whatever the investigator saw before."""
    table, where = scans.get("until", {}), "scans.until"
    if "until" not in scans or not _is(sheet, table, where):
        return False
    sheet.source(table, where)
    if not sheet.keys(table, where, ("progression",), SOURCED):
        return False
    if sheet.choice(table["progression"], f"{where}.progression", ASSESSORS) and table["progression"] not in assessors:
        sheet.fault(f"{where}.progression", f"[assessor.{table['progression']}] is missing; its error is needed")
    return table["progression"] == "central"


def _response(sheet, table, assessors):
    where = "response"
    sheet.source(table, where)
    if not sheet.keys(table, where, ("version", "assessor", "measurable"), {*SOURCED, "agreement", "complete"}):
        return Response("", "", math.nan)
    sheet.choice(table["version"], f"{where}.version", tuple(read_toml(root() / RECIST)))
    if sheet.choice(table["assessor"], f"{where}.assessor", ASSESSORS) and table["assessor"] not in assessors:
        sheet.fault(f"{where}.assessor", f"[assessor.{table['assessor']}] is missing; its error is needed")
    measurable = _between(sheet, table, where, "measurable", "1", 0, 1)
    agreement = _optional(sheet, table, where, "agreement", "1", 0.0, 0, 1)
    complete = _optional(sheet, table, where, "complete", "1", None, 0, 1)
    return Response(table["version"], table["assessor"], measurable, agreement, complete)


def _optional(sheet, table, where, name, unit, default, *limits):
    """`_between` of a number that may be left out."""
    return _between(sheet, table, where, name, unit, *limits) if name in table else default


def _errors(sheet, table):
    for name, row in table.items():
        where = f"assessor.{name}"
        if sheet.choice(name, where, ASSESSORS) and _is(sheet, row, where) and sheet.keys(row, where, ("error",)):
            yield name, sheet.number(row["error"], f"{where}.error", "1", low=0)


def _dropout(sheet, table, arms):
    where = "dropout"
    if not sheet.keys(table, where, ("hazard", "past_progression"), ("unscanned", "leaving", "arm")):
        return Dropout(math.nan, math.nan)
    hazard = _between(sheet, table, where, "hazard", "1/day", 0)
    beyond = _between(sheet, table, where, "past_progression", "1", 0, 1)
    all_ = _leave(sheet, table, where, (0.0, 0.0))
    own = table.get("arm", {})
    if not _is(sheet, own, f"{where}.arm"):
        own = {}
    return Dropout(hazard, beyond, *all_, tuple(_leave_arm(sheet, row, name, arms, all_) for name, row in own.items()))


def _leave(sheet, table, where, default):
    """Shares without scans and hazards of leaving them, of all or of an arm."""
    unscanned = _optional(sheet, table, where, "unscanned", "1", default[0], 0, 1)
    return unscanned, _optional(sheet, table, where, "leaving", "1/day", default[1], 0)


def _leave_arm(sheet, row, name, arms, default):
    where = f"dropout.arm.{name}"
    if arms:
        sheet.choice(name, where, arms)
    known = _is(sheet, row, where) and sheet.keys(row, where, (), ("unscanned", "leaving"))
    return name, *(_leave(sheet, row, where, default) if known else default)


def _cuts(sheet, rows):
    cuts = [_cut(sheet, row, f"cut[{i}]") for i, row in enumerate(rows)]
    for i, cut in enumerate(cuts):
        if cut.name in [c.name for c in cuts[:i]]:
            sheet.fault(f"cut[{i}].name", f"{cut.name!r} is told twice")
    return tuple(cuts)


def _cut(sheet, row, where):
    kind = row.get("kind")
    if not sheet.choice(kind, f"{where}.kind", ("calendar", "events")):
        return Cut(where, "")
    own = ("after",) if kind == "calendar" else ("of", "events")
    if not sheet.keys(row, where, ("name", "kind", *own), ("date",)):
        return Cut(row.get("name", where), kind)
    told = row["name"], kind
    if kind == "calendar":
        return Cut(*told, day=sheet.number(row["after"], f"{where}.after", "day", low=0), date=row.get("date", ""))
    sheet.choice(row["of"], f"{where}.of", EVENTS)
    return Cut(*told, of=row["of"], events=_count(sheet, row, where, "events"), date=row.get("date", ""))


def _crossover(sheet, row, where, arms):
    if not sheet.keys(row, where, ("from", "to", "opens", "share")):
        return Crossover("", "", math.nan, math.nan)
    if arms and sheet.pair([row["from"], row["to"]], where, arms) and row["from"] == row["to"]:
        sheet.fault(f"{where}.to", f"is {row['to']!r}, the arm that is left; another is needed")
    opens = _between(sheet, row, where, "opens", "day", 0)
    return Crossover(row["from"], row["to"], opens, _between(sheet, row, where, "share", "1", 0, 1))


def _between(sheet, table, where, key, unit, low, high=math.inf):
    """A number in ``unit`` from ``low`` to ``high``, both allowed; NaN after a recorded fault."""
    value = sheet.number(table[key], f"{where}.{key}", unit)
    if value < low or value > high:
        bounds = f"from {low:g} to {high:g}" if high < math.inf else f"{low:g} or more"
        sheet.fault(f"{where}.{key}.value", f"is {table[key]['value']!r}; must be {bounds}")
        return math.nan
    return value


def _count(sheet, table, where, key):
    """A whole number above zero; None after a recorded fault."""
    value = sheet.number(table[key], f"{where}.{key}", "1", low=0)
    if math.isnan(value) or value == int(value):
        return None if math.isnan(value) else int(value)
    sheet.fault(f"{where}.{key}.value", f"is {value:g}; a whole number is needed")
    return None


__all__ = ["EVENTS", "KINDS", "NEEDED", "SECTIONS", "read"]
