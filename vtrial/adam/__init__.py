"""ADaM tables of one simulated trial: ADSL, ADTTE, ADRS and ADTR at a data cut; ADLB and ADAE of a kept course of doses."""

from pathlib import Path

import numpy as np
import polars as pl

from .. import __version__, population
from ..output import write_whole
from . import response, sampled, schema, subjects, times
from .course import events, kept, lab

MADE = {"adsl": subjects.adsl, "adtte": times.adtte, "adrs": response.adrs, "adtr": response.adtr}
CONVENTION = {
    "dates": "RANDDT = origin + floor(day of joining); other dates = RANDDT + floor(days since); ADY = ADT - RANDDT + 1",
    "AVAL": "ADTTE: days from the start to ADT's moment, not rounded, no day added",
    "CNSR": "0 event, 1 censored",
    "TRTEDT": "last dose planned before progression by who treats, leaving, death or loss; null while treatment goes on",
    "course": "ADEX, ADLB, ADAE: the same patients, treated as long as the trial tells; neither progression nor cut ends it",
}

# Of a course whose doses and tumour act on each other, in place of the above.
JOINT = "ADEX, ADLB, ADAE: the same patients, treated until progression, leaving, death, loss or the last data cut"


def tables(trial, settings, values, key, replicate, cut, plans=None, rules=None):
    """The tables of one replicate trial, as `endpoints.outcome.replicate.statistics` samples it.

    Parameters
    ----------
    trial : library.trials.Trial
    settings : dict
        Arm -> `endpoints.outcome.setting.Setting`, of the arms wanted; the same ones give the same subjects.
    values : dict
        Card path -> name -> replacements, each (replicate,) or scalar.
    key : PRNG key
    replicate : int
    cut : float
        Days since the first patient was randomised. Only those who had joined by then are in the tables.
    plans, rules : dict, optional
        Arm -> `endpoints.joint.plan.Plan` and dose rules, one a drug, of arms whose doses reach the tumour.

    Returns
    -------
    dict
        ``adsl``, ``adtte``, ``adrs`` and ``adtr``: Polars DataFrames of `schema`'s columns (ADSL: and ``STRAT1`` on), one
        record of each of `schema.KEYS`. A subject whose course was not finite is in ADSL alone, with EOSSTT ``FAILED``.
    """
    places, one = population.stream(key, trial.name), _of_replicate(values, replicate)
    plans, rules = plans or {}, rules or {}
    told = [(s, plans.get(i), rules.get(i)) for i, s in settings.items()]
    arms = [sampled.arm(trial, s, one, places, key, replicate, cut, plan, known) for s, plan, known in told]
    return {name: pl.concat([make(a) for a in arms]) for name, make in MADE.items()}


def _of_replicate(values, replicate):
    return {path: {k: np.ravel(v)[replicate if np.ndim(v) else 0] for k, v in row.items()} for path, row in values.items()}


def about(trial, settings, **more):
    """What is written beside the tables, text by name: origin, strata, conventions, digests; and ``more``."""
    told = {"vtrial": __version__, "trial": trial.name, "trial_digest": trial.digest} | CONVENTION
    for s in settings.values():
        told |= {"origin": schema.origin(trial)}
        told |= {k: x.of + ("" if x.above is None else f", cut at {x.above:g}") for k, x in subjects.strata(s).items()}
        told |= {f"digest of {Path(c.path).parent.name}/{Path(c.path).name}": c.digest for c in s.cards}
    return {k: str(v) for k, v in (told | more).items()}


def write(folder, made, told):
    """Writes tables as ``<name>.parquet``, each whole or not at all, with ``told`` as metadata of the file."""
    for name, one in made.items():
        write_whole(Path(folder) / f"{name}.parquet", lambda path, one=one: one.write_parquet(path, metadata=told))


__all__ = ["about", "events", "kept", "lab", "schema", "tables", "write"]
