"""Published point and interval against replayed median and 90 % interval, one line a modelled row."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from . import rows, words
from .figures import BLUE, BLUE_MID, FAINT, GREY, INK, ORANGE, WIDTH, encode, style

PUBLISHED, REPLAYED = ("value", "lower", "upper"), ("median", "q05", "q95")
SHARE_TICKS = (0, 1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 100)
PANELS = (
    ("fit", "share", "Fit rows: proportions"),
    ("fit", "relative", "Fit rows: other quantities"),
    ("holdout", "share", "Hold-out rows: proportions"),
    ("holdout", "relative", "Hold-out rows: other quantities"),
)
PITCH, TOP, BETWEEN, LAST = 0.2, 0.6, 0.72, 0.42  # inches: a row; above the first panel, below a panel, the last
POINT = {"markersize": 4.5, "markeredgewidth": 1.1, "linestyle": "none"}
OPEN = 1.2  # an open end is drawn to so many times the largest number of its row
AXIS = {
    "share": "per cent (arcsine square-root scale)",
    "relative": "multiple of the published value (log scale)",
    "ratio": "hazard ratio (log scale)",
}


def forest(result):
    """The figure of all modelled fit and hold-out rows as `Drawing`; None where there is none."""
    panels = [(family, title, found) for role, family, title in PANELS if (found := _lines(result, role, family))]
    if not panels:
        return None
    with style():
        figure, axes = layout([[one["label"] for one in found] for *_, found in panels])
        for axis, (family, title, found) in zip(axes, panels, strict=True):
            panel(axis, family, title, found)
        join(axes, [family for family, *_ in panels])
        legend(figure)
        return encode(figure, "forest")


def _lines(result, role, family):
    drawn = [line(t) for t in rows.of_role(result, role) if rows.is_modelled(t)]
    return [d for d in drawn if d and d["family"] == family]


def line(target):
    """A target's numbers on its panel's scale: shares of 1, else multiples of the published value; None if neither."""
    family, reference = _scale(target)
    if not reference:
        return None
    return numbers(target, reference) | {"family": family, "label": target["id"]}


def numbers(target, reference):
    """What is drawn of a modelled target, its numbers over ``reference``."""
    published, replayed = target["published"], target["replayed"]
    told = {k: published.get(k) for k in PUBLISHED} | {k: replayed.get(k) for k in REPLAYED}
    return {
        "n": published.get("n"),
        "relation": target["relation"],
        "covered": target["covered90"],
        **{k: None if v is None else v / reference for k, v in told.items()},
    }


def _scale(target):
    published = target["published"]
    told = [*map(published.get, PUBLISHED), *map(target["replayed"].get, REPLAYED)]
    if target["unit"] == "fraction" and all(v <= 1 for v in told if v is not None):  # a share of baseline may exceed 1
        return "share", 1.0
    if target["unit"] == "count" and published.get("n"):
        return "share", float(published["n"])
    found = (published.get("value"), published.get("lower"), target["replayed"].get("median"))
    return "relative", next((v for v in found if v and v > 0), None)


def layout(labels):
    """A figure whose rows are all of one height, and the axes of its panels from the top."""
    longest = max(len(label) for panel in labels for label in panel)
    left, right = min(0.35 + 0.07 * longest, 0.4 * WIDTH), 1.4
    heights = [PITCH * len(panel) for panel in labels]
    total = TOP + sum(heights) + BETWEEN * (len(heights) - 1) + LAST
    figure, axes, y = Figure(figsize=(WIDTH, total)), [], total - TOP
    for height in heights:
        y -= height
        axes.append(figure.add_axes((left / WIDTH, y / total, (WIDTH - left - right) / WIDTH, height / total)))
        y -= BETWEEN
    return figure, axes


def panel(axis, family, title, found):
    axis.set_title(title)
    for y, one in enumerate(found):
        _draw(axis, y, one)
    axis.set_yticks(range(len(found)), [one["label"] for one in found])
    axis.set_ylim(len(found) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0, pad=9)
    axis.spines["left"].set_visible(False)
    axis.set_xscale("function", functions=(_arcsine, _sine) if family == "share" else (_log, np.exp))
    axis.grid(axis="x", color=FAINT, linewidth=0.5)
    axis.set_axisbelow(True)
    axis.set_xlabel(AXIS[family])


def _arcsine(x):
    return np.arcsin(np.sqrt(np.clip(x, 0, 1)))


def _sine(x):
    return np.sin(np.clip(x, 0, np.pi / 2)) ** 2


def _log(x):
    return np.log(np.maximum(x, 1e-6))


def _draw(axis, y, one):
    """Replayed as a bar with a stroke at the median, published as a point with whiskers, the verdict in words."""
    _span(axis, y, one, "q05", "q95", color=BLUE_MID, linewidth=6, zorder=2)
    if one["median"] is not None:
        axis.plot([one["median"]], [y], marker="|", markersize=8, markeredgewidth=1.8, color=BLUE, zorder=3)
    color = ORANGE if one["covered"] is False else INK
    _span(axis, y, one, "lower", "upper", color=color, linewidth=0.9, zorder=4)
    if one["value"] is not None:
        _point(axis, y, one, color)
    _verdict(axis, y, one)


def _span(axis, y, one, low, high, **look):
    """From one end to the other; an arrow where the upper end was not reached."""
    if one[low] is None:
        return
    is_open = one[high] is None
    end = OPEN * max(one[k] for k in PUBLISHED + REPLAYED if one[k] is not None) if is_open else one[high]
    axis.plot([one[low], end], [y, y], solid_capstyle="butt", **look)
    if is_open:
        size = look.pop("linewidth") / 2 + 4
        axis.plot([end], [y], marker=">", markersize=size, **look)


def _point(axis, y, one, color):
    marker = {"<": "<", ">": ">"}.get(one["relation"], "D" if one["covered"] is False else "o")
    face = "white" if one["covered"] is False else color
    axis.plot([one["value"]], [y], marker=marker, color=color, markerfacecolor=face, zorder=5, clip_on=False, **POINT)


def _verdict(axis, y, one):
    missed = one["covered"] is False
    size = f"n = {one['n']:g}" if one["n"] else ""
    _beside(axis, y, size, 12, color=GREY)
    look = {"color": ORANGE, "weight": "bold"} if missed else {"color": GREY}
    _beside(axis, y, words.covered(one["covered"]), 52, **look)


def _beside(axis, y, text, points, **look):
    """Text so many points right of the panel."""
    at = {"xycoords": axis.get_yaxis_transform(), "textcoords": "offset points", "va": "center"}
    axis.annotate(text, (1, y), (points, 0), fontsize=7, **at, **look)


def join(axes, families):
    """The same limits and ticks for panels of one kind."""
    for family in set(families):
        kin = [axis for axis, its in zip(axes, families, strict=True) if its == family]
        low, high = _limits(kin, family)
        for axis in kin:
            axis.set_xlim(low, high)
            _ticks(axis, family, low, high)


def _limits(kin, family):
    drawn = [x for axis in kin for one in axis.get_lines() for x in np.asarray(one.get_xdata(), float)]
    if family == "share":
        return 0.0, min(1.0, _sine(_arcsine(max(drawn)) * 1.05))
    low, high = min(0.9, *drawn), max(1.1, *drawn)
    return max(low, 0.02) / 1.08, min(high, 50) * 1.08


def _ticks(axis, family, low, high):
    if family == "share":
        values = [t / 100 for t in SHARE_TICKS if t / 100 <= high]
        axis.set_xticks(values, [f"{100 * v:g}" for v in values])
        return
    axis.axvline(1, color=GREY, linewidth=0.8, zorder=1)
    fine = (0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5) if high / low < 3 else (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
    values = [t for t in fine if low <= t <= high]
    axis.set_xticks(values, [f"{v:g}" for v in values])


def legend(figure):
    handles = [
        Line2D([], [], marker="o", color=INK, markersize=4.5, linewidth=0.9),
        Line2D([], [], marker="D", color=ORANGE, markerfacecolor="white", markersize=4.5, linewidth=0.9),
        Line2D([], [], color=BLUE_MID, linewidth=6, solid_capstyle="butt"),
        Line2D([], [], marker="|", color=BLUE, markersize=8, markeredgewidth=1.8, linestyle="none"),
    ]
    names = "published, with its interval where printed;published, not covered;replayed, 90 % interval;median".split(";")
    figure.legend(handles, names, loc="upper left", borderaxespad=0, ncols=4, fontsize=8, columnspacing=1.8)
