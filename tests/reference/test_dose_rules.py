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
