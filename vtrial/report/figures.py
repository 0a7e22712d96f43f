"""The figures of the page, each as SVG for the page and as PNG for the folder: platelet course, prior and posterior."""

import io
import re
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from . import words

INK, GREY, FAINT = "#1b1d21", "#6a6f78", "#d5d8dd"
BLUE, BLUE_MID, BLUE_PALE = "#1f4e79", "#8fb0d0", "#cfdded"
ORANGE, DARK = "#a8430f", "#3c4149"
WIDTH = 9.6  # inches; the page scales to its column
CYCLE = 21  # days
GRADES = ((75, "grade 2 below 75"), (50, "grade 3 below 50"), (25, "grade 4 below 25"))
MOST_ARMS, MOST_PARAMETERS = 4, 40

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.labelcolor": INK,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "savefig.facecolor": "white",
}

# Titles and time stamps that matplotlib would add; without them the same run gives the same bytes.
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


class Drawing(NamedTuple):
    """One figure: the SVG element for the page, the PNG file, and what its caption adds."""

    svg: str
    png: bytes
    note: str = ""


def style():
    """The look of every figure, as a context."""
    return matplotlib.rc_context(STYLE)


def encode(figure, name, note=""):
    """A figure as `Drawing`; ``name`` keeps the ids of one page's figures apart."""
    drawn, image = io.StringIO(), io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(drawn, format="svg", metadata=_NO_METADATA)
    figure.savefig(image, format="png", dpi=200, metadata={"Software": None})
    return Drawing(_inline(drawn.getvalue(), name), image.getvalue(), note)


