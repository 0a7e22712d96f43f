"""Designs: what the shelf's trials say, each fault by file and key, contrasts and data cuts of published rows."""
# ruff: noqa: E501 (a case is a line)

import tomllib
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from vtrial.errors import InputError
from vtrial.library import design as told
from vtrial.library import designs, files, populations, trials
from vtrial.library.schema import Sheet

MONTH = 30.4375
SOURCE = 'source = "assumed", why = "for this test"'
FULL = f"""
[randomisation]
kind = "permuted_blocks"
ratio = [2, 1]
block = {{ value = 6, unit = "1", {SOURCE} }}
source = "verma2012"

[[randomisation.stratum]]
of = "VISC"

[[randomisation.stratum]]
of = "AGE"
above = 65

[enrolment]
duration = {{ value = 24, unit = "month", {SOURCE} }}
ramp = {{ value = 90, unit = "day", {SOURCE} }}

[scans]
every = {{ value = 6, unit = "week", {SOURCE} }}
scatter = {{ value = 3, unit = "day", {SOURCE} }}
missed = {{ value = 5, unit = "percent", {SOURCE} }}

[scans.later]
from = {{ value = 48, unit = "week", {SOURCE} }}
every = {{ value = 12, unit = "week", {SOURCE} }}

[response]
version = "1.1"
assessor = "investigator"
measurable = {{ value = 0.8, unit = "1", {SOURCE} }}
source = "verma2012"

[assessor.central]
error = {{ value = 0.06, unit = "1", {SOURCE} }}

[assessor.investigator]
error = {{ value = 0.09, unit = "1", {SOURCE} }}

[dropout]
hazard = {{ value = 0.01, unit = "1/month", {SOURCE} }}
past_progression = {{ value = 0.1, unit = "1", {SOURCE} }}

[[cut]]
name = "interim"
kind = "events"
of = "os"
events = {{ value = 120, unit = "1", {SOURCE} }}

[[cut]]
name = "final"
kind = "calendar"
date = "1 March 2020"
after = {{ value = 40, unit = "month", {SOURCE} }}

[[crossover]]
from = "b"
to = "a"
opens = {{ value = 30, unit = "month", {SOURCE} }}
share = {{ value = 0.5, unit = "1", {SOURCE} }}
"""
ARMS = ["a", "b"]


def read(tmp_path, text, arms=ARMS):
    path = tmp_path / "trial.toml"
    path.write_text(text, encoding="utf-8")
    sheet = Sheet(path)
    design = designs.read(sheet, sheet.data, list(arms))
    sheet.done()
    return design


def broken(old, new):
    assert FULL.count(old) == 1, f"{old!r} occurs {FULL.count(old)} times"
    return FULL.replace(old, new)


# --- what is read -----------------------------------------------------------------------------------------------------


def test_a_full_design_reads_to_days(tmp_path):
    design = read(tmp_path, FULL)
    strata = (told.Stratum("VISC"), told.Stratum("AGE", 65.0))
    assert design.randomisation == told.Randomisation("permuted_blocks", (2, 1), 6, None, strata)
    assert design.enrolment == told.Enrolment(24 * MONTH, 90.0)
    assert design.scans == told.Scans(every=42.0, scatter=3.0, missed=pytest.approx(0.05), since=336.0, then=84.0)
    assert design.response == told.Response("1.1", "investigator", 0.8)
    assert dict(design.errors) == {"investigator": 0.09, "central": 0.06}
    assert design.dropout.hazard == pytest.approx(0.01 / MONTH, rel=1e-12) and design.dropout.past_progression == 0.1
    assert design.cut("interim") == told.Cut("interim", "events", of="os", events=120)
    assert design.cut("final") == told.Cut("final", "calendar", day=40 * MONTH, date="1 March 2020")
    assert design.crossovers == (told.Crossover("b", "a", 30 * MONTH, 0.5),)


def test_patients_may_leave_scans_alone(tmp_path):
    assert (read(tmp_path, FULL).dropout.unscanned, read(tmp_path, FULL).dropout.leaving) == (0.0, 0.0)
    more = (
        f'unscanned = {{ value = 2, unit = "percent", {SOURCE} }}\nleaving = {{ value = 0.03, unit = "1/month", {SOURCE} }}\n'
    )
    design = read(tmp_path, broken("[dropout]\n", f"[dropout]\n{more}"))
    assert design.dropout.unscanned == pytest.approx(0.02)
    assert design.readings["leaving"] == design.dropout.leaving == pytest.approx(0.03 / MONTH, rel=1e-12)


