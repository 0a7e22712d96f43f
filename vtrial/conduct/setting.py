"""An arm with everything it needs resolved: cards, population, plan, grading limits, time on treatment."""

from dataclasses import dataclass, replace

import numpy as np

from ..library import cards, drugs, populations
from ..population import needed
from .grading import limits
from .schedule import Plan, plan
from .treatment import cycle_shares


@dataclass(frozen=True, eq=False)
class Setting:
    """One arm under one reading of the protocol. ``shares`` (cycle,): P(exactly that many cycles are given)."""

    trial: str
    arm: str
    pk: cards.Card
    fx: cards.Card
    population: populations.Population
    infusion: float
    plan: Plan
    shares: np.ndarray
    limits: tuple
    n: int

    @property
    def looked(self):
        return np.array(self.plan.looked)


def setting(trial, arm_id, effect, *, visits=None, lower_limit=None, treatment=None):
    """The `Setting` of an arm, with the protocol's assumed parts replaced where alternatives are given.

    Raises `InputError` where the arm's drug or its effect card is not on the shelf.
    """
    arm = trial.arms[arm_id]
    if treatment is not None:
        arm = replace(arm, treatment=treatment)
    where = f"arm[{list(trial.arms).index(arm_id)}]"
    made = plan(arm, visits or trial.visits["platelets"], trial.path, where)
    pk, fx = cards.load(arm.drug, "pk"), cards.load(arm.drug, effect)
    return Setting(
        trial=trial.name,
        arm=arm_id,
        pk=pk,
        fx=fx,
        # a covariate that nothing depends on takes no quasi-random dimension
        population=populations.load(trial.population).only(needed(pk, fx)),
        infusion=drugs.load(arm.drug).infusion,
        plan=made,
        shares=cycle_shares(arm.treatment, made.every, made.cycles),
        limits=limits(trial.grading, "platelets", lower_limit or trial.lower_limit["platelets"]),
        n=arm.n,
    )
