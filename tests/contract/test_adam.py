"""ADaM tables: types, keys and dates; a plain survival script on the files finds what the statistics of the replicate say."""

import dataclasses
from datetime import date, timedelta

import jax
import lifelines
import numpy as np
import polars as pl
import pytest

from vtrial import adam, ledger, population
from vtrial.adam import sampled
from vtrial.adam.course import EVENTS
from vtrial.conduct.arm import arm
from vtrial.endpoints.outcome import replicate, setting
from vtrial.library import cards, response, trials

TRIAL, CUT, KEY, REPLICATE = trials.load("emilia"), 1055, 11, 1
ROWS = {"PFS": "em-hr-pfs", "PFSINV": "em-hr-pfs-inv", "OS": "em-hr-os-int1"}
OTHERS = ("em-orr", "em-lc-orr", "em-dor-median", "em-lc-dor-median")
MONTH = 30.4375


def values():
    """The card's growth in the first replicate, faster growth in the second."""
    card = cards.tumour("her2-breast")
    return {card.path: {"theta.KG": card.theta["KG"] * np.array([1.0, 1.3])}}


@pytest.fixture(scope="module")
def settings():
    return {a: setting.setting(TRIAL, a, "her2-breast", float(CUT)) for a in TRIAL.arms}


@pytest.fixture(scope="module")
def files(settings, tmp_path_factory):
    """The folder of the second replicate's tables."""
    folder = tmp_path_factory.mktemp("adam")
    made = adam.tables(TRIAL, settings, values(), jax.random.key(KEY), REPLICATE, CUT)
    adam.write(folder, made, adam.about(TRIAL, settings, cut_day=CUT))
    return folder


@pytest.fixture(scope="module")
def read(files):
    return {path.stem: pl.read_parquet(path) for path in files.glob("*.parquet")}


@pytest.fixture(scope="module")
def statistics(settings):
    """Row id -> statistic of the same replicate."""
    ids = [*ROWS.values(), *OTHERS]
    known = [TRIAL.rows[i] for i in ids]
    found = replicate.statistics(TRIAL, settings, known, values(), jax.random.key(KEY), replicates=2)["rows"]
    return dict(zip(ids, found[REPLICATE], strict=True))


def test_types_and_keys(read):
    assert set(read) == {"adsl", "adtte", "adrs", "adtr"}
    strata = {f"STRAT{i}": pl.String for i in range(1, 5)}
    for name, table in read.items():
        assert dict(table.schema) == getattr(adam.schema, name.upper()) | (strata if name == "adsl" else {})
        assert not table.select(adam.schema.KEYS[name]).is_duplicated().any() and len(table)
        assert not any(table[c].is_nan().any() for c, t in table.schema.items() if t == pl.Float64)
        assert table["USUBJID"].is_in(read["adsl"]["USUBJID"].to_list()).all()


def test_who_is_told(read):
    adsl = read["adsl"]
    # enrolment ended before the cut; five and eight were not treated (as the trial file says)
    told = {a: adsl.filter(pl.col("ARMCD") == a) for a in TRIAL.arms}
    assert {a: len(t) for a, t in told.items()} == {"tdm1": 495, "lapcap": 496}
    assert {a: (t["SAFFL"] == "Y").sum() for a, t in told.items()} == {"tdm1": 490, "lapcap": 488}
    assert adsl.filter(pl.col("SAFFL") == "N")["TRTSDT", "TRTEDT", "TRT01A"].null_count().row(0) == (13, 13, 13)
    assert set(adsl["RACE"]) == {"ASIAN", "OTHER"} and adsl["SEX"].is_null().all()
    # strata are dealt by the place in the trial: the same in both arms
    size = min(len(t) for t in told.values())
    for stratum in ("STRAT1", "STRAT2", "STRAT3", "STRAT4"):
        assert told["tdm1"][stratum][:size].to_list() == told["lapcap"][stratum][:size].to_list()
    assert set(adsl["STRAT3"]) == {">1", "<=1"}