def test_an_arm_may_leave_scans_at_its_own_rate(tmp_path):
    own = f'[dropout]\nunscanned = {{ value = 2, unit = "percent", {SOURCE} }}\n'
    own += f'arm.b = {{ leaving = {{ value = 0.03, unit = "1/month", {SOURCE} }} }}\n'
    dropout = read(tmp_path, broken("[dropout]\n", own)).dropout
    assert list(dropout.of("a")) == pytest.approx([0.02, 0.0]) and list(dropout.of("b")) == pytest.approx([0.02, 0.03 / MONTH])
    assert read(tmp_path, FULL).dropout.arms == ()


def test_scans_may_go_on_until_central_review_sees_progression(tmp_path):
    assert not read(tmp_path, FULL).scans.beyond
    for who in ("central", "investigator"):
        until = f'[scans.until]\nprogression = "{who}"\n{SOURCE.replace(", ", chr(10))}\n\n[scans.later]\n'
        assert read(tmp_path, broken("[scans.later]\n", until)).scans.beyond == (who == "central")


def test_designs_are_told_apart_by_their_content(tmp_path):
    one, same, other = (read(tmp_path, text) for text in (FULL, FULL, broken("value = 0.09", "value = 0.07")))
    assert one == same and hash(one) == hash(same) and one != other
    assert len({one, same, other}) == 2


def test_scans_without_a_later_interval_never_change(tmp_path):
    scans = read(tmp_path, FULL[: FULL.index("[scans.later]")] + FULL[FULL.index("[response]") :]).scans
    assert scans.since == np.inf and scans.then is None and scans.every == 42


def test_minimisation_has_a_chance_and_no_block(tmp_path):
    text = broken('"permuted_blocks"', '"minimisation"').replace("block = { value = 6", "probability = { value = 0.8")
    randomisation = read(tmp_path, text).randomisation
    assert (randomisation.kind, randomisation.probability, randomisation.block) == ("minimisation", 0.8, None)


def test_randomisation_may_be_played_out(tmp_path):
    assert not read(tmp_path, FULL).randomisation.played
    assert read(tmp_path, broken("ratio = [2, 1]", "ratio = [2, 1]\nplayed = true")).randomisation.played


@pytest.mark.parametrize("chance", [0.4, 1.1])
def test_minimisation_favours_the_better_arm(chance, tmp_path):
    text = broken('"permuted_blocks"', '"minimisation"').replace("block = { value = 6", f"probability = {{ value = {chance}")
    with pytest.raises(InputError, match=rf"randomisation\.probability\.value: is {chance}; must be from 0\.5 to 1"):
        read(tmp_path, text)


def test_arms_at_fault_are_no_fault_of_the_design(tmp_path):
    assert read(tmp_path, FULL, []).crossovers == read(tmp_path, FULL).crossovers


def test_a_trial_without_sections_has_no_design(tmp_path):
    assert read(tmp_path, 'name = "x"\n') is None
    assert trials.load("platelet-kinetics").design is None


@pytest.mark.parametrize("name", designs.NEEDED)
def test_no_section_may_be_left_out_alone(name, tmp_path):
    sections = tomllib.loads(FULL)
    sheet = Sheet.__new__(Sheet)
    sheet.path, sheet.faults, sheet.data = tmp_path / "trial.toml", [], {k: v for k, v in sections.items() if k != name}
    assert designs.read(sheet, sheet.data, ARMS) is None
    assert [f.key for f in sheet.faults] == [name] and "is missing" in sheet.faults[0].message


# --- faults -----------------------------------------------------------------------------------------------------------

