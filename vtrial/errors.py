"""What is said about bad input: one message naming file, line, key, value and what is allowed."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one place of one file."""

    file: Path | str
    key: str
    message: str
    line: int | None = None

    def __str__(self):
        place = f"{self.file}:{self.line}" if self.line else f"{self.file}"
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class InputError(Exception):
    """Bad input, with every fault that was found. The command line prints the faults and exits with 2."""

    def __init__(self, *faults):
        super().__init__("\n".join(str(f) for f in faults))
        self.faults = faults


def bad(file, key, message, line=None):
    """An `InputError` with one fault."""
    return InputError(Fault(file, key, message, line))


def unknown(file, key, value, allowed, line=None):
    """An `InputError` for a name that is not one of those allowed, which are listed."""
    return bad(file, key, f"unknown {value!r}; allowed: {', '.join(sorted(map(str, allowed))) or 'none'}", line)
