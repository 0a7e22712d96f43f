"""The command line: one file a verb in `vtrial.verbs`; nothing heavy is imported before a verb runs."""

import argparse
import sys
from importlib import import_module

from . import __version__
from .errors import InputError

VERBS = ("list", "show", "check", "pk", "simulate", "replay", "calibrate", "diagnose", "report", "benchmark")


def parser():
    """The argument parser. Each verb's module gives ``HELP``, ``arguments(parser)`` and ``run(args) -> exit code``."""
    top = argparse.ArgumentParser(
        prog="vtrial", description="Virtual trials of HER2 antibody-drug conjugates. For research only."
    )
    top.add_argument("--version", action="version", version=f"vtrial {__version__}")
    verbs = top.add_subparsers(metavar="VERB", required=True)
    for name in VERBS:
        verb = import_module(f".verbs.{name}", __package__)
        sub = verbs.add_parser(name, help=verb.HELP, description=verb.HELP)
        verb.arguments(sub)
        sub.add_argument("--seed", type=int, default=1, help="random seed (default 1)")
        sub.add_argument("--json", action="store_true", help="one JSON object on stdout")
        sub.set_defaults(run=verb.run)
    return top


def main(argv=None):
    """Runs a verb; 0 done, 1 the run failed, 2 bad usage or bad input."""
    args = parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except InputError as error:
        print(f"vtrial: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"vtrial: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