BLOCK = f'block = {{ value = 6, unit = "1", {SOURCE} }}\n'
EVERY = f'every = {{ value = 6, unit = "week", {SOURCE} }}'
INVESTIGATOR = f'[assessor.investigator]\nerror = {{ value = 0.09, unit = "1", {SOURCE} }}\n'
FAULTS = {
    "unknown kind": ('"permuted_blocks"', '"blocks"', "randomisation.kind", ("'blocks'", "minimisation", "none")),
    "no kind": ('kind = "permuted_blocks"\n', "", "randomisation.kind", ("None", "simple")),
    "randomised without source": ('source = "verma2012"\n\n[[randomisation', "\n[[randomisation", "randomisation.source", ("missing",)),
    "ratio of one": ("ratio = [2, 1]", "ratio = [2]", "randomisation.ratio", ("[2]", "a, b")),
    "ratio of nothing": ("ratio = [2, 1]", "ratio = [2, 0]", "randomisation.ratio", ("[2, 0]", "whole")),
    "ratio in words": ("ratio = [2, 1]", 'ratio = "2:1"', "randomisation.ratio", ("'2:1'",)),
    "no ratio": ("ratio = [2, 1]\n", "", "randomisation.ratio", ("missing",)),
    "block that does not fit": ("value = 6, unit = \"1\"", "value = 4, unit = \"1\"", "randomisation.block.value", ("4", "multiple of 3")),
    "half a patient": ("value = 6, unit = \"1\"", "value = 4.5, unit = \"1\"", "randomisation.block.value", ("4.5", "whole")),
    "no block": (BLOCK, "", "randomisation.block", ("missing",)),
    "chance among blocks": (BLOCK, BLOCK + f'probability = {{ value = 0.8, unit = "1", {SOURCE} }}\n', "randomisation.probability", ("unknown key", "block")),
    "played in words": ("ratio = [2, 1]", 'ratio = [2, 1]\nplayed = "yes"', "randomisation.played", ("'yes'", "true or false")),
    "unknown stratum": ('of = "VISC"', 'of = "VISCERAL"', "randomisation.stratum[0].of", ("'VISCERAL'", "VISC")),
    "stratum of nothing": ('of = "VISC"\n', "", "randomisation.stratum[0].of", ("missing",)),
    "stratum cut in words": ("above = 65", 'above = "old"', "randomisation.stratum[1].above", ("'old'", "a number")),
    "stratum below": ("above = 65", "below = 65", "randomisation.stratum[1].below", ("unknown key", "above")),
    "enrolment of wrong unit": ("value = 24, unit = \"month\"", "value = 24, unit = \"kg\"", "enrolment.duration.unit", ("'kg'", "day")),
    "enrolment at once": ("value = 24, unit", "value = 0, unit", "enrolment.duration.value", ("above 0",)),
    "ramp longer than enrolment": ("value = 90, unit", "value = 900, unit", "enrolment.ramp.value", ("900", "730.5")),
    "ramp before the first": ("value = 90, unit", "value = -9, unit", "enrolment.ramp.value", ("-9", "0 or more")),
    "scans without interval": (EVERY, "", "scans.every", ("missing",)),
    "scan interval bare": (EVERY, "every = 42", "scans.every", ("42", "value", "unit", "source")),
    "scans never missed less than that": ("value = 5, unit", "value = -5, unit", "scans.missed.value", ("-5", "from 0 to 1")),
    "later scans since nothing": ("from = { value = 48", "since = { value = 48", "scans.later", ("",)),
    "later scans as a number": ("[scans.later]\nfrom", "[scans.sooner]\nfrom", "scans.sooner", ("unknown key", "later")),
    "unknown version": ('version = "1.1"', 'version = "1.2"', "response.version", ("'1.2'", "1.0", "1.1", "emilia")),
    "unknown assessor": ('assessor = "investigator"', 'assessor = "local"', "response.assessor", ("'local'", "central")),
    "assessor without error": (INVESTIGATOR, "", "response.assessor", ("[assessor.investigator]", "missing")),
    "measurable in percent": ("value = 0.8, unit", "value = 80, unit", "response.measurable.value", ("80", "from 0 to 1")),
    "response without source": ('source = "verma2012"\n\n[assessor', "\n[assessor", "response.source", ("missing",)),
    "assessor of no name": ("[assessor.central]", "[assessor.blinded]", "assessor.blinded", ("'blinded'", "central", "investigator")),
    "error of nothing": ("value = 0.06", "value = 0", "assessor.central.error.value", ("above 0",)),
    "hazard of wrong unit": ('"1/month"', '"month"', "dropout.hazard.unit", ("'month'", "1/day")),
    "hazard without why": ('value = 0.01, unit = "1/month", ' + SOURCE, 'value = 0.01, unit = "1/month", source = "assumed"', "dropout.hazard.why", ("missing",)),
    "all unscanned and more": ("[dropout]\n", f'[dropout]\nunscanned = {{ value = 1.5, unit = "1", {SOURCE} }}\n', "dropout.unscanned.value", ("1.5", "from 0 to 1")),
    "leaving as a share": ("[dropout]\n", f'[dropout]\nleaving = {{ value = 0.1, unit = "1", {SOURCE} }}\n', "dropout.leaving.unit", ("'1'", "1/day")),
    "leaving of no arm": ("[dropout]\n", f'[dropout]\narm.c = {{ leaving = {{ value = 0.1, unit = "1/month", {SOURCE} }} }}\n', "dropout.arm.c", ("'c'", "a, b")),
    "an arm's number unknown": ("[dropout]\n", f'[dropout]\narm.a = {{ left = {{ value = 0.1, unit = "1/month", {SOURCE} }} }}\n', "dropout.arm.a.left", ("unknown key", "leaving")),
    "an arm as a number": ("[dropout]\n", "[dropout]\narm.a = 0.1\n", "dropout.arm.a", ("0.1", "[dropout.arm.a]")),
    "arms as a number": ("[dropout]\n", "[dropout]\narm = 0.1\n", "dropout.arm", ("0.1", "[dropout.arm]")),
    "scans until nobody's progression": ("[scans.later]", '[scans.until]\nprogression = "blinded"\nsource = "verma2012"\n\n[scans.later]', "scans.until.progression", ("'blinded'", "central")),
    "scans until, without source": ("[scans.later]", '[scans.until]\nprogression = "central"\n\n[scans.later]', "scans.until.source", ("missing",)),
    "scans until a number": ("[scans]\n", "[scans]\nuntil = 3\n", "scans.until", ("3", "[scans.until]")),
    "nobody treated on": ("past_progression = { value = 0.1", "past_progression = { value = 1.1", "dropout.past_progression.value", ("1.1",)),
    "cut of no kind": ('kind = "calendar"', 'kind = "date"', "cut[1].kind", ("'date'", "calendar", "events")),
    "cut without a day": ("after = {", "before = {", "cut[1]", ("",)),
    "cut at events of nothing": ('of = "os"', 'of = "orr"', "cut[0].of", ("'orr'", "pfs", "os")),
    "half an event": ("value = 120, unit", "value = 120.5, unit", "cut[0].events.value", ("120.5", "whole")),
    "cut told twice": ('name = "final"', 'name = "interim"', "cut[1].name", ("'interim'", "twice")),
    "crossover from nowhere": ('from = "b"', 'from = "c"', "crossover[0]", ("'c'", "a, b")),
    "crossover to itself": ('to = "a"', 'to = "b"', "crossover[0].to", ("'b'", "another")),
    "crossover of all and more": ("value = 0.5, unit", "value = 1.5, unit", "crossover[0].share.value", ("1.5", "from 0 to 1")),
    "crossover without opening": ("opens = {", "open = {", "crossover[0]", ("",)),
}  # fmt: skip
# A key misspelt is two faults: an unknown one, and one that is missing.
TWO = {k for k, v in FAULTS.items() if v[3] == ("",)}


