"""A whole arm: all of its drugs with their dose rules and all of the organs their cards speak of."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .. import events
from ..errors import bad
from ..library import cards, drugs, organs, populations, rules
from ..library.files import line_of
from .treatment import cycle_shares

# An oral drug is dispensed, and its dose decided upon, by the week.
PACK = 7
# The cycle of an arm none of whose drugs has one.
CYCLE = 21


class Part(NamedTuple):
    """One drug of an arm. ``amount`` a dosing day in ``unit``; ``pack``: days that a decision covers (1: an infusion);
    ``on`` and ``gap`` (day of its period,): whether it is taken, and days until the next decision."""

    drug: str
    pk: cards.Card
    infusion: float
    amount: float
    unit: str
    pack: int
    on: tuple
    gap: tuple


class Effect(NamedTuple):
    """An effect card at work: of which part, on which organs."""

    name: str
    card: cards.Card
    part: int
    organs: tuple


@dataclass(frozen=True, eq=False)
class Arm:
    """``visits``: blood and lvef -> (first cycle (day,), later cycles (day,), every so many cycles); ``shares`` (cycle,):
    P(exactly that many cycles); ``rules``: those of each part; ``scale`` of grades: (version, ((count, LLN), ...))."""

    trial: str
    arm: str
    n: int
    population: populations.Population
    parts: tuple
    effects: tuple
    every: int
    cycles: int
    shares: np.ndarray
    visits: dict
    rules: tuple
    scale: tuple

    @property
    def organs(self):
        return tuple(o for e in self.effects for o in e.organs)


def arm(trial, arm_id):
    """The `Arm` of a trial.

    Raises
    ------
    InputError
        Where a drug has no PK card on the shelf or a regimen cannot be followed day by day.
    """
    of = trial.arms[arm_id]
    where = f"arm[{list(trial.arms).index(arm_id)}].regimen"
    phases = [phase_of(trial, words, where) for _, words in of.drugs]
    parts = tuple(_part(name, p) for (name, _), p in zip(of.drugs, phases, strict=True))
    every = int(max([p.cycle or p.every for p in phases if (p.cycle or p.every) > 1], default=CYCLE))
    times = [p.times for p in phases if p.times]
    cycles = min([of.treatment.longest, *times])
    effects = tuple(_effects(of.drugs))
    for organ in (o for e in effects for o in e.organs if o in organs.COUNTS and o not in trial.lower_limit):
        raise bad(trial.path, f"lower_limit.{organ}", "is missing; the arm's drug has a card that speaks of it")
    return Arm(
        trial=trial.name,
        arm=arm_id,
        n=of.n,
        population=populations.load(trial.population),
        parts=parts,
        effects=effects,
        every=every,
        cycles=cycles,
        shares=cycle_shares(of.treatment, every, cycles),
        visits={"blood" if k == "platelets" else k: _days(v, every) for k, v in trial.visits.items()},
        rules=tuple(trial.rules.get(p.drug, rules.Rules(p.drug, (p.amount,), ())) for p in parts),
        scale=(trial.grading, tuple(trial.lower_limit.items())),
    )


def phase_of(trial, words, where):
    """The one phase of a regimen that is followed day by day; raises `InputError` for any other."""
    (phase,) = events.schedule(words, trial.path, where, line_of(trial.path, where), most=1)
    whole = (phase.cycle or phase.every) >= 1
    if not whole or phase.unit not in ("mg", "mg/kg", "mg/m2"):
        raise bad(trial.path, where, f"regimen {words!r}: doses in mg, mg/kg or mg/m2 are needed", line_of(trial.path, where))
    return phase


def _part(drug, phase):
    """The `Part` of a drug under a phase: infusions by the dose, what is taken daily by the week."""
    card = cards.load(drug, "pk")
    infusion = drugs.load(drug).infusion
    daily = max(1, round(1 / phase.every))
    if phase.every > 1:
        return Part(drug, card, infusion or 1.0, phase.amount, phase.unit, 1, (True,), (int(phase.every),))
    period = phase.cycle or PACK
    first, last = (phase.first or 1) - 1, phase.last or period
    on = tuple(first <= d < last for d in range(period))
    starts = range(first, last, PACK)
    gap = tuple(min([s - d for s in starts if s > d], default=period + first - d) for d in range(period))
    return Part(drug, card, infusion or 1.0, phase.amount * daily, phase.unit, PACK, on, gap)


def _effects(parts):
    """Effect cards of all drugs; where two speak of one organ the first drug's card speaks for the arm."""
    seen = set()
    for i, (drug, _) in enumerate(parts):
        for name in organs.effects(drug):
            mine = organs.EFFECTS[name]
            if name == organs.OTHER:
                mine = (f"{organs.OTHER} {drug}" if i else organs.OTHER,)
            if not seen & set(mine):
                yield Effect(name, cards.load(drug, name), i, mine)
            seen |= set(mine)


def _days(visits, every):
    """Truth values by days since the dose, 0 to a cycle."""
    days = np.arange(every + 1)
    first, later = (np.isin(days, [d - 1 for d in row]) for row in (visits.first_cycle, visits.later_cycles))
    return first, later, visits.every


__all__ = ["Arm", "Effect", "Part", "arm", "phase_of"]
