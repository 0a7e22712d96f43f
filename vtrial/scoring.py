"""A scored replay from problem to result object and run folder; every scoring of hold-outs is logged."""

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from . import compare, trial
from .calibrate import diagnose, inputs, results
from .errors import unknown
from .library import trials
from .library.files import digest, root
from .library.problems import JOINT
from .output import write_text
from .progress import bar

BANDS = (0.05, 0.25, 0.5, 0.75, 0.95)
LOG = ("date", "commit", "problem", "posterior_sha256", "trials", "seed", "replicates", "covered", "total", "misses")


def score(problem, names, args, clock):
    """Replays trials of a problem and scores them; writes ``args.out`` where given. Returns the JSON object."""
    names = names or list(problem.trials)
    if problem.effect == JOINT:
        problem, names = _with_others(problem, names)
    for name in names:
        if name not in problem.trials:
            raise unknown(problem.path, "trials", name, problem.trials)
    path = Path(args.posterior or results.folder(problem.name) / "posterior.nc")
    data = results.read(path)
    drawn, _ = results.draws(data, args.draws)
    values = {k: v[np.arange(args.replicates) % args.draws] for k, v in drawn.items()}
    begun = datetime.now(UTC)
    replayed = _replay(problem, names, values, args)
    result = _result(problem, names, path, data, args, replayed, values)
    if args.out:
        result["alternatives"] = list(_alternatives(problem, names, values, args))
        _write(Path(args.out), problem, names, data, values, result, args.seed)
    total = (datetime.now(UTC) - begun).total_seconds()
    result["seconds"] = {"compile": round(clock.seconds, 2), "run": round(max(total - clock.seconds, 0), 2)}
    if args.out:
        write_text(Path(args.out) / "replay.json", json.dumps(compare.finite(result), indent=1) + "\n")
    if not args.no_log:
        _log(problem, path, result)
    return compare.finite(result)


def _with_others(problem, names):
    """A joint problem with trials beside its own, on the shelf or a user's, that are predicted from their design alone: its
    roles say nothing of their rows, which are context. And the trials' own names."""
    others = {name: trials.load(name) for name in names if name not in problem.trials}
    known = problem.trials | {t.name: t for t in others.values()}
    return replace(problem, trials=known), [others[n].name if n in others else n for n in names]


def _replay(problem, names, values, args):
    armed = sum(1 for _ in trial.arms(problem, names))
    with bar("replaying", armed * args.replicates) as tick:
        return trial.replay(problem, names, values, args.seed, args.replicates, tick)


def _result(problem, names, path, data, args, replayed, values):
    tau = values.get(problem.discrepancy[0], np.zeros(args.replicates))
    discrepant = trial.with_discrepancy(replayed, problem, tau, args.seed)
    scored = compare.targets(problem, names, replayed, discrepant)
    manifest = path.parent / "manifest.json"
    return {
        "trials": names,
        "problem": problem.name,
        "title": problem.title,
        "date": datetime.now(UTC).date().isoformat(),
        "posterior": str(path),
        "posterior_sha256": digest(path),
        "seed": args.seed,
        "replicates": args.replicates,
        "draws": args.draws,
        "targets": scored,
        "coverage90": compare.coverage(scored),
        "coverage90_discrepancy": compare.coverage(scored, "covered90_discrepancy"),
        "sharpness": compare.median_sharpness(scored),
        "failed_subjects": replayed.failed,
        "lower_limit": {n: problem.trials[n].lower_limit for n in names if problem.drug},
        "diagnostics": diagnose.criteria(data).values,
        "conflicts": [{"text": t, "decision": d} for card in inputs.cards_of(problem) for t, d in card.conflicts],
        "stale": results.stale(json.loads(manifest.read_text()), problem) if manifest.exists() else [],
    }


