"""Drugs in patients: cards, populations and regimens to concentrations, by the engine of event records."""

from dataclasses import dataclass

import jax
import numpy as np
import polars as pl

from . import events, population
from .errors import bad
from .events.records import from_frame
from .library import cards, drugs, populations
from .pk import STRUCTURES, names
from .pk.simulate import simulate
from .units import factor

DAYS = {"d": 1.0, "h": 1 / 24}


@dataclass(frozen=True, eq=False)
class Patients:
    """Subjects of a drug: covariates and scores of the random effects by name, each (subject,)."""

    covariates: dict
    scores: dict

    @property
    def count(self):
        return len(next(iter(self.covariates.values())))


def typical(card):
    """One patient with the card's reference covariates and no random effect."""
    covs = {e.of: np.array([e.reference]) for e in card.effects}
    covs |= {k: np.array([v]) for k, v in {"WT": 70.0, "BSA": 1.8}.items() if k not in covs}
    return Patients(covs, {f"eta.{name}": np.zeros(1) for name in card.etas})


def drawn(card, people, n, key):
    """``n`` patients of a population, by identity: the first of a larger number are the same."""
    scores = population.deal(key, np.arange(n), population.score_names(people, card))
    return Patients({k: np.asarray(v) for k, v in population.covariates(people, scores).items()}, scores)


def concentrations(drug, records, patients, time_unit="d", interpolation="nocb", card="pk", values=None):
    """Concentrations at records, by the drug's card.

    Parameters
    ----------
    drug : str
        A drug on the shelf, or a folder.
    records : Records
        Amounts in mg, times in ``time_unit`` (``d`` or ``h``). Columns named like covariates of the card replace those of
        the patients, those named like parameters (in L and days) the individual parameters.
    patients : Patients
        As many as the records have subjects.
    values : dict, optional
        Replacements of the card's numbers, as in `population.individuals`.

    Returns
    -------
    polars.DataFrame
        ID, TIME, EVID and a column an analyte in the drug's own units.
    """
    model, of = cards.load(drug, card), drugs.load(drug)
    records = in_days(records, time_unit)
    covs = patients.covariates | _columns(records, model)
    p = population.individuals(model, patients.scores, covs, values)
    found = simulate(model.structure, records, {k: np.asarray(v) for k, v in p.items()} | of.doses, interpolation)
    scaled = [pl.col(a.output).mul(factor("mg/L", a.unit)).alias(a.name) for a in of.analytes]
    return found.select("ID", pl.col("TIME") / DAYS[time_unit], "EVID", *scaled)
