"""One mistake in one file gives one message: the file, its line, the key, and what is allowed.

Each case copies a file of the shelf, breaks one thing in it by replacing a text that occurs once, and reads it.
"""
# ruff: noqa: E501 (a case is a line)

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from vtrial import events
from vtrial.calibrate.bound import bind
from vtrial.conduct.setting import setting
from vtrial.errors import InputError
from vtrial.library import cards, drugs, files, populations, problems, trials

EFFECT = "thrombocytopenia"


class Case(NamedTuple):
    """``old`` is replaced by ``new``; the fault is at ``key`` (or a key of that table; ``*.x``: any that ends in x), on the
    first line that holds ``line`` (or another text after ``|``; None: no line is asked for), and says all of ``says``.
    """

    old: str
    new: str
    key: str
    line: str | None
    says: tuple


def copy(source, folder, case):
    """The broken copy of a file, the files beside it unbroken."""
    text = source.read_text(encoding="utf-8")
    assert text.count(case.old) == 1, f"{case.old!r} occurs {text.count(case.old)} times in {source}"
    shutil.copytree(source.parent, folder, dirs_exist_ok=True)
    broken = folder / source.name
    broken.write_text(text.replace(case.old, case.new), encoding="utf-8")
    return broken


def check(read, path, case):
    """Reading raises `InputError` with one fault, which says where and what."""
    with pytest.raises(InputError) as caught:
        read(path)
    told = str(caught.value)
    assert len(caught.value.faults) == 1, told
    (fault,) = caught.value.faults
    assert Path(fault.file) == path, told
    assert is_at(fault.key, case.key), told
    if case.line is not None:
        lines = path.read_text(encoding="utf-8").splitlines()
        first = [next(i for i, text in enumerate(lines, 1) if wanted in text) for wanted in case.line.split("|")]
        assert fault.line in first, told
        assert told.startswith(f"{path}:{fault.line}: {fault.key}: ")
    assert not [word for word in case.says if word not in fault.message], told


def is_at(found, key):
    if key.startswith("*."):
        return found.endswith(key[1:])
    return found == key or found.startswith(f"{key}.") and bool(key)


def cases(**named):
    return pytest.mark.parametrize("case", [pytest.param(c, id=name.replace("_", " ")) for name, c in named.items()])


CL = 'CL = { value = 0.676, unit = "L/day", source = "lu2014", at = "Table 1" }'


def cl(new):
    return CL, f"CL = {new}"