def _alternatives(problem, names, values, args):
    few = {k: v[: min(400, args.replicates)] for k, v in values.items()}
    count = len(next(iter(few.values())))
    with bar("other readings of the protocol", None) as tick:
        for row, words, stats in trial.alternatives(problem, names, few, args.seed, count):
            tick(1, f"{row.trial} {words}")
            yield {
                "trial": row.trial,
                "arm": row.arm,
                "id": row.id,
                "endpoint": row.endpoint,
                "assumption": words,
                "published": row.value,
                "replayed": compare.quantiles(stats),
            }


def _write(out, problem, names, data, values, result, seed):
    """The tables of a run: targets, daily courses, prior and posterior draws, ArviZ's summary."""
    import polars as pl

    flat = [{k: v for k, v in _flat(t).items() if not isinstance(v, dict)} for t in result["targets"]]
    write_text(out / "targets.csv", pl.DataFrame(flat, infer_schema_length=None).write_csv())
    if problem.drug:
        write_text(out / "course.csv", _courses(problem, names, values, seed).write_csv())
    write_text(out / "parameters.csv", _parameters(problem, data).write_csv())
    write_text(out / "summary.csv", results.summary(data).to_csv())


def _flat(target):
    nested = {f"{k}_{i}": w for k, v in target.items() if isinstance(v, dict) and k != "definition" for i, w in v.items()}
    return {k: v for k, v in target.items() if not isinstance(v, dict)} | nested


def _courses(problem, names, values, seed):
    """Daily platelets, quantiles over subjects and draws, of each modelled arm's first eight cycles."""
    import polars as pl

    frames = []
    for name, arm, _ in trial.arms(problem, names):
        if problem.trials[name].arms[arm].drug != problem.drug:
            continue
        counts = np.quantile(trial.daily(problem, name, arm, values, seed), BANDS, axis=1)
        columns = {f"q{100 * b:02.0f}": c for b, c in zip(BANDS, counts, strict=True)}
        frames.append(pl.DataFrame({"trial": name, "arm": arm, "day": np.arange(counts.shape[1]), **columns}))
    return pl.concat(frames)


def _parameters(problem, data):
    import polars as pl

    units = {f.name: f.unit for f in problem.free} | {problem.discrepancy[0]: "1"}
    frames = []
    for group in ("prior", "posterior"):
        for name, unit in units.items():
            drawn = np.asarray(data[group][name]).reshape(-1)
            thin = drawn[:: max(1, len(drawn) // 1000)]
            frames.append(pl.DataFrame({"group": group, "parameter": name, "value": thin, "unit": unit}))
    return pl.concat(frames)


def _log(problem, path, result):
    """One row of holdout_log.csv for a scoring of hold-outs by the shelf's own posterior, in a checkout."""
    log = root() / "calibration" / "holdout_log.csv"
    own = path.resolve() == (results.folder(problem.name) / "posterior.nc").resolve()
    held = result["coverage90"]["holdout"]
    if not (own and held["total"] and (root() / ".git").exists()):
        return
    row = {
        "date": result["date"],
        "commit": results.commit(),
        "problem": problem.name,
        "posterior_sha256": result["posterior_sha256"],
        "trials": " ".join(result["trials"]),
        "seed": result["seed"],
        "replicates": result["replicates"],
        "covered": held["covered"],
        "total": held["total"],
        "misses": " ".join(t["id"] for t in result["targets"] if t["role"] == "holdout" and t["covered90"] is False),
    }
    _append(log, {k: str(v) for k, v in row.items()})


def _append(log, row):
    """Appends unless the same scoring (all but date and commit) is there already."""
    rows = list(csv.DictReader(log.open(newline="", encoding="utf-8"))) if log.exists() else []
    same = [k for k in LOG if k not in ("date", "commit")]
    if any(all(r[k] == row[k] for k in same) for r in rows):
        return
    lines = [LOG, *([r[k] for k in LOG] for r in [*rows, row])]
    write_text(log, "".join(",".join(map(str, line)) + "\n" for line in lines))
