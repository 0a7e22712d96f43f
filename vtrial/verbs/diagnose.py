"""``vtrial diagnose``."""

from . import session

HELP = "R-hat, ESS, divergences, E-BFMI, prior against posterior, targets and trials left out; exit 1 if a criterion fails"


def arguments(parser):
    parser.add_argument("target", metavar="PROBLEM|FILE.nc", help="a problem with a result on the shelf, or a file")
    parser.add_argument("--out", help="folder for the figures and tables (default: out/diagnose)")
    parser.add_argument(
        "--refit",
        action="store_true",
        help="fit a joint problem anew without each trial and arm, and with other spreads between trials (minutes)",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="weigh a joint problem's draws by a second surrogate, of fresh trials (ten minutes or more)",
    )


def run(args):
    from pathlib import Path

    from ..calibrate import diagnose, results

    path = Path(args.target)
    if path.suffix != ".nc":
        path = results.folder(args.target) / "posterior.nc"
    data = results.read(path)
    found = diagnose.criteria(data)
    out = Path(args.out or "out/diagnose")
    more = _more(path, data, out, args)
    figures = diagnose.figures(data, out)
    if args.json:
        told = {"diagnostics": found.values, "failed": found.failed, "figures": figures}
        session.emit({"file": str(path)} | told | more)
    else:
        print(diagnose.table(data))
        print(found)
        _print(more)
        print(f"figures and tables in {out}: {', '.join(figures)}")
    return 1 if found.failed else 0


def _more(path, data, out, args):
    """Targets left out; where they are asked for, trials left out, and weights of a second surrogate."""
    from ..calibrate.check import report
    from ..progress import bar

    more = {"loo": report.influence(data, out)}
    if args.refit or args.fresh:
        session.start_jax(devices=session.cores())
    if args.refit:
        with bar("fitting without each trial", None) as tick:
            more["refits"] = report.refits(path, data, out, tick)
    if args.fresh:
        more["fresh"] = report.fresh(path, data, out, args.seed)
    return more


def _print(more):
    from ..calibrate.check import report

    loo = more["loo"]
    print(f"elpd by leaving targets out: {loo['elpd']:.1f} (se {loo['se']:.1f}), Pareto k above 0.7 in {loo['far']}")
    print("most moving:")
    for row in loo["influence"]:
        print(f"    {row['target']}: {row['most']} by {row['moved']:+.2f} sd (k {row['k']:.2f})")
    if "fresh" in more:
        told = ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in more["fresh"].items())
        print(f"weights of a second surrogate: {told}")
    for line in report.words(more["refits"]) if "refits" in more else ():
        print(line)
