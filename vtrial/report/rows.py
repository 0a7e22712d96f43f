"""Targets as the rows of a table: every cell in words, grouped by trial."""

from . import words

# What a posterior must meet, as `vtrial diagnose` judges it: key, name, limit in words, test.
CRITERIA = (
    ("max_rhat", "largest R-hat, rank-normalised", "< 1.01", lambda x: x < 1.01),
    ("min_ess_bulk", "smallest bulk ESS", "> 400", lambda x: x > 400),
    ("min_ess_tail", "smallest tail ESS", "> 400", lambda x: x > 400),
    ("divergences", "divergent transitions", "0", lambda x: x == 0),
    ("ebfmi", "smallest E-BFMI", "> 0.3", lambda x: x > 0.3),
)


def of_role(result, role):
    """The targets of one role, in the order of the file."""
    return [t for t in result["targets"] if t["role"] == role]


def is_modelled(target):
    """Whether there is anything replayed to compare with."""
    return target["replayed"] is not None


def cells(target):
    """One target in words."""
    replayed, discrepant, unit = target["replayed"], target.get("replayed_discrepancy"), target["unit"]
    return {
        "id": target["id"],
        "arm": target["arm"],
        "what": words.endpoint(target["endpoint"], target.get("statistic") or ""),
        "defined": ", ".join(f"{k}\u00a0{v}" for k, v in (target.get("definition") or {}).items()),
        "role": {"holdout": "hold-out"}.get(target["role"], target["role"]),
        "n": words.amount(target["published"].get("n"), "count"),
        "published": words.published_value(target),
        "published_interval": words.published_interval(target),
        "level": words.level(target["published"].get("level")) if has_interval(target) else "",
        "replayed": words.replayed_value(replayed, unit),
        "replayed_interval": words.replayed_interval(replayed, unit),
        "covered": words.covered(target["covered90"]),
        "discrepant": words.replayed_value(discrepant, unit),
        "discrepant_interval": words.replayed_interval(discrepant, unit),
        "discrepant_covered": words.covered(target.get("covered90_discrepancy")),
        "z": words.fixed(target.get("z"), sign=True),
        "sharpness": words.fixed(target.get("sharpness")),
        "reason": target.get("reason") or "",
        "flag": target.get("flag") or "",
        "source": target.get("source") or "",
    }


def has_interval(target):
    """Whether an end of the published interval is known."""
    published = target["published"]
    return published.get("lower") is not None or published.get("upper") is not None


def groups(targets):
    """[(trial, [cells])], trials in order of first mention."""
    return by_trial((t["trial"], cells(t)) for t in targets)


def by_trial(pairs):
    """[(trial, [row])] of (trial, row) pairs."""
    found = {}
    for trial, row in pairs:
        found.setdefault(trial, []).append(row)
    return list(found.items())


def headline(result):
    """Coverage and sharpness of fit and of hold-out rows, in words."""
    return [_headline(result, role, name) for role, name in (("fit", "Fit rows"), ("holdout", "Hold-out rows"))]


def _headline(result, role, name):
    off = result["coverage90"].get(role)
    on = (result.get("coverage90_discrepancy") or {}).get(role)
    return {
        "name": name,
        "off": words.coverage(off),
        "off_share": words.per_cent(off and off.get("fraction")),
        "on": words.coverage(on) if on else words.DASH,
        "on_share": words.per_cent(on and on.get("fraction")),
        "sharpness": words.fixed((result.get("sharpness") or {}).get(role)),
    }


def alternatives(result):
    """Rows under other assumptions, beside the run's own replay: [(trial, [row with its ``others``])]."""
    known = {_key(t): t for t in result["targets"]}
    found = {}
    for other in result.get("alternatives") or ():
        found.setdefault(_key(other), []).append(other)
    return by_trial((key[0], _alternative(others, known.get(key))) for key, others in found.items())


def _key(row):
    return row["trial"], row["arm"], row["id"]


def _alternative(others, target):
    first, unit = others[0], target["unit"] if target else "ratio"
    told = words.published_value(target) if target else words.amount(_plain(first.get("published")), unit, told=4)
    here = target and target["replayed"]
    return {
        "id": first["id"],
        "arm": first["arm"],
        "what": words.endpoint(first["endpoint"]),
        "published": told,
        "replayed": words.replayed_value(here, unit),
        "interval": words.replayed_interval(here, unit),
        "others": [_other(other, here, unit) for other in others],
    }


