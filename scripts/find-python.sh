#!/bin/sh
# Prints the path of a Python >= 3.12 that can make a virtual environment; exits 2 with one line on stderr if there is
# none. $PYTHON, if set, is the only candidate. Else: PATH, then pyenv's versions, then uv's.
set -u

# A candidate is run, not looked at: a pyenv shim exists for versions that are not selected, and Debian's python3 may
# have venv but not ensurepip.
usable() {
    "$1" -c 'import sys; sys.exit(1) if sys.version_info < (3, 12) else None
import ensurepip, venv; print(sys.executable)' 2>/dev/null
}

candidates() {
    # python3.12 and python3.13 are the tested ones; a later python3 is taken only after them.
    for name in python3.13 python3.12 python3 python; do
        command -v "$name"
    done
    for root in "${PYENV_ROOT:-}" "${HOME:-}/.pyenv"; do
        for python in "$root"/versions/*/bin/python; do
            [ -x "$python" ] && echo "$python"
        done
    done
    command -v uv >/dev/null && uv python find '>=3.12' 2>/dev/null
}

if [ -n "${PYTHON:-}" ]; then
    usable "$PYTHON" && exit 0
    echo "PYTHON=$PYTHON does not run, is older than 3.12 or lacks venv and ensurepip" >&2
    exit 2
fi

# Read by line: a path may hold a space.
found=$(candidates | while IFS= read -r candidate; do
    usable "$candidate" </dev/null && break
done)
[ -n "$found" ] && echo "$found" && exit 0
echo "no Python >= 3.12 with venv on PATH, in pyenv or in uv: install one or name one, PYTHON=/path/to/python3.12" >&2
exit 2
