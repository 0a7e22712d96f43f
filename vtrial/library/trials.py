"""Trials as data: arms, visits, grading, time on treatment; and what was published of them, one row a number."""

import csv
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from .. import units
from ..errors import Fault, InputError
from . import designs, rules
from .design import Design
from .files import GRADING, bibliography, digest, locate, read_toml, root
from .schema import SOURCED, Sheet

UNITS = ("fraction", "months", "days", "ratio", "count", "ug/mL", "ng/mL", "d*ug/mL", "1e9/L")
RELATIONS = ("=", "<", ">")
VERSUS = " vs "
COLUMNS = (
    "id,arm,endpoint,statistic,relation,value,lower,upper,level,n,unit,definition,cut,table,rounding,reading_sd,"
    "source,locator,confidence,note"
).split(",")


@dataclass(frozen=True)
class Treatment:
    """Time on treatment: ``exponential`` (median days), ``curve`` (days, share still on) or ``cycles`` (a fixed number);
    at most ``longest`` cycles."""

    kind: str
    longest: int
    median: float | None = None
    days: tuple = ()
    share: tuple = ()


@dataclass(frozen=True)
class Visits:
    """Days of a cycle (day 1 is the dose) on which an organ is looked at, in the first and in later cycles; ``every``: only
    in each so many cycles."""

    first_cycle: tuple
    later_cycles: tuple
    every: int = 1


@dataclass(frozen=True)
class Arm:
    """``drugs``: (name, regimen) of each drug; ``drug`` and ``regimen`` are those of the only one, or all joined by ``+``.
    ``n`` were treated; ``assigned``: how many were randomised, where that is told."""

    id: str
    title: str
    drugs: tuple
    n: int
    treatment: Treatment
    alternatives: dict = field(default_factory=dict, hash=False)
    assigned: int | None = None

    @property
    def randomised(self):
        return self.n if self.assigned is None else self.assigned

    @property
    def drug(self):
        return "+".join(name for name, _ in self.drugs)

    @property
    def regimen(self):
        return " + ".join(words for _, words in self.drugs)


@dataclass(frozen=True)
class Row:
    """One published number; ``value`` is None where none was reached or found. ``arm`` may be a contrast, ``A vs B``;
    ``cut`` names the data cut, or is empty."""

    id: str
    trial: str
    arm: str
    endpoint: str
    statistic: str
    relation: str
    value: float | None
    lower: float | None
    upper: float | None
    level: float | None
    n: int | None
    unit: str
    definition: tuple
    table: str
    rounding: float
    reading_sd: float
    source: str
    confidence: str
    cut: str = ""

    @property
    def options(self):
        return dict(self.definition)

    @property
    def arms(self):
        """The arm, or the two of a contrast."""
        return tuple(self.arm.split(VERSUS))


@dataclass(frozen=True)
class Trial:
    name: str
    title: str
    path: str
    digest: str
    population: str
    default_problems: tuple
    grading: str
    lower_limit: dict = field(hash=False)
    visits: dict = field(hash=False)
    alternatives: dict = field(hash=False)
    arms: dict = field(hash=False)
    rows: dict = field(hash=False)
    rules: dict = field(default_factory=dict, hash=False)  # drug -> its `rules.Rules` in this trial
    design: Design | None = None
    tumour: str | None = None

    @property
    def default_problem(self):
        """The problem that a replay is scored by unless another is named; the others give a simulation their posteriors."""
        return self.default_problems[0] if self.default_problems else None


def load(name):
    """A trial on the shelf, or of a user's own folder."""
    return read(locate("trials", name))


