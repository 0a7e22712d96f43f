"""`vtrial pk`'s populations against published exposures: arm by arm, and digitised mean profiles.

Arms of at least 2.4 (T-DM1) and 3.2 mg/kg (T-DXd) and three patients, first cycle. An arm is met where the simulated mean
lies within 1.645 published standard deviations of the published mean, or within 25 % of it where no deviation is printed.
`KNOWN` lists the misses, with what is known of them; the test fails when the list is no longer true, either way.
"""

import csv
from collections import namedtuple
from functools import lru_cache
from pathlib import Path

import jax
import numpy as np
import polars as pl
import pytest

from vtrial import events, exposure
from vtrial.events.words import Phase
from vtrial.library import cards, drugs
from vtrial.library.files import root
from vtrial.pk import nca

EXT = root().parent / "shared" / "facts" / "ext"
POPULATION = {"tdm1": "emilia", "tdxd": "tdxd-j101"}
ANALYTE = {"tdm1": "CP", "tdxd": "TDXD"}
N, CYCLE = 400, 21.0
# Studies that are not the drug's study population: the population, and the share of patients in Japan where it is another.
STUDY = {
    "U201": ("destiny-breast01", None),  # the same trial; 16 % in Japan, assumed there
    "J102": ("tdxd-j101", 1.0),  # a Japanese study, by nlmixr2lib's notes on Yin 2021
    "A103": ("tdxd-j101", 0.0),  # patients in China (clinicaltrials.gov, NCT03368196)
}
# Days between doses -> which dose a profile follows: accumulation "after the first three doses" of the weekly schedule is what
# Lu 2014 (introduction) tell of Beeram 2012; no text at hand says which dose the figure shows. See test_weekly_arm_...
NTH = {7.0: 3}
# (study, dose) -> patients, AUC (T-DM1 to infinity, T-DXd over 21 days, ug.d/mL), Cmax (ug/mL), printed means of cycle 1:
# Krop 2010, Burris 2011, Krop 2012, Doi 2017, Shimomura 2023, Daiichi Sankyo 2022, all through Asiimwe 2025, Tables S2 and S4.
PRINTED = {
    ("TDM3569g", 0.3): (3, 14.5, 9.1),
    ("TDM3569g", 0.6): (1, 24.5, 13.3),
    ("TDM3569g", 1.2): (1, 43.0, 20.3),
    ("TDM3569g", 2.4): (1, 331.0, 76.3),
    ("TDM3569g", 3.6): (15, 295.2, 74.3),
    ("TDM3569g", 4.8): (3, 693.0, 133.5),  # AUC of the two patients of the profile, Cmax of three
    ("TDM4258g", 3.6): (101, 457.0, 80.9),
    ("TDM4374g", 3.6): (108, 486.0, 79.5),
    ("J101", 0.8): (3, 51.7, 22.9),
    ("J101", 1.6): (3, 116.0, 36.2),
    ("J101", 3.2): (3, 325.0, 78.2),
    ("J102", 6.4): (51, 677.0, 179.0),
    ("A103", 6.4): (12, 631.0, 157.0),
}


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


ROWS = read(Path(__file__).parent / "published_pk.csv")
# (study, dose, metric): recorded conflicts between publications, which no parameter is tuned to.
KNOWN = {
    ("TDM3569g", 4.8, "Cmax"): "three patients, 1.26 times the model and the other arms' dose proportion",
    ("EMILIA", 3.6, "Cmin"): "no spread printed; a mean of 2.1 stands on few patients with slow distribution (Q, V2)",
    ("Chiradoni 2022 (Kadcyla arm)", 3.6, "AUCinf"): "0.65 times the model, where others are 1.25 times it: the NCA conflict",
}


def simulated(drug, dose, n=N, cycles=1, card="pk", weight=None, times=None, every=CYCLE, study=None):
    """Records and concentrations of ``n`` patients of the drug's study population, or of a study's own."""
    name, japan = STUDY.get(study, (POPULATION[drug], None))
    people, model = exposure.people(name), cards.load(drug, card)
    patients = exposure.drawn(model, people, n, jax.random.key(4))
    if japan is not None:
        patients.covariates["JAPAN"] = np.full(n, japan)
    if weight:
        patients.covariates["WT"] = patients.covariates["WT"] * weight / patients.covariates["WT"].mean()
    records = exposure.given([Phase(dose, "mg/kg", every, cycles)], drugs.load(drug), patients)
    if times is not None:
        records = at_times(records, times)
    return exposure.concentrations(drug, records, patients, card=card), patients


