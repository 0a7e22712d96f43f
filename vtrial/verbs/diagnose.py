"""``vtrial diagnose``."""

from . import session

HELP = "R-hat, ESS, divergences, E-BFMI, prior against posterior, posterior predictive; exit 1 if a criterion fails"


def arguments(parser):
    parser.add_argument("target", metavar="PROBLEM|FILE.nc", help="a problem with a result on the shelf, or a file")
    parser.add_argument("--out", help="folder for the figures and tables (default: out/diagnose)")


def run(args):
    from pathlib import Path

    from ..calibrate import diagnose, results

    path = Path(args.target)
    if path.suffix != ".nc":
        path = results.folder(args.target) / "posterior.nc"
    data = results.read(path)
    found = diagnose.criteria(data)
    out = Path(args.out or "out/diagnose")
    figures = diagnose.figures(data, out)
    if args.json:
        session.emit({"file": str(path), "diagnostics": found.values, "failed": found.failed, "figures": figures})
    else:
        print(diagnose.table(data))
        print(found)
        print(f"figures in {out}: {', '.join(figures)}")
    return 1 if found.failed else 0
