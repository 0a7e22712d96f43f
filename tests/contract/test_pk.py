"""``vtrial pk`` from the command line: its files, its columns, its JSON."""

import csv
import json
import subprocess
import sys

import polars as pl
import pytest

REGIMEN = ("--drug", "tdxd", "--regimen", "5.4 mg/kg q3w x 2")


def run(*words, code=0):
    command = [sys.executable, "-m", "vtrial.cli", "pk", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("pk")
    run(*REGIMEN, "--population", "tdxd-j101", "--n", 6, "--measured", "--lloq", 1, "--out", out)
    return out


def test_files_and_columns(folder):
    assert {p.name for p in folder.iterdir()} == {"concentrations.csv", "concentrations.parquet", "nca.csv", "profile.png"}
    frame = pl.read_parquet(folder / "concentrations.parquet")
    assert frame.columns[:5] == ["ID", "TIME", "EVID", "TDXD", "DXD"]
    assert {"TDXD_DV", "TDXD_BLQ", "DXD_DV", "DXD_BLQ"} <= set(frame.columns)
    assert frame["ID"].n_unique() == 6
    assert ((frame["TDXD_BLQ"] == 1) == frame["TDXD_DV"].is_null()).all()
    with (folder / "concentrations.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(r["TDXD"]) for r in rows] == pytest.approx(frame["TDXD"].to_list(), rel=1e-11)
    with (folder / "nca.csv").open() as file:
        doses = {(r["ANALYTE"], r["DOSE"]) for r in csv.DictReader(file)}
    assert doses == {("TDXD", "1"), ("TDXD", "2"), ("DXD", "1"), ("DXD", "2")}


def test_a_subject_does_not_depend_on_the_others(folder, tmp_path):
    run(*REGIMEN, "--population", "tdxd-j101", "--n", 2, "--out", tmp_path)
    two, six = (pl.read_parquet(p / "concentrations.parquet") for p in (tmp_path, folder))
    assert two["TDXD"].to_list() == pytest.approx(six.filter(pl.col("ID") <= 2)["TDXD"].to_list(), rel=1e-12)


def test_json(tmp_path):
    said = json.loads(run("--drug", "tdm1", "--regimen", "3.6 mg/kg q3w x 2", "--json"))
    assert said["analytes"] == [{"name": "CP", "unit": "ug/mL"}]
    assert said["nca"][0]["Cmax"] == pytest.approx(80.6 * 0.98, rel=0.02)  # 70 kg, at the end of 90 minutes


def test_a_table_of_ones_own_patients(tmp_path):
    own = tmp_path / "mine.csv"
    own.write_text("WT,ALB,SLD,JAPAN,MALE,BSA,AGE\n60,40,57,1,0,1.6,50\n80,38,90,0,1,1.9,60\n")
    run(*REGIMEN, "--population", own, "--n", 4, "--out", tmp_path / "out")
    assert (tmp_path / "out" / "concentrations.csv").is_file()
    own.write_text("WT,ALB\n60,40\n")
    assert "AGE" in run(*REGIMEN, "--population", own, "--n", 4, code=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--drug"),
        (("--drug", "tdm1"), "--regimen"),
        (("--drug", "tdm1", "--regimen", "3.6 mg/kg q3w", "--n", "5"), "--population"),
        (("--drug", "tdm2", "--regimen", "3.6 mg/kg q3w"), "tdm1"),
        (("--drug", "tdm1", "--regimen", "3.6 mg/kg q3w", "--set", "CL=1"), "--structure"),
        (("--structure", "one_cmt_iv", "--regimen", "3 mg q3w"), "--events"),
    ],
)
def test_words_that_do_not_agree(words, said):
    assert said in run(*words, code=2)
