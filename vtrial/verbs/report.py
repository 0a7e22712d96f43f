"""``vtrial report``."""

from . import session

HELP = "one self-contained HTML page, and the figures, of a run"


def arguments(parser):
    parser.add_argument("dir", help="a folder written by `vtrial replay --out` or `vtrial simulate --out`")


def run(args):
    from ..report.build import build

    page = build(args.dir)
    if args.json:
        return session.emit({"page": str(page)})
    print(f"report: {page}")
