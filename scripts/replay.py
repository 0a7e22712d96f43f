"""Replays and scores trials: ``python scripts/replay.py emilia --out out/emilia``. Same options as the command."""

import sys

from vtrial.cli import main

sys.exit(main(["replay", *sys.argv[1:]]))
