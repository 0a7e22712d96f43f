"""Randomisation patient by patient: who of a trial's patients, one after the other, comes to an arm.

Patients have places in the trial, each with a joining day and covariates; in the order of joining they are assigned as the
design says. Subject k of an arm is its k-th place, in no order of joining; random effects, measurement and fate are still dealt
by the arm and k.

Two laws conflict here. As arms share the patients, who comes to an arm depends on what other arms there are and how many
join them: with another arm in the trial, its subjects keep their random effects but not their joining days and covariates.
Where randomisation is not played, which is the default, no arm depends on another, and what this would add is left out:
strata that are not quite balanced. And arms have the sizes that were published, not only on average: who comes to an arm that
is full is put where there is room.
"""

import jax
import jax.numpy as jnp

from ... import population
from ...conduct import randomise

# The stream of the assignments' luck.
LUCK = "randomisation"


def scores(s, places, names):
    """Scores of an arm's subjects, name -> (replicate x subject,).

    Parameters
    ----------
    s : setting.Setting
    places : (replicate x subject,) PRNG keys
        Of each subject's replicate of the trial: those of an arm's ``n`` subjects, replicate after replicate.
    names : list of str
        ``joins``, and the covariates of the population.
    """
    of = jax.vmap(lambda key: _of_arm(s, key, names))(places.reshape(-1, s.n)[:, 0])
    return {name: x.reshape(-1) for name, x in of.items()}


def _of_arm(s, key, names):
    """Scores of an arm's subjects in one replicate, name -> (subject,)."""
    sizes = dict(s.arms)
    dealt = population.deal(key, jnp.arange(sum(sizes.values())), names)
    mine = assigned(s, key, dealt) == list(sizes).index(s.arm)
    who = jnp.flatnonzero(mine, size=sizes[s.arm])[: s.n]
    return {name: x[who] for name, x in dealt.items()}


def assigned(s, key, dealt):
    """The arm of each place of the trial, (place,), counted from 0; ``dealt``: its scores, name -> (place,)."""
    how, order = s.design.randomisation, jnp.argsort(dealt["joins"])
    levels = levels_of(s, dealt)[:, order]
    arms = randomise.assigned(population.stream(key, LUCK), how, levels)
    return jnp.zeros_like(order).at[order].set(randomise.filled(arms, [n for _, n in s.arms]))


def levels_of(s, dealt):
    """Levels 0 and 1 of the stratification factors that the population has, (factor, place)."""
    known = population.covariates(s.population, dealt)
    factors = [x for x in s.design.randomisation.strata if x.of in known]
    above = [known[x.of] > (0.5 if x.above is None else x.above) for x in factors]
    return jnp.stack(above).astype(int) if above else jnp.zeros((0, len(dealt["joins"])), int)


__all__ = ["LUCK", "assigned", "levels_of", "scores"]