def read(path):
    """A trial from its ``trial.toml`` and, beside it, ``published.csv``; raises `InputError` with every fault."""
    sheet, path = Sheet(path), Path(path)
    data = sheet.data
    required = ("name", "title", "population", "grading", "lower_limit", "visits", "arm")
    sheet.keys(data, "", required, ("nct", "phase", "default_problem", "tumour", "rule", "dose_rules", *designs.SECTIONS))
    if "grading" in data:
        sheet.source(data["grading"], "grading")
        sheet.choice(data["grading"].get("version"), "grading.version", read_toml(root() / GRADING))
    for key in ("population", "tumour"):
        if key in data:
            sheet.shelf(data[key], key, f"{key}s")
    arms = [_arm(sheet, row, f"arm[{i}]") for i, row in enumerate(data.get("arm", []))]
    ids = [a.id for a in arms]
    for i, arm in enumerate(arms):
        if arm.id in ids[:i]:
            sheet.fault(f"arm[{i}].id", f"{arm.id!r} is told twice")
    limits = {k: _limit(sheet, v, f"lower_limit.{k}") for k, v in data.get("lower_limit", {}).items()}
    visits = {k: _visits(sheet, v, f"visits.{k}") for k, v in data.get("visits", {}).items()}
    others = {k: _other_visits(v) for k, v in data.get("visits", {}).items()}
    told = rules.of_trial(sheet, data, dict.fromkeys(name for a in arms for name, _ in a.drugs))
    design = designs.read(sheet, data, ids if all(ids) and len(set(ids)) == len(ids) else [])
    sheet.done()
    published = path.parent / "published.csv"
    cuts = [c.name for c in design.cuts] if design else []
    return Trial(
        name=data["name"],
        title=data["title"],
        path=str(path),
        digest=digest(path) + (digest(published) if published.exists() else ""),
        population=data["population"],
        default_problems=_listed(data.get("default_problem", [])),
        grading=data["grading"]["version"],
        lower_limit={k: v[0] for k, v in limits.items()},
        visits=visits,
        alternatives={
            "visits": others,
            "lower_limit": {k: v[1] for k, v in limits.items()},
        },
        arms={a.id: a for a in arms},
        rows=rows(published, data["name"], ids, cuts) if published.exists() else {},
        rules=told,
        design=design,
        tumour=data.get("tumour"),
    )


def _listed(value):
    """A name, or several, as a tuple."""
    return (value,) if isinstance(value, str) else tuple(value)


def _limit(sheet, table, where):
    return sheet.number(table, where, "1e9/L", ("alternatives",)), tuple(table.get("alternatives", ()))


def _visits(sheet, table, where):
    sheet.keys(table, where, ("first_cycle", "later_cycles"), {*SOURCED, "alternatives", "every"})
    sheet.source(table, where)
    for key in ("first_cycle", "later_cycles"):
        if not all(isinstance(d, int) for d in table.get(key, ())):
            sheet.fault(f"{where}.{key}", f"is {table[key]!r}; whole days of the cycle are needed")
            return Visits((), ())
    every = table.get("every", 1)
    if not isinstance(every, int) or every < 1:
        sheet.fault(f"{where}.every", f"is {every!r}; a whole number of cycles is needed")
    return Visits(tuple(table.get("first_cycle", ())), tuple(table.get("later_cycles", ())), every)


def _other_visits(table):
    others = table.get("alternatives", {})
    return {name: Visits(tuple(v["first_cycle"]), tuple(v["later_cycles"])) for name, v in others.items()}


def _arm(sheet, row, where):
    several = isinstance(row.get("drug"), list)
    needed = ("id", "drug", "n", "treatment", *(() if several else ("regimen",)))
    parts = row["drug"] if several else [{"name": row.get("drug"), "regimen": row.get("regimen")}]
    fine = all([sheet.keys(d, f"{where}.drug[{i}]", ("name", "regimen")) for i, d in enumerate(parts)])
    if not sheet.keys(row, where, needed, ("title", "randomised")) or not fine:
        return Arm("", "", (), 0, Treatment("cycles", 1))
    sheet.real(row["n"], f"{where}.n", 0)
    others = row["treatment"].get("alternative", [])
    return Arm(
        id=row["id"],
        title=row.get("title", row["id"]),
        drugs=tuple((d["name"], d["regimen"]) for d in parts),
        n=int(row["n"]),
        treatment=(main := _treatment(sheet, row["treatment"], f"{where}.treatment")),
        alternatives={
            o["name"]: _treatment(sheet, o, f"{where}.treatment.alternative[{i}]", main.longest) for i, o in enumerate(others)
        },
        assigned=_assigned(sheet, row, where) if "randomised" in row else None,
    )


