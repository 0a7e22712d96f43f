"""Drugs in patients: cards, populations and regimens to concentrations, by the engine of event records."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from . import population
from .errors import InputError, bad
from .events import from_frame
from .library import cards, drugs, populations
from .library.cards import COVARIATES
from .pk.simulate import simulate
from .units import factor

DAYS = {"d": 1.0, "h": 1 / 24}
# Doses in words and in a UNIT column: milligrams of one, and the covariate they are per.
DOSES = {"mg": (1.0, None), "g": (1000.0, None), "ug": (1e-3, None), "mg/kg": (1.0, "WT"), "mg/m2": (1.0, "BSA")}
# Internal units of outputs that are not concentrations.
OWN = {"IR": "mg/day"}
# Hours after a dose at which a profile is drawn, besides the end of the infusion and each day.
HOURS = (0.5, 1, 2, 4, 7, 12)


@dataclass(frozen=True, eq=False)
class Patients:
    """Subjects of a card: covariates, scores of the random effects, and replacements of the card's numbers, by name, each
    (subject,); ``key`` deals what changes from occasion to occasion (None: nothing does)."""

    covariates: dict
    scores: dict
    values: dict
    key: object = None

    @property
    def count(self):
        return len(next(iter(self.scores.values()), next(iter(self.covariates.values()), np.zeros(1))))


def typical(card, people=None):
    """One patient at the card's reference covariates and without random effects; others at a population's medians."""
    covs = {}
    if people:
        names = population.score_names(people)
        covs = population.covariates(people, {name: np.zeros(1) for name in names})
    covs = {k: np.asarray(v) for k, v in covs.items()} | {e.of: np.array([float(e.reference)]) for e in card.effects}
    return Patients(covs, {f"eta.{name}": np.zeros(1) for name in card.etas}, {})


def drawn(card, people, n, key, uncertain=False):
    """``n`` patients of a population, dealt by identity: the first of a larger number are the same.

    ``uncertain`` draws the typical values within their standard errors, one set for all.
    """
    scores = population.deal(key, np.arange(n), population.score_names(people, card))
    return _patients(card, population.covariates(people, scores), scores, key, uncertain)


def resampled(card, file, n, key, uncertain=False):
    """``n`` patients drawn with replacement from a user's own table of covariates (CSV, columns named and in units like the
    population cards'); raises `InputError` where a covariate of the card is missing."""
    try:
        table = pl.read_csv(file, null_values=[".", "NA"])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise bad(file, "", f"cannot be read as a table: {error}") from None
    for name in sorted({e.of for e in card.effects}):
        if name not in table.columns or table[name].null_count() or not table[name].dtype.is_numeric():
            raise bad(file, name, f"is missing, or not a number in every row; the card needs it in {COVARIATES[name]}")
    known = {c: table[c].to_numpy().astype(float) for c in table.columns if c in COVARIATES}
    scores = population.deal(key, np.arange(n), [f"eta.{name}" for name in card.etas])
    return _patients(card, population.resampled(known, n, population.stream(key, "patients")), scores, key, uncertain)


def _patients(card, covs, scores, key, uncertain):
    values = population.uncertain(card, key, 1) if uncertain else {}
    values = {k: float(v[0]) for k, v in values.items()}
    return Patients({k: np.asarray(v) for k, v in covs.items()}, scores, values, population.stream(key, "occasions"))


