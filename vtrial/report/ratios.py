"""Hazard ratios of the whole trial and of its subgroups, published beside replayed: the forest plot of a trial's report."""

from . import forest, rows
from .figures import encode, style

TITLES = {"pfs": "Progression-free survival", "os": "Overall survival"}


def ratios(result):
    """The figure of all modelled hazard ratios, context ones included, as `Drawing`; None where there is none."""
    panels = [(title, found) for endpoint, title in TITLES.items() if (found := _lines(result, endpoint))]
    if not panels:
        return None
    with style():
        figure, axes = forest.layout([[one["label"] for one in found] for _, found in panels])
        for axis, (title, found) in zip(axes, panels, strict=True):
            forest.panel(axis, "ratio", title, found)
        forest.join(axes, ["ratio"] * len(axes))
        forest.legend(figure)
        return encode(figure, "ratios")


def _lines(result, endpoint):
    """Whole trials first, then subgroups, in the order of the file."""
    kept = (t for t in result["targets"] if t["endpoint"] == endpoint and t["statistic"] == "hazard ratio")
    return [line(t) for t in sorted(filter(rows.is_modelled, kept), key=lambda t: subgroup(t) != "")]


def line(target):
    """A target's numbers as ratios, and what its line is called."""
    label = subgroup(target) or f"all: {target['id']}"
    role = " (context)" if target["role"] == "context" else ""
    return forest.numbers(target, 1.0) | {"family": "ratio", "label": f"{label}{role}"}


def subgroup(target):
    """Who is in it, in the row's own words; of the whole trial nothing."""
    return (target.get("definition") or {}).get("subgroup", "")


__all__ = ["line", "ratios", "subgroup"]
