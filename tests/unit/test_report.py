"""The page of a run and the table in the terminal: what they say follows the run folder, and nothing else is needed."""

import copy
import io
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from vtrial.errors import InputError
from vtrial.report import figures, forest, ratios, read, rows, survival, words
from vtrial.report.build import build
from vtrial.report.table import print_table

PNG = b"\x89PNG\r\n"


def target(id, role="fit", unit="fraction", value=0.129, **more):
    published = {"value": value, "lower": None, "upper": None, "level": None, "n": 490}
    known = {
        "id": id,
        "trial": "emilia",
        "arm": "tdm1",
        "endpoint": "platelets_lab_grade3plus",
        "statistic": "share",
        "unit": unit,
        "role": role,
        "relation": "=",
        "published": published | more.pop("published", {}),
        "replayed": {"median": 0.14, "q05": 0.101, "q95": 0.183},
        "covered90": True,
        "z": -0.42,
        "reason": "",
        "replayed_discrepancy": {"median": 0.141, "q05": 0.09, "q95": 0.2},
        "covered90_discrepancy": True,
        "sharpness": 1.31,
        "flag": "",
        "source": "kadcyla2013",
    }
    return known | more


NOTHING = {"replayed": None, "covered90": None, "z": None, "sharpness": None, "replayed_discrepancy": None}
OPEN = {"value": None, "lower": 22.5, "upper": None, "level": 0.95}

RESULT = {
    "title": "Platelets <under> T-DM1",
    "trials": ["emilia"],
    "problem": "platelets-tdm1",
    "posterior_sha256": "0123456789abcdef" * 4,
    "seed": 7,
    "replicates": 1000,
    "draws": 400,
    "date": "2026-07-30",
    "targets": [
        target("plt-g3plus"),
        target("plt-g4-bound", relation="<", value=0.01, covered90=False, flag="published interval disagrees"),
        target("dlt-q3w", unit="count", value=0, published={"n": 3}, replayed={"median": 0, "q05": 0, "q95": 1}),
        target("pfs-hr", "holdout", "ratio", 0.65, published={"lower": 0.55, "upper": 0.77, "level": 0.95},
               replayed={"median": 0.68, "q05": 0.58, "q95": 0.79}),
        target("os-median", "holdout", "months", relation=">", published=OPEN, covered90=None, z=None,
               replayed={"median": 31.2, "q05": 26.1, "q95": None}),
        target("os-none", "holdout", "months", relation=">", value=None, **NOTHING),
        target("plt-serious", "context", value=None, reason="seriousness is not modelled", **NOTHING),
    ],
    "coverage90": {
        "fit": {"covered": 2, "total": 3, "fraction": 2 / 3},
        "holdout": {"covered": 1, "total": 1, "fraction": 1.0},
    },
    "coverage90_discrepancy": {
        "fit": {"covered": 3, "total": 3, "fraction": 1.0},
        "holdout": {"covered": 0, "total": 0, "fraction": None},
    },
    "sharpness": {"fit": 1.31, "holdout": None},
    "alternatives": [
        {"trial": "emilia", "arm": "tdm1", "id": "plt-g3plus", "endpoint": "platelets_lab_grade3plus",
         "assumption": "visits: weekly", "published": 0.129, "replayed": {"median": 0.16, "q05": 0.12, "q95": 0.2}},
        {"trial": "emilia", "arm": "tdm1", "id": "plt-g3plus", "endpoint": "platelets_lab_grade3plus",
         "assumption": "lower limit of normal: 130", "published": 0.129, "replayed": None},
    ],
    "conflicts": [{"text": "platelet survival falls", "decision": "not reproduced"}],
    "diagnostics": {"max_rhat": 1.02, "min_ess_bulk": 812.0, "min_ess_tail": 640.0, "divergences": 0, "ebfmi": 0.83},
    "failed_subjects": 0,
    "stale": [],
    "seconds": {"compile": 12.2, "run": 3.4},
}  # fmt: skip


