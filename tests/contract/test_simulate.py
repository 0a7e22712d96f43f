"""``vtrial simulate`` from the command line: its JSON, its changes of rules, what it refuses."""

import json
import subprocess
import sys

import pytest

from vtrial.cli import main
from vtrial.library.files import root

FEW = ("emilia", "--arm", "tdm1", "--replicates", 6, "--draws", 6, "--json")


def run(*words, code=0):
    command = [sys.executable, "-m", "vtrial.cli", "simulate", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if code == 0 else done.stderr


@pytest.fixture(scope="module")
def label():
    return run(*FEW)


def test_the_contract(label):
    assert {"trial", "seed", "replicates", "draws", "arms", "contrasts"} <= set(label)
    arm = label["arms"]["tdm1"]
    assert arm["n"] == 490
    for name in ("pfs_months", "os_months", "orr", "dor_months"):
        assert arm[name] is None
    for name in ("dose_intensity", "dose_reduced", "dose_delayed", "discontinued_ae"):
        assert 0 <= arm[name]["q05"] <= arm[name]["median"] <= arm[name]["q95"] <= 1
    events = {f"{e}_{g}" for e in ("thrombocytopenia", "ast", "alt", "neutropenia", "ild") for g in ("any", "grade3plus")}
    assert set(arm["rate"]) == events
    assert {k for k, v in arm["rate"].items() if v} == {"thrombocytopenia_any", "thrombocytopenia_grade3plus"}
    assert label["failed_subjects"] == 0


def test_a_changed_rule_changes_the_doses_and_is_told(label, tmp_path):
    changed = run(*FEW, "--set", "rules.platelets-grade3.level=down", "--out", tmp_path)
    before, after = label["arms"]["tdm1"]["dose_reduced"], changed["arms"]["tdm1"]["dose_reduced"]
    assert after["q05"] > before["q95"]
    written = json.loads((tmp_path / "simulate.json").read_text())
    assert [(c["rule"], c["field"]) for c in written["changed"]] == [("platelets-grade3", "levels")]
    # the same patients: what does not depend on the rule is the same to the last digit
    rate = [a["arms"]["tdm1"]["rate"]["thrombocytopenia_grade3plus"] for a in (label, changed)]
    assert rate[0] == rate[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "rules.platelets-grade9.level=down"), "unknown 'platelets-grade9'; allowed: "),
        (("--set", "rules.platelets-grade3.levle=down"), "unknown 'levle'; allowed: action, level"),
        (("--set", "rules.platelets-grade3.level=2.7"), "unknown 2.7; allowed: 2.4, 3.0, 3.6, down, same, stop"),
        (("--set", "rules.platelets-grade3.resume={ gradee = 1 }"), "platelets-grade3.resume"),
        (("--set", "rules.platelets-grade3.resume={ grade = 'one' }"), "{grade = a number}"),
        (("--set", "platelets-grade3.level=down"), "allowed: rules.ID.FIELD=VALUE"),
        (("--arm", "none"), "unknown 'none'; allowed: lapcap, tdm1"),
    ],
)
def test_refusals(words, said, capsys):
    assert main(["simulate", "emilia", *words]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert len(told.err.strip().splitlines()) == 1
    assert not told.out


def test_ones_own_trial_needs_no_published_numbers(tmp_path, capsys):
    """From the cards alone: no posterior, no published.csv."""
    text = (root() / "calibration" / "trials" / "emilia" / "trial.toml").read_text()
    own = tmp_path / "trial.toml"
    own.write_text(text.replace('default_problem = "platelets-tdm1"\n', "").replace("n = 490", "n = 12"))
    assert main(["simulate", str(own), "--arm", "tdm1", "--replicates", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["draws"] == 0
    assert found["arms"]["tdm1"]["n"] == 12
