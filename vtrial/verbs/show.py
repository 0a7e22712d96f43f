"""``vtrial show``."""

from . import session

HELP = "one card: every number, unit, source"
KINDS = ("drugs", "populations", "tumours", "trials", "problems")


def arguments(parser):
    parser.add_argument("kind", help=f"one of {', '.join(KINDS)} (or the singular)")
    parser.add_argument("name", help="a name on the shelf, or a path")


def run(args):
    from ..errors import unknown
    from ..library.files import locate, read_toml

    kind = args.kind if args.kind.endswith("s") else f"{args.kind}s"
    if kind not in KINDS:
        raise unknown("show", "KIND", args.kind, KINDS)
    path = locate(kind, args.name)
    files = sorted(path.parent.glob("*.toml")) if kind == "drugs" else [path]
    cards = {str(f): read_toml(f) for f in files}
    if kind == "trials" and (path.parent / "published.csv").exists():
        cards[str(path.parent / "published.csv")] = {"rows": _published(path.parent / "published.csv")}
    if args.json:
        return session.emit(cards)
    for file, data in cards.items():
        print(f"# {file}")
        for key, value in _flat(data):
            print(f"  {key:42} {value}")


def _published(path):
    import csv

    with open(path, newline="", encoding="utf-8") as file:
        return {r.pop("id"): {k: v for k, v in r.items() if v} for r in csv.DictReader(file)}


def _flat(value, prefix=""):
    """(dotted key, text) of every number: a sourced number on one line, with unit and source."""
    if isinstance(value, dict) and "value" in value:
        unit = value.get("unit", value.get("form", ""))
        source = " ".join(f"{value[k]}" for k in ("source", "at", "why", "locator") if value.get(k))
        yield prefix, f"{value['value']} {unit}  [{source}]"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for i, inner in enumerate(value):
            yield from _flat(inner, f"{prefix}[{i}]")
    else:
        yield prefix, value