def _assigned(sheet, row, where):
    where, n = f"{where}.randomised", int(row["n"])
    number = sheet.number(row["randomised"], where, "1")
    if number >= n and number % 1 == 0:
        return int(number)
    if not math.isnan(number):
        sheet.fault(f"{where}.value", f"is {number:g}; a whole number is needed, {n} or more: the treated are n = {n}")
    return None


def _treatment(sheet, table, where, longest=None):
    kind = table.get("kind")
    if not sheet.choice(kind, f"{where}.kind", ("exponential", "curve", "cycles")):
        return Treatment("cycles", 1)
    if kind == "cycles":
        if not sheet.keys(table, where, ("kind", "cycles"), ("alternative",)):
            return Treatment("cycles", 1)
        return Treatment(kind, int(sheet.number(table["cycles"], f"{where}.cycles", "cycle")))
    if "longest" in table:
        longest = int(sheet.number(table["longest"], f"{where}.longest", "cycle"))
    if kind == "exponential":
        if not sheet.keys(table, where, ("kind", "median"), ("longest", "alternative")):
            return Treatment("cycles", 1)
        return Treatment(kind, longest or 1, median=sheet.number(table["median"], f"{where}.median", "day"))
    if not sheet.keys(table, where, ("kind", "months", "share"), {*SOURCED, "longest", "name"}):
        return Treatment("cycles", 1)
    sheet.source(table, where)
    if len(table["months"]) != len(table["share"]):
        sheet.fault(where, f"months has {len(table['months'])} numbers and share {len(table['share'])}")
    days = tuple(m * units.DAYS_PER_MONTH for m in table["months"])
    return Treatment(kind, longest or 1, days=days, share=tuple(table["share"]))


def rows(path, trial, arms, cuts=()):
    """The rows of a ``published.csv``, id -> `Row`; raises `InputError` with file and line of every fault.

    A row is on one of the arms or on a contrast of two, and of one of the data cuts or of none.
    """
    faults, found = [], {}
    with open(path, newline="", encoding="utf-8") as file:
        reader, known = csv.DictReader(file), _known(arms, cuts)
        missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
        if missing:
            raise InputError(Fault(path, missing[0], f"column is missing; needed: {', '.join(COLUMNS)}", 1))
        for raw in reader:
            report = lambda key, text, line=reader.line_num: faults.append(Fault(path, key, text, line))  # noqa: E731
            row = _row(raw, trial, known, report)
            if row and row.id in found:
                report("id", f"{row.id!r} is told twice")
            if row:
                found[row.id] = row
    if faults:
        raise InputError(*faults)
    return found


def _known(arms, cuts):
    """Column -> the words it may hold."""
    contrasts = [f"{a}{VERSUS}{b}" for a in arms for b in arms if a != b]
    words = {"relation": RELATIONS, "unit": UNITS, "arm": (*arms, *contrasts), "cut": ("", *cuts)}
    return words | {"confidence": ("retrieved", "unverified")}


def _row(raw, trial, known, report):
    for key, allowed in known.items():
        if raw[key] not in allowed:
            named = sorted(word for word in allowed if word)
            report(key, f"unknown {raw[key]!r}; allowed: {', '.join(named) or 'none, as the trial has no [[cut]]'}")
            return None
    if raw["source"] not in bibliography():
        report("source", f"{raw['source']!r} is not a key of models/references.bib")
    read = {}
    for key, reader in _READERS.items():
        try:
            read[key] = reader(raw[key])
        except (ValueError, tomllib.TOMLDecodeError) as error:
            report(key, f"{raw[key]!r} cannot be read: {error}")
    return Row(trial=trial, **{k: raw[k] for k in _WORDS}, **read) if len(read) == len(_READERS) else None


_WORDS = ("id", "arm", "endpoint", "statistic", "relation", "unit", "table", "source", "confidence", "cut")


def _optional(text):
    return float(text) if text else None


_READERS = dict.fromkeys(("value", "lower", "upper", "level"), _optional) | {
    "n": lambda text: int(text) if text else None,
    "definition": lambda text: tuple(tomllib.loads(text.replace(";", "\n")).items()),
    "rounding": lambda text: float(text or 0),
    "reading_sd": lambda text: float(text or 0),
}
