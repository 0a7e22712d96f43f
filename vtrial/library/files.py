"""Where cards and trials live, and reading them with line numbers and digests.

Data is found from where `vtrial` was imported, never from the working directory: beside the package in a checkout,
inside it (``vtrial/_data``) in an installed wheel.
"""

import hashlib
import re
import tomllib
from functools import cache
from pathlib import Path

from ..errors import bad, unknown

PACKAGE = Path(__file__).resolve().parent.parent
GRADING = "models/grading/ctcae.toml"
REPORTING = "models/grading/reporting.toml"
KINDS = {
    "drugs": ("models/drugs", "drug.toml"),
    "populations": ("models/populations", None),
    "tumours": ("models/tumours", None),
    "trials": ("calibration/trials", "trial.toml"),
    "problems": ("calibration/problems", None),
}


@cache
def root():
    """The folder that holds ``models`` and ``calibration``."""
    installed = PACKAGE / "_data"
    return installed if installed.is_dir() else PACKAGE.parent


def names(kind):
    """Names on the shelf ``kind``, sorted."""
    folder, inner = KINDS[kind]
    found = (root() / folder).glob(f"*/{inner}" if inner else "*.toml")
    return sorted(p.parent.name if inner else p.stem for p in found)


def locate(kind, name):
    """The file of ``name``, which is a name on the shelf or a path to a user's own file or folder."""
    folder, inner = KINDS[kind]
    own = Path(name)
    for path in (own, own / inner if inner else own):
        if path.is_file() and path.suffix == ".toml":
            return path
    if name not in names(kind):
        raise unknown(kind, "name", str(name), names(kind))
    return root() / folder / name / inner if inner else root() / folder / f"{name}.toml"


def read_toml(path):
    """A TOML file as a dict.

    Raises
    ------
    InputError
        If there is no such file, or it is not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise bad(path, "", f"cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise bad(path, "", f"is not TOML: {error}") from None


def line_of(path, key):
    """Line of the dotted ``key`` in a TOML file, or of its nearest written parent; None if none is written."""
    lines = key_lines(str(path), Path(path).stat().st_mtime_ns) if Path(path).is_file() else {}
    parts = key.split(".")
    return next((lines[k] for n in range(len(parts), 0, -1) if (k := ".".join(parts[:n])) in lines), None)


@cache
def key_lines(path, _stamp):
    """Dotted key -> line number, for tables, arrays of tables (``rule[0]``) and plain keys."""
    found, table, counts = {}, "", {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if header := re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line):
            table = _numbered(header[2].replace('"', ""), header[1] == "[[", counts)
            found.setdefault(table, number)
        elif key := re.match(r"\s*(\"[^\"]+\"|[\w\-.]+)\s*=", line):
            name = key[1].strip('"')
            found.setdefault(f"{table}.{name}" if table else name, number)
    return found


def _numbered(name, repeated, counts):
    """``arm`` -> ``arm[2]``, also in the names below it (``arm.treatment`` -> ``arm[2].treatment``)."""
    if repeated:
        counts[name] = counts.get(name, -1) + 1
    parts, out = name.split("."), []
    for i, part in enumerate(parts):
        prefix = ".".join(parts[: i + 1])
        out.append(f"{part}[{counts[prefix]}]" if prefix in counts else part)
    return ".".join(out)


def digest(path):
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@cache
def bibliography():
    """The citation keys of models/references.bib."""
    text = (root() / "models" / "references.bib").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^@\w+\{\s*([^,\s]+)\s*,", text, re.MULTILINE))
