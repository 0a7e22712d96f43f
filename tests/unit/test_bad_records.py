"""Bad event records: one message each with file, line and column, and what is allowed; exit code 2."""

import subprocess
import sys

import pytest

HEADER = "ID,TIME,EVID,AMT,RATE,II,ADDL,SS,CMT"
GOOD = ["1,0,1,100,0,24,2,0,1", "1,5,0,.,.,.,.,.,2", "1,30,0,.,.,.,.,.,2"]

# name: (line to replace, its new text, column, words of the message)
CASES = {
    "time_back": (3, "1,4,0,.,.,.,.,.,2", "TIME", ("5", "EVID 3 or 4")),
    "dose_without_amount": (1, "1,0,1,0,0,0,0,0,1", "AMT", ("SS=1", "RATE")),
    "steady_state_without_interval": (1, "1,0,1,100,0,0,0,1,1", "II", ("SS", "interval")),
    "additional_without_interval": (1, "1,0,1,100,0,0,3,0,1", "II", ("ADDL=3",)),
    "unknown_compartment": (1, "1,0,1,100,0,24,2,0,7", "CMT", ("7", "1 to 2")),
    "negative_interval": (1, "1,0,1,100,0,-24,2,0,1", "II", ("-24", "not negative")),
    "negative_amount": (1, "1,0,1,-100,0,24,2,0,1", "AMT", ("-100",)),
    "unknown_event": (2, "1,5,7,.,.,.,.,.,2", "EVID", ("7", "0 observation")),
    "unknown_rate": (1, "1,0,1,100,-3,24,2,0,1", "RATE", ("-3", "-1 (modelled rate)")),
    "modelled_rate_missing": (1, "1,0,1,100,-1,24,2,0,1", "R1", ("RATE is -1",)),
    "modelled_duration_missing": (1, "1,0,1,100,-2,24,2,0,1", "D1", ("RATE is -2",)),
    "half_an_additional_dose": (1, "1,0,1,100,0,24,1.5,0,1", "ADDL", ("1.5", "whole")),
    "steady_state_three": (1, "1,0,1,100,0,24,0,3,1", "SS", ("3", "0, 1, 2")),
    "dose_on_an_observation": (2, "1,5,0,100,.,.,.,.,2", "AMT", ("EVID 0",)),
    "no_number": (2, "1,five,0,.,.,.,.,.,2", "TIME", ("five",)),
    "no_time": (2, "1,.,0,.,.,.,.,.,2", "TIME", ("missing",)),
    "short_line": (2, "1,5,0", "", ("3 cells", "9")),
}
LAST = GOOD[2].replace("30", "40")


def run(path, *words):
    structure = ("--structure", "one_cmt_oral", "--set", "CL=1.1", "--set", "V1=20", "--set", "KA=1.5")
    command = [sys.executable, "-m", "vtrial.cli", "pk", *(words or structure), "--events", str(path)]
    return subprocess.run(command, capture_output=True, text=True)


def write(path, rows, header=HEADER):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def check(done, path, line, column, words):
    assert done.returncode == 2, done.stdout
    assert not done.stdout
    (message,) = done.stderr.strip().splitlines()
    place = f"{path}:{line}: {column}: " if column else f"{path}:{line}: "
    assert place in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("name", CASES)
def test_one_message_with_line_and_column(tmp_path, name):
    at, text, column, words = CASES[name]
    rows = [text if i == at else row for i, row in enumerate(GOOD, 1)]
    path = write(tmp_path / "events.csv", rows)
    check(run(path), path, at + 1, column, words)


def test_the_good_file_is_good(tmp_path):
    done = run(write(tmp_path / "events.csv", GOOD))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "ID,TIME,EVID,CP"
    assert len(done.stdout.splitlines()) == 4


def test_missing_and_impossible_parameters(tmp_path):
    path = write(tmp_path / "events.csv", GOOD)
    done = run(path, "--structure", "one_cmt_oral", "--set", "CL=1.1", "--set", "V1=20")
    assert done.returncode == 2
    assert "KA" in done.stderr
    done = run(path, "--structure", "one_cmt_oral", "--set", "CL=1.1", "--set", "V1=0", "--set", "KA=1")
    assert done.returncode == 2
    assert "V1" in done.stderr and "above 0" in done.stderr
    done = run(path, "--structure", "four_cmt", "--set", "CL=1.1")
    assert done.returncode == 2
    assert "one_cmt_oral" in done.stderr


def test_a_gap_in_a_parameter_column(tmp_path):
    path = write(tmp_path / "events.csv", [f"{r},{c}" for r, c in zip(GOOD, ("1.1", ".", "1.2"), strict=True)], HEADER + ",CL")
    done = run(path, "--structure", "one_cmt_oral", "--set", "V1=20", "--set", "KA=1")
    check(done, path, 3, "CL", ("missing", "0 or more"))


def test_a_gap_in_a_covariate_and_mixed_units(tmp_path):
    rows = ["1,0,1,3.6", "1,5,0,0", "1,10,0,0"]
    path = write(tmp_path / "a.csv", [f"{r},{w}" for r, w in zip(rows, ("70", ".", "71"), strict=True)], "ID,TIME,EVID,AMT,WT")
    check(run(path, "--drug", "tdm1"), path, 3, "WT", ("missing", "kg"))
    units = ("mg/kg", "mg", "mg")
    path = write(tmp_path / "b.csv", [f"{r},70,{u}" for r, u in zip(rows, units, strict=True)], "ID,TIME,EVID,AMT,WT,UNIT")
    check(run(path, "--drug", "tdm1"), path, 3, "UNIT", ("mg", "one unit a file"))


def test_comments_case_and_missing_cells(tmp_path):
    rows = ["." + "," + GOOD[0], "C,1,3,1,1000,0,0,0,0,1", ".," + GOOD[1], ".," + GOOD[2]]
    done = run(write(tmp_path / "events.csv", rows, "C," + HEADER.lower()))
    assert done.returncode == 0, done.stderr
    assert done.stdout == run(write(tmp_path / "plain.csv", GOOD)).stdout
