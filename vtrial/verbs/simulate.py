"""``vtrial simulate``."""

from . import session

HELP = "any trial file, with or without published numbers: endpoints with uncertainty under its dose rules"


def arguments(parser):
    parser.add_argument("trial", help="a trial on the shelf, or a trial.toml")
    parser.add_argument("--arm", action="append", help="an arm of it (default: all that can be simulated)")
    parser.add_argument("--set", action="append", default=[], metavar="rules.ID.FIELD=VALUE", help="changes a dose rule")
    parser.add_argument("--replicates", type=session.positive, default=200, help="fresh trials (default 200)")
    parser.add_argument("--draws", type=session.positive, default=200, help="posterior draws used (default 200)")
    parser.add_argument("--out", help="folder for simulate.json")


def run(args):
    session.start_jax()
    from ..simulation import simulate

    found, changed = simulate(args.trial, args.arm, args.set, args.seed, args.replicates, args.draws)
    if args.out:
        _write(args.out, found, changed)
    if args.json:
        return session.emit(found)
    _print(found, changed)


def _write(folder, found, changed):
    import json
    from pathlib import Path

    from ..output import write_text

    differences = [dict(zip(("arm", "rule", "field", "protocol", "here"), map(str, c), strict=True)) for c in changed]
    write_text(Path(folder) / "simulate.json", json.dumps(found | {"changed": differences}, indent=1) + "\n")


def _print(found, changed):
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{found['trial']}: {found['replicates']} trials from {found['draws']} posterior draws")
    for column in ("arm", "n", "endpoint", "median", "90 % interval"):
        table.add_column(column)
    for arm, a in found["arms"].items():
        rows = a["rate"] | {k: v for k, v in a.items() if k not in ("n", "rate")}
        for name, q in rows.items():
            if q:
                table.add_row(arm, str(a["n"]), name, f"{q['median']:.3f}", f"{q['q05']:.3f} to {q['q95']:.3f}")
    console = Console()
    console.print(table)
    for arm, why in found["not_modelled"].items():
        console.print(f"{arm}: not simulated: {why}")
    for arm, rule, field, was, now in changed:
        console.print(f"{arm}: {rule}.{field}: protocol {was} -> here {now}", highlight=False, markup=False)
