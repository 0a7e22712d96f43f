"""Survival read off the published curves beside what is replayed: one panel an endpoint, arms in colours."""

from matplotlib.figure import Figure

from . import rows
from .figures import BLUE, FAINT, GREY, ORANGE, WIDTH, encode, style
from .ratios import TITLES, subgroup

COLOURS = (BLUE, ORANGE, GREY)


def survival(result):
    """The figure of all modelled landmark rates of whole arms as `Drawing`; None where there is none."""
    panels = [(t, e, found) for t in result["trials"] for e in TITLES if (found := landmarks(result, t, e))]
    if not panels:
        return None
    with style():
        figure = Figure(figsize=(WIDTH, 3.3 * -(-len(panels) // 2)), layout="constrained")
        axes = figure.subplots(-(-len(panels) // 2), 2, squeeze=False).ravel()
        for axis, (trial, endpoint, found) in zip(axes, panels, strict=False):
            _panel(axis, f"{trial}: {TITLES[endpoint].lower()}", found)
        for spare in axes[len(panels) :]:
            spare.remove()
        return encode(figure, "survival")


def landmarks(result, trial, endpoint):
    """Arm -> its targets by month, those of one month in the order of the file."""
    kept = [t for t in result["targets"] if (t["trial"], t["endpoint"], t["statistic"]) == (trial, endpoint, "survival")]
    found = {}
    for target in filter(rows.is_modelled, kept):
        if "month" in (target.get("definition") or {}) and not subgroup(target):
            found.setdefault(target["arm"], []).append(target)
    return {arm: sorted(told, key=month) for arm, told in found.items()}


def month(target):
    return target["definition"]["month"]


def _panel(axis, title, found):
    axis.set_title(title)
    for colour, (arm, told) in zip(COLOURS, found.items(), strict=False):
        months, replayed = [month(t) for t in told], [t["replayed"] for t in told]
        axis.fill_between(months, *([r[k] for r in replayed] for k in ("q05", "q95")), color=colour, alpha=0.25, linewidth=0)
        axis.plot(months, [r["median"] for r in replayed], color=colour, linewidth=1, label=f"{arm}, replayed")
        axis.plot(months, [t["published"]["value"] for t in told], "o", color=colour, markersize=3.5, label=f"{arm}, published")
    axis.set_ylim(0, 1)
    axis.set_xlim(left=0)
    axis.grid(axis="y", color=FAINT, linewidth=0.5)
    axis.set_xlabel("months")
    axis.set_ylabel("share")
    axis.legend(fontsize=7)


__all__ = ["landmarks", "survival"]
