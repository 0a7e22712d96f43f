"""The replay contract: its JSON, that the posterior drives the answer, that published numbers drive the scoring."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from vtrial.library.files import root

GRADES = ("em-plt-lab-any", "em-plt-lab-g3", "em-plt-lab-g4", "em-plt-ae-g3plus")
TARGET = {"id", "trial", "arm", "endpoint", "statistic", "unit", "role", "relation", "published", "replayed", "covered90", "z", "reason"}  # fmt: skip # noqa: E501
OBJECT = {
    "trials",
    "problem",
    "posterior_sha256",
    "seed",
    "replicates",
    "draws",
    "targets",
    "coverage90",
    "sharpness",
    "seconds",
}


def vtrial(*words):
    return subprocess.run([sys.executable, "-m", "vtrial.cli", *map(str, words)], capture_output=True, text=True)


def replay(*words):
    done = vtrial("replay", *words, "--replicates", 150, "--draws", 150, "--no-log", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))


@pytest.fixture(scope="module")
def emilia():
    return replay("emilia", "--problem", "platelets-tdm1")


def by_id(result):
    return {t["id"]: t for t in result["targets"]}


def test_json_has_the_contract(emilia):
    assert set(emilia) >= OBJECT
    assert all(set(t) >= TARGET for t in emilia["targets"])
    assert {t["unit"] for t in emilia["targets"]} <= {"fraction", "months", "days", "ratio", "count", "ug/mL", "ng/mL", "d*ug/mL", "1e9/L"}  # fmt: skip # noqa: E501
    assert set(emilia["seconds"]) == {"compile", "run"}
    judged = [t for t in emilia["targets"] if t["role"] == "fit" and t["covered90"] is not None]
    assert emilia["coverage90"]["fit"]["total"] == len(judged) == 3


def test_what_is_not_modelled_is_listed_and_not_counted(emilia):
    control = by_id(emilia)["em-lc-plt-lab-any"]
    assert control["replayed"] is control["covered90"] is None
    assert "lapatinib" in control["reason"]


def test_posterior_drives_the_answer(emilia, tmp_path):
    import arviz as az

    data = az.from_netcdf(str(root() / "calibration" / "results" / "platelets-tdm1" / "posterior.nc"))
    steeper = data.copy(deep=True)
    steeper["posterior"]["SLOPE"] = data["posterior"]["SLOPE"] * 1.5
    steeper.to_netcdf(str(tmp_path / "steeper.nc"))
    other = by_id(replay("emilia", "--problem", "platelets-tdm1", "--posterior", tmp_path / "steeper.nc"))
    for name in GRADES:
        assert other[name]["replayed"]["median"] > by_id(emilia)[name]["replayed"]["median"]


def test_a_changed_published_number_changes_the_coverage(emilia, tmp_path):
    for kind in ("trials", "problems"):
        shutil.copytree(root() / "calibration" / kind, tmp_path / kind)
    problem = tmp_path / "problems" / "platelets-tdm1.toml"
    text = problem.read_text()
    for name in ("emilia", "tdm3569g-q3w", "tdm3569g-qw", "tdm4258g", "tdm4374g", "platelet-kinetics"):
        text = text.replace(f'"{name}"', f'"../trials/{name}"', 1)
    problem.write_text(text)
    rows = tmp_path / "trials" / "emilia" / "published.csv"
    rows.write_text(
        rows.read_text().replace(
            "em-plt-lab-g4,tdm1,platelets_lab_grade4,share,=,0.03",
            "em-plt-lab-g4,tdm1,platelets_lab_grade4,share,=,0.2",
        )
    )
    posterior = root() / "calibration" / "results" / "platelets-tdm1" / "posterior.nc"
    changed = replay("emilia", "--problem", problem, "--posterior", posterior)
    assert by_id(emilia)["em-plt-lab-g4"]["covered90"] is True
    assert by_id(changed)["em-plt-lab-g4"]["covered90"] is False
    assert changed["coverage90"]["fit"]["covered"] == emilia["coverage90"]["fit"]["covered"] - 1


def test_same_seed_same_answer_and_another_seed_another(emilia):
    again = replay("emilia", "--problem", "platelets-tdm1")
    assert again["targets"] == emilia["targets"]
    other = replay("emilia", "--problem", "platelets-tdm1", "--seed", 2)
    medians = [[t["replayed"]["median"] for t in r["targets"] if t["replayed"]] for r in (emilia, other)]
    assert not np.array_equal(*medians)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("replay", "nowhere"), "nowhere"),
        (("replay", "emilia", "--problem", "nothing"), "platelets-tdm1"),
        (("replay", "emilia", "--posterior", "/nowhere.nc"), "vtrial calibrate"),
        (("replay", "emilia", "--replicates", "none"), "above zero"),
        (("replay",), "--problem"),
        (("show", "drug", "aspirin"), "tdm1"),
        (("report", "/nowhere"), "/nowhere"),
        (("diagnose", "nothing"), "vtrial calibrate"),
        (("calibrate", "platelets-tdm1", "--target-accept", "1.5"), "between zero and one"),
    ],
)
def test_bad_usage_is_one_message_and_exit_2(words, said):
    done = vtrial(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


PROBLEMS = sorted(p.parent.name for p in (root() / "calibration" / "results").glob("*/manifest.json"))


@pytest.mark.parametrize("name", PROBLEMS)
def test_posterior_is_not_stale(name):
    from vtrial.calibrate import results
    from vtrial.library import problems

    manifest = json.loads((root() / "calibration" / "results" / name / "manifest.json").read_text())
    assert results.stale(manifest, problems.load(name)) == [], "stale: calibrate again"


@pytest.mark.parametrize("name", PROBLEMS)
def test_posterior_meets_the_criteria(name):
    from vtrial.calibrate import diagnose, results

    assert diagnose.criteria(results.read(results.folder(name) / "posterior.nc")).failed == []


@pytest.fixture(scope="module")
def efficacy(tmp_path_factory):
    """EMILIA by efficacy-emilia, from the committed posterior."""
    folder = tmp_path_factory.mktemp("efficacy")
    return replay("emilia", "--problem", "efficacy-emilia", "--out", folder), folder


def test_emilia_is_replayed_with_both_arms(efficacy):
    """Hazard ratios, medians, response, its duration, landmark rates: each with an interval."""
    found, _ = efficacy
    assert found["problem"] == "efficacy-emilia" and found["failed_subjects"] == 0
    told = {(t["arm"], t["endpoint"], t["statistic"]) for t in found["targets"] if t["covered90"] is not None}
    for arm in ("tdm1", "lapcap"):
        assert {(arm, *x) for x in (("pfs", "median"), ("os", "median"), ("orr", "share"), ("dor", "median"))} <= told
        assert {(arm, "pfs", "survival"), (arm, "os", "survival"), (arm, "pfs", "events")} <= told
    assert {("tdm1 vs lapcap", e, "hazard ratio") for e in ("pfs", "os")} <= told
    fit = found["coverage90"]["fit"]
    assert fit["total"] == 55 and fit["covered"] >= 0.8 * 55
    assert 0 < found["sharpness"]["fit"] <= 2


def test_what_the_tumour_model_does_not_know_is_listed(efficacy):
    targets = by_id(efficacy[0])
    for name in ("em-os-median-int1", "em-hr-os-adj-mrna", "em-hr-pfs-cmin-q1", "em-plt-lab-any"):
        assert targets[name]["covered90"] is None, name
        assert len(targets[name]["reason"]) > 10


def test_the_page_of_an_efficacy_replay(efficacy):
    from vtrial.cli import main

    assert main(["report", str(efficacy[1])]) == 0
    page = (efficacy[1] / "report.html").read_text()
    assert "progression-free survival" in page and "NaN" not in page
