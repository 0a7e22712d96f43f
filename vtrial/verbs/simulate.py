"""``vtrial simulate``."""

from . import session

CHANGED = ("arm", "drug", "rule", "field", "protocol", "here")
HELP = "any trial file, with or without published numbers: endpoints with uncertainty under its dose rules"


def arguments(parser):
    parser.add_argument("trial", help="a trial on the shelf, or a trial.toml")
    parser.add_argument("--arm", action="append", help="an arm of it (default: all that can be simulated)")
    parser.add_argument("--set", action="append", default=[], metavar="rules.[DRUG.]ID.FIELD=VALUE", help="changes a dose rule")
    parser.add_argument("--replicates", type=session.positive, default=200, help="fresh trials (default 200)")
    parser.add_argument("--draws", type=session.positive, default=200, help="posterior draws used (default 200)")
    parser.add_argument(
        "--out", help="folder for simulate.json and the ADaM tables (adsl.parquet, adtte.parquet, adex.parquet, ...)"
    )


def run(args):
    session.start_jax()
    from ..simulation import simulate

    done = simulate(args.trial, args.arm, args.set, args.seed, args.replicates, args.draws, bool(args.out))
    differences = [dict(zip(CHANGED, map(str, c), strict=True)) for c in done.changed]
    if args.out:
        _write(args.out, done, differences)
    if args.json:
        return session.emit(done.found)
    _print(done.found, differences)


def _write(folder, done, differences):
    import json
    from pathlib import Path

    from ..adam import write
    from ..output import write_text

    write(folder, done.tables, done.about)
    write_text(Path(folder) / "simulate.json", json.dumps(done.found | {"changed": differences}, indent=1) + "\n")


def _print(found, differences):
    from rich.console import Console
    from rich.table import Table

    from ..report.simulated import told

    table = Table(title=f"{found['trial']}: {found['replicates']} trials from {found['draws']} posterior draws")
    for column in ("arm", "n", "endpoint", "median", "90 % interval"):
        table.add_column(column)
    for arm, a in found["arms"].items():
        for name, q in told(a):
            table.add_row(arm, str(a["n"]), name, f"{q['median']:.3f}", f"{q['q05']:.3f} to {q['q95']:.3f}")
    console = Console()
    console.print(table)
    for arm, why in found["not_modelled"].items():
        console.print(f"{arm}: not simulated: {why}")
    for arm, names in found["covariates_at_reference"].items():
        if names:
            console.print(f"{arm}: not in the population, taken at the cards' reference: {', '.join(names)}")
    for c in differences:
        line = f"{c['arm']}: {c['drug']} {c['rule']}.{c['field']}: protocol {c['protocol']} -> here {c['here']}"
        console.print(line, highlight=False, markup=False)