def test_dates_follow_each_other(read):
    adsl, last = read["adsl"], adam.schema.origin(TRIAL) + timedelta(days=CUT)
    assert adsl.select(
        ((pl.col("TRTSDT") == pl.col("RANDDT")) | pl.col("TRTSDT").is_null()).all()
        & (pl.col("RANDDT") <= pl.col("LSTALVDT")).all()
        & (pl.col("TRTEDT") <= pl.col("LSTALVDT")).all()
        & (pl.col("LSTALVDT") <= last).all()
        & (pl.col("DTHDT").is_null() | (pl.col("DTHDT") == pl.col("LSTALVDT"))).all()
        & (pl.col("DTHDT").is_null() == (pl.col("DCSREAS") != "DEATH").fill_null(True)).all()
    ).item()
    days = (pl.col("ADT") - pl.col("STARTDT")).dt.total_days()
    times = read["adtte"].join(adsl.select("USUBJID", "RANDDT"), on="USUBJID")
    assert (times["ADT"] >= times["STARTDT"]).all() and (times["STARTDT"] >= times["RANDDT"]).all()
    assert times.filter(pl.col("PARAMCD") != "DOR").select((days == pl.col("AVAL").floor()).all()).item()
    assert times.select(((days - pl.col("AVAL")).abs() < 1).all()).item()
    for name in ("adrs", "adtr"):
        visits = read[name].join(adsl.select("USUBJID", "RANDDT", "LSTALVDT"), on="USUBJID").drop_nulls("ADT")
        assert visits.select(((pl.col("ADT") - pl.col("RANDDT")).dt.total_days() + 1 == pl.col("ADY")).all()).item()
        assert (visits["ADT"] <= visits["LSTALVDT"]).all()


def test_events_and_what_censors(read):
    adtte, adsl = read["adtte"], read["adsl"]
    assert set(adtte["PARAMCD"]) == {"PFS", "PFSINV", "OS", "DOR"} and set(adtte["CNSR"]) == {0, 1}
    assert (adtte["EVNTDESC"].is_null() == (adtte["CNSR"] == 1)).all()
    assert (adtte["CNSDTDSC"].is_null() == (adtte["CNSR"] == 0)).all()
    # every date is found where the record says that it comes from
    of_subject = adtte.filter(pl.col("SRCDOM") == "ADSL").join(adsl, on="USUBJID")
    for variable, part in of_subject.group_by("SRCVAR"):
        assert (part["ADT"] == part[variable[0]]).all()
    scans = adtte.filter(pl.col("SRCDOM") == "ADRS").with_columns(PARCAT1=_assessor())
    overall = read["adrs"].filter((pl.col("PARAMCD") == "OVRLRESP") & (pl.col("AVALC") != "NE"))
    found = scans.join(overall.select("USUBJID", "PARCAT1", "ADT", "AVALC"), on=["USUBJID", "PARCAT1", "ADT"], how="left")
    assert ((found["AVALC"] == "PD") == (found["EVNTDESC"] == "Progression of disease").fill_null(False)).all()
    # and no progression is left out
    seen = overall.filter(pl.col("AVALC") == "PD").group_by("PARCAT1").len().sort("PARCAT1")["len"].to_list()
    dated = [adtte.filter((pl.col("PARAMCD") == p) & pl.col("EVNTDESC").str.starts_with("P")).height for p in ("PFS", "PFSINV")]
    assert seen == dated


def _assessor():
    return pl.when(pl.col("PARAMCD") == "PFSINV").then(pl.lit("INVESTIGATOR")).otherwise(pl.lit("CENTRAL"))


def hazard_ratio(adtte, code):
    """What a plain script does: one covariate, Efron's ties."""
    table = adtte.filter(pl.col("PARAMCD") == code).with_columns(died=1 - pl.col("CNSR"), arm=pl.col("ARMCD") == "tdm1")
    columns = {c: table[c].to_numpy().astype(float) for c in ("AVAL", "died", "arm")}
    fit = lifelines.CoxPHFitter().fit(_frame(columns), "AVAL", "died", fit_options={"precision": 1e-12})
    return float(np.exp(fit.params_["arm"]))


def _frame(columns):
    import pandas

    return pandas.DataFrame(columns)


@pytest.mark.parametrize("code", ROWS)
def test_a_plain_script_finds_the_hazard_ratio(read, statistics, code):
    assert hazard_ratio(read["adtte"], code) == pytest.approx(statistics[ROWS[code]], rel=1e-6)


