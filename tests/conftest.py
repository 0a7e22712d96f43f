"""The policy every test runs under: float64, a warm compilation cache, the same hypothesis examples each time."""

import importlib.util
import os
from pathlib import Path

import hypothesis
import jax
import pytest

REPO = Path(__file__).resolve().parent.parent

# Set here and not in vtrial: importing the library sets no flag.
jax.config.update("jax_enable_x64", True)

hypothesis.settings.register_profile("vtrial", derandomize=True, deadline=None)
hypothesis.settings.load_profile("vtrial")


def _cache_compilations() -> None:
    """Keeps compiled programs in the user's cache directory, also for the commands that tests start."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = Path(os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(base / "vtrial" / "jax")))
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:  # a read-only home costs time, not results
        del os.environ["JAX_COMPILATION_CACHE_DIR"]
        return
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


_cache_compilations()


@pytest.fixture(scope="module", autouse=True)
def _forget_programs():
    """Compiled programs of a file go with it: those of the whole suite in one process are more than the memory maps that a
    process may have (65,530), and JAX then aborts. What another file needs again comes from the disk."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the checkout."""
    return REPO


@pytest.fixture(scope="session")
def shared_facts() -> Path:
    """The folder of published facts that lies beside some checkouts; a test that needs it is skipped without."""
    facts = REPO.parent / "shared" / "facts"
    if not facts.is_dir():
        pytest.skip(f"no published facts at {facts}: they lie beside the checkout, not in it")
    return facts


@pytest.fixture(scope="session")
def naive(repo):
    """The second, naive implementation, which is no package."""
    spec = importlib.util.spec_from_file_location("naive", Path(repo) / "tests" / "independent" / "naive.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pytest_collection_modifyitems(items):
    """Files with slow tests first: whoever shares the files out ends with short ones."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