@cases(
    missing_source=Case(*cl('{ value = 0.676, unit = "L/day" }'), "theta.CL.source", "0.676", ("missing", "references.bib", "assumed")),
    unknown_source=Case(*cl('{ value = 0.676, unit = "L/day", source = "lu2041" }'), "theta.CL.source", "0.676", ("lu2041", "references.bib")),
    assumed_without_why=Case(*cl('{ value = 0.676, unit = "L/day", source = "assumed" }'), "theta.CL.why", "0.676", ("missing",)),
    wrong_dimension=Case(*cl('{ value = 0.676, unit = "L", source = "lu2014" }'), "theta.CL.unit", "0.676", ("'L'", "dimension", "L/day")),
    unreadable_unit=Case(*cl('{ value = 0.676, unit = "Lpd", source = "lu2014" }'), "theta.CL.unit", "0.676", ("Lpd", "cannot be read", "L/day")),
    empty_unit=Case(*cl('{ value = 0.676, unit = "", source = "lu2014" }'), "theta.CL.unit", "0.676", ("L/day",)),
    missing_unit=Case(*cl('{ value = 0.676, source = "lu2014" }'), "theta.CL.unit", "0.676", ("missing",)),
    missing_value=Case(*cl('{ unit = "L/day", source = "lu2014" }'), "theta.CL.value", 'CL = { unit', ("missing",)),
    number_as_text=Case(*cl('{ value = "0.676", unit = "L/day", source = "lu2014" }'), "theta.CL.value", "0.676", ("'0.676'", "a number")),
    truth_as_number=Case(*cl('{ value = true, unit = "L/day", source = "lu2014" }'), "theta.CL.value", "CL = {", ("True", "a number")),
    not_a_number=Case(*cl('{ value = nan, unit = "L/day", source = "lu2014" }'), "theta.CL.value", "CL = {", ("nan",)),
    negative_typical_value=Case(*cl('{ value = -0.676, unit = "L/day", source = "lu2014" }'), "theta.CL.value", "CL = {", ("-0.676",)),
    bare_number=Case(*cl("0.676"), "theta.CL", "CL = 0.676", ("0.676", "value", "unit", "source")),
    unknown_key_of_a_number=Case(*cl('{ value = 0.676, unit = "L/day", source = "lu2014", note = "x" }'), "theta.CL.note", "0.676", ("unknown key", "value", "unit", "source")),
    missing_parameter=Case(CL, "", "theta.CL", "[theta]", ("missing",)),
    unknown_parameter=Case(CL, CL + '\nVMAX = { value = 1, unit = "mg/day", source = "lu2014" }', "theta.VMAX", "VMAX", ("unknown key", "CL", "V1", "Q", "V2")),
    unknown_key=Case('analyte = "tdm1"', 'analite = "tdm1"', "analite", "analite", ("unknown key", "analyte")),
    unknown_structure=Case('structure = "two_cmt_iv"', 'structure = "two_cmt"', "structure", "structure", ("'two_cmt'", "allowed", "two_cmt_iv", "friberg")),
    missing_structure=Case('structure = "two_cmt_iv"\n', "", "structure", None, ("missing",)),
    negative_cv=Case("CL = { value = 19.11,", "CL = { value = -19.11,", "omega.CL", "-19.11", ("-19.11", "above 0")),
    cv_as_text=Case("CL = { value = 19.11,", 'CL = { value = "19.11",', "omega.CL", "19.11", ("'19.11'", "a number")),
    bare_cv=Case('CL = { value = 19.11, form = "cv%", source = "lu2014", at = "Table 1" }', "CL = 19.11", "omega.CL", "19.11", ("19.11", "value", "form", "source")),
    unknown_form=Case('CL = { value = 19.11, form = "cv%"', 'CL = { value = 19.11, form = "cv"', "omega.CL.form", "19.11", ("'cv'", "cv%", "sd", "variance")),
    omega_without_source=Case('CL = { value = 19.11, form = "cv%", source = "lu2014",', 'CL = { value = 19.11, form = "cv%",', "omega.CL.source", "19.11", ("missing",)),
    omega_of_no_parameter=Case("V2 = { value = 74.50,", "KA = { value = 74.50,", "omega.KA", "74.50", ("KA", "CL", "V1", "Q", "V2")),
    omega_not_positive_definite=Case("value = 0.011\n", "value = 0.11\n", "omega", "[omega]", ("positive definite", "eigenvalue")),
    shrinkage_above_one=Case("shrinkage = 0.497", "shrinkage = 49.7", "omega.Q", "49.7,", ("49.7",)),
    covariance_as_text=Case("value = 0.011\n", 'value = "0.011"\n', "covariance[0].value", '"0.011"', ("'0.011'", "a number")),
    covariance_of_no_eta=Case('between = ["CL", "V1"]', 'between = ["CL", "V3"]', "covariance[0].between", '"V3"', ("V3", "CL", "V1", "Q", "V2")),
    covariance_of_one=Case('between = ["CL", "V1"]', 'between = ["CL"]', "covariance[0].between", 'between', ("two",)),
    effect_of_no_covariate=Case('of = "ALB"', 'of = "ALBUMIN"', "covariate[2].of", "ALBUMIN", ("ALBUMIN", "ALB", "WT")),
    effect_on_no_parameter=Case('on = "V1"', 'on = "VC"', "covariate[6].on", '"VC"', ("VC", "CL", "V1")),
    effect_of_no_form=Case('form = "exponential"', 'form = "cubic"', "covariate[5].form", '"cubic"', ("cubic", "power", "linear")),
    covariate_of_wrong_unit=Case('reference = { value = 9, unit = "cm" }', 'reference = { value = 9, unit = "g" }', "covariate[3].reference.unit", 'unit = "g" }', ("'g'", "dimension", "mm")),
    coefficient_without_source=Case('coefficient = { value = 0.052, unit = "1", source = "lu2014", at = "Table 1" }', 'coefficient = { value = 0.052, unit = "1" }', "covariate[3].coefficient.source", "0.052", ("missing",)),
    power_of_a_reference_of_zero=Case('reference = { value = 70, unit = "kg" }\ncoefficient = { value = 0.49,', 'reference = { value = 0, unit = "kg" }\ncoefficient = { value = 0.49,', "covariate[0].reference.value", "value = 0, unit", ("0",)),
)  # fmt: skip
def test_cards(case, tmp_path):
    check(cards.read, copy(files.root() / "models/drugs/tdm1/pk.toml", tmp_path, case), case)