def test_a_plain_script_finds_responses(read, statistics):
    best = read["adrs"].filter((pl.col("PARAMCD") == "CBOR") & (pl.col("PARCAT1") == "CENTRAL"))
    who = read["adsl"].filter(pl.col("MEASFL") == "Y").select("USUBJID", "ARMCD")
    table = who.join(best, on="USUBJID").with_columns(yes=pl.col("AVALC").is_in(["CR", "PR"]))
    lasting = read["adtte"].filter(pl.col("PARAMCD") == "DOR").join(who, on="USUBJID")
    for a, share, median in (("tdm1", "em-orr", "em-dor-median"), ("lapcap", "em-lc-orr", "em-lc-dor-median")):
        mine, of = table.filter(pl.col("ARMCD") == a), lasting.filter(pl.col("ARMCD") == a)
        assert set(mine.filter("yes")["USUBJID"]) == set(of["USUBJID"])
        assert mine["yes"].mean() == pytest.approx(statistics[share], rel=1e-12)
        fit = lifelines.KaplanMeierFitter().fit(of["AVAL"].to_numpy(), 1 - of["CNSR"].to_numpy())
        assert min(fit.median_survival_time_, CUT) / MONTH == pytest.approx(statistics[median], rel=1e-9)


def test_readings_say_what_the_responses_are(read):
    """Of the target lesions alone, by the limits of the trial's version; new lesions are progression without growth."""
    rules, on = response.load(TRIAL.design.response.version), ["USUBJID", "PARCAT1", "AVISITN"]
    overall = read["adrs"].filter(pl.col("PARAMCD") == "OVRLRESP")
    table = overall.join(read["adtr"].drop("ADT", "ADY", "PARAM"), on=on, how="left")
    assert (table["AVAL"].is_null() == (table["AVALC"] == "NE")).all()
    grown = pl.col("AVAL") - pl.col("NADIR")
    worse = (grown > 0) & (grown >= rules.pd_relative * pl.col("NADIR")) & (grown >= rules.pd_absolute)
    smaller = pl.when(pl.col("PCHG") <= -100 * rules.pr_relative).then(pl.lit("PR")).otherwise(pl.lit("SD"))
    target = pl.when(worse).then(pl.lit("PD")).when(pl.col("AVAL") == 0).then(pl.lit("CR")).otherwise(smaller)
    well = table.filter(~pl.col("AVALC").is_in(["NE", "PD"])).with_columns(target=target)
    assert (well["target"] == well["AVALC"]).all() and set(well["AVALC"]) == {"CR", "PR", "SD"}
    assert (well["CHG"] - (well["AVAL"] - well["BASE"])).abs().max() == 0
    before = pl.col("AVAL").cum_min().shift(1).over("USUBJID", "PARCAT1", order_by="AVISITN")
    assert read["adtr"].select(pl.col("NADIR").eq_missing(before).all()).item()
    last = table.filter(pl.col("AVALC") == "PD").with_columns(target=target)
    assert 0 < (last["target"] == "PD").sum() < len(last)


def test_best_responses_follow_from_the_overall_ones(read):
    rules = response.load(TRIAL.design.response.version)
    shown = read["adrs"].filter(pl.col("PARAMCD") == "OVRLRESP").rows_by_key(("USUBJID", "PARCAT1"), named=True)
    best = read["adrs"].filter(pl.col("PARAMCD").is_in(["BOR", "CBOR"]))
    for row in best.iter_rows(named=True):
        scans = shown[row["USUBJID"], row["PARCAT1"]]
        expected = _best(scans, rules) if row["PARAMCD"] == "BOR" else _confirmed(scans, rules)
        # whole dates: a scan a part of a day too early may pass for one in time, and the other way about
        assert row["AVALC"] in expected
        assert (row["ADT"] is None) == (row["AVALC"] == "NE")
        if row["ADT"]:
            assert row["ADT"] in [s["ADT"] for s in scans]


