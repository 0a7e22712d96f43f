"""``vtrial simulate`` from the command line: its JSON, its changes of rules, what it refuses."""

import json
import re
import subprocess
import sys

import polars as pl
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
def written(tmp_path_factory):
    """What is said, and the folder of what is written."""
    folder = tmp_path_factory.mktemp("label")
    return run(*FEW, "--out", folder), folder


@pytest.fixture(scope="module")
def label(written):
    return written[0]


def test_the_contract(label):
    assert {"trial", "seed", "replicates", "draws", "arms", "contrasts"} <= set(label)
    arm = label["arms"]["tdm1"]
    assert arm["n"] == 490
    for name in ("pfs_months", "os_months", "orr", "dor_months"):
        assert 0 < arm[name]["q05"] <= arm[name]["median"] <= arm[name]["q95"] < 80
    assert arm["pfs_months"]["median"] < arm["os_months"]["median"] and 0 <= arm["os_months"]["p_not_reached"] <= 1
    assert label["contrasts"] == []  # of one arm
    for name in ("dose_intensity", "dose_reduced", "dose_delayed", "discontinued_ae"):
        assert 0 <= arm[name]["q05"] <= arm[name]["median"] <= arm[name]["q95"] <= 1
    events = {f"{e}_{g}" for e in ("thrombocytopenia", "ast", "alt", "neutropenia", "ild") for g in ("any", "grade3plus")}
    # every organ has a card, so that none is null; what else is modelled stands beside them
    assert all(arm["rate"][name]["median"] >= 0 for name in events)
    assert {"thrombocytopenia_reported_grade3plus", "bilirubin_any", "lvef_any"} <= set(arm["rate"])
    assert set(arm["drugs"]) == {"tdm1"} and arm["per_patient"]["hys_law"]["q05"] >= 0
    first = arm["per_patient"]["thrombocytopenia_first3plus_days"]
    assert 7 <= first["q05"] <= first["median"] <= first["q95"] and first["p_none"] == 0
    for rare in (v for k, v in arm["per_patient"].items() if k.endswith("_first3plus_days") and v["p_none"] == 1):
        assert rare["median"] is None
    assert label["failed_subjects"] == 0


def test_the_tables_are_written(written):
    folder = written[1]
    read = {path.stem: pl.read_parquet(path) for path in folder.glob("*.parquet")}
    assert set(read) == {"adsl", "adtte", "adrs", "adtr", "adlb", "adae", "adex"}
    assert len(read["adsl"]) == 495 and read["adex"]["USUBJID"].n_unique() == 490
    treated = set(read["adsl"].filter(pl.col("SAFFL") == "Y")["USUBJID"])
    assert set(read["adex"]["USUBJID"]) == treated and set(read["adlb"]["USUBJID"]) <= treated
    told = pl.read_parquet_metadata(folder / "adlb.parquet")
    assert told["seed"] == "1" and told["cut"] == "final" and told["replicate"] == "0"


def test_a_changed_rule_changes_the_doses_and_is_told(label, tmp_path):
    changed = run(*FEW, "--set", "rules.platelets-grade3.level=down", "--out", tmp_path)
    before, after = label["arms"]["tdm1"]["dose_reduced"], changed["arms"]["tdm1"]["dose_reduced"]
    assert after["q05"] > before["q95"]
    written = json.loads((tmp_path / "simulate.json").read_text())
    assert [(c["drug"], c["rule"], c["field"]) for c in written["changed"]] == [("tdm1", "platelets-grade3", "levels")]
    # the ledger and the page, which says what differs from the protocol
    adex = pl.read_parquet(tmp_path / "adex.parquet")
    assert set(adex["EXTRT"]) == {"tdm1"} and "platelets-grade3" in set(adex["EXADJ"])
    assert main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "platelets-grade3" in page and "Nothing: every dose rule" not in page
    # the same patients: what does not depend on the rule is the same to the last digit
    rate = [a["arms"]["tdm1"]["rate"]["thrombocytopenia_grade3plus"] for a in (label, changed)]
    assert rate[0] == rate[1]


def test_an_arm_of_two_drugs_has_two_ledgers(tmp_path):
    told = run("emilia", "--arm", "lapcap", "--replicates", 2, "--json", "--out", tmp_path)["arms"]["lapcap"]
    assert set(told["drugs"]) == {"lapatinib", "capecitabine"}
    assert told["rate"]["thrombocytopenia_any"] is None
    assert 0 < told["rate"]["hand_foot_any"]["median"] < 1
    adex = pl.read_parquet(tmp_path / "adex.parquet")
    one = adex.filter((pl.col("EXTRT") == "capecitabine") & (pl.col("USUBJID") == adex["USUBJID"][0]))
    # a week's tablets are dispensed on days 1 and 8 of three weeks
    assert set((one["EXPLDY"] - 1) % 21) <= {0, 7}
    whole = one.filter(pl.col("EXACN") == "DOSE NOT CHANGED")
    assert ((whole["EXDOSE"] / whole["EXPLDOS"]).round(6).is_in([1.0, 0.75, 0.5])).all()
    # what else befell a patient is each drug's own, and so is what was done for it
    adae = pl.read_parquet(tmp_path / "adae.parquet")
    acted, unchanged = adex.filter(EXORGAN="other"), pl.col("AEACN") == "DOSE NOT CHANGED"
    for drug in told["drugs"]:
        who = acted.filter((pl.col("EXTRT") == drug) & (pl.col("EXACN") != "DOSE NOT CHANGED"))["USUBJID"]
        events = adae.filter(AEDECOD=f"Other adverse event of {drug}")
        of = set(events.filter(~unchanged)["USUBJID"])
        assert of and of == set(who)


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
    """From its design alone: no default problem, no published.csv; by the joint posterior of its tumour, or the cards."""
    text = (root() / "calibration" / "trials" / "emilia" / "trial.toml").read_text()
    own = tmp_path / "trial.toml"
    own.write_text(re.sub("default_problem = .*\n", "", text).replace("n = 490", "n = 12"))
    assert main(["simulate", str(own), "--arm", "tdm1", "--replicates", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    joint = (root() / "calibration" / "results" / "her2-adc" / "posterior.nc").is_file()
    assert found["draws"] == (200 if joint else 0)
    assert found["arms"]["tdm1"]["n"] == 12 and found["arms"]["tdm1"]["pfs_months"]["median"] > 0