def course():
    lines = ["trial,arm,day,q05,q25,q50,q75,q95"]
    for day in range(64):
        nadir = 1 - 0.5 * np.sin(np.pi * (day % 21) / 21) ** 2
        lines.append(",".join(["emilia,tdm1", str(day), *(f"{q * nadir:.4g}" for q in (130, 190, 237, 290, 400))]))
    return "\n".join(lines) + "\n"


def parameters():
    rng = np.random.default_rng(1)
    draws = {"SLOPE": np.exp(rng.normal(-5.8, 0.4, 60)), "SHIFT": rng.normal(size=60), "FIXED": np.full(60, 2.0)}
    told = [f"{g},{name},{v!r},L/mg" for g in ("prior", "posterior") for name, x in draws.items() for v in x.tolist()]
    return "\n".join(["group,parameter,value,unit", *told]) + "\n"


SUMMARY = """,mean,sd,eti89_lb,eti89_ub,ess_bulk,ess_tail,r_hat,mcse_mean,mcse_sd
SLOPE,0.0031,0.0004,0.0025,0.0038,1500.2,1400.1,1.001,1e-5,8e-6
SHIFT,-0.21,0.1,-0.4,0.02,390.2,1400.1,1.02,0.01,
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A whole run folder, its page built; not to be changed."""
    folder = tmp_path_factory.mktemp("run")
    write(folder, RESULT)
    for name, text in (("course", course()), ("parameters", parameters()), ("summary", SUMMARY)):
        (folder / f"{name}.csv").write_text(text)
    build(folder)
    return folder


@pytest.fixture(scope="module")
def text(whole):
    """The page of the whole run folder."""
    return (whole / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of the whole run folder, with its page, to be changed."""
    return shutil.copytree(whole, tmp_path / "run")


def write(folder, result):
    (folder / "replay.json").write_text(json.dumps(result))


def page(folder):
    return build(folder).read_text(encoding="utf-8")


def changed(**more):
    return copy.deepcopy(RESULT) | more


class Seen(HTMLParser):
    """Tags with their attributes, and the text of the rows of tables."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.rows = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data):
        if self.rows and data.strip():
            self.rows[-1].append(data.strip())

    def row(self, id):
        """The cells of the first row that begins with ``id``."""
        return next(row for row in self.rows if row[:1] == [id])


def test_builds_page_and_figures(folder, text):
    assert build(str(folder)) == folder / "report.html"
    assert (folder / "report.html").read_text(encoding="utf-8") == text  # the same run gives the same page
    assert {p.name for p in (folder / "figures").iterdir()} == {"forest.png", "course.png", "prior-posterior.png"}
    assert all(p.read_bytes().startswith(PNG) for p in (folder / "figures").iterdir())
    assert not list(folder.rglob(".*"))


def test_page_needs_nothing_from_outside(text):
    seen = Seen(text)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in seen.tags}
    links = [a[k] for _, a in seen.tags for k in ("src", "href", "xlink:href", "data") if a.get(k)]
    assert links and not [link for link in links if not link.startswith("#")]
    assert "http" not in text and "@import" not in text
    assert not [u for u in re.findall(r"url\(([^)]*)\)", text) if not u.startswith("#")]
    assert sum(tag == "svg" for tag, _ in seen.tags) == 3