def test_several_mistakes_are_told_at_once(tmp_path):
    case = Case(*cl('{ value = "0.676", unit = "L/day" }'), "", None, ())
    path = copy(files.root() / "models/drugs/tdm1/pk.toml", tmp_path, case)
    path.write_text(path.read_text(encoding="utf-8").replace("value = 19.11", "value = -1"), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        cards.read(path)
    assert {f.key for f in caught.value.faults} == {"theta.CL.source", "theta.CL.value", "omega.CL"}
    assert len(str(caught.value).splitlines()) == 3


@cases(
    not_toml=Case("[theta]", "[theta", "", None, ("not TOML", "line 5")),
)  # fmt: skip
def test_files_that_are_not_toml(case, tmp_path):
    check(cards.read, copy(files.root() / "models/drugs/tdm1/pk.toml", tmp_path, case), case)


def test_a_file_that_is_not_there(tmp_path):
    check(cards.read, tmp_path / "pk.toml", Case("", "", "", None, ("cannot be read",)))


@cases(
    infusion_without_source=Case('[infusion]\nvalue = 1.5\nunit = "h"\nsource = "assumed"', '[infusion]\nvalue = 1.5\nunit = "h"', "infusion.source", "[infusion]", ("missing",)),
    infusion_of_wrong_unit=Case('unit = "h"', 'unit = "mg"', "infusion.unit", 'unit = "mg"\n'.strip(), ("'mg'", "day")),
    levels_of_wrong_unit=Case('unit = "mg/kg"', 'unit = "mg"', "dose_levels.unit", 'unit = "mg"', ("'mg'", "mg/kg")),
    unknown_key=Case('title = "trastuzumab', 'titel = "trastuzumab', "titel", "titel", ("unknown key", "title")),
    missing_infusion=Case('[infusion]\nvalue = 1.5\nunit = "h"', '[molecular_weight.x]\nvalue = 1.5\nunit = "h"', "infusion", None, ("missing",)),
)  # fmt: skip
def test_drugs(case, tmp_path):
    if case.key == "infusion":
        text = (files.root() / "models/drugs/tdm1/drug.toml").read_text(encoding="utf-8")
        (tmp_path / "drug.toml").write_text(text[: text.index("[infusion]")], encoding="utf-8")
        check(lambda path: drugs.load(path.parent), tmp_path / "drug.toml", case)
    else:
        path = copy(files.root() / "models/drugs/tdm1/drug.toml", tmp_path, case)
        check(lambda path: drugs.load(path.parent), path, case)


@cases(
    wrong_keys=Case("mean = 41\nsd = 4\n", "mean = 41\nlog_sd = 4\n", "covariate.ALB", "[covariate.ALB]", ("normal", "mean, sd", "log_sd")),
    one_key_short=Case("mean = 41\nsd = 4\n", "mean = 41\n", "covariate.ALB", "[covariate.ALB]", ("mean, sd",)),
    two_ways_at_once=Case("p05 = 49\np95 = 98\n", "p05 = 49\np95 = 98\nmedian = 70\n", "covariate.WT", "[covariate.WT]", ("log_sd, median", "p05, p95")),
    percentiles_turned_round=Case("p05 = 49\np95 = 98\n", "p05 = 98\np95 = 49\n", "covariate.WT", "[covariate.WT]", ("p05", "p95")),
    unknown_distribution=Case('distribution = "exponential"', 'distribution = "gamma"', "covariate.TBL.distribution", "gamma", ("'gamma'", "exponential", "lognormal", "normal", "bernoulli")),
    no_distribution=Case('distribution = "exponential"\n', "", "covariate.TBL.distribution", "[covariate.TBL]", ("exponential", "lognormal")),
    unknown_covariate=Case("[covariate.ECOG]", "[covariate.ECOGPS]", "covariate.ECOGPS", "ECOGPS", ("ECOGPS", "ECOG", "WT")),
    wrong_unit=Case('unit = "kg"', 'unit = "m"', "covariate.WT.unit", 'unit = "m"', ("'m'", "kg")),
    no_unit=Case('unit = "kg"\n', "", "covariate.WT.unit", "[covariate.WT]", ("kg",)),
    no_source=Case('source = "lu2014"\nat = "baseline', 'at = "baseline', "covariate.TBL.source", "[covariate.TBL]", ("missing",)),
    number_as_text=Case("sd = 4\n", 'sd = "4"\n', "covariate.ALB.sd", 'sd = "4"', ("'4'", "a number")),
    spread_of_nothing=Case("sd = 4\n", "sd = 0\n", "covariate.ALB.sd", "sd = 0", ("above 0",)),
    certain_probability=Case("probability = 0.39", "probability = 39", "covariate.ECOG.probability", "= 39", ("39", "1")),
    not_positive_definite=Case('at = "73 of 671', 'at = "x"\n[[correlation]]\nbetween = ["WT", "ALB"]\nvalue = 1.2\nsource = "lu2014"\nat = "', "correlation", None, ("positive definite",)),
    correlation_as_text=Case('at = "73 of 671', 'at = "x"\n[[correlation]]\nbetween = ["WT", "ALB"]\nvalue = "0.2"\nsource = "lu2014"\nat = "', "correlation[0].value", '"0.2"', ("'0.2'", "a number")),
    correlation_with_nothing=Case('at = "73 of 671', 'at = "x"\n[[correlation]]\nbetween = ["WT", "LDH"]\nvalue = 0.2\nsource = "lu2014"\nat = "', "correlation[0].between", '"LDH"', ("LDH", "WT", "ALB")),
)  # fmt: skip
def test_populations(case, tmp_path):
    check(populations.read, copy(files.root() / "models/populations/emilia.toml", tmp_path, case), case)


def load_trial(path):
    return trials.load(path.parent)


@cases(
    missing_title=Case('title = "EMILIA: T-DM1', 'nickname = "EMILIA: T-DM1', "", None, ()),
)  # fmt: skip
def test_two_mistakes_by_one_wrong_key(case, tmp_path):
    """A required key misspelt is two faults, and rightly: an unknown key, and one that is missing."""
    path = copy(files.root() / "calibration/trials/emilia/trial.toml", tmp_path, case)
    with pytest.raises(InputError) as caught:
        load_trial(path)
    assert {(f.key, f.message.split(";")[0]) for f in caught.value.faults} == {
        ("nickname", "unknown key"),
        ("title", "is missing"),
    }


MEDIAN = 'median = { value = 7.6, unit = "month", source = "kadcyla2013", at = "section 6.1, median duration of treatment" }'


@cases(
    unknown_key=Case('phase = "3"', 'fase = "3"', "fase", "fase", ("unknown key", "phase")),
    missing_population=Case('population = "emilia"\n', "", "population", None, ("missing",)),
    missing_grading=Case('[grading]\nversion = "v3"\nsource = "kadcyla2013"\nat = "Table 6 and 7, CTCAE v3"\n', "", "grading", None, ("missing",)),
    grading_without_source=Case('version = "v3"\nsource = "kadcyla2013"', 'version = "v3"', "grading.source", "[grading]", ("missing",)),
    limit_of_wrong_unit=Case('value = 150\nunit = "1e9/L"', 'value = 150\nunit = "mg/L"', "lower_limit.platelets.unit", "mg/L", ("'mg/L'", "1e9/L")),
    limit_as_text=Case("value = 150", 'value = "150"', "lower_limit.platelets.value", '"150"', ("'150'", "a number")),
    visits_without_source=Case('later_cycles = [8, 22]\nsource = "assumed"', "later_cycles = [8, 22]", "visits.platelets.source", "[visits.platelets]", ("missing",)),
    visits_without_days=Case('first_cycle = [8, 22]\nlater_cycles = [8, 22]\nsource', 'later_cycles = [8, 22]\nsource', "visits.platelets.first_cycle", "[visits.platelets]", ("missing",)),
    visit_day_as_text=Case('first_cycle = [8, 22]\nlater_cycles = [8, 22]\nsource', 'first_cycle = ["day 8", 22]\nlater_cycles = [8, 22]\nsource', "visits.platelets.first_cycle", "day 8\", 22", ("day 8",)),
    arm_without_regimen=Case('regimen = "3.6 mg/kg q3w"\n', "", "arm[0].regimen", "[[arm]]", ("missing",)),
    arm_of_negative_size=Case("n = 490", "n = -490", "arm[0].n", "n = -490", ("-490", "above 0")),
    arm_size_as_text=Case("n = 488", 'n = "488"', "arm[1].n", '"488"', ("'488'", "a number")),
    arm_told_twice=Case('id = "lapcap"', 'id = "tdm1"', "arm[1].id", None, ("tdm1",)),
    unknown_treatment=Case('kind = "exponential"\nmedian = { value = 7.6', 'kind = "weibull"\nmedian = { value = 7.6', "arm[0].treatment.kind", "weibull", ("'weibull'", "exponential", "curve", "cycles")),
    treatment_of_wrong_unit=Case(MEDIAN, MEDIAN.replace("month", "kg"), "arm[0].treatment.median.unit", "7.6", ("'kg'", "day")),
    treatment_without_source=Case(MEDIAN, 'median = { value = 7.6, unit = "month" }', "arm[0].treatment.median.source", "7.6", ("missing",)),
    treatment_without_median=Case(MEDIAN + "\n", "", "arm[0].treatment.median", "[arm.treatment]", ("missing",)),
    curve_of_unequal_lengths=Case("months = [0, 3, 6, 9, 12, 15, 18]", "months = [0, 3, 6, 9, 12, 15]", "arm[0].treatment.alternative[0]", "[[arm.treatment.alternative]]", ("months", "share")),
)  # fmt: skip
def test_trials(case, tmp_path):
    check(load_trial, copy(files.root() / "calibration/trials/emilia/trial.toml", tmp_path, case), case)


def set_up(path):
    return setting(trials.load(path.parent), "tdm1", EFFECT)


@cases(
    unknown_population=Case('population = "emilia"', 'population = "emillia"', "population", 'population = "emillia"', ("'emillia'", "emilia")),
    unknown_grading=Case('version = "v3"', 'version = "v2"', "grading.version", 'version = "v2"', ("'v2'", "v3", "v4", "v5")),
    day_off_the_cycle=Case("first_cycle = [8, 22]\nlater_cycles = [8, 22]\nsource", "first_cycle = [8, 23]\nlater_cycles = [8, 22]\nsource", "visits", "[visits.platelets]|first_cycle = [8, 23]", ("23", "2 to 22")),
    day_of_the_dose=Case("first_cycle = [8, 22]\nlater_cycles = [8, 22]\nsource", "first_cycle = [1, 8]\nlater_cycles = [8, 22]\nsource", "visits", "[visits.platelets]|first_cycle = [1, 8]", ("1", "2 to 22")),
    unreadable_regimen=Case('regimen = "3.6 mg/kg q3w"', 'regimen = "3.6 mg/kg every 3 weeks"', "*.regimen", "every 3 weeks", ("every 3 weeks", "q3w", "mg/kg")),
    unknown_interval=Case('regimen = "3.6 mg/kg q3w"', 'regimen = "3.6 mg/kg q5w"', "*.regimen", "q5w", ("q5w", "q3w")),
)  # fmt: skip
def test_trials_set_up(case, tmp_path):
    """What only shows when an arm is set up against the rest of the shelf."""
    check(set_up, copy(files.root() / "calibration/trials/emilia/trial.toml", tmp_path, case), case)


FIRST = "em-plt-lab-any,tdm1,platelets_lab_any,share,=,0.83,,,,490,fraction,,,tdm1-platelets-lab,0.005,,kadcyla2013,"


@cases(
    unknown_arm=Case(FIRST, FIRST.replace(",tdm1,", ",tdm-1,"), "arm", "tdm-1", ("'tdm-1'", "allowed", "lapcap", "tdm1")),
    unknown_unit=Case(FIRST, FIRST.replace("fraction", "percent"), "unit", "percent", ("'percent'", "fraction", "months")),
    unknown_relation=Case(FIRST, FIRST.replace(",=,", ",~,"), "relation", "~", ("'~'", "<, =, >")),
    number_in_words=Case(FIRST, FIRST.replace("0.83", "83 %"), "value", "83 %", ("83 %",)),
    size_in_words=Case(FIRST, FIRST.replace(",490,", ",many,"), "n", ",many,", ("many",)),
    unknown_source=Case(FIRST, FIRST.replace("kadcyla2013", "kadcyla2031"), "source", "kadcyla2031", ("kadcyla2031", "references.bib")),
    unreadable_definition=Case(FIRST, FIRST.replace(",fraction,,", ",fraction,cycle one,"), "definition", "cycle one", ("cannot be read",)),
    told_twice=Case("em-plt-lab-g3,tdm1", "em-plt-lab-any,tdm1", "id", None, ("em-plt-lab-any", "twice")),
    missing_column=Case(",reading_sd,", ",reading,", "reading_sd", "id,arm", ("missing", "needed", "rounding")),
    unknown_confidence=Case('Table 3,unverified', "Table 3,guessed", "confidence", "guessed", ("'guessed'", "retrieved", "unverified")),
)  # fmt: skip
def test_published_rows(case, tmp_path):
    check(load_csv, copy(files.root() / "calibration/trials/emilia/published.csv", tmp_path, case), case)


def load_csv(path):
    return trials.load(path.parent)


SLOPE = 'of = "theta.SLOPE"'


@cases(
    two_roles=Case('"emilia/em-plt-ae-any" =', '"emilia/em-plt-lab-any" = "shown too"\n"emilia/em-plt-ae-any" =', "roles.context", None, ("emilia/em-plt-lab-any", "fit", "context")),
    unknown_row=Case('"emilia/em-plt-lab-any",', '"emilia/em-plt-lab-any", "emilia/em-plt-lab-g5",', "roles.fit", "fit = [", ("emilia/em-plt-lab-g5",)),
    row_of_no_trial=Case('"emilia/em-plt-lab-any",', '"emilia/em-plt-lab-any", "th3resa/plt-any",', "roles.fit", "fit = [", ("th3resa/plt-any", "emilia")),
    row_without_role=Case('"emilia/em-plt-lab-any",', "", "roles", "[roles]", ("emilia/em-plt-lab-any", "fit", "holdout", "context")),
    unknown_role=Case("[roles.holdout]", "[roles.held]", "", None, ()),
    subjects_not_a_power_of_two=Case("subjects = 512", "subjects = 250", "subjects", "subjects = 250", ("250", "power of two")),
    subjects_as_text=Case("subjects = 512", 'subjects = "256"', "subjects", "subjects = ", ("'256'", "a number")),
    unknown_trial=Case('trials = ["emilia",', 'trials = ["emillia",', "trials", "emillia", ("'emillia'", "emilia")),
    unknown_drug=Case('drug = "tdm1"', 'drug = "tdm2"', "drug", "tdm2", ("'tdm2'", "tdm1")),
    unknown_effect=Case('effect = "thrombocytopenia"', 'effect = "anaemia"', "effect", "anaemia", ("anaemia", "thrombocytopenia")),
    prior_on_no_number=Case(SLOPE, 'of = "theta.EMAX"', "free.SLOPE.of", "EMAX", ("theta.EMAX", "theta.SLOPE", "omega.SLOPE", "sigma.log")),
    prior_of_wrong_unit=Case('median = 0.0030\nlog_sd = 0.5\nunit = "L/mg"', 'median = 0.0030\nlog_sd = 0.5\nunit = "mg/L"', "free.SLOPE.unit", 'unit = "mg/L"', ("'mg/L'", "L/mg")),
    prior_without_width=Case("median = 0.0030\nlog_sd = 0.5\n", "median = 0.0030\n", "free.SLOPE.log_sd", "[free.SLOPE]", ("missing",)),
    prior_of_no_width=Case("median = 0.0030\nlog_sd = 0.5\n", "median = 0.0030\nlog_sd = -0.5\n", "free.SLOPE.log_sd", "log_sd = -0.5", ("above 0",)),
    prior_without_source=Case('unit = "L/mg"\nsource = "krop2010fit"', 'unit = "L/mg"', "free.SLOPE.source", "[free.SLOPE]", ("missing",)),
    two_priors_on_one_number=Case('of = "omega.SLOPE"', 'of = "omega.KD"', "free", None, ("omega.KD",)),
    discrepancy_as_text=Case("half_normal = 0.1", 'half_normal = "0.1"', "discrepancy.half_normal", '"0.1"', ("'0.1'", "a number")),
    missing_roles=Case("subjects = 512\n", "", "subjects", None, ("missing",)),
    unknown_key=Case('title = "Platelets under', 'titel = "Platelets under', "titel", "titel", ("unknown key", "title")),
)  # fmt: skip
def test_problems(case, tmp_path):
    path = copy(files.root() / "calibration/problems/platelets-tdm1.toml", tmp_path, case)
    if case.new == "[roles.held]":  # the rows that lost their role may be told of too
        with pytest.raises(InputError, match="roles.held: unknown key; allowed: context, fit, holdout"):
            problems.load(path)
    else:
        check(problems.load, path, case)


def test_an_unverified_row_cannot_be_fitted(tmp_path):
    """Moved from the context to the fit, so that it has one role."""
    source = files.root() / "calibration/problems/platelets-tdm1.toml"
    row = '"emilia/em-plt-ae-any-paper"'
    case = Case(f'{row} = "unverified"\n', "", "roles.fit", "fit = [", ("em-plt-ae-any-paper", "unverified", "context"))
    path = copy(source, tmp_path, case)
    path.write_text(path.read_text(encoding="utf-8").replace("fit = [", f"fit = [\n  {row},"), encoding="utf-8")
    check(problems.load, path, case)


def test_a_row_of_no_model_cannot_be_fitted(tmp_path):
    """A fitted row whose endpoint nothing predicts is refused where it is written, not when it is predicted."""
    row = '"emilia/em-pfs-3"'
    text = f'{row} = "no tumour model in this problem; input of an alternative time on treatment"\n'
    case = Case(text, "", "roles.fit", "fit = [", ("em-pfs-3",))
    path = copy(files.root() / "calibration/problems/platelets-tdm1.toml", tmp_path, case)
    path.write_text(path.read_text(encoding="utf-8").replace("fit = [", f"fit = [\n  {row},"), encoding="utf-8")
    check(lambda path: bind(problems.load(path)), path, case)


@pytest.mark.parametrize("kind", ["drugs", "populations", "trials", "problems"])
def test_a_name_that_is_not_on_the_shelf(kind):
    load = {"drugs": drugs.load, "populations": populations.load, "trials": trials.load, "problems": problems.load}[kind]
    with pytest.raises(InputError) as caught:
        load("nothing-of-the-kind")
    told = str(caught.value)
    assert "nothing-of-the-kind" in told and all(name in told for name in files.names(kind))


@pytest.mark.parametrize("words", ["3.6 q3w", "mg/kg q3w", "-3.6 mg/kg q3w", "3.6 mg/kg", "3.6 mg/kg q3w x", "", "3.6 g q3w"])
def test_unreadable_regimens(words):
    with pytest.raises(InputError) as caught:
        events.regimen(words)
    assert repr(words) in str(caught.value) and "q3w" in str(caught.value) and "mg/kg" in str(caught.value)


def test_a_regimen_of_no_dose():
    with pytest.raises(InputError):
        events.regimen("3.6 mg/kg q3w x 0")


def test_regimens():
    assert events.regimen("3.6 mg/kg q3w x 6") == events.Regimen(3.6, "mg/kg", 21, 6)
    assert events.regimen(" 1250 mg qd ") == events.Regimen(1250.0, "mg", 1, None)
