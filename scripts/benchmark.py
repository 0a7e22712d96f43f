"""The performance table of this machine. Same options as the command."""

import sys

from vtrial.cli import main

sys.exit(main(["benchmark", *sys.argv[1:]]))
