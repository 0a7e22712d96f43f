"""Dose rules against patient histories worked by hand, and rule files that contradict themselves."""

import tomllib
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vtrial.conduct import grading, rules
from vtrial.errors import InputError
from vtrial.library import rules as library
from vtrial.library import trials
from vtrial.library.files import root

HERE = Path(__file__).parent
HISTORIES = tomllib.loads((HERE / "dose_histories.toml").read_text(encoding="utf-8"))["history"]
NORMAL = {"platelets": 250, "neutrophils": 4, "alt": 0.5, "ast": 0.5, "bilirubin": 0.5, "lvef": 60, "ild": 0}
LOWER = {"platelets": 150.0, "neutrophils": 2.0}
VERSION = {"tdm1": "v3", "grade4": "v3", "tdxd": "v5"}
EVERY, SIZE = 21, 20


def protocol(history):
    name = history["rules"]
    found = library.read(HERE / "dose_rules_grade4.toml") if name == "grade4" else library.load(name)
    return replace(found, made_up=history.get("made_up", True))


def measured(history, last):
    """Values by organ, (day,), and whether anything was told that day."""
    values = {k: np.full(last + 1, float(v)) for k, v in (NORMAL | history.get("baseline", {})).items()}
    looked = np.zeros(last + 1, bool)
    for organ in NORMAL:
        for day, value in history.get(organ, ()):
            values[organ][day], looked[day] = value, True
    return values, looked


def graded(history, values):
    version = VERSION[history["rules"]]
    labs = ("platelets", "neutrophils", "alt", "ast", "bilirubin")
    scales = {lab: grading.scale(version, lab, LOWER.get(lab, 1.0)) for lab in labs}
    normal = NORMAL | history.get("baseline", {})
    out = {lab: grading.grade(s, values[lab], jnp.array([float(normal[lab])])) for lab, s in scales.items()}
    return out | {"ild": jnp.asarray(values["ild"])}


@jax.jit
def run(table, x, looked):
    """Entries (day, subject) of one subject; (day, feature, 1) features."""

    def day(memory, at):
        return rules.decide(table, memory, *at, EVERY)

    days = jnp.arange(len(looked), dtype=float)
    return jax.lax.scan(day, rules.begin(table, 1), (days, x, looked[:, None]))[1]


def ledger(history):
    known = protocol(history)
    values, looked = measured(history, history.get("until", 63))
    grades = {k: v[None] for k, v in graded(history, values).items()}
    baselines = {"lvef": jnp.full(len(looked), float((NORMAL | history.get("baseline", {}))["lvef"]))}
    x = rules.features({k: jnp.asarray(v) for k, v in values.items()}, {k: v[0] for k, v in grades.items()}, baselines)
    entries = run(rules.table(known, size=SIZE), jnp.moveaxis(x, 1, 0)[..., None], jnp.asarray(looked))
    words = {rules.GIVEN: "given", rules.HELD: "held", rules.STOPPED: "stopped"}
    out = []
    for day, (action, level, reason) in enumerate(zip(*(np.asarray(e)[:, 0] for e in entries[:3]), strict=True)):
        if action != rules.NOTHING:
            what = known.levels[level] if action == rules.GIVEN else known.rules[reason].id
            out.append([day, words[int(action)], what])
    return out


@pytest.mark.parametrize("history", HISTORIES, ids=lambda h: f"{h['rules']}: {h['what']}")
def test_histories_worked_by_hand(history):
    assert ledger(history) == history["ledger"]


def test_there_are_enough_histories_and_one_program_serves_them_all():
    assert len(HISTORIES) >= 25
    before = run._cache_size()
    for history in HISTORIES:
        if "until" not in history:
            ledger(history)
    # histories that end on the same day, under three rule tables, have one shape
    assert run._cache_size() - before <= 1


RULE = """
drug = "x"
levels = {{ values = [3.6, 3.0], unit = "mg/kg", source = "assumed", why = "a test of bad input" }}
{rules}
"""
ROW = """
[[rule]]
id = "{id}"
organ = "platelets"
trigger = {{ {trigger} }}
action = "hold"
resume = {{ {resume} }}
level = {level}
source = "assumed"
why = "a test of bad input"
"""


def row(id="a", trigger="grade = 3", resume="grade_at_most = 1", level='"same"'):
    return ROW.format(id=id, trigger=trigger, resume=resume, level=level)


@pytest.mark.parametrize(
    ("rows", "key", "said"),
    [
        (row() + row("b", level='"down"'), "rule[1].level", "grade 3 of platelets has another rule: hold, level same"),
        (row(resume="grade_at_most = 3"), "rule[0].resume", "must be a lower grade"),
        (row(resume="grade = 4"), "rule[0].resume", "must be a lower grade"),
        (row(level="2.4"), "rule[0].level", "unknown 2.4; allowed: 3.0, 3.6, down, same, stop"),
        (row(trigger="grade = 3, gradee = 4"), "rule[0].trigger.gradee", "unknown key"),
        (row() + row(trigger="grade = 4"), "rule[1].id", "'a' is told twice"),
        (row().replace('organ = "platelets"', 'organ = "spleen"'), "rule[0].organ", "unknown 'spleen'"),
        (row().replace('source = "assumed"\n', ""), "rule[0].source", "is missing"),
    ],
)
def test_contradictory_rules_are_named(tmp_path, rows, key, said):
    file = tmp_path / "rules.toml"
    file.write_text(RULE.format(rules=rows))
    with pytest.raises(InputError) as caught:
        library.read(file)
    assert [f for f in caught.value.faults if f.key == key and said in f.message], str(caught.value)
    assert len(caught.value.faults) == 1