def test_ids_and_references_of_the_figures_fit(text):
    seen = Seen(text)
    ids = [a["id"] for _, a in seen.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    assert not {a["xlink:href"][1:] for _, a in seen.tags if a.get("xlink:href")} - set(ids)


def test_every_row_and_the_provenance_are_there(text):
    assert all(t["id"] in text for t in RESULT["targets"])
    for told in ("Platelets &lt;under&gt; T-DM1", "0123456789ab", "2026-07-30", "1 000", "400", "2 of 3", "67 %"):
        assert told in text
    assert "0123456789abcdef" not in text
    assert text.count("not for treating patients") == 1
    assert "Stale" not in text and "not in this run" not in text


def test_cells(text):
    seen = Seen(text)
    assert {"12.9 %", "14.0 %", "10.1–18.3", "covered", "−0.42", "1.31"} <= set(seen.row("plt-g3plus"))
    assert {"<1 %", "not covered", "published interval disagrees"} <= set(seen.row("plt-g4-bound"))
    assert {"3", "0", "0–1"} <= set(seen.row("dlt-q3w"))
    assert {"0.65", "0.55–0.77", "95 %", "0.680", "0.580–0.790"} <= set(seen.row("pfs-hr"))


def test_not_reached_and_not_modelled(text):
    seen = Seen(text)
    assert {"not reached", "22.5–not reached", "31.2 months", "26.1–not reached", "–"} <= set(seen.row("os-median"))
    assert seen.row("os-none").count("–") >= 8
    assert {"–", "seriousness is not modelled"} <= set(seen.row("plt-serious"))


@pytest.mark.parametrize("flag", [True, False])
def test_verdict_follows_the_json(tmp_path, flag):
    result = changed()
    result["targets"][0]["covered90"] = flag
    write(tmp_path, result)
    row = Seen(page(tmp_path)).row("plt-g3plus")
    assert ("not covered" in row) is not flag


def test_stale_inputs_are_named(tmp_path):
    write(tmp_path, changed(stale=["models/drugs/tdm1/pk.toml"]))
    assert re.search("Stale.*models/drugs/tdm1/pk.toml", page(tmp_path), re.S)


def test_alternatives_conflicts_and_criteria(text):
    seen = Seen(text)
    assert any({"visits: weekly", "16.0 %", "12.0–20.0", "+2.0"} <= set(row) for row in seen.rows)
    assert any({"lower limit of normal: 130", "–"} <= set(row) for row in seen.rows)
    assert "platelet survival falls" in text and "not reproduced" in text
    assert {"1.020", "not met"} <= set(seen.row("largest R-hat, rank-normalised"))
    assert {"0", "met"} <= set(seen.row("divergent transitions"))
    assert {"R-hat, ESS not met", "−0.400 to 0.0200", "–"} <= set(seen.row("SHIFT"))
    assert "89 % interval, equal-tailed" in text


@pytest.mark.parametrize("content", [None, "", "header"])
def test_tables_that_are_not_there_are_said_so(folder, content):
    names = ("course", "parameters", "summary")
    for path in (folder / f"{name}.csv" for name in names):
        path.write_text({"header": path.read_text().splitlines()[0] + "\n"}.get(content, ""))
        if content is None:
            path.unlink()
    text = page(folder)
    assert text.count("not in this run") == 3 and all(f"({name}.csv)" in text for name in names)
    # figures of the earlier page are not left to be taken for this one's
    assert [path.name for path in (folder / "figures").iterdir()] == ["forest.png"]


def test_one_table_missing(folder):
    (folder / "course.csv").unlink()
    text = page(folder)
    assert text.count("not in this run") == 1 and "(course.csv)" in text


def test_only_replay_json_with_the_contract_keys(tmp_path):
    extra = {"alternatives", "conflicts", "diagnostics", "failed_subjects", "stale", "title", "date"}
    result = {k: v for k, v in RESULT.items() if k not in extra | {"coverage90_discrepancy"}}
    more = {"replayed_discrepancy", "covered90_discrepancy", "sharpness", "flag", "source"}
    result["targets"] = [{k: v for k, v in t.items() if k not in more} for t in RESULT["targets"]]
    write(tmp_path, result)
    text = page(tmp_path)
    assert "Replayed with discrepancy" not in text and text.count("not in this run") == 4


def test_a_run_without_rows(tmp_path):
    empty = {role: {"covered": 0, "total": 0, "fraction": None} for role in ("fit", "holdout")}
    write(tmp_path, changed(targets=[], coverage90=empty, alternatives=[]))
    text = page(tmp_path)
    assert "no rows" in text and "This run has no fit row." in text
    assert not (tmp_path / "figures" / "forest.png").exists()


BROKEN = {
    "not json": ('{"trials": [', "is not JSON"),
    "not an object": ("[]", "one object"),
    "not a number": (json.dumps(RESULT).replace("-0.42", "NaN"), "NaN"),
    "key missing": (json.dumps({k: v for k, v in RESULT.items() if k != "coverage90"}), "coverage90"),
    "target's key missing": (json.dumps(changed(targets=[{"id": "x"}])), "targets[0].published"),
    "unknown role": (json.dumps(changed(targets=[target("x", "judge")])), "targets[0].role"),
    "text for a verdict": (json.dumps(changed(targets=[target("x", covered90="yes")])), "targets[0].covered90"),
    "text for a number": (json.dumps(changed(targets=[target("x", value="12 %")])), "targets[0].published.value"),
    "published null": (json.dumps(changed(targets=[target("x") | {"published": None}])), "targets[0].published"),
    "alternative": (json.dumps(changed(alternatives=[3])), "alternatives[0]"),
}


@pytest.mark.parametrize(("text", "names"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_json_writes_nothing(folder, text, names):
    before = (folder / "report.html").read_bytes()
    (folder / "replay.json").write_text(text)
    (folder / "figures" / "course.png").unlink()
    with pytest.raises(InputError, match=re.escape(names)) as caught:
        build(folder)
    assert "replay.json" in str(caught.value)
    assert (folder / "report.html").read_bytes() == before
    assert not (folder / "figures" / "course.png").exists()


def test_no_replay_json(tmp_path):
    with pytest.raises(InputError, match="replay.json"):
        build(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("course", "trial,arm,day\nemilia,tdm1,0\n", "q05: column is missing"),
        ("parameters", "group,parameter,value\nprior,X,many\n", "is not a table"),
    ],
)
def test_broken_table_writes_nothing(tmp_path, name, text, says):
    write(tmp_path, RESULT)
    (tmp_path / f"{name}.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        build(tmp_path)
    assert not (tmp_path / "report.html").exists() and not (tmp_path / "figures").exists()


def test_many_arms_are_chosen_round_the_trials():
    import polars as pl

    told = [("a", "low", 5.0), ("a", "lower", 4.0), ("b", "one", 9.0), ("a", "high", 8.0), ("b", "two", 10.0)]
    frame = pl.DataFrame(told, schema=["trial", "arm", "q50"], orient="row")
    assert figures.choose_arms(frame) == [("a", "lower"), ("b", "one"), ("a", "low"), ("b", "two")]


@pytest.mark.parametrize("limit", [150, {"emilia": 150}, {"emilia": {"platelets": 150}}])
def test_lower_limit_is_drawn_where_given(folder, text, limit):
    assert "lower limit 150" not in text
    assert "lower limit 150" in figures.course(read.run(folder).course, limit).svg


def test_forest_scales():
    assert forest.line(RESULT["targets"][2])["q95"] == pytest.approx(1 / 3)  # a count over its n
    assert forest.line(RESULT["targets"][3])["upper"] == pytest.approx(0.77 / 0.65)
    assert forest.line(RESULT["targets"][4])["lower"] == 1  # its median was not reached
    above = target("recovery", value=1.0, replayed={"median": 1.02, "q05": 0.9, "q95": 1.2})
    assert forest.line(above)["family"] == "relative"  # a share of baseline, not of patients


def test_density_is_one():
    grid = np.linspace(-6, 6, 400)
    height = figures.density(np.random.default_rng(0).normal(size=500), grid)
    assert np.trapezoid(height, grid) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("low", "high"), [(180, 310), (1e-6, 1e3), (0.8, 1.3), (0.05, 4)])
def test_ticks_are_few_and_inside(low, high):
    inside = [t for t in figures.nice_ticks(low, high) if low <= t <= high]
    assert 2 <= len(inside) <= 6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (words.number(None), "–"),
        (words.number(-0.5), "−0.500"),
        (words.number(1234.5), "1234"),
        (words.number(2e-5), "2.00 × 10⁻⁵"),
        (words.number(237.0, told=True), "237"),
        (words.amount(0.83, "fraction", told=4), "83"),
        (words.amount(0.4967, "count"), "0.5"),
        (words.interval(None, 0.2, "fraction"), "≤ 20.0"),
        (words.interval(1.0, None, "ratio"), "≥ 1.00"),
        (words.endpoint("platelets_ae_grade3plus", "share"), "platelets as adverse event, grade\u00a0≥\u00a03"),
        (words.endpoint("progression_free_survival", "median"), "progression-free survival, median"),
        (words.with_unit("364", "d*ug/mL"), "364 d·µg/mL"),
        (rows.interval_name(["hdi94_lb", "hdi94_ub"]), "94 % interval, highest density"),
    ],
)
def test_words(text, expected):
    assert text == expected


