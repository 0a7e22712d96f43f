"""The wheel, away from the tree: what it holds, and that it replays a trial from `/` on the data it carries."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

DATA = ("models", "calibration")
COMMAND = "replay platelet-kinetics --problem platelets-tdm1 --replicates 8 --draws 8 --json".split()

RUN_KEYS = set("trials problem posterior_sha256 seed replicates draws targets coverage90 sharpness seconds".split())
TARGET_KEYS = set("id trial arm endpoint statistic unit role relation published replayed covered90 z reason".split())
UNITS = {"fraction", "months", "days", "ratio", "count", "ug/mL", "ng/mL", "d*ug/mL", "1e9/L"}


def run(*command, cwd) -> str:
    """The standard output of a command that must succeed, run without the caller's Python path."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command} gave {done.returncode}:\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(repo, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=repo)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def contents(wheel) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The bin folder of an environment that has the wheel's vtrial and, behind it, the dependencies of this one."""
    venv = tmp_path_factory.mktemp("empty") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd="/")
    python = venv / "bin" / "python"
    # Before the .pth file: pip would take this environment's editable vtrial for the wheel and install nothing.
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, cwd="/")
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd="/").strip())
    # A folder that a .pth file names comes after `site`, and its own .pth files, the editable vtrial's, are not read.
    behind = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    (site / "dependencies.pth").write_text("".join(f"{folder}\n" for folder in behind))
    return venv / "bin"


def test_top_level_names(contents, wheel):
    name, version, *_ = wheel.name.split("-")
    assert {path.split("/")[0] for path in contents} == {"vtrial", f"{name}-{version}.dist-info"}


@pytest.mark.parametrize("folder", DATA)
def test_carries_every_data_file(folder, contents, repo):
    on_disk = (path for path in (repo / folder).rglob("*") if path.is_file() and path.name != ".DS_Store")
    expected = {f"vtrial/_data/{path.relative_to(repo).as_posix()}" for path in on_disk}
    assert expected, f"{folder}/ holds no file"
    assert not expected - set(contents)


def test_carries_no_tests(contents):
    names = {part for path in contents for part in Path(path).parts}
    assert not [name for name in names if name in ("tests", "conftest.py") or name.startswith("test_")]


@pytest.mark.parametrize("folder", DATA)
def test_data_hold_no_python(folder, contents):
    assert not [path for path in contents if path.startswith(f"vtrial/_data/{folder}/") and path.endswith(".py")]


def test_imports_from_the_wheel(installed):
    origin = run(installed / "python", "-c", "import vtrial; print(vtrial.__file__)", cwd="/").strip()
    assert Path(origin).is_relative_to(installed.parent)


@pytest.mark.slow
def test_replays_away_from_the_tree(installed):
    def refuse(constant):
        raise AssertionError(f"{constant} in the JSON")

    printed = json.loads(run(installed / "vtrial", *COMMAND, cwd="/"), parse_constant=refuse)
    assert set(printed) >= RUN_KEYS
    assert (printed["problem"], printed["trials"]) == ("platelets-tdm1", ["platelet-kinetics"])
    assert (printed["replicates"], printed["draws"]) == (8, 8)
    assert set(printed["coverage90"]) >= {"fit", "holdout"} and set(printed["sharpness"]) >= {"fit", "holdout"}
    assert set(printed["seconds"]) >= {"compile", "run"}
    for coverage in (printed["coverage90"][role] for role in ("fit", "holdout")):
        assert set(coverage) >= {"covered", "total", "fraction"}
    assert printed["targets"]
    for target in printed["targets"]:
        check_target(target)


def check_target(target: dict) -> None:
    assert set(target) >= TARGET_KEYS, target
    assert target["unit"] in UNITS and target["relation"] in {"=", "<", ">"}, target
    assert target["role"] in {"fit", "holdout", "context"}, target
    assert set(target["published"]) >= {"value", "lower", "upper", "level", "n"}, target
    if target["replayed"] is None:
        assert target["covered90"] is None, target
    else:
        assert set(target["replayed"]) >= {"median", "q05", "q95"}, target
