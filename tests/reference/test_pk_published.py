"""`vtrial pk`'s populations against published exposures: arm by arm, and digitised mean profiles.

Arms of at least 2.4 (T-DM1) and 3.2 mg/kg (T-DXd) and three patients, first cycle. An arm is met where the simulated mean
lies within 1.645 published standard deviations of the published mean, or within 25 % of it where no deviation is printed.
`KNOWN` lists the misses, with what is known of them; the test fails when the list is no longer true, either way.
"""

import csv
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


def simulated(drug, dose, n=N, cycles=1, card="pk", weight=None, times=None, every=CYCLE):
    """Records and concentrations of ``n`` patients of the drug's study population."""
    people, model = exposure.people(POPULATION[drug]), cards.load(drug, card)
    patients = exposure.drawn(model, people, n, jax.random.key(4))
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


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="12 of 25 T-DM1 points and 33 of 76 T-DXd points are inside; 80 % are asked for. The weekly T-DM1 arm is 1.5 to "
    "1.9 times the model from its first point on (a later cycle?); T-DXd arms of 90 to 179 patients lie 5 to 20 % below it on "
    "days 1 to 3. A search over CL, V1, Q and V2 finds 61 of 76 for T-DXd at 1.37, 0.98, 1.64 and 0.24 times the published "
    "values, and 15 of 18 for T-DM1 without the weekly arm: nothing near the published values meets the target, none was tuned",
)
@pytest.mark.parametrize(("file", "drug", "least"), [("pk_tdm1_means", "tdm1", 2.4), ("pk_tdxd_means", "tdxd", 3.2)])
def test_digitised_means(file, drug, least):
    """Points inside the 90 % interval of simulated means of that many patients: counted and printed, misses listed."""
    if not (EXT / f"{file}.csv").is_file():
        pytest.skip("digitised profiles are not here (../shared/facts/ext)")
    rows = [r for r in read(EXT / f"{file}.csv") if r["analyte"] == "ADC" and r["n"]]
    arms = {}
    for r in rows:
        dose, n = float(r["dose_mg_per_kg"]), int(float(r["n"]))
        if dose >= least and n >= 3:
            arms.setdefault((r["study"], dose, n, r["weight_kg"], float(r["cycle_days"] or CYCLE)), []).append(r)
    inside, total = 0, 0
    for (study, dose, n, weight, every), points in arms.items():
        days = [float(p["time"]) / (24 if p["time_unit"] == "h" else 1) for p in points]
        seen = [float(p["concentration"]) / (1000 if p["concentration_unit"] == "ng_mL" else 1) for p in points]
        keep = [i for i, d in enumerate(days) if 0.0625 <= d <= CYCLE]
        times = sorted({days[i] for i in keep})
        cycles = int(np.ceil(max(times) / every))
        frame, _ = simulated(drug, dose, cycles=cycles, weight=float(weight) if weight else None, times=times, every=every)
        grid = frame.filter(pl.col("EVID") == 0)[ANALYTE[drug]].to_numpy().reshape(N, len(times))
        rng = np.random.default_rng(5)
        sigma = cards.load(drug, "pk").sigma["proportional"]
        grid = grid * (1 + sigma * rng.normal(size=grid.shape))
        means = np.stack([grid[rng.integers(0, N, n)].mean(0) for _ in range(1000)])
        low, high = np.quantile(means, (0.05, 0.95), axis=0)
        for i in keep:
            j = times.index(days[i])
            total, met = total + 1, low[j] <= seen[i] <= high[j]
            inside += met
            if not met:
                print(f"{study} {dose} mg/kg n={n} day {days[i]:.2f}: {seen[i]:.3g} outside [{low[j]:.3g}, {high[j]:.3g}]")
    print(f"{drug}: {inside} of {total} points inside")
    assert inside >= 0.8 * total


@pytest.mark.parametrize(("dose", "published"), [(0.3, 14.5), (0.6, 24.5)])
def test_low_doses_have_their_own_card(dose, published):
    """With the Michaelis-Menten term the typical AUC at low doses is nearer the published one than without (Lu: twice it)."""
    off = {}
    for card in ("pk", "pk_low"):
        typical = exposure.typical(cards.load("tdm1", card))
        records = exposure.given([Phase(dose, "mg/kg", CYCLE, 1)], drugs.load("tdm1"), typical)
        time, conc = _seen(exposure.concentrations("tdm1", records, typical, card=card), "CP")
        off[card] = abs(np.log(nca.profile(time, conc, 1.0, CYCLE, "iv", 0.0625)["AUCtau"] / published))
    assert off["pk_low"] < off["pk"]