@pytest.mark.parametrize("name", sorted(set(FAULTS) - TWO))
def test_one_fault_is_told_by_file_line_and_key(name, tmp_path):
    old, new, key, says = FAULTS[name]
    with pytest.raises(InputError) as caught:
        read(tmp_path, broken(old, new))
    (fault,) = caught.value.faults
    assert (Path(fault.file), fault.key) == (tmp_path / "trial.toml", key)
    assert fault.line and not [word for word in says if word not in fault.message], fault.message


@pytest.mark.parametrize("name", sorted(TWO))
def test_a_key_misspelt_is_unknown_and_missing(name, tmp_path):
    old, new, key, _ = FAULTS[name]
    with pytest.raises(InputError) as caught:
        read(tmp_path, broken(old, new))
    assert sorted(f.message.split(";")[0] for f in caught.value.faults) == ["is missing", "unknown key"]
    assert all(f.key.startswith(f"{key}.") for f in caught.value.faults)


def test_a_section_of_the_wrong_form_is_a_fault(tmp_path):
    top = "crossover = 3\n" + FULL[: FULL.index("[[crossover]]")]
    with pytest.raises(InputError, match=r"crossover: is 3; write \[\[crossover\]\]"):
        read(tmp_path, top)


def test_several_faults_are_told_at_once(tmp_path):
    text = (
        broken('"permuted_blocks"', '"blocks"').replace('version = "1.1"', 'version = "9"').replace('of = "os"', 'of = "orr"')
    )
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert [f.key for f in caught.value.faults] == ["randomisation.kind", "response.version", "cut[0].of"]


