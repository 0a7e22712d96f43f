"""``vtrial benchmark``."""

from . import session

HELP = "the performance table, on this machine"


def arguments(parser):
    parser.add_argument("--subjects", type=session.positive, default=16384, help="virtual patients a run")
    parser.add_argument("--seconds", type=session.positive, default=5, help="of repeating each measurement")
    parser.add_argument("--gradients", action="store_true", help="also the committed problems' gradients; minutes of compiling")
    parser.add_argument("--out", help="folder for benchmark.json")


def run(args):
    from importlib.util import find_spec

    from .. import benchmark, gradients, survival_speed, trial_year

    result = benchmark.run(subjects=args.subjects, seconds=args.seconds, seed=args.seed)
    session.start_jax()
    result["trial_year"] = trial_year.run(seconds=args.seconds, seed=args.seed)
    # the rival is no dependency of what is installed without [dev]
    result["survival"] = survival_speed.run(seed=args.seed, rival=20 if find_spec("lifelines") else 0)
    if args.gradients:
        result["gradients"] = gradients.run(seconds=args.seconds)
    if args.out:
        import json
        from pathlib import Path

        from ..output import write_text

        write_text(Path(args.out) / "benchmark.json", json.dumps(result, indent=1) + "\n")
    if args.json:
        return session.emit(result)
    notes = [*trial_year.notes(result["trial_year"]), *survival_speed.notes(result["survival"])]
    notes += gradients.notes(result.get("gradients", {}))
    print(benchmark.table(result), *notes, sep="\n")