def _best(scans, rules):
    words = [s["AVALC"] for s in scans]
    if out := [w for w in ("CR", "PR") if w in words]:
        return out[:1]
    stable = [s["ADY"] - 1 for s in scans if s["AVALC"] == "SD"]
    sure = "PD" if "PD" in words else "NE"
    return {("SD" if stable and stable[-1] + slack >= rules.stable_days else sure) for slack in (0, 1)}


def _confirmed(scans, rules):
    """Any of what is confirmed with days rounded either way."""
    out = set()
    for slack in (-1, 0, 1):
        pairs = [(a, b) for i, a in enumerate(scans) for b in scans[i + 1 :] if _confirms(scans, a, b, rules, slack)]
        if any(a["AVALC"] == b["AVALC"] == "CR" for a, b in pairs):
            out.add("CR")
        elif pairs:
            out.add("PR")
        else:
            lasting = [s for s in scans if s["AVALC"] in ("CR", "PR", "SD") and s["ADY"] - 1 + slack >= rules.stable_days]
            out.add("SD" if lasting else "PD" if "PD" in [s["AVALC"] for s in scans] else "NE")
    return out


def _confirms(scans, a, b, rules, slack):
    between = [s for s in scans if a["AVISITN"] < s["AVISITN"] < b["AVISITN"]]
    stable = sum(s["AVALC"] == "SD" for s in between)
    answers = {a["AVALC"], b["AVALC"]} <= {"CR", "PR"} and stable <= rules.stable_between
    return answers and b["ADY"] - a["ADY"] + slack >= rules.confirm_days


def test_a_failed_subject_is_told_and_has_no_records(settings):
    places, key = population.stream(jax.random.key(KEY), TRIAL.name), jax.random.key(KEY)
    one = {path: {k: v[REPLICATE] for k, v in row.items()} for path, row in values().items()}
    a = sampled.arm(TRIAL, settings["tdm1"], one, places, key, REPLICATE, CUT)
    of = a.of._replace(death=np.where(np.arange(495) == 3, np.nan, a.of.death))
    a = a._replace(sound=a.sound & ~np.isnan(of.death), of=of)
    told = {name: make(a) for name, make in adam.MADE.items()}
    row = told["adsl"].row(3, named=True)
    assert row["EOSSTT"] == "FAILED" and {row[c] for c in ("TRTEDT", "DTHDT", "LSTALVDT", "DCSREAS")} == {None}
    assert [row["USUBJID"] in told[name]["USUBJID"] for name in told] == [True, False, False, False]


def test_the_files_say_how_to_read_them(files):
    told = pl.read_parquet_metadata(files / "adtte.parquet")
    assert told["origin"] == "2009-02-23" and told["cut_day"] == str(CUT) and told["STRAT3"] == "PRIORLINES, cut at 1"
    assert told["CNSR"] == "0 event, 1 censored" and "not rounded" in told["AVAL"]
    assert told["trial_digest"] == TRIAL.digest and len(told["digest of tumours/her2-breast.toml"]) == 64


@pytest.mark.parametrize(
    ("trial", "first"),
    [
        ("emilia", date(2009, 2, 23)),  # as the trial file says of its cuts
        ("tdm3569g-q3w", date(2000, 1, 1)),  # its cut has no date
    ],
)
def test_the_first_patient_is_dated(trial, first):
    assert adam.schema.origin(trials.load(trial)) == first


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2 March 2015: first", date(2015, 3, 2)),
        ("2019-08-01", date(2019, 8, 1)),
        ("August 2019: primary analysis", None),
        ("17.4 months", None),
    ],
)
def test_dates_are_read(text, day):
    assert adam.schema.day_of(text) == day


@pytest.fixture(scope="module")
def course():
    """(arm, its kept course, baselines, ledger) of a few patients."""
    of = dataclasses.replace(arm(TRIAL, "tdm1"), n=60)
    told, kept, baseline = adam.kept(of, of.rules, {}, jax.random.key(KEY))
    return of, kept, baseline, ledger.table(of, of.rules, told, kept)


