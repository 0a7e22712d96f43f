"""RECIST against lesion histories worked by hand, and version files that make no sense."""

import tomllib
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest

from vtrial.conduct import recist
from vtrial.errors import InputError
from vtrial.library import response
from vtrial.library.files import root

HISTORIES = tomllib.loads((Path(__file__).parent / "recist_histories.toml").read_text(encoding="utf-8"))["history"]
KINDS = ("none", "target", "new", "both")


@jax.jit
def run(rules, baseline, days, sld, new, adequate, death, until):
    state, overall = recist.history(rules, baseline, days, sld, new, adequate, death_day=death, until=until)
    return state, overall, recist.endpoints(rules, state, death, until)


def arrays():
    """All histories as arrays, those of fewer scans filled up with none."""
    shape = (max(len(h["scans"]) for h in HISTORIES), len(HISTORIES))
    days, sld, new, adequate = np.full(shape, np.inf), np.full(shape, np.nan), np.zeros(shape, bool), np.ones(shape, bool)
    for i, history in enumerate(HISTORIES):
        for k, (day, found, *more) in enumerate(history["scans"]):
            days[k, i], new[k, i], adequate[k, i] = day, "new" in more, found != "missed"
            sld[k, i] = np.nan if found == "missed" else found
    own = [np.array([h.get(k, np.inf) for h in HISTORIES], float) for k in ("baseline", "death", "until")]
    return own[0], days, sld, new, adequate, *own[1:]


@cache
def ran(version):
    return jax.tree.map(np.asarray, run(response.load(version), *arrays()))


def told(history, i):
    """What the program says of history ``i``, in the table's words."""
    state, overall, out = ran(history.get("version", "1.1"))
    timed = lambda day, event: [float(day), "event" if event else "censored"]  # noqa: E731
    found = {
        "responses": [recist.WORDS[c] for c in overall[: len(history["scans"]), i]],
        "bor": recist.WORDS[out.bor[i]],
        "best": recist.WORDS[out.best[i]],
        "kind": KINDS[state.kind[i]],
        "benefit": bool(out.benefit[i]),
        "pfs": timed(out.pfs_day[i], out.pfs_event[i]),
        "os": timed(out.os_day[i], out.os_event[i]),
    }
    assert out.responder[i] == np.isfinite(out.response_day[i]) == np.isfinite(out.dor_day[i])
    assert out.responder[i] or not out.dor_event[i]
    if out.responder[i]:
        found |= {"response": float(out.response_day[i]), "dor": timed(out.dor_day[i], out.dor_event[i])}
    return found


@pytest.mark.parametrize(
    "i", range(len(HISTORIES)), ids=lambda i: f"{HISTORIES[i].get('version', '1.1')}: {HISTORIES[i]['what']}"
)
def test_histories_worked_by_hand(i):
    history = HISTORIES[i]
    expected = {"best": history["bor"], "kind": "none", "benefit": False} | history
    asked = {"what", "version", "baseline", "scans", "death", "until"}
    assert told(history, i) == {k: v for k, v in expected.items() if k not in asked}


def test_one_program_serves_every_version():
    for version in response.versions():
        ran(version)
    assert run._cache_size() == 1


def test_a_scan_at_a_time_is_the_whole_history():
    baseline, days, sld, new, adequate, death, until = arrays()
    rules = response.load("1.1")
    state = recist.begin(baseline)
    for k in range(len(days)):
        due = np.isfinite(days[k]) & (days[k] < death) & (days[k] <= until)
        state, overall = recist.look(rules, state, days[k], sld[k], new[k], adequate[k], due)
        np.testing.assert_array_equal(overall, ran("1.1")[1][k])
    for name, found, expected in zip(state._fields, state, ran("1.1")[0], strict=True):
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_without_confirmation_every_response_is_one():
    rules = response.load("1.1")._replace(confirm_days=0.0)
    state, _, out = run(rules, *arrays())
    np.testing.assert_array_equal(out.bor, out.best)
    np.testing.assert_array_equal(out.response_day, state.first)


def test_no_stable_scan_between_where_none_is_allowed():
    i = [h["what"] for h in HISTORIES].index("one stable scan between two responses")
    rules = response.load("1.1")._replace(stable_between=0.0)
    assert recist.WORDS[run(rules, *arrays())[2].bor[i]] == "SD"


# --- versions as data ------------------------------------------------------------------------------------------------


def test_versions_of_the_shelf():
    old, new, emilia = (response.load(v) for v in ("1.0", "1.1", "emilia"))
    assert (new.pd_relative, new.pd_absolute, new.pr_relative, new.confirm_days) == (0.2, 5.0, 0.3, 28.0)
    assert old == new._replace(pd_absolute=0.0)
    assert emilia == old._replace(missed_limit=0.0)
    assert old.benefit_days == pytest.approx(6 * 365.25 / 12)


def test_an_unknown_version_names_those_known():
    with pytest.raises(InputError, match=r"unknown '1\.2'; allowed: 1\.0, 1\.1, emilia"):
        response.load("1.2")


LINE = 'pd_absolute = { value = 5, unit = "mm", source = "eisenhauer2009" }\n'


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        (LINE, "", "1.1.pd_absolute", "is missing"),
        (LINE, LINE + "pd_total = 3\n", "1.1.pd_total", "unknown key"),
        (LINE, LINE.replace("mm", "day"), "1.1.pd_absolute.unit", "dimension"),
        (LINE, LINE.replace("= 5", "= -5"), "1.1.pd_absolute", "must be 0 or more"),
        (LINE, LINE.replace("eisenhauer2009", "eisenhauer"), "1.1.pd_absolute.source", "not a key of"),
        (LINE, "pd_absolute = 5\n", "1.1.pd_absolute", "a number is a table"),
        (LINE, LINE.replace("= 5", '= "5"'), "1.1.pd_absolute.value", "a number is needed"),
        ("[emilia]\n", "[emilia]\nextra = 1\n", "emilia.extra", "unknown key"),
        ("[emilia]\n", 'title = "RECIST"\n[emilia]\n', "1.1.title", "unknown key"),
        ('["1.0"]\n', 'title = "RECIST"\n["1.0"]\n', "title", "a version is a table"),
        ("pr_relative = { value = 0.30", "pr_relative = { value = 30", "1.0.pr_relative", "between 0 and 1"),
        ("stable_between = { value = 1", "stable_between = { value = 2", "1.0.stable_between", "0 or 1"),
        ("missed_limit = { value = 2", "missed_limit = { value = 1.5", "1.0.missed_limit", "a whole number"),
    ],
)
def test_faults_of_a_version_file(tmp_path, old, new, key, words):
    text = (root() / response.RECIST).read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "recist.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        response.read(path)
    (fault,) = caught.value.faults
    assert fault.key == key and words in fault.message
    assert fault.line is not None
