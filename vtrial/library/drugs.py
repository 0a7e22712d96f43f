"""Drug cards: what is not a model's parameter."""

from dataclasses import dataclass

from .files import digest, locate
from .schema import SOURCED, Sheet


@dataclass(frozen=True)
class Analyte:
    """What is measured: the structure's ``output`` under a ``name``, in ``unit``."""

    name: str
    output: str
    unit: str


@dataclass(frozen=True)
class Drug:
    """``infusion`` in days (0: not infused); ``levels`` in mg/kg, highest first; ``analytes`` empty: the structure's own
    outputs, in ug/mL."""

    name: str
    title: str
    path: str
    digest: str
    levels: tuple
    infusion: float
    analytes: tuple = ()


def load(name):
    """A drug on the shelf, or a user's own folder; raises `InputError` with every fault."""
    path = locate("drugs", name)
    sheet = Sheet(path)
    data = sheet.data
    sheet.keys(data, "", ("name",), ("infusion", "oral", "title", "molecular_weight", "dose_levels", "analyte"))
    if ("infusion" in data) == ("oral" in data):
        which = "is given beside oral = true" if "oral" in data else "is missing (or oral = true)"
        sheet.fault("infusion", f"{which}; one of them says how the drug is given")
    infusion = sheet.number(data["infusion"], "infusion", "day", low=0) if "infusion" in data else 0.0
    if "molecular_weight" in data:
        sheet.number(data["molecular_weight"], "molecular_weight", "g/mol")
    levels = data.get("dose_levels", {})
    if levels:
        sheet.keys(levels, "dose_levels", ("values", "unit"), SOURCED)
        sheet.source(levels, "dose_levels")
        sheet.factor(levels.get("unit", ""), "dose_levels.unit", "mg/kg")
    analytes = tuple(_analytes(sheet, data.get("analyte", [])))
    sheet.done()
    title, levels = data.get("title", data["name"]), tuple(levels.get("values", ()))
    return Drug(data["name"], title, str(path), digest(path), levels, infusion, analytes)


def has(name, card):
    """Whether a drug has a card of a name."""
    return (locate("drugs", name).parent / f"{card}.toml").is_file()


def _analytes(sheet, rows):
    for i, row in enumerate(rows):
        where = f"analyte[{i}]"
        if sheet.keys(row, where, ("name", "output", "unit")):
            sheet.factor(row["unit"], f"{where}.unit", "mg/L" if row["output"] != "IR" else "mg/day")
            yield Analyte(row["name"], row["output"], row["unit"])
