"""Simulates a trial's arm under changed dose rules: ``python scripts/simulate_arm.py emilia --arm tdm1 --set
rules.platelets-grade3.level=down``. Same options as the command."""

import sys

from vtrial.cli import main

sys.exit(main(["simulate", *sys.argv[1:]]))
