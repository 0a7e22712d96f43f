"""Randomisation played out: the arm of each patient of a trial, in order of enrolment, as its kind assigns it.

Arms are their places in the trial, from 0. Factors are told as ``levels`` (factor, patient), 0 or 1. A patient's luck is
keyed by the place in the order, so that whoever joins later changes nobody's arm.
"""

import jax
import jax.numpy as jnp
import numpy as np


def simple(key, patients, ratio):
    """Arms (patient,) drawn one by one, by the ratio (arm,) alone."""
    return _drawn(_luck(key, patients), _shares(ratio)[:, None])


def permuted_blocks(key, levels, ratio, block):
    """Arms (patient,) by permuted blocks within strata, each combination of levels (factor, patient) a stratum.

    Every ``block`` patients of a stratum, one after the other, have the arms of the ratio (arm,) in a random order; the sum
    of the ratio divides ``block``.
    """
    stratum, many = _strata(levels), 2 ** len(levels)
    before = _places(stratum, many)
    arms = np.repeat(np.arange(len(ratio)), np.array(ratio) * (block // sum(ratio)))

    def one(stratum, before):
        own = jax.random.fold_in(jax.random.fold_in(key, stratum), before // block)
        return jax.random.permutation(own, arms)[before % block]

    return jax.vmap(one)(stratum, before)


def minimisation(key, levels, ratio, probability):
    """Arms (patient,) by minimisation: Pocock and Simon, Biometrics 1975;31:103.

    The imbalance of an arm is what there would be if the patient joined it: of those who share the patient's level of a
    factor, the range over arms of their number over the arm's weight in the ratio (arm,), summed over the factors. The arm of
    the smallest is the better one; of equally good ones one is drawn by the ratio. Without factors all share one level.

    A share of the patients is drawn by the ratio from all arms, so large that the better arm is taken with ``probability``;
    where weights differ this is that of the arm of the smallest, and the other arms' are higher, so that arms which are the
    better one in proportion to their weights get patients in that proportion (Han, Enas and McEntegart, Stat Med
    2009;28:3329).
    """
    levels = levels if len(levels) else jnp.zeros((1, levels.shape[1]), int)
    shares, factors = _shares(ratio), jnp.arange(len(levels))
    blind = (1 - probability) / (1 - shares.min())

    def join(totals, patient):
        level, luck = patient
        best = _best(totals[factors, level], np.array(ratio))
        chance = (1 - blind) * best * shares / (best * shares).sum() + blind * shares
        arm = _drawn(luck, chance)
        return totals.at[factors, level, arm].add(1), arm

    start = jnp.zeros((len(levels), 2, len(ratio)), int)
    return jax.lax.scan(join, start, (jnp.asarray(levels, int).T, _luck(key, levels.shape[1])))[1]


def _best(totals, ratio):
    """Whether each arm is one of those with the smallest imbalance, (arm,); ``totals`` (factor, arm) in his levels."""
    joined = (totals[None] + np.eye(len(ratio), dtype=int)[:, None]) * (np.lcm.reduce(ratio) // ratio)
    imbalance = (joined.max(-1) - joined.min(-1)).sum(-1)
    return imbalance == imbalance.min()


def assigned(key, how, levels):
    """Arms (patient,) under a `library.design.Randomisation`, of two arms or more; ``levels`` (factor, patient)."""
    if how.kind == "permuted_blocks":
        return permuted_blocks(key, levels, how.ratio, how.block)
    if how.kind == "minimisation":
        return minimisation(key, levels, how.ratio, how.probability)
    return simple(key, levels.shape[1], how.ratio)


def filled(arms, sizes):
    """Arms (patient,) with those who came to an arm when it was full put, in their order, where there is room.

    ``sizes`` (arm,) add up to the patients.
    """
    sizes = jnp.array(sizes)
    over = _places(arms, len(sizes)) >= sizes[arms]
    came = (arms == jnp.arange(len(sizes))[:, None]).sum(1)
    room = jnp.cumsum(sizes - jnp.minimum(came, sizes))
    return jnp.where(over, jnp.searchsorted(room, jnp.cumsum(over) - 1, side="right"), arms)


def _strata(levels):
    """The stratum (patient,) of each combination of levels, from 0."""
    weights = 2 ** np.arange(len(levels))[:, None]
    return (jnp.asarray(levels, int) * weights).sum(0).astype(int)


def _places(group, many):
    """How many of a patient's group came before, (patient,)."""
    member = group == np.arange(many)[:, None]
    return jnp.take_along_axis(member.cumsum(1), group[None], 0)[0] - 1


def _shares(ratio):
    return np.array(ratio) / sum(ratio)


def _luck(key, patients):
    return jax.vmap(lambda i: jax.random.uniform(jax.random.fold_in(key, i)))(jnp.arange(patients))


def _drawn(luck, chance):
    """The arm whose part of the unit interval, laid out by ``chance`` (arm, ...), a uniform number falls into."""
    return jnp.minimum((luck >= jnp.cumsum(chance, 0)).sum(0), len(chance) - 1)


__all__ = ["assigned", "filled", "minimisation", "permuted_blocks", "simple"]