def at_times(records, times):
    """The doses, and observations at ``times`` only."""
    doses = records.frame.filter(pl.col("EVID") == 1)
    none = {"EVID": 0.0, "AMT": 0.0, "RATE": 0.0}
    rows = [{"ID": i, "TIME": float(t), **none} for i in doses["ID"].unique().sort() for t in times]
    both = pl.concat([doses.select("ID", "TIME", "EVID", "AMT", "RATE"), pl.DataFrame(rows)])
    return events.from_frame(both.sort("ID", "TIME", "EVID"))


def metrics(drug, dose, **more):
    """Mean NCA quantities of the first cycle over patients, name -> number."""
    frame, _ = simulated(drug, dose, **more)
    seen = frame.filter(pl.col("EVID") == 0).partition_by("ID", maintain_order=True)
    found = []
    for part in seen:
        time, conc = part["TIME"].to_numpy(), part[ANALYTE[drug]].to_numpy()
        first = time <= CYCLE
        window = (7.0, CYCLE)
        found.append(nca.profile(time[first], conc[first], 1.0, CYCLE, "iv", drugs.load(drug).infusion, window=window))
    return {k: float(np.mean([f[k] for f in found])) for k in ("Cmax", "Cmin", "AUCtau", "AUCinf", "half_life")}


@pytest.mark.slow
@pytest.mark.parametrize("drug", ["tdm1", "tdxd"])
def test_published_arms(drug):
    rows, cache, missed = [r for r in ROWS if r["drug"] == drug], {}, set()
    for r in rows:
        dose, mean = float(r["dose_mg_per_kg"]), float(r["mean"])
        model = cache.setdefault(dose, metrics(drug, dose))[r["metric"]]
        met = abs(model - mean) <= (1.645 * float(r["sd"]) if r["sd"] else 0.25 * mean)
        published = f"published {mean:7.4g} ({r['sd'] or '-':>6})"
        print(f"{r['study']:30} {dose:4} {r['metric']:7} {published} simulated {model:7.4g}{'' if met else '  MISS'}")
        if not met:
            missed.add((r["study"], dose, r["metric"]))
    assert missed == {k for k in KNOWN if any(r["study"] == k[0] for r in rows)}


def test_half_lives_and_accumulation():
    """science.md section 1: T-DM1 about 4 d; T-DXd over days 7 to 21 about 5.5 to 6.5 d, AUC up 21 % at cycle 3, 32 % at 10."""
    typical = exposure.typical(cards.load("tdm1", "pk"))
    records = exposure.given(events.schedule("3.6 mg/kg q3w x 1"), drugs.load("tdm1"), typical)
    frame = exposure.concentrations("tdm1", records, typical)
    one = nca.profile(*_seen(frame, "CP"), 1.0, CYCLE, "iv", 0.0625, window=(7.0, CYCLE))
    assert 3.5 < one["half_life"] < 4.3
    typical = exposure.typical(cards.load("tdxd", "pk"))
    records = exposure.given(events.schedule("5.4 mg/kg q3w x 10"), drugs.load("tdxd"), typical)
    frame = exposure.concentrations("tdxd", records, typical)
    time, conc = _seen(frame, "TDXD")
    cycles = nca.intervals(time, conc, np.arange(10) * CYCLE, 1.0, CYCLE, duration=0.0625)
    first = nca.profile(time[time <= CYCLE], conc[time <= CYCLE], 1.0, CYCLE, "iv", 0.0625, window=(7.0, CYCLE))
    assert 5.5 < first["half_life"] < 6.5
    gain = [c["AUCtau"] / cycles[0]["AUCtau"] - 1 for c in cycles]
    assert gain[2] == pytest.approx(0.21, abs=0.015)
    assert gain[9] == pytest.approx(0.32, abs=0.015)


def _seen(frame, name):
    seen = frame.filter(pl.col("EVID") == 0)
    return seen["TIME"].to_numpy(), seen[name].to_numpy()


def arms(drug, least=0.0, patients=1):
    """Read-off mean profiles, (study, dose, n, weight, days between doses) -> [(day, ug/mL)], in the file's order."""
    if not (EXT / f"pk_{drug}_means.csv").is_file():
        pytest.skip("digitised profiles are not here (../shared/facts/ext)")
    found = {}
    for r in read(EXT / f"pk_{drug}_means.csv"):
        if r["analyte"] == "ADC" and r["n"] and float(r["dose_mg_per_kg"]) >= least and int(r["n"]) >= patients:
            arm = (r["study"], float(r["dose_mg_per_kg"]), int(r["n"]), r["weight_kg"], float(r["cycle_days"] or CYCLE))
            day = float(r["time"]) / (24 if r["time_unit"] == "h" else 1)
            seen = float(r["concentration"]) / (1000 if r["concentration_unit"] == "ng_mL" else 1)
            found.setdefault(arm, []).append((day, seen))
    return found