def _inline(svg, name):
    """The bare element, its ids made this figure's own, sized by the page, naming no address."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = svg.replace("*{", "svg *{")
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r' id="', f' id="{name}-', svg)
    return svg.replace('href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")


def course(frame, lower_limit=None):
    """Median, 50 and 90 % bands of platelets by day, one panel an arm, with the borders of the CTCAE grades.

    Parameters
    ----------
    frame : polars.DataFrame
        ``course.csv``.
    lower_limit : float or dict, optional
        Lower limit of normal in 10⁹/L, or one by trial.
    """
    arms = [key for key, _ in frame.group_by("trial", "arm", maintain_order=True)]
    chosen = choose_arms(frame)
    with style():
        figure, axes = _panels(len(chosen))
        for axis, (trial, arm) in zip(axes, chosen, strict=True):
            rows = frame.filter((frame["trial"] == trial) & (frame["arm"] == arm)).sort("day")
            _course_panel(axis, rows, _limit(lower_limit, trial))
            axis.set_title(f"{trial} · {arm}")
        _course_labels(figure, axes)
        return encode(figure, "course", _arms_note(len(chosen), len(arms)))


def choose_arms(frame):
    """At most four arms: round the trials, within a trial the arm with the lowest median count first."""
    trials = {}
    for (trial, arm), rows in frame.group_by("trial", "arm", maintain_order=True):
        trials.setdefault(trial, []).append((rows["q50"].min(), arm))
    ranked = {t: [a for _, a in sorted(found, key=lambda x: x[0])] for t, found in trials.items()}
    longest = max(map(len, ranked.values()))
    order = [(t, arms[i]) for i in range(longest) for t, arms in ranked.items() if i < len(arms)]
    return order[:MOST_ARMS]


def _arms_note(drawn, total):
    if drawn == total:
        return ""
    return f"{drawn} of {total} arms are drawn: of each trial in turn the arm with the lowest median count."


def _limit(limit, trial):
    found = limit.get(trial) if isinstance(limit, dict) else limit
    return found.get("platelets") if isinstance(found, dict) else found


def _panels(count):
    columns = 1 if count == 1 else 2
    lines = -(-count // columns)
    figure = Figure(figsize=(WIDTH, 0.4 + (2.7 if count > 1 else 3.4) * lines), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    axes = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def _course_panel(axis, rows, lower_limit):
    day, q = rows["day"].to_numpy(), {c: rows[c].to_numpy() for c in ("q05", "q25", "q50", "q75", "q95")}
    axis.fill_between(day, q["q05"], q["q95"], color=BLUE_PALE, linewidth=0, label="90 % of patients")
    axis.fill_between(day, q["q25"], q["q75"], color=BLUE_MID, linewidth=0, label="50 % of patients")
    axis.plot(day, q["q50"], color=BLUE, linewidth=1.4, label="median")
    limits = [*GRADES, *([(lower_limit, f"lower limit {lower_limit:g}")] if lower_limit else [])]
    for count, name in limits:
        _border(axis, count, name, dotted=count == lower_limit)
    _days(axis, float(day.min()), float(day.max()))


def _border(axis, count, name, dotted):
    axis.axhline(count, color=DARK, linewidth=0.7, linestyle=(0, (1, 2)) if dotted else (0, (5, 3)), zorder=3)
    axis.annotate(name, (1, count), (3, 0), xycoords=axis.get_yaxis_transform(), textcoords="offset points",
                  va="center", fontsize=7, color=DARK)  # fmt: skip


def _days(axis, first, last):
    """Days below, a tick a cycle and a number where there is room; cycles above."""
    axis.set_xlim(first, last)
    axis.set_ylim(0)
    starts = np.arange(0, last + 1, CYCLE)
    step = max(1, -(-len(starts) // 9))
    axis.set_xticks(starts[::step], [f"{d:.0f}" for d in starts[::step]])
    axis.set_xticks(starts, minor=True)
    axis.tick_params(axis="x", which="minor", length=3, width=0.6)
    for start in starts[1:]:
        axis.axvline(start, color=FAINT, linewidth=0.5, zorder=0)
    if len(starts) <= 18:
        for i, start in enumerate(starts[starts + CYCLE / 2 <= last]):
            axis.annotate(f"{i + 1}", (start + CYCLE / 2, 1), (0, -8), xycoords=axis.get_xaxis_transform(),
                          textcoords="offset points", ha="center", fontsize=6.5, color=GREY)  # fmt: skip


def _course_labels(figure, axes):
    figure.supylabel("platelets, 10⁹/L", fontsize=8)
    figure.supxlabel("day (a tick each 21 d cycle; cycle numbers at the top)", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper left", ncols=3, fontsize=8)
    axes[0].set_ylim(0, max(axis.get_ylim()[1] for axis in axes))


def parameters(frame):
    """Prior against posterior, one small panel a parameter, on a log axis where every draw is positive."""
    names = frame["parameter"].unique(maintain_order=True).to_list()
    chosen = names[:MOST_PARAMETERS]
    units = units_of(frame)
    with style():
        lines = -(-len(chosen) // 4)
        figure = Figure(figsize=(WIDTH, 0.35 + 1.45 * lines), layout="constrained")
        axes = figure.subplots(lines, 4, squeeze=False).ravel()
        for spare in axes[len(chosen) :]:
            spare.remove()
        for axis, name in zip(axes, chosen, strict=False):
            _parameter_panel(axis, *(_draws(frame, name, group) for group in ("prior", "posterior")))
            unit = words.unit_name(units[name])
            axis.set_title(f"{name} ({unit})" if unit else name)
        _parameter_legend(figure)
        more = len(names) - len(chosen)
        return encode(figure, "prior-posterior", f"The first {len(chosen)} of {len(names)} are drawn." if more else "")


def units_of(frame):
    """The unit of each parameter, empty where the file has none."""
    if "unit" not in frame.columns:
        return dict.fromkeys(frame["parameter"].to_list(), "")
    told = frame.select("parameter", "unit").unique(maintain_order=True)
    return {name: unit or "" for name, unit in told.iter_rows()}


def _draws(frame, name, group):
    found = frame.filter((frame["parameter"] == name) & (frame["group"] == group))["value"].drop_nulls().to_numpy()
    return found[np.isfinite(found)]


def _parameter_panel(axis, prior, posterior):
    both = np.concatenate([prior, posterior])
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    if not len(both):
        return
    is_log = bool((both > 0).all())
    there = np.log if is_log else np.asarray
    low, high = _window(there(both))
    grid = np.linspace(low, high, 240)
    _curve(axis, grid, there(posterior), color=BLUE, fill=BLUE_PALE)
    _curve(axis, grid, there(prior), color=GREY, dashes=(0, (4, 2)))
    ratio = np.std(there(posterior)) / np.std(there(prior)) if len(prior) and len(posterior) and np.std(prior) else None
    _parameter_axis(axis, low, high, is_log, ratio)


def _parameter_axis(axis, low, high, is_log, ratio):
    values = nice_ticks(np.exp(low), np.exp(high)) if is_log else MaxNLocator(3).tick_values(low, high)
    places = np.log(values) if is_log else np.asarray(values)
    inside = (places >= low) & (places <= high)
    axis.set_xticks(places[inside], [_tick(v) for v in np.asarray(values)[inside]])
    axis.set_xlim(low, high)
    axis.set_ylim(0, axis.get_ylim()[1] * 1.05)
    if ratio is not None:
        axis.text(0.99, 0.97, f"{ratio:.2f}", transform=axis.transAxes, ha="right", va="top", fontsize=7, color=GREY)


def _tick(value):
    return words.number(value, 1).replace("1 × ", "") if 0 < abs(value) < 1e-3 else words.number(value, told=True)


def _window(values):
    """Where nearly all of the draws lie, a little widened."""
    low, high = np.quantile(values, [0.003, 0.997])
    room = 0.04 * (high - low) or max(abs(low), 1.0) * 0.05
    return low - room, high + room


def _curve(axis, grid, values, color, fill=None, dashes="-"):
    if not len(values):
        return
    if not np.ptp(values):
        axis.axvline(values[0], color=color, linestyle=dashes)
        return
    height = density(values, grid)
    if fill:
        axis.fill_between(grid, height, color=fill, linewidth=0)
    axis.plot(grid, height, color=color, linewidth=1.1, linestyle=dashes)


def density(values, grid):
    """Gaussian kernel density with Silverman's width; at most 2000 of the values."""
    values = values[:: max(1, len(values) // 2000)]
    spread = min(np.std(values), np.ptp(np.quantile(values, [0.25, 0.75])) / 1.34) or np.std(values)
    width = 0.9 * spread * len(values) ** -0.2
    return np.exp(-0.5 * ((grid[:, None] - values) / width) ** 2).mean(1) / (width * np.sqrt(2 * np.pi))


def nice_ticks(low, high):
    """Two to five round numbers for a logarithmic axis."""
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        found = [d * s for d in decades for s in steps if low <= d * s <= high]
        if len(found) >= 3:
            return np.array(found[:: -(-len(found) // 5)])
    linear = MaxNLocator(3).tick_values(low, high)
    return linear[linear > 0]


def _parameter_legend(figure):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    before = Line2D([], [], color=GREY, linestyle=(0, (4, 2)), linewidth=1.1)
    after = Patch(facecolor=BLUE_PALE, edgecolor=BLUE)
    figure.legend([before, after], ["prior", "posterior"], loc="outside upper left", ncols=2, fontsize=8)
