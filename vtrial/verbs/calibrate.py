"""``vtrial calibrate``."""

import os

from . import session

HELP = "NUTS, checkpointed; writes posterior.nc, summary.csv, manifest.json"


def arguments(parser):
    parser.add_argument("problem", help="a problem on the shelf, or a path")
    parser.add_argument("--chains", type=session.positive, default=4)
    parser.add_argument("--warmup", type=session.positive, default=40, help="transitions a chain before draws")
    parser.add_argument("--draws", type=session.positive, default=450, help="draws a chain")
    parser.add_argument("--target-accept", type=session.share, default=0.9, help="acceptance that sets the step (default 0.9)")
    parser.add_argument("--subjects", type=session.positive, help="quasi-random subjects (default: the problem's)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run, or one of fewer draws")
    parser.add_argument("--thin", type=session.positive, default=1, help="keep every so many-th draw (default 1)")
    parser.add_argument("--no-check", dest="check", action="store_false", help="do not weigh a joint problem's draws anew")
    parser.add_argument("--training", help="training.npz of an earlier result: a joint problem's surrogates without new trials")
    parser.add_argument("--out", help="folder of the results (default: calibration/results/PROBLEM)")


def run(args):
    session.start_jax(devices=min(args.chains, os.cpu_count() or 1))
    from ..calibrate.run import calibrate
    from ..library import problems

    told = ("chains", "warmup", "draws", "target_accept", "subjects", "seed", "out", "resume", "check", "thin", "training")
    sizes = {k: getattr(args, k) for k in told}
    _, found, seconds = calibrate(problems.load(args.problem), **sizes)
    if args.json:
        return session.emit({"problem": args.problem, "seconds": seconds, "diagnostics": found.values})
    print(found)
    if found.failed:
        print("the checkpoint stays: --resume with more --draws goes on from it")
    print(f"seconds: {', '.join(f'{k} {v:.0f}' for k, v in seconds.items())}")
