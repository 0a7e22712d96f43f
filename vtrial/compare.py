"""Published against replayed: covered or not, z, sharpness; the JSON contract of ``vtrial replay``."""

import math

import numpy as np
from scipy.stats import beta

from .calibrate.targets import scale, to_scale

ROLES = ("fit", "holdout")


def targets(problem, names, replayed, discrepant):
    """One dict a published row of the trials, in the order of the files."""
    rows = [r for name in names for r in problem.trials[name].rows.values()]
    return [_target(problem, row, replayed, discrepant) for row in rows]


def _target(problem, row, replayed, discrepant):
    key = row.trial, row.id
    stats, moved = replayed.replicates.get(key), discrepant.get(key)
    role, reason = problem.role(row)
    return {
        "id": row.id,
        "trial": row.trial,
        "arm": row.arm,
        "endpoint": row.endpoint,
        "statistic": row.statistic,
        "unit": row.unit,
        "role": role,
        "relation": row.relation,
        "published": {k: getattr(row, k) for k in ("value", "lower", "upper", "level", "n")},
        "replayed": quantiles(stats),
        "covered90": covered(row, stats),
        "z": z_score(row, stats),
        "reason": "; ".join(filter(None, (reason, replayed.reasons.get(key, "")))),
        "replayed_discrepancy": quantiles(moved),
        "covered90_discrepancy": covered(row, moved),
        "sharpness": sharpness(row, stats, replayed.widths.get(key)),
        "flag": flag(row, stats),
        "definition": dict(row.definition),
        "source": row.source,
    }


def quantiles(stats):
    """Median and 90 % interval, or None."""
    if stats is None or not np.isfinite(stats).all():
        return None
    q05, median, q95 = np.quantile(stats, [0.05, 0.5, 0.95])
    return {"median": float(median), "q05": float(q05), "q95": float(q95)}


def covered(row, stats):
    """Whether the published value lies in the central 90 % of the replicates; "<" and ">" are read as inequalities."""
    q = quantiles(stats)
    if q is None or row.value is None:
        return None
    inside = {"=": q["q05"] <= row.value <= q["q95"], "<": q["q05"] < row.value, ">": q["q95"] > row.value}
    return bool(inside[row.relation])


def z_score(row, stats):
    """(published - mean) / SD on the row's natural scale; counts are moved off 0 and n by half a patient."""
    if stats is None or row.value is None or row.relation != "=":
        return None
    here, there = _scaled(row, row.value), _scaled(row, stats)
    sd = np.std(there)
    return float((here - there.mean()) / sd) if sd > 0 else None


def _scaled(row, value):
    value = np.asarray(value, float)
    if scale(row) == "logit" and row.n:
        count = value if row.unit == "count" else value * row.n
        value = (count + 0.5) / (row.n + 1)
    return np.asarray(to_scale(scale(row), value))


def sharpness(row, stats, implied=None):
    """Width of the 90 % predictive interval over that of the published one, or of the one that n implies."""
    q, width = quantiles(stats), published_width(row, implied)
    return (q["q95"] - q["q05"]) / width if q and width else None


def published_width(row, implied=None):
    """Width at 90 % of the printed interval, else of the one that n implies: Clopper-Pearson of a share, Greenwood's on
    log(-log S) of a survival without censoring before it, ``implied`` of a median; None where there is none."""
    if row.lower is not None and row.upper is not None and row.level:
        return (row.upper - row.lower) * 1.6448536 / _normal_quantile(row.level)
    if row.statistic == "median":
        return implied
    if row.value is None or not row.n:
        return None
    if row.statistic == "survival" and 0 < row.value < 1:
        sd = math.sqrt((1 - row.value) / (row.n * row.value)) / -math.log(row.value)
        low, high = (row.value ** math.exp(side * 1.6448536 * sd) for side in (1, -1))
        return high - low
    if row.statistic not in ("share", "count", "events", "at risk"):
        return None
    count = round(row.value if row.unit == "count" else row.value * row.n)
    low = beta.ppf(0.05, count, row.n - count + 1) if count else 0.0
    high = beta.ppf(0.95, count + 1, row.n - count) if count < row.n else 1.0
    return (high - low) * (row.n if row.unit == "count" else 1)


def _normal_quantile(level):
    from scipy.stats import norm

    return norm.ppf((1 + level) / 2)


def flag(row, stats):
    """What to bear in mind of a row, "" if nothing."""
    return "; ".join(filter(None, (_interval(row, stats), _rounded(row, stats))))


def _interval(row, stats):
    """A note where a printed interval is over twice or under half of the sampling error of a trial of its size."""
    if stats is None or row.lower is None:
        return ""
    ratio = published_width(row) / (2 * 1.6448536 * max(float(np.std(stats)), 1e-12))
    return "" if 0.5 <= ratio <= 2 else f"published interval is {ratio:.2g} times the sampling error of n = {row.n}"


def _rounded(row, stats):
    """A note where a published value is not covered, but what is printed like it is."""
    if row.relation != "=" or covered(row, stats) is not False:
        return ""
    q = quantiles(stats)
    off = max(q["q05"] - row.value, row.value - q["q95"])
    return "outside by less than it is rounded" if off < row.rounding else ""


def coverage(scored, key="covered90"):
    """{role: {covered, total, fraction}} over the modelled rows of each role."""
    out = {}
    for role in ROLES:
        judged = [t[key] for t in scored if t["role"] == role and t[key] is not None]
        fraction = sum(judged) / len(judged) if judged else None
        out[role] = {"covered": sum(judged), "total": len(judged), "fraction": fraction}
    return out


def median_sharpness(scored):
    """{role: median sharpness} over rows that have one."""
    values = {r: [t["sharpness"] for t in scored if t["role"] == r and t["sharpness"] is not None] for r in ROLES}
    return {r: float(np.median(v)) if v else None for r, v in values.items()}


def finite(value):
    """The same JSON value with every NaN and infinity made null."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