def test_laboratory_values(course):
    of, kept, baseline, _ = course
    adlb = adam.lab(of, kept, baseline)
    assert dict(adlb.schema) == adam.schema.ADLB
    assert not adlb.select(adam.schema.KEYS["adlb"]).is_duplicated().any()
    assert set(adlb["PARAMCD"]) == {"PLAT", "NEUT", "ALT", "AST", "BILI", "LVEF"}
    plates = adlb.filter(pl.col("PARAMCD") == "PLAT")
    # CTCAE v3 at a lower limit of 150: grades start below 150, 75, 50 and 25
    grade = sum((plates["AVAL"] < limit).cast(pl.Int32) for limit in (150, 75, 50, 25))
    assert (grade == plates["ATOXGR"]).all() and (plates["ANRLO"] == 150).all()
    ranges = adlb.filter(pl.col("PARAMCD").is_in(["PLAT", "ALT", "LVEF"]))
    low, high = (ranges["BASE"] < ranges["ANRLO"]).fill_null(False), (ranges["BASE"] > ranges["ANRHI"]).fill_null(False)
    known = ranges["ANRLO"].is_not_null() | ranges["ANRHI"].is_not_null()
    assert (ranges["BNRIND"].is_null() == ~known).all() and {"NORMAL", "HIGH"} <= set(ranges["BNRIND"])
    assert ((ranges["BNRIND"] == "LOW").fill_null(False) == low).all()
    assert ((ranges["BNRIND"] == "HIGH").fill_null(False) == high).all()
    worst = dict(plates.group_by("USUBJID").agg(pl.col("ATOXGR").max()).iter_rows())
    assert [worst.get(f"emilia-tdm1-{i:04d}", 0) for i in range(1, of.n + 1)] == kept.organs["platelets"].worst.tolist()
    first = plates.filter(pl.col("AVISITN") == 1)
    # blood is first drawn on day 8, but for those who see a doctor for another event before
    assert (first["ADY"] == 8).mean() > 0.9 and (plates["ADY"] > 1).all()
    assert (plates["AVAL"] - plates["CHG"] - plates["BASE"]).abs().max() < 1e-9
    assert set(plates["BASE"].round(6)) <= set(np.round(baseline["platelets"], 6))
    hearts = adlb.filter(pl.col("PARAMCD") == "LVEF")
    assert hearts["ATOXGR"].is_null().all() and hearts["ANRHI"].is_null().all()
    assert (plates["ATOXGRL"] == grade).all() and plates["ATOXGRH"].is_null().all()
    livers = adlb.filter(pl.col("PARCAT1") == "CHEMISTRY")
    assert (livers["ATOXGRH"] == livers["ATOXGR"]).all() and livers["ATOXGRL"].is_null().all()


def test_adverse_events(course):
    of, kept, baseline, doses = course
    adae, adlb = adam.events(of, kept, doses), adam.lab(of, kept, baseline)
    assert dict(adae.schema) == adam.schema.ADAE and len(adae)
    assert not adae.select(adam.schema.KEYS["adae"]).is_duplicated().any()
    assert not adae.select("USUBJID", "AEDECOD").is_duplicated().any()
    assert adae["AETOXGR"].is_between(1, 5).all()
    low = adae.filter(pl.col("AEDECOD") == "Thrombocytopenia")
    assert set(low["AEBODSYS"]) == {"Blood and lymphatic system disorders"}
    assert sorted(low["AETOXGR"]) == sorted(g for g in kept.reported["platelets"].tolist() if g)
    seen = adlb.filter((pl.col("PARAMCD") == "PLAT") & (pl.col("ATOXGR") >= 1))
    found = low.join(seen.group_by("USUBJID").agg(pl.col("ADY").min(), pl.col("ATOXGR").max()), on="USUBJID", how="left")
    assert len(found) and (found["AESTDY"] == found["ADY"]).all() and (found["AETOXGR"] == found["ATOXGR"]).all()
    # what was done for an event: the last of these words that the ledger has of the subject and the organ
    words, organ = ["DOSE NOT CHANGED", "DRUG INTERRUPTED", "DOSE REDUCED", "DRUG WITHDRAWN"], {v: k for k, v in EVENTS.items()}
    for row in adae.iter_rows(named=True):
        mine = doses.filter(USUBJID=row["USUBJID"], EXORGAN=organ.get(row["AEDECOD"], "other"))["EXACN"].to_list()
        assert row["AEACN"] == max(mine, key=words.index, default=words[0])
    assert len(set(adae["AEACN"])) > 1
