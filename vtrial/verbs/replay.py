"""``vtrial replay``."""

from . import session

HELP = "simulates trials from a posterior and scores them against what was published"


def arguments(parser):
    parser.add_argument("trial", nargs="*", help="trials of the problem (default: all of them)")
    parser.add_argument("--problem", help="a problem with a posterior (default: the trial's default_problem)")
    parser.add_argument("--posterior", help="another posterior.nc than the problem's own")
    parser.add_argument("--replicates", type=session.positive, default=1000, help="fresh trials an arm (default 1000)")
    parser.add_argument("--draws", type=session.positive, default=1000, help="posterior draws used (default 1000)")
    parser.add_argument("--no-log", action="store_true", help="a test run: its hold-out score is not logged")
    parser.add_argument("--out", help="folder for replay.json, tables and courses, which `vtrial report` reads")


def run(args):
    session.start_jax(devices=session.cores())
    from ..library import problems
    from ..scoring import score

    problem = problems.load(_problem(args))
    clock = session.CompileClock()
    result = score(problem, args.trial, args, clock)
    if args.json:
        return session.emit(result)
    from ..report.table import print_table

    print_table(result)
    if args.out:
        print(f"written: {args.out}")


def _problem(args):
    from ..errors import InputError, bad
    from ..library import trials

    if args.problem:
        return args.problem
    if not args.trial:
        raise bad("replay", "", "name a trial or --problem")
    named = {t: trials.load(t).default_problem for t in args.trial}
    if len(set(named.values())) > 1 or None in named.values():
        raise InputError(*bad("replay", "--problem", f"is needed: the trials' default problems are {named}").faults)
    return next(iter(named.values()))
