"""Calibrates a problem: ``python scripts/calibrate.py platelets-tdm1 --chains 4``. Same options as the command."""

import sys

from vtrial.cli import main

sys.exit(main(["calibrate", *sys.argv[1:]]))
