"""Drug cards: what is not a model's parameter."""

from dataclasses import dataclass

from .files import digest, locate
from .schema import SOURCED, Sheet


@dataclass(frozen=True)
class Drug:
    name: str
    title: str
    path: str
    digest: str
    levels: tuple  # mg/kg, highest first
    infusion: float  # days


def load(name):
    """A drug on the shelf, or a user's own folder; raises `InputError` with every fault."""
    path = locate("drugs", name)
    sheet = Sheet(path)
    data = sheet.data
    sheet.keys(data, "", ("name", "infusion"), ("title", "molecular_weight", "dose_levels"))
    infusion = sheet.number(data["infusion"], "infusion", "day", low=0) if "infusion" in data else None
    if "molecular_weight" in data:
        sheet.number(data["molecular_weight"], "molecular_weight", "g/mol")
    levels = data.get("dose_levels", {})
    if levels:
        sheet.keys(levels, "dose_levels", ("values", "unit"), SOURCED)
        sheet.source(levels, "dose_levels")
        sheet.factor(levels.get("unit", ""), "dose_levels.unit", "mg/kg")
    sheet.done()
    return Drug(
        data["name"],
        data.get("title", data["name"]),
        str(path),
        digest(path),
        tuple(levels.get("values", ())),
        infusion,
    )