def _plain(published):
    return published.get("value") if isinstance(published, dict) else published


def _other(other, here, unit):
    return {
        "assumption": other["assumption"],
        "replayed": words.replayed_value(other["replayed"], unit),
        "interval": words.replayed_interval(other["replayed"], unit),
        "change": _change(other["replayed"], here, unit),
    }


def _change(there, here, unit):
    """How far the median moves: in percentage points for fractions, else in the unit."""
    if not there or not here or None in (there["median"], here["median"]):
        return words.DASH
    moved = there["median"] - here["median"]
    if unit == "fraction":
        return words.fixed(100 * moved, 1, sign=True)
    return words.fixed(moved, 0 if unit == "count" else 2, sign=True)


def diagnostics(result):
    """[(name, value, limit, met)] of the acceptance criteria that the run tells."""
    told = result.get("diagnostics") or {}
    return [_criterion(told[key], *rest) for key, *rest in CRITERIA if told.get(key) is not None]


def _criterion(value, name, limit, met):
    worst = min(value) if isinstance(value, list) else value
    decimals = 0 if isinstance(worst, int) or worst >= 10 else 3 if "R-hat" in name else 2
    return name, words.fixed(worst, decimals), limit, "met" if met(worst) else "not met"


def provenance(result):
    """[(name, value)] of what made the run."""
    sha = result.get("posterior_sha256") or ""
    told = [
        ("Problem", result["problem"]),
        ("Trials", ", ".join(result["trials"])),
        ("Posterior", f"sha256 {sha[:12]}" if sha else ""),
        ("Draws", f"{result['draws']:,}".replace(",", " ")),
        ("Replicates", f"{result['replicates']:,}".replace(",", " ")),
        ("Seed", str(result["seed"])),
        ("Failed subjects", str(result["failed_subjects"]) if "failed_subjects" in result else ""),
        ("Time", _seconds(result.get("seconds"))),
        ("Date", result.get("date") or ""),
    ]
    return [(name, value) for name, value in told if value]


def _seconds(seconds):
    if isinstance(seconds, dict):
        return ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items() if value is not None)
    return "" if seconds is None else f"{seconds:.0f} s"


def summary(frame, units):
    """ArviZ's summary as (name of the interval, rows): parameter, unit, mean, sd, interval, ESS, R-hat, MCSE."""
    ends = [c for c in frame.columns if c.endswith(("_lb", "_ub")) or c.startswith(("hdi", "eti"))][:2]
    rows = [_parameter(row, ends, units) for row in frame.iter_rows(named=True)]
    return interval_name(ends), rows


def interval_name(ends):
    """``eti89_lb`` is ``89 % interval, equal-tailed``."""
    if len(ends) < 2:
        return "interval"
    mass = "".join(c for c in ends[0].split("_")[0] if c.isdigit())
    kind = "highest density" if ends[0].startswith("hdi") else "equal-tailed"
    return f"{mass} % interval, {kind}" if mass else f"{kind} interval"


def _parameter(row, ends, units):
    low, high = ([row[c] for c in ends] + [None, None])[:2]
    rhat, bulk, tail = (row.get(k) for k in ("r_hat", "ess_bulk", "ess_tail"))
    poor = [n for n, x, bad in (("R-hat", rhat, lambda x: x >= 1.01), ("ESS", _least(bulk, tail), lambda x: x <= 400))
            if x is not None and bad(x)]  # fmt: skip
    return {
        "name": row["parameter"],
        "unit": words.unit_name(units.get(row["parameter"]) or ""),
        "mean": words.number(row.get("mean")),
        "sd": words.number(row.get("sd")),
        "interval": f"{words.number(low)} to {words.number(high)}" if low is not None else words.DASH,
        "mcse_mean": words.number(row.get("mcse_mean"), 2),
        "mcse_sd": words.number(row.get("mcse_sd"), 2),
        "ess_bulk": words.fixed(bulk, 0),
        "ess_tail": words.fixed(tail, 0),
        "r_hat": words.fixed(rhat, 3),
        "poor": ", ".join(poor),
    }


def _least(*values):
    return min((v for v in values if v is not None), default=None)