def read_against_printed(drug):
    """Log ratios of what is read off an arm's mean profile to what was printed of the same patients: of AUC, of Cmax."""
    auc, top = {}, {}
    for (study, dose, n, _, every), points in arms(drug).items():
        if (printed := PRINTED.get((study, dose))) and every == CYCLE:
            day, seen = (np.array(x) for x in zip(*points, strict=True))
            kind = "AUCinf" if drug == "tdm1" else "AUCtau"
            auc[study, dose] = np.log(nca.profile(day, seen, 1.0, CYCLE, "iv", 0.0625)[kind] / printed[1])
            if n == printed[0]:
                top[study, dose] = np.log(seen.max() / printed[2])
    return auc, top


Point = namedtuple("Point", "arm day seen mean sampled as_read")  # the last two: 90 % intervals, (low, high)


@lru_cache
def compared(drug, many=4000, trials=1000):
    """The reading's error and the points of all arms.

    `sampled` is the interval of means of n patients with the card's residual error; `as_read` has the reading's error besides:
    one factor an arm, log-normal, as wide as the read profiles are from the printed AUC of the same patients, which owes
    nothing to a model.
    """
    reading = float(np.sqrt(np.mean(np.square(list(read_against_printed(drug)[0].values())))))
    sigma, found, rng = cards.load(drug, "pk").sigma, [], np.random.default_rng(5)
    for (study, dose, n, weight, every), points in arms(drug, 2.4 if drug == "tdm1" else 3.2, 3).items():
        points = [p for p in points if 0.0625 <= p[0] <= CYCLE]
        doses = NTH.get(every, 1)
        times = [day + every * (doses - 1) for day, _ in points]
        more = {"n": many, "weight": float(weight) if weight else None, "times": times, "every": every, "study": study}
        frame, _ = simulated(drug, dose, cycles=doses, **more)
        true = frame.filter(pl.col("EVID") == 0)[ANALYTE[drug]].to_numpy().reshape(many, len(times))
        error = sigma["proportional"], sigma.get("additive", 0.0)
        means = []
        for _ in range(trials):
            part = true[rng.integers(0, many, n)]
            noise = rng.normal(size=(2, *part.shape))
            means.append((part * (1 + error[0] * noise[0]) + error[1] * noise[1]).mean(0))
        means = np.stack(means)
        read_off = means * np.exp(reading * rng.normal(size=(trials, 1)))
        spans = (np.quantile(x, (0.05, 0.95), axis=0).T for x in (means, read_off))
        name = f"{study} {dose} mg/kg {'weekly ' * (every == 7)}n={n}"
        found += [Point(name, *p, *rest) for p, *rest in zip(points, true.mean(0), *spans, strict=True)]
    return reading, found


def inside(drug, span):
    """How many points lie inside and how many there are; prints an arm's count, its ratios and the misses."""
    reading, found = compared(drug)
    met = [getattr(p, span)[0] <= p.seen <= getattr(p, span)[1] for p in found]
    for arm in dict.fromkeys(p.arm for p in found):
        mine = [(p, ok) for p, ok in zip(found, met, strict=True) if p.arm == arm]
        print(f"{drug} {arm}: {sum(ok for _, ok in mine)} of {len(mine)}; day: read / simulated", end=" ")
        print(*(f"{p.day:.2f}: {p.seen / p.mean:.2f}{'' if ok else ' MISS'}" for p, ok in mine), sep=", ")
    print(f"{drug}: {sum(met)} of {len(met)} points inside{f' (reading error {reading:.3f})' if span == 'as_read' else ''}")
    return sum(met), len(met)


# T-DXd's 90 and 179 patients of J101 lie 13 to 23 % below Yin 2021 on days 1 to 4, the 179 of U201 5 to 9 %; on day 21 all
# arms but that of five patients are 2 to 40 % below it.
OFF = "read off and printed disagree, and so do the studies: test_read_profiles_against_printed, test_no_common_profile"


@pytest.mark.slow
@pytest.mark.xfail(strict=True, raises=AssertionError, reason=f"13 of 25 and 37 of 76 points, 80 % asked; {OFF}")
@pytest.mark.parametrize("drug", ["tdm1", "tdxd"])
def test_digitised_means(drug):
    """Points inside the 90 % interval of simulated means of that many patients: counted and printed, misses marked."""
    met, total = inside(drug, "sampled")
    assert met >= 0.8 * total


XFAIL = pytest.mark.xfail(strict=True, raises=AssertionError, reason=f"60 of 76 points, 61 asked; {OFF}")


@pytest.mark.slow
@pytest.mark.parametrize("drug", ["tdm1", pytest.param("tdxd", marks=XFAIL)])
def test_digitised_means_with_the_error_of_reading(drug):
    """The same with the reading's measured error in the interval (design.md asks for such a term of published numbers)."""
    met, total = inside(drug, "as_read")
    assert met >= 0.8 * total


