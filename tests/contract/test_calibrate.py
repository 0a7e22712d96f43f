"""Calibration from the command line, on a tiny problem: its files, resuming after a kill, refusing another run's rest."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

PROBLEM = Path(__file__).parents[1] / "statistical" / "sbc" / "problem.toml"
TINY = ("calibrate", PROBLEM, "--chains", 2, "--warmup", 50, "--draws", 100, "--json", "--out")


def drawing(draws):
    """`TINY` with so many draws."""
    at = TINY.index("--draws") + 1
    return *TINY[:at], draws, *TINY[at + 1 :]


def start(*words):
    command = [sys.executable, "-m", "vtrial.cli", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(*words):
    process = start(*words)
    out, err = process.communicate()
    return process.returncode, out, err


def posterior(folder):
    import arviz as az

    data = az.from_netcdf(str(folder / "posterior.nc"))
    return {k: np.asarray(v) for k, v in data["posterior"].data_vars.items()}


def met(diagnostics):
    fine = diagnostics["max_rhat"] < 1.01 and diagnostics["divergences"] == 0 and diagnostics["ebfmi"] > 0.3
    return fine and min(diagnostics["min_ess_bulk"], diagnostics["min_ess_tail"]) > 400


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    code, said, err = finish(*TINY, out)
    assert code == 0, err
    return out, json.loads(said)


def test_it_leaves_three_files_and_a_checkpoint_only_while_a_criterion_is_missed(whole):
    out, said = whole
    missed = not met(said["diagnostics"])
    kept = {p.name for p in out.iterdir()}
    assert kept == {"posterior.nc", "summary.csv", "manifest.json"} | ({"checkpoint"} if missed else set())
    assert set(said["diagnostics"]) == {"max_rhat", "min_ess_bulk", "min_ess_tail", "divergences", "ebfmi"}
    manifest = json.loads((out / "manifest.json").read_text())
    assert {"inputs", "versions", "commit", "sampler", "dtype", "seconds", "posterior_sha256"} <= set(manifest)
    assert {k: v.shape for k, v in posterior(out).items()} == dict.fromkeys(("CIRC0", "SLOPE", "OMEGA_CIRC0"), (2, 100))


def test_groups_are_arviz_groups(whole):
    import arviz as az

    data = az.from_netcdf(str(whole[0] / "posterior.nc"))
    wanted = {"posterior", "prior", "sample_stats", "log_likelihood", "posterior_predictive", "observed_data", "constant_data"}
    assert wanted <= set(data.children)


@pytest.mark.slow
def test_killed_and_resumed_it_gives_the_same_draws_and_more_if_asked(whole, tmp_path):
    process = start(*TINY, tmp_path)
    checkpoint = tmp_path / "checkpoint" / "chains" / "chain-0.pkl"
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "posterior.nc").exists()
    code, said, err = finish(*drawing(150), tmp_path, "--resume")
    assert code == 0, err
    assert (tmp_path / "checkpoint").exists() == (not met(json.loads(said)["diagnostics"]))
    for name, draws in posterior(whole[0]).items():
        assert posterior(tmp_path)[name].shape == (2, 150)
        np.testing.assert_array_equal(posterior(tmp_path)[name][:, :100], draws)


def test_fewer_draws_do_not_go_on_from_more(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    code, _, err = finish(*drawing(50), tmp_path, "--resume")
    assert (code, "more draws" in err) == (2, True)


def test_nothing_to_resume_and_another_run_to_resume(tmp_path):
    code, _, err = finish(*TINY, tmp_path, "--resume")
    assert (code, "no run to resume" in err) == (2, True)
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "plan.json").write_text("{}")
    code, _, err = finish(*TINY, tmp_path, "--resume")
    assert (code, "other settings" in err) == (2, True)