# --- the shelf --------------------------------------------------------------------------------------------------------

FIRST = {"emilia": date(2009, 2, 23), "destiny-breast03": date(2018, 7, 20)}
LAST = {"emilia": date(2011, 10, 13), "destiny-breast03": date(2020, 6, 23)}
CUTS = {
    "emilia": {"2012-01-14": date(2012, 1, 14), "2012-07-31": date(2012, 7, 31), "final": date(2014, 12, 31)},
    "destiny-breast03": {
        "2021-05-21": date(2021, 5, 21),
        "2021-09-07": date(2021, 9, 7),
        "2022-07-25": date(2022, 7, 25),
        "2023-11-20": date(2023, 11, 20),
    },
}
RANDOMISED = {
    "emilia": {"tdm1": (490, 495), "lapcap": (488, 496)},
    "destiny-breast03": {"tdxd": (257, 261), "tdm1": (261, 263)},
    "destiny-breast01": {"tdxd": (184, 184)},
}
DESIGNED = [name for name in files.names("trials") if trials.load(name).design]


def middle(enrolment):
    """Day by which half of the patients are enrolled, counted day by day."""
    days = np.arange(0, enrolment.duration, 0.1)
    rate = np.minimum(1.0, days / enrolment.ramp) if enrolment.ramp else np.ones_like(days)
    return days[np.searchsorted(np.cumsum(rate), rate.sum() / 2)]


@pytest.mark.parametrize("name", FIRST)
def test_cuts_and_enrolment_are_days_between_dates(name):
    design = trials.load(name).design
    assert {c.name: c.day for c in design.cuts} == {k: (v - FIRST[name]).days for k, v in CUTS[name].items()}
    assert design.enrolment.duration == (LAST[name] - FIRST[name]).days


@pytest.mark.parametrize(
    ("name", "cut", "lowest", "highest"),
    [
        ("emilia", "2012-01-14", 12.4, 13.1),
        ("destiny-breast03", "2021-05-21", 15.3, 18.0),
        ("tdm4374g", "17.4 months", 17.3, 17.5),
        ("destiny-breast01", "2019-08-01", 11.1, 13.8),
        ("j101", "2018-08-10", 8.9, 11.0),
    ],
)
def test_the_middle_patient_is_followed_as_long_as_was_printed(name, cut, lowest, highest):
    """Deaths make the printed median shorter than the time from enrolment to the cut, where the ramp was not chosen by it."""
    design = trials.load(name).design
    assert lowest < (design.cut(cut).day - middle(design.enrolment)) / MONTH < highest


@pytest.mark.parametrize("name", RANDOMISED)
def test_arms_know_the_randomised_and_the_treated(name):
    assert {k: (a.n, a.randomised) for k, a in trials.load(name).arms.items()} == RANDOMISED[name]


def test_the_designs_of_both_large_trials():
    emilia, breast03 = (trials.load(name).design for name in FIRST)
    assert emilia.randomisation.kind == "minimisation" and emilia.randomisation.ratio == (1, 1)
    assert [s.of for s in emilia.randomisation.strata] == ["REGION_US", "REGION_WEST", "PRIORLINES", "VISC"]
    assert emilia.response.measurable == pytest.approx((397 + 389) / (495 + 496), abs=5e-4)
    (crossover,) = emilia.crossovers
    assert (crossover.leaves, crossover.joins) == ("lapcap", "tdm1")
    # none at the interim cuts; of those then followed, so many that 136 cross
    assert emilia.cut("2012-07-31").day < crossover.opens < emilia.cut("final").day
    assert round(crossover.share * 262) == 136
    assert [s.of for s in breast03.randomisation.strata] == ["HR", "PERTUZUMAB", "VISC"] and not breast03.crossovers
    assert (emilia.response.version, breast03.response.version) == ("emilia", "1.1")