def test_read_profiles_against_printed():
    """The reading's error, from the published numbers alone: profiles read off figures and the same patients' printed NCA.

    A mean profile cannot exceed the mean of the patients' own maxima, and with one patient it is that patient; seven arms of
    T-DM1 do, by 5 to 36 %. The AUC of a mean profile is the mean AUC but for the log-down rule.
    """
    auc, top = read_against_printed("tdm1")
    assert len(top) == 7
    assert all(0.04 < x < 0.32 for x in top.values())
    assert np.sqrt(np.mean(np.square(list(auc.values())))) == pytest.approx(0.18, abs=0.005)
    auc, top = read_against_printed("tdxd")
    assert np.sqrt(np.mean(np.square(list(auc.values())))) == pytest.approx(0.10, abs=0.005)
    # one in each of three studies, all a tenth below what was printed
    for arm in (("J101", 3.2), ("J102", 6.4), ("A103", 6.4)):
        assert auc[arm] == pytest.approx(-0.10, abs=0.01)
        assert top[arm] < 0


@pytest.mark.slow
def test_no_common_profile():
    """No change of a card that is common to all arms reaches 80 % within the interval of sampling alone: the simulated means
    times any factor, free at each nominal time, meet 14 of the 18 points of T-DM1 every three weeks and 59 of 76 of T-DXd."""
    for drug in ("tdm1", "tdxd"):
        at = {}
        for p in compared(drug)[1]:
            if "weekly" not in p.arm:
                at.setdefault(round(p.day, 0 if p.day > 0.6 else 1), []).append((p.seen / p.sampled[1], p.seen / p.sampled[0]))
        best = sum(max(sum(low <= x <= high for low, high in spans) for span in spans for x in span) for spans in at.values())
        total = sum(map(len, at.values()))
        print(f"{drug}: at most {best} of {total}")
        assert best < 0.8 * total


def test_weekly_arm_is_no_first_dose():
    """From the read numbers alone: the weekly arm is 1.5 to 1.8 times a first dose of 2.4 mg/kg (scaled from 3.6 mg/kg in the
    same study), and on days 1 to 7 1.15 to 1.3 times a third one by superposition. The simulation takes the third (`NTH`)."""
    study = {(dose, every): points for (name, dose, *_, every), points in arms("tdm1").items() if name == "TDM3569g"}
    weekly = np.array([seen for day, seen in study[2.4, 7.0] if day != 4.0625])
    day, seen = (np.array(x) for x in zip(*study[3.6, 21.0], strict=True))
    times = np.array([0.0625, 0.229, 1.0625, 2.0625, 3.0625, 7.0625])
    earlier = [np.exp(np.interp(times + 7 * k, day, np.log(seen), right=-np.inf)) * 2.4 / 3.6 for k in range(3)]
    first, third = earlier[0], sum(earlier)
    assert np.all(weekly > 1.5 * first)
    assert np.all(np.abs(weekly / third - 1)[2:] < 0.3)


# 1.2 mg/kg: one patient of TDM3569g, and three given SHR-A1201 (Li 2023, through Asiimwe 2025, Table S2: 1885.6 ug.h/mL).
@pytest.mark.parametrize(("dose", "published"), [(0.3, 14.5), (0.6, 24.5), (1.2, 43.0), (1.2, 78.6)])
def test_low_doses_have_their_own_card(dose, published):
    """With the Michaelis-Menten term the typical AUC at low doses is nearer the published one than without (Lu: twice it)."""
    off = {}
    for card in ("pk", "pk_low"):
        typical = exposure.typical(cards.load("tdm1", card))
        records = exposure.given([Phase(dose, "mg/kg", CYCLE, 1)], drugs.load("tdm1"), typical)
        time, conc = _seen(exposure.concentrations("tdm1", records, typical, card=card), "CP")
        off[card] = abs(np.log(nca.profile(time, conc, 1.0, CYCLE, "iv", 0.0625)["AUCtau"] / published))
    assert off["pk_low"] < off["pk"]


def test_the_low_card_leaves_the_clinical_dose():
    """science.md section 1: the AUC after 3.6 mg/kg moves by less than 5 %."""
    auc = {}
    for card in ("pk", "pk_low"):
        typical = exposure.typical(cards.load("tdm1", card))
        records = exposure.given([Phase(3.6, "mg/kg", CYCLE, 1)], drugs.load("tdm1"), typical)
        time, conc = _seen(exposure.concentrations("tdm1", records, typical, card=card), "CP")
        auc[card] = nca.profile(time, conc, 1.0, CYCLE, "iv", 0.0625)
    for kind in ("AUCtau", "AUCinf"):
        assert auc["pk_low"][kind] == pytest.approx(auc["pk"][kind], rel=0.05)
