"""How numbers, units and rows are written, on the page and in the terminal."""

import re

DASH = "–"
NOT_REACHED = "not reached"

UNITS = {
    "fraction": "%",
    "ratio": "",
    "count": "",
    "1": "",
    "ug/mL": "µg/mL",
    "d*ug/mL": "d·µg/mL",
    "1e9/L": "× 10⁹/L",
}

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

# No line break within a grade.
_GRADES = ((r"grade(\d)plus", "grade\u00a0≥\u00a0\\1"), (r"grade(\d)", "grade\u00a0\\1"))

# Statistics that the unit already says.
_PLAIN = ("share", "count")

# What the short words of endpoint names stand for.
_SPOKEN = {
    "ae": "as adverse event,",
    "dlt": "as dose-limiting toxicity,",
    "lab": "by laboratory,",
    "any": "any grade",
    "c1": "in cycle 1",
    "c2": "in cycle 2",
    "pfs": "progression-free survival",
    "os": "overall survival",
    "orr": "objective response",
    "dor": "duration of response",
    "cr": "complete response",
    "cbr": "clinical benefit",
    "hr": "hazard ratio",
    "auc": "AUC",
    "cmax": "Cmax",
}


def number(x, digits=3, told=False):
    """``x`` to significant digits; one that was ``told`` is written without zeros that may not have been printed."""
    if x is None:
        return DASH
    form = f".{digits - 1}e" if 0 < abs(x) < 1e-3 and not told else f"#.{digits}g"
    text = f"{x:.{digits}g}" if told else f"{x:{form}}".rstrip(".")
    mantissa, e, power = text.partition("e")
    if e and 0 < int(power) < 6:
        text = f"{x:.0f}"
    elif e:
        text = f"{mantissa.rstrip('.')} × 10{str(int(power)).translate(_SUPERSCRIPT)}"
    return text.replace("-", "−")


def fixed(x, decimals=2, sign=False):
    """``x`` with a fixed number of decimals, a true minus, and a plus if ``sign``; None is a dash."""
    if x is None:
        return DASH
    return f"{x:{'+' if sign else ''}.{decimals}f}".replace("-", "−")


def amount(x, unit, told=0):
    """A value in the form its unit is read in, the unit left out: fractions as per cent, counts as counts.

    A published number is ``told`` to at most so many digits, without zeros that were perhaps not printed.
    """
    if x is None:
        return DASH
    if unit == "fraction":
        return number(100 * x, told, told=True) if told else f"{100 * x:.1f}"
    return f"{round(x, 1):.6g}" if unit == "count" else number(x, told or 3, told=bool(told))


def unit_of(unit):
    """The unit as it is printed, which is nothing for a ratio or a count."""
    return UNITS.get(unit, unit)


def unit_name(unit):
    """The unit by itself, as it heads an axis or a column."""
    return unit_of(unit).removeprefix("× ")


def with_unit(text, unit):
    """``text`` followed by the printed unit."""
    return f"{text} {unit_of(unit)}".rstrip()


def interval(lower, upper, unit, told=0):
    """``lower–upper``; an end that is None is open."""
    if lower is None and upper is None:
        return DASH
    low, high = amount(lower, unit, told), amount(upper, unit, told)
    if upper is None:
        return f"{low}–{NOT_REACHED}" if unit in ("months", "days") else f"≥ {low}"
    return f"≤ {high}" if lower is None else f"{low}–{high}"


def published_value(target):
    """The published number with its relation and unit: ``<1 %``, ``9.6 months``, ``not reached``."""
    value, relation, unit = target["published"].get("value"), target["relation"], target["unit"]
    if value is None:
        return NOT_REACHED if relation == ">" else DASH
    sign = "" if relation == "=" else relation
    return with_unit(sign + amount(value, unit, told=4), unit)


def published_interval(target):
    """The published interval, without its level."""
    published = target["published"]
    return interval(published.get("lower"), published.get("upper"), target["unit"], told=3)


def level(x):
    """The level of an interval as per cent."""
    return "" if x is None else f"{100 * x:g} %"


def replayed_value(replayed, unit):
    """The median over replicates; ``not reached`` where that is what the median replicate says."""
    if replayed is None:
        return DASH
    median = replayed.get("median")
    return NOT_REACHED if median is None else with_unit(amount(median, unit), unit)


def replayed_interval(replayed, unit):
    """The 90 % interval over replicates."""
    return DASH if replayed is None else interval(replayed.get("q05"), replayed.get("q95"), unit)


def covered(flag):
    """The verdict in words."""
    return {True: "covered", False: "not covered", None: DASH}[flag]


def endpoint(name, statistic=""):
    """An endpoint's name in words: ``platelets_ae_grade3plus`` is ``platelets as adverse event, grade ≥ 3``."""
    spoken = " ".join(_SPOKEN.get(w, w) for w in (name or "").split("_"))
    for pattern, text in _GRADES:
        spoken = re.sub(pattern, text, spoken)
    spoken = spoken.strip(" ,").replace(" free ", "-free ")
    return f"{spoken}, {statistic}" if statistic and statistic not in _PLAIN else spoken


def coverage(c):
    """``13 of 15``, or that there is no such row."""
    return f"{c['covered']} of {c['total']}" if c and c.get("total") else "no rows"


def per_cent(x):
    """A fraction as a whole per cent."""
    return DASH if x is None else f"{100 * x:.0f} %"