def test_the_population_of_destiny_breast03_has_its_strata():
    trial = trials.load("destiny-breast03")
    assert {s.of for s in trial.design.randomisation.strata} <= set(populations.load(trial.population).marginals)


@pytest.mark.parametrize("name", DESIGNED)
def test_designs_of_the_shelf_hold_together(name):
    trial = trials.load(name)
    design = trial.design
    assert design.enrolment.duration < max(c.day for c in design.cuts if c.kind == "calendar")
    assert dict(design.errors)[design.response.assessor] > 0 and design.scans.every == 42
    assert (design.randomisation.kind == "none") == (not design.randomisation.ratio)
    assert all(a.randomised >= a.n for a in trial.arms.values())


def test_every_trial_on_tumours_has_a_design():
    assert set(files.names("trials")) - set(DESIGNED) == {"platelet-kinetics"}


# --- arms and published rows ------------------------------------------------------------------------------------------

HEADER = ",".join(trials.COLUMNS)
ROW = "one,{arm},pfs,hazard ratio,=,0.65,0.55,0.77,0.95,991,ratio,,{cut},,0.005,,verma2012,abstract,retrieved,"


def rows(tmp_path, arm="tdm1", cut="", cuts=("interim", "final")):
    path = tmp_path / "published.csv"
    path.write_text(f"{HEADER}\n{ROW.format(arm=arm, cut=cut)}\n", encoding="utf-8")
    return trials.rows(path, "emilia", ["tdm1", "lapcap"], cuts)


def test_a_row_is_on_an_arm_or_a_contrast_and_of_a_cut(tmp_path):
    one = rows(tmp_path)["one"]
    assert (one.arm, one.arms, one.cut) == ("tdm1", ("tdm1",), "")
    two = rows(tmp_path, "lapcap vs tdm1", "final")["one"]
    assert (two.arm, two.arms, two.cut) == ("lapcap vs tdm1", ("lapcap", "tdm1"), "final")


@pytest.mark.parametrize(
    ("arm", "cut", "cuts", "key", "says"),
    [
        ("tdm1 vs tdxd", "", ("final",), "arm", ("'tdm1 vs tdxd'", "tdm1 vs lapcap", "lapcap vs tdm1")),
        ("tdm1 vs tdm1", "", ("final",), "arm", ("'tdm1 vs tdm1'",)),
        ("tdm1 vs lapcap vs tdm1", "", ("final",), "arm", ("allowed",)),
        ("tdm1", "last", ("interim", "final"), "cut", ("'last'", "final, interim")),
        ("tdm1", "final", (), "cut", ("'final'", "no [[cut]]")),
    ],
)
def test_unknown_contrasts_and_cuts_are_faults(arm, cut, cuts, key, says, tmp_path):
    with pytest.raises(InputError) as caught:
        rows(tmp_path, arm, cut, cuts)
    (fault,) = caught.value.faults
    assert (fault.key, fault.line) == (key, 2) and not [word for word in says if word not in fault.message]


@pytest.mark.parametrize(
    ("new", "key", "says"),
    [
        ("value = 480", "arm[0].randomised.value", ("480", "490")),
        ("value = 495.5", "arm[0].randomised.value", ("495.5", "whole")),
        ('value = "495"', "arm[0].randomised.value", ("'495'", "a number")),
    ],
)
def test_fewer_randomised_than_treated_is_a_fault(new, key, says, tmp_path):
    text = (files.root() / "calibration/trials/emilia/trial.toml").read_text(encoding="utf-8")
    assert text.count("randomised = { value = 495") == 1
    (tmp_path / "trial.toml").write_text(text.replace("randomised = { value = 495", "randomised = { " + new), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        trials.read(tmp_path / "trial.toml")
    (fault,) = caught.value.faults
    assert fault.key == key and not [word for word in says if word not in fault.message]


def test_a_fault_of_a_design_is_one_of_its_trial(tmp_path):
    text = (files.root() / "calibration/trials/emilia/trial.toml").read_text(encoding="utf-8")
    (tmp_path / "trial.toml").write_text(text.replace('to = "tdm1"', 'to = "tdxd"'), encoding="utf-8")
    with pytest.raises(InputError, match=r"crossover\[0\]: unknown 'tdxd'"):
        trials.read(tmp_path / "trial.toml")
