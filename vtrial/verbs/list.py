"""``vtrial list``."""

from . import session

HELP = "what is on the shelf"
KINDS = ("drugs", "populations", "tumours", "trials", "problems", "structures")


def arguments(parser):
    parser.add_argument("kind", nargs="?", choices=KINDS, help="one shelf (default: all)")


def run(args):
    shelf = {kind: _names(kind) for kind in ([args.kind] if args.kind else KINDS)}
    if args.json:
        return session.emit(shelf)
    for kind, names in shelf.items():
        print(f"{kind}: {', '.join(names)}")


def _names(kind):
    if kind == "structures":
        from ..library.cards import UNITS

        return sorted(UNITS)
    from ..library.files import names

    return names(kind)
