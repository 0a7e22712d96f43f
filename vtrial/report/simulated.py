"""The page of a simulated trial: its endpoints, what differs from the protocol, and why doses were changed."""

import json
from pathlib import Path

import polars as pl

from .. import __version__
from ..errors import bad

NEEDED = ("trial", "seed", "replicates", "draws", "arms", "changed", "not_modelled")
WORDS = {"held": "DRUG INTERRUPTED", "reduced": "DOSE REDUCED", "stopped": "DRUG WITHDRAWN"}


def render(env, folder):
    """The page of a folder written by ``vtrial simulate --out`` as text; raises `InputError` naming file and key."""
    path = Path(folder) / "simulate.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise bad(path, "", f"cannot be read: {error}") from None
    for key in NEEDED:
        if key not in found:
            raise bad(path, key, "is missing; the file is written by vtrial simulate --out")
    reasons = _reasons(Path(folder) / "adex.parquet")
    arms = [{"id": i, "n": a["n"], "rows": list(_rows(a)), "reasons": reasons.get(i, [])} for i, a in found["arms"].items()]
    return env.get_template("simulated.html.j2").render({**found, "arms": arms, "version": __version__})


def told(arm):
    """(name, quantiles) of everything that an arm's object tells."""
    for name, q in (arm["rate"] | arm["per_patient"] | {k: v for k, v in arm.items() if k != "n"}).items():
        if q and q.get("median") is not None:
            yield name, q
    for drug, doses in arm["drugs"].items() if len(arm["drugs"]) > 1 else ():
        yield from ((f"{name}, {drug}", q) for name, q in doses.items() if q)


def _rows(arm):
    for name, q in told(arm):
        yield {"name": name, "median": f"{q['median']:.3f}", "interval": f"{q['q05']:.3f} to {q['q95']:.3f}"}


def _reasons(path):
    """Arm -> rows of drug, rule, organ and how often doses were held, reduced and stopped for it."""
    if not path.is_file():
        return {}
    changed = pl.read_parquet(path).drop_nulls("EXADJ")
    counts = [(pl.col("EXACN") == word).sum().alias(name) for name, word in WORDS.items()]
    table = changed.group_by(pl.col("ARM").alias("arm"), drug="EXTRT", rule="EXADJ", organ="EXORGAN").agg(counts)
    out = {}
    for row in table.sort("arm", "drug", "rule").iter_rows(named=True):
        out.setdefault(row["arm"], []).append(row)
    return out
