"""The scripts only call; each is run tiny."""

import json
import subprocess
import sys

import pytest

from vtrial.library.files import root

SCRIPTS = root() / "scripts"


def run(name, *words):
    done = subprocess.run([sys.executable, SCRIPTS / name, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_replay(tmp_path):
    words = ("platelet-kinetics", "--problem", "platelets-tdm1", "--replicates", 8, "--draws", 8, "--out", tmp_path)
    assert "kin-nadir-c1" in run("replay.py", *words)
    assert {"replay.json", "targets.csv", "course.csv", "parameters.csv", "summary.csv"} <= {p.name for p in tmp_path.iterdir()}


def test_diagnose_needs_only_arviz(tmp_path):
    posterior = root() / "calibration" / "results" / "platelets-tdm1" / "posterior.nc"
    assert "SLOPE" in run("diagnose.py", posterior, tmp_path)
    assert len(list(tmp_path.glob("*.png"))) == 3
    assert "vtrial" not in "".join(line for line in (SCRIPTS / "diagnose.py").read_text().splitlines() if "import" in line)


@pytest.mark.parametrize("name", ["calibrate.py", "replay.py", "benchmark.py"])
def test_scripts_are_thin(name):
    assert len((SCRIPTS / name).read_text().splitlines()) < 10
    assert "usage: vtrial" in run(name, "--help")


def test_exposure_and_prognosis():
    words = ("emilia", "--problem", "efficacy-emilia", "--draws", 2, "--patients", 990, "--every-dose")
    *table, last = run("exposure_prognosis.py", *words).splitlines()
    found = json.loads(last)
    assert found["linked_by"] == ["SLD"] and found["draws"] == 2 and len(found["posterior_sha256"]) == 64
    assert "SLD" in table[1] and "shrinks" in table[2]
    for dealing in ("clearance", "links"):
        assert set(found[dealing]["shrinks"]) == {"median", "low", "high", "cohort_error"}
        assert found[dealing]["shrinks"]["cohort_error"] is None  # of one part


@pytest.mark.slow
def test_benchmark_runs_tiny():
    text = run("benchmark.py", "--subjects", 512, "--seconds", 1)
    assert "ours / diffrax" in text
    assert "diffrax" in text
