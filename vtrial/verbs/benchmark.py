"""``vtrial benchmark``."""

from . import session

HELP = "the performance table, on this machine"


def arguments(parser):
    parser.add_argument("--subjects", type=session.positive, default=16384, help="virtual patients a run")
    parser.add_argument("--out", help="folder for benchmark.json")


def run(args):
    from .. import benchmark, trial_year

    result = benchmark.run(subjects=args.subjects, seed=args.seed)
    session.start_jax()
    result["trial_year"] = trial_year.run(seed=args.seed)
    if args.out:
        import json
        from pathlib import Path

        from ..output import write_text

        write_text(Path(args.out) / "benchmark.json", json.dumps(result, indent=1) + "\n")
    if args.json:
        return session.emit(result)
    print(benchmark.table(result), *trial_year.notes(result["trial_year"]), sep="\n")
