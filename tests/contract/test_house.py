"""The house rules of the source tree: layers, sizes, what an import may do, what a file may name."""

import ast
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "vtrial"

# In the order of the flow. A layer may import itself and those above it in this list; layers of one row are strangers.
LAYERS = [
    {"errors"}, {"progress", "output", "timing"}, {"units"}, {"library"}, {"events"}, {"pk"}, {"toxicity", "efficacy"},
    {"population"}, {"exposure"}, {"profiles"},
    {"conduct"}, {"endpoints"}, {"calibrate", "ledger"}, {"trial"}, {"compare", "adam"}, {"scoring", "simulation"},
    {"report", "benchmark", "gradients", "trial_year", "survival_speed"},
    {"verbs"}, {"cli"},
]  # fmt: skip
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}

HEAVY = {"jax", "numpy", "scipy", "polars", "matplotlib", "numpyro", "arviz", "diffrax", "equinox", "optax", "pint"}

# Joined here, so that this file does not name them.
REGISTRIES = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pypi", "python", "org"),
        ("files", "pythonhosted"),
        ("download", "pytorch", "org"),
        ("conda", "anaconda"),
        ("repo", "anaconda"),
    ]
]


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "_data" not in path.parts)


def dotted(path: Path) -> list[str]:
    """The parts of a module's name below `vtrial`; an `__init__` has those of its package."""
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def imported_names(tree: ast.AST, package: list[str]):
    """(line, full name) of every import anywhere in a module, function bodies and import_module("...") included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = ["vtrial", *package][: len(package) + 2 - node.level] if node.level else []
            base = ".".join([*start, *filter(None, [node.module])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield from ((node.lineno, arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant))


def wrong_imports(path: Path, source: str) -> list[str]:
    """What is wrong with the imports of one module, one line each."""
    parts = dotted(path)
    package = parts if path.name == "__init__.py" else parts[:-1]
    own = parts[0] if parts else None
    if own in (None, "__main__"):  # the public surface may name any layer; whether it does so lazily is tested below
        return []
    if own not in RANK:
        return [f"{path}: vtrial.{own} is in no layer: give it a row in LAYERS"]
    faults = []
    for line, name in imported_names(ast.parse(source), package):
        head, _, rest = name.partition(".")
        layer = rest.split(".")[0]
        if head != "vtrial" or layer in ("", own, "__version__", "__file__"):
            continue
        if RANK.get(layer, len(LAYERS)) >= RANK[own]:
            faults.append(f"{path}:{line}: vtrial.{own} must not import {name}")
    return faults


def function_lengths(tree: ast.AST) -> list[int]:
    """Lines of every function, nested ones and methods too, less the docstring."""
    lengths = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            has_doc = ast.get_docstring(node, clean=False) is not None
            lengths.append(node.end_lineno - node.lineno + 1 - has_doc * (first.end_lineno - first.lineno + 1))
    return lengths


def python(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], cwd=PACKAGE.parent, capture_output=True, text=True)


def test_imports_follow_the_flow():
    assert not [fault for path in modules() for fault in wrong_imports(path, path.read_text())]


@pytest.mark.parametrize(
    ("where", "source", "wrong"),
    [
        ("pk/two.py", "from vtrial.units import Unit", 0),
        ("pk/two.py", "from vtrial.pk import modes\nfrom . import base\nfrom .base import x", 0),
        ("pk/two.py", "from vtrial import __version__, events", 0),
        ("pk/two.py", "import vtrial", 0),
        ("pk/two.py", "from .. import conduct", 1),
        ("pk/two.py", "from ..conduct.visits import x", 1),
        ("pk/__init__.py", "from .modes import x\nfrom ..units import x", 0),
        ("pk/__init__.py", "from ..trial import x", 1),
        ("pk/two.py", "from vtrial.toxicity import x", 1),
        ("pk/two.py", "def late():\n    import vtrial.trial", 1),
        ("pk/two.py", "import importlib\nimportlib.import_module('vtrial.trial')", 1),
        ("units.py", "import numpy, vtrial.library.cards", 1),
        ("units.py", "from vtrial import no_such_layer", 1),
        ("nowhere.py", "", 1),
        ("cli.py", "from vtrial import report, benchmark, units", 0),
    ],
)
def test_the_layer_check_sees(where, source, wrong):
    assert len(wrong_imports(PACKAGE / where, source)) == wrong


def test_no_module_is_long():
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in modules()}
    assert not {name: length for name, length in lengths.items() if length > 400}


def test_the_median_function_is_short():
    lengths = [length for path in modules() for length in function_lengths(ast.parse(path.read_text()))]
    assert lengths and statistics.median(lengths) < 10


def test_a_docstring_does_not_count():
    source = 'def f():\n    """Two\n    lines."""\n    def g(): return 1\n    return g\n'
    assert function_lengths(ast.parse(source)) == [3, 1]


@pytest.mark.parametrize("module", ["vtrial", "vtrial.cli"])
def test_import_is_light(module):
    done = python("-c", f"import {module}, sys; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


def test_no_arrays_and_no_flags_at_import():
    names = [".".join(["vtrial", *dotted(path)]) for path in modules() if path.stem != "__main__"]
    program = f"""
import importlib, jax
flags = dict(jax.config.values)
for name in {names}:
    importlib.import_module(name)
changed = [flag for flag, value in flags.items() if jax.config.values[flag] != value]
assert not changed, changed
assert not jax.live_arrays(), jax.live_arrays()
"""
    done = python("-c", program)
    assert done.returncode == 0, done.stderr


def test_help_answers():
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = python("-m", "vtrial.cli", "--help")
        seconds.append(time.perf_counter() - start)
        assert done.returncode == 0, done.stderr
        assert "usage" in done.stdout.lower()
    # Printed, not judged: the half second is a promise for an idle machine.
    print(f"vtrial --help: best of three {min(seconds):.2f} s")


def test_no_file_names_a_registry(repo):
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(listing, cwd=repo, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: which files are the project's is not known")
    paths = [repo / name for name in listed.split("\0") if name and (repo / name).is_file()]
    texts = {path: path.read_bytes().lower() for path in paths}
    assert not [f"{path}: {address}" for path, text in texts.items() for address in REGISTRIES if address.encode() in text]