def measured(frame, drug, card, key, lloq=None):
    """The frame with ``<analyte>_DV``, measured with the card's residual error, and ``<analyte>_BLQ``, 1 where that is below
    ``lloq`` (in the analyte's unit; the value is then missing).

    A card's ``sigma`` is that of the first analyte; those of others end in their output (``proportional_PAYLOAD``).
    """
    model, of = cards.load(drug, card), drugs.load(drug)
    outputs = {a.name: (a.output, a.unit) for a in of.analytes}
    for i, name in enumerate(c for c in frame.columns if c not in ("ID", "TIME", "EVID")):
        output, unit = outputs.get(name, (name, "mg/L"))
        mine = [k for k in model.sigma if k.endswith(f"_{output}") or (not i and "_" not in k)]
        sigma = {k.removesuffix(f"_{output}"): model.sigma[k] for k in mine}
        own = replace(model, sigma=sigma | {k: v * factor("mg/L", unit) for k, v in sigma.items() if k == "additive"})
        scores = population.deal(population.stream(key, name), np.arange(len(frame)), ["one", "two"]).values()
        seen, low = population.measured(own, frame[name].to_numpy(), tuple(scores), lloq)
        frame = frame.with_columns(pl.Series(f"{name}_DV", np.asarray(seen)).fill_nan(None))
        frame = frame.with_columns(pl.Series(f"{name}_BLQ", np.asarray(low).astype(int)))
    return frame


def concentrations(drug, records, patients, time_unit="d", interpolation="nocb", card="pk"):
    """Concentrations at records, by the drug's card.

    Parameters
    ----------
    drug : str
        A drug on the shelf, or a folder.
    records : Records
        Amounts in mg, or in the unit of a UNIT column; times in ``time_unit`` (``d`` or ``h``). Columns named like
        covariates of the card replace those of the patients, those named like parameters the subject's own (L, day).
        A column OCC numbers the occasions of a card that has them; without one, each dose record begins another.
    patients : Patients
        One, or as many as the records have subjects.

    Returns
    -------
    polars.DataFrame
        ID, TIME (as given), EVID and a column an analyte in the drug's own units.
    """
    model, of = cards.load(drug, card), drugs.load(drug)
    covs = patients.covariates | covariates(records, model)
    p = population.individuals(model, patients.scores, covs, patients.values) | model.doses
    changing = occasions(records, model, patients)
    given = {k: np.asarray(v * changing.get(k, 1.0)) for k, v in p.items()}
    found = simulate(model.structure, in_days(in_mg(records, covs), time_unit), given, interpolation)
    outputs = [c for c in found.columns if c not in ("ID", "TIME", "EVID")]
    shown = [(a.name, a.output, a.unit) for a in of.analytes if a.output in outputs]
    shown = shown or [(c, c, OWN.get(c, "mg/L")) for c in outputs]
    scaled = [pl.col(output).mul(factor(OWN.get(output, "mg/L"), unit)).alias(name) for name, output, unit in shown]
    return found.select("ID", records.frame["TIME"], "EVID", *scaled)


def covariates(records, card):
    """Covariates of the card that the records have columns of, name -> (record, subject); raises where a cell is missing."""
    wanted = {e.of for e in card.effects} | {"WT", "BSA"}
    found = {c: records.grid(records.frame[c].cast(float).to_numpy()) for c in records.others if c in wanted}
    faults = []
    for name in found:
        for i in np.flatnonzero(np.isnan(records.frame[name].cast(float).to_numpy())):
            faults.append(records.fault(int(i), name, f"is missing; a number is needed ({COVARIATES[name]})"))
    if faults:
        raise InputError(*faults)
    return found


def occasions(records, card, patients):
    """What a card's parameters are multiplied by at each record, name -> (record, subject); nothing for typical patients."""
    if patients.key is None or not card.iov:
        return {}
    occasion = records.grid(_occasion(records))
    names = population.occasion_names(card, int(occasion.max()))
    return population.occasions(card, population.deal(patients.key, np.arange(occasion.shape[1]), names), occasion)


def _occasion(records):
    """Number of each record's occasion, from 1."""
    if "OCC" not in records.frame.columns:
        dosed = pl.col("EVID").is_in([1.0, 4.0]).cast(int).cum_sum().over("ID")
        return records.frame.select(dosed).to_series().clip(1).to_numpy()
    occasion = records.frame["OCC"].to_list()
    faults = [i for i, o in enumerate(occasion) if o is None or o < 1 or o % 1]
    if faults:
        raise InputError(*(records.fault(i, "OCC", f"is {occasion[i]}; a whole number from 1") for i in faults))
    return np.array(occasion, int)