def printed(result, width=100):
    out = io.StringIO()
    print_table(result, Console(file=out, width=width))
    return out.getvalue()


def test_table_fits_a_hundred_columns():
    lines = printed(RESULT).splitlines()
    assert max(map(len, lines)) <= 100
    (row,) = [line.split() for line in lines if "plt-g4-bound" in line]
    assert row == "plt-g4-bound 490 <1 % – 14.0 % 10.1–18.3 NO −0.42 1.31".split()
    assert [line for line in lines if "os-median" in line and "NR" in line]
    at = [next(i for i, line in enumerate(lines) if line.startswith(t)) for t in ("Fit rows", "Hold-out rows")]
    assert at[0] < at[1]


def test_coverage_is_printed_last():
    *_, fit, holdout = printed(RESULT).splitlines()
    assert fit.startswith("Fit rows: 90 % interval covers 2 of 3 (67 %); with discrepancy 3 of 3")
    assert holdout.startswith("Hold-out rows: 90 % interval covers 1 of 1 (100 %)")


def test_table_goes_to_stdout_with_brackets_as_they_are(capsys):
    print_table(changed(targets=[target("a[bold]b")]))
    out = capsys.readouterr().out
    assert "a[bold]b" in out and "Hold-out rows: none" in out


def test_report_imports_no_jax():
    program = "import vtrial.report.build, vtrial.report.table, sys; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def ratio(id, value, role="fit", **definition):
    about = {"endpoint": "pfs", "statistic": "hazard ratio", "arm": "tdm1 vs lapcap", "definition": definition}
    return target(id, role, "ratio", value, replayed={"median": 0.7, "q05": 0.5, "q95": 0.9}, **about)


