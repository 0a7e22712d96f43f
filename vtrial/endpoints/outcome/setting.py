"""An arm of a trial with a tumour: what its subjects are, what they are given, when and how they are looked at."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np

from ... import pk, population
from ...conduct.arm import phase_of
from ...conduct.exposed import average
from ...efficacy import tumour
from ...errors import bad
from ...library import cards, populations, response
from ...library.design import READING, Design
from ...library.drugs import has
from ...library.problems import EFFICACY

ALIKE, ERROR, LEAVING = (f"{READING}.{k}" for k in ("agreement", "error.", "leaving"))


@dataclass(frozen=True, eq=False)
class Setting:
    """One arm. ``edges``: day 0 and the planned scans (NumPy); ``rules``: RECIST's numbers; ``arms``: (arm, patients) of the
    whole trial."""

    trial: str
    arm: str
    n: int
    population: populations.Population
    pk: cards.Card
    kill: cards.Card
    tumour: cards.Card
    every: float
    amount: float
    unit: str
    edges: np.ndarray
    rules: response.Rules
    design: Design
    arms: tuple = ()

    @property
    def cards(self):
        return self.pk, self.kill, self.tumour


def setting(trial, arm_id, disease, horizon):
    """The `Setting` of an arm.

    Parameters
    ----------
    trial : library.trials.Trial
    arm_id : str
    disease : str
        Name of the tumour's card.
    horizon : float
        Days until which scans are planned.

    Raises
    ------
    InputError
        Where the trial has no design or no drug of the arm has an efficacy card.
    """
    if trial.design is None:
        raise bad(trial.path, "scans", "is missing; progression is seen at scans")
    of, place = trial.arms[arm_id], list(trial.arms).index(arm_id)
    able = [(drug, words) for drug, words in of.drugs if has(drug, EFFICACY)]
    if not able:
        raise bad(trial.path, f"arm[{place}].drug", f"no drug of {of.drug} has an efficacy card")
    (drug, words), design = able[0], trial.design
    p = phase_of(trial, words, f"arm[{place}].regimen")
    chosen = cards.load(drug, "pk"), cards.load(drug, EFFICACY), cards.tumour(disease)
    return Setting(
        trial=trial.name,
        arm=arm_id,
        n=of.randomised,
        population=populations.load(trial.population),
        pk=chosen[0],
        kill=chosen[1],
        tumour=chosen[2],
        every=p.every,
        amount=p.amount,
        unit=p.unit,
        edges=edges(design.scans, horizon),
        rules=response.load(design.response.version),
        design=design,
        arms=tuple((a.id, a.randomised) for a in trial.arms.values()),
    )


def edges(scans, horizon):
    """Day 0 and the planned days of scans until ``horizon``."""
    days = [0.0]
    while (after := days[-1] + (scans.every if days[-1] < scans.since else scans.then)) <= horizon:
        days.append(after)
    return np.array(days)


def bare(s):
    """The same arm, its subjects described by no more covariates than the model needs."""
    return replace(s, population=s.population.only({*population.needed(*s.cards), "SLD"}))


def kinetics(s, scores, covs):
    """Exposure over the card's reference between edges, (interval, subject)."""
    modes = pk.STRUCTURES[s.pk.structure].modes(population.individuals(s.pk, scores, covs))
    mg = s.amount * population.per_unit(s.unit, covs)
    return average(modes, s.every, mg, s.edges) / s.kill.theta["CREF"]


def paths(s, exposure, scores, covs, values):
    """The `efficacy.tumour.Path` of subjects under replacements ``values`` (card path -> name -> number)."""
    p, kill = (population.individuals(card, scores, covs, values.get(card.path, {})) for card in (s.tumour, s.kill))
    return tumour.path(p, kill, exposure, s.edges)


def assessors(s, values):
    """What assessors share and how they err, `ALIKE` and `ERROR` with an assessor's name, and the hazard of leaving scans,
    `LEAVING` (1/day) -> scalar or (subject,): the arm's or the trial's own numbers where no calibration replaces them."""
    told = values.get(READING, {})
    known = s.design.readings | {"leaving": s.design.dropout.of(s.arm)[1]}
    return {f"{READING}.{k}": told.get(k, own) for k, own in known.items()}


def covariates(s, scores):
    """Covariates of subjects; those that the population lacks at the cards' references."""
    known = population.covariates(s.population, scores)
    return {e.of: jnp.full_like(known["WT"], e.reference) for card in s.cards for e in card.effects} | known


def names(s):
    """Names of the scores of subjects, the tumour's and the treatment's random effects first."""
    return population.score_names(s.population, *s.cards)


__all__ = [
    "ALIKE",
    "ERROR",
    "LEAVING",
    "Setting",
    "assessors",
    "bare",
    "covariates",
    "edges",
    "kinetics",
    "names",
    "paths",
    "setting",
]