def in_mg(records, covs):
    """Records with amounts and rates in mg, from their UNIT column; one unit a file."""
    if "UNIT" not in records.frame.columns:
        return records
    units = records.frame["UNIT"].to_list()
    unread = [i for i, u in enumerate(units) if u not in DOSES]
    others = [i for i, u in enumerate(units) if u != units[0]]
    faults = [records.fault(i, "UNIT", f"is {units[i]!r}; allowed: {', '.join(DOSES)}") for i in unread]
    if not faults and others:
        other = units[others[0]]
        faults = [records.fault(others[0], "UNIT", f"is {other!r} where others are {units[0]!r}; one unit a file")]
    if faults:
        raise InputError(*faults)
    scale = per(units[0], covs, records.file)
    return _scaled(records, records.rows(np.broadcast_to(scale, records.grid(np.arange(len(units))).shape)))


def per(unit, covs, file="regimen"):
    """Milligrams of one ``unit``, a number or like the covariate it is per."""
    scale, of = DOSES[unit]
    if of and of not in covs:
        raise bad(file, of, f"is missing; a dose in {unit} needs it (a column, or a population that has it)")
    return scale * covs[of] if of else scale


def _scaled(records, scale):
    rate = pl.when(pl.col("RATE") > 0).then(pl.col("RATE") * pl.Series(scale)).otherwise(pl.col("RATE"))
    return replace(records, frame=records.frame.with_columns(pl.col("AMT") * pl.Series(scale), rate))


def in_days(records, time_unit):
    """Records with times in days."""
    day = DAYS[time_unit]
    rate = pl.when(pl.col("RATE") > 0).then(pl.col("RATE") / day).otherwise(pl.col("RATE"))
    return replace(records, frame=records.frame.with_columns(pl.col("TIME") * day, pl.col("II") * day, rate))


def given(phases, drug, patients, until=None):
    """Records of a regimen (the `Phase` objects of `events.schedule`) in days, with a grid of observations, for each patient.

    ``until`` (days): the end; else one interval after the last dose, or six intervals where the doses have no end.
    """
    start, doses, cycles = 0.0, [], []
    for phase in phases:
        interval = phase.cycle or phase.every
        last = until - start if until else phase.span if phase.times else 6 * interval
        cycles += list(start + np.arange(0, last - 1e-9, interval))
        over = drug.infusion if phase.over is None else phase.over
        doses += [(start + d, phase, over) for d in phase.doses(last)]
        start += last if phase.times is None or until is None else min(phase.span, last)
    end = until or start
    times = _grid([(d, over) for d, _, over in doses], end)
    rows = []
    for j in range(patients.count):
        mine = {k: v[j % len(v)] for k, v in patients.covariates.items()}
        amounts = [(d, phase.amount * float(per(phase.unit, mine)), over) for d, phase, over in doses]
        rows += [(j + 1.0, d, 1.0, a, a / over if over else 0.0) for d, a, over in amounts]
        rows += [(j + 1.0, t, 0.0, 0.0, 0.0) for t in times]
    frame = pl.DataFrame(rows, ["ID", "TIME", "EVID", "AMT", "RATE"], orient="row")
    # a trough belongs to the cycle before the dose it stands at
    nudge = np.where(frame["EVID"] == 1, 1e-9, -1e-9)
    frame = frame.with_columns(OCC=pl.Series(np.searchsorted(cycles, frame["TIME"].to_numpy() + nudge).clip(1)))
    # an observation at a dose's time is taken before it
    return from_frame(frame.sort("ID", "TIME", "EVID"), "regimen")


def _grid(doses, end):
    days = np.arange(0, end + 1e-9, 1.0 if end <= 400 else 7.0)
    after = [d + over + h / 24 for d, over in doses for h in (0.0, *HOURS)]
    every = np.unique(np.round(np.concatenate([days, [d for d, _ in doses], after, [end]]), 9))
    return every[every <= end + 1e-9]


def people(name):
    """A population card by name or path."""
    return populations.load(name)


__all__ = ["DAYS", "DOSES", "Patients", "concentrations", "covariates", "drawn", "given", "people", "per", "typical"]
