"""Files are written whole or not at all: to a temporary name in the same folder, then renamed."""

import os
from pathlib import Path


def write_whole(path, write):
    """Calls ``write(temporary path)`` and puts the result in place."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path, text):
    write_whole(path, lambda p: p.write_text(text, encoding="utf-8"))