def landmark(arm, month, value, **definition):
    about = {"endpoint": "os", "statistic": "survival", "arm": arm, "definition": {"month": month} | definition}
    return target(f"{arm}-{month}", value=value, **about)


EFFICACY = [
    ratio("hr-old", 1.06, "holdout", subgroup="age 65 and over"),
    ratio("hr-all", 0.65),
    ratio("hr-mrna", 0.5, "context", subgroup="mRNA"),
    ratio("hr-none", 0.5) | NOTHING,
    landmark("tdm1", 24, 0.65),
    landmark("lapcap", 12, 0.78),
    landmark("tdm1", 12, 0.85),
    landmark("tdm1", 12, 0.8, subgroup="mRNA"),
]


def test_hazard_ratios_of_subgroups_come_after_the_whole_trial():
    labels = [line["label"] for line in ratios._lines({"targets": EFFICACY}, "pfs")]
    assert labels == ["all: hr-all", "age 65 and over", "mRNA (context)"]
    assert ratios.line(EFFICACY[0])["value"] == 1.06 and ratios.line(EFFICACY[0])["q95"] == 0.9  # not over the published one


def test_landmarks_are_those_of_whole_arms_by_month():
    found = survival.landmarks({"targets": EFFICACY}, "emilia", "os")
    told = {arm: [t["id"] for t in targets] for arm, targets in found.items()}
    assert told == {"tdm1": ["tdm1-12", "tdm1-24"], "lapcap": ["lapcap-12"]}


def test_a_page_with_survival(tmp_path):
    write(tmp_path, changed(targets=EFFICACY))
    text = page(tmp_path)
    assert {"ratios.png", "survival.png"} <= {p.name for p in (tmp_path / "figures").iterdir()}
    assert "age 65 and over" in text and "emilia: overall survival" in text and "hazard ratio (log scale)" in text


def test_a_page_without_survival_does_not_speak_of_it(text):
    assert "Survival and hazard ratios" not in text