def test_settings_from_the_command_line_change_a_copy():
    label = library.load("tdm1")
    other = label.changed({"platelets-grade3.resume": {"at_least": 50}, "platelets-grade4.level": "same"})
    at = [r.id for r in label.rules].index("platelets-grade3")
    assert other.rules[at].resume[0] == library.Condition("platelets", "value", 50.0, float("inf"), False)
    assert label.rules[at].resume[0].feature == "grade"
    # a grade to resume at is that grade or a better one
    assert [label.rules[at].resume[0].holds(g) for g in (0, 1, 2)] == [True, True, False]
    better = label.changed({"platelets-grade3.resume": {"grade": 0}}).rules[at].resume[0]
    assert [better.holds(g) for g in (0, 1)] == [True, False]
    both = label.changed({"ast-with-bilirubin.trigger": {"above": 5}})
    at = [r.id for r in label.rules].index("ast-with-bilirubin")
    assert {c.organ for c in both.rules[at].trigger} == {"ast", "bilirubin"}
    with pytest.raises(InputError, match="unknown 'platelets-grade9'; allowed: .*platelets-grade3"):
        label.changed({"platelets-grade9.level": "same"})
    with pytest.raises(InputError, match="unknown 'levle'; allowed: .*level"):
        label.changed({"platelets-grade3.levle": "same"})


# --- rules of a trial -------------------------------------------------------------------------------------------------

EMILIA = (root() / "calibration" / "trials" / "emilia" / "trial.toml").read_text(encoding="utf-8")
OWN = """
[[rule]]
id = "platelets-grade4"
drug = "tdm1"
organ = "platelets"
trigger = { below = 25 }
action = "hold"
resume = { at_least = 50 }
level = ["down", "stop"]
source = "assumed"
why = "a test of a protocol's own rule"

[[rule]]
id = "fatigue"
drug = "tdm1"
organ = "other"
trigger = { grade = 4 }
action = "stop"
source = "assumed"
why = "a test of a protocol's own rule"
"""


def own(tmp_path, text):
    file = tmp_path / "trial.toml"
    file.write_text(EMILIA + text, encoding="utf-8")
    return file


def test_a_trial_replaces_and_adds_rules(tmp_path):
    label, found = library.load("tdm1"), trials.read(own(tmp_path, OWN)).rules["tdm1"]
    names = [r.id for r in label.rules]
    assert [r.id for r in found.rules] == [*names, "fatigue"]
    for before, after in zip(label.rules, found.rules, strict=False):
        assert (before == after) == (before.id != "platelets-grade4")
    assert found.rules[names.index("platelets-grade4")].levels == ("down", "stop")
    assert (found.levels, found.delay, found.made_up) == (label.levels, label.delay, label.made_up)


def test_a_protocol_of_its_own_is_the_file_of_its_rules(tmp_path):
    """Expressing a protocol needs no Python: the grade-4 rules, told in a trial, are those of the rules file."""
    text = (HERE / "dose_rules_grade4.toml").read_text(encoding="utf-8")
    head, _, rows = text.partition("[[rule]]")
    frame = "".join(line + "\n" for line in head.splitlines() if line.startswith(("levels", "recheck", "longest", "made_up")))
    rows = ("[[rule]]" + rows).replace("[[rule]]", '[[rule]]\ndrug = "tdm1"')
    told = f"\n[dose_rules.tdm1]\nlabel = false\n{frame}\n{rows}"
    found, file = trials.read(own(tmp_path, told)).rules["tdm1"], library.read(HERE / "dose_rules_grade4.toml")
    assert replace(found, drug=file.drug) == file


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        (OWN.replace('drug = "tdm1"\n', "", 1), "rule[0].drug", "is missing; one of tdm1, lapatinib, capecitabine"),
        (OWN.replace('drug = "tdm1"', 'drug = "tdm2"', 1), "rule[0].drug", "unknown 'tdm2'"),
        (
            OWN.replace('id = "platelets-grade4"', 'id = "mine"').replace("below = 25", "grade = 4"),
            "rule[0].level",
            "another rule",
        ),
        (OWN.replace('"stop"]', '"2.7"]'), "rule[0].level", "unknown '2.7'"),
        (OWN + "\n[dose_rules.tdm2]\nlabel = false\n", "dose_rules.tdm2", "unknown 'tdm2'"),
        (OWN + "\n[dose_rules.tdm1]\nlable = false\n", "dose_rules.tdm1.lable", "unknown key"),
    ],
)
def test_faults_of_a_trials_rules_are_named(tmp_path, text, key, said):
    with pytest.raises(InputError) as caught:
        trials.read(own(tmp_path, text))
    assert [f for f in caught.value.faults if f.key == key and said in f.message], str(caught.value)
    assert len(caught.value.faults) == 1
