"""Laws of randomisation played out, examples worked by hand, and a second telling of minimisation in plain Python."""

from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vtrial.conduct import randomise
from vtrial.library.design import Randomisation, Stratum

REPLICATES, PATIENTS = 400, 300
KEYS = jax.random.split(jax.random.key(4), REPLICATES)
# Three factors, of a half, a quarter and a tenth of the patients, the same in every replicate.
LEVELS = (np.random.default_rng(2).random((3, PATIENTS)) < np.array([0.5, 0.25, 0.1])[:, None]).astype(int)
ALIKE = np.zeros((0, PATIENTS), int)
STRATA = LEVELS.T @ np.array([1, 2, 4])


def many(how, **more):
    """(replicate, patient) of one kind of randomisation."""
    return np.asarray(jax.jit(jax.vmap(lambda key: how(key, **more)))(KEYS))


blocks = partial(randomise.permuted_blocks, levels=LEVELS)
balanced = partial(randomise.minimisation, levels=LEVELS)
KINDS = {
    "permuted blocks": lambda ratio: partial(blocks, ratio=ratio, block=2 * sum(ratio)),
    "minimisation": lambda ratio: partial(balanced, ratio=ratio, probability=0.8),
    "simple": lambda ratio: partial(randomise.simple, patients=PATIENTS, ratio=ratio),
}


# --- permuted blocks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [2, 4, 6])
def test_blocks_leave_no_imbalance_in_a_stratum_beyond_half_a_block(block):
    arms = many(blocks, ratio=(1, 1), block=block)
    for stratum in np.unique(STRATA):
        ahead = np.where(arms[:, stratum == STRATA] == 0, 1, -1).cumsum(1)
        assert (np.abs(ahead) <= block // 2).all()
        assert (ahead[:, block - 1 :: block] == 0).all()


def test_a_full_block_has_the_ratio():
    arms = many(blocks, ratio=(2, 1), block=6)
    for stratum in np.unique(STRATA):
        mine = arms[:, stratum == STRATA]
        whole = mine[:, : mine.shape[1] // 6 * 6].reshape(REPLICATES, -1, 6)
        assert ((whole == 0).sum(-1) == 4).all()


def test_every_order_of_a_block_is_as_likely():
    arms = np.asarray(jax.vmap(lambda k: randomise.permuted_blocks(k, np.zeros((0, 4), int), (1, 1), 4))(KEYS))
    found, counts = np.unique(arms, axis=0, return_counts=True)
    assert len(found) == 6
    assert (np.abs(counts - REPLICATES / 6) < 4 * np.sqrt(REPLICATES * 5 / 36)).all()


def test_two_strata_by_hand():
    """Blocks of two: whoever is second in his stratum's block has the arm that the first has not."""
    levels = np.array([[0, 1, 0, 0, 1, 1, 0, 1]])
    arms = np.asarray(randomise.permuted_blocks(jax.random.key(3), levels, (1, 1), 2))
    for first, second in ((0, 2), (1, 4), (3, 6), (5, 7)):
        assert {arms[first], arms[second]} == {0, 1}


# --- minimisation ----------------------------------------------------------------------------------------------------


def test_minimisation_by_hand():
    """Two factors, the better arm always; patients as (factor 1, factor 2).

    1 (0, 0): nobody is there, drawn: X, the other arm being Y.
    2 (0, 1): of level 0 of factor 1 X has one. Joining X: 2 - 0 and 1 - 0, sum 3; joining Y: 1 - 1 and 0 - 1, sum 1. Y.
    3 (1, 0): of level 0 of factor 2 X has one. Joining X: 1 and 2, sum 3; joining Y: 1 and 0, sum 1. Y.
    4 (1, 1): both factors: Y has one. Joining X: 0; joining Y: 4. X.
    5 (0, 0): factor 1: X 1, Y 1; factor 2: X 1, Y 1. Equal, drawn: Z.
    6 (0, 1): factor 1: one more of Z; factor 2: X 1, Y 1. Not Z.
    """
    levels = np.array([[0, 0, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1]])
    for key in KEYS[:20]:
        x, *rest, z, last = np.asarray(randomise.minimisation(key, levels, (1, 1), 1.0))
        assert (rest, last) == ([1 - x, 1 - x, x], 1 - z)


def test_minimisation_two_to_one_by_hand():
    """Nobody drawn and no factors: of arms with weights 2 and 1, joining the first leaves 1/2 - 0, the second 0 - 1: the
    first; then 2/2 - 0 against 1/2 - 1: the second; then 2/2 - 1 = 0: the first; and so on."""
    arms = randomise.minimisation(jax.random.key(1), ALIKE, (2, 1), 1.0)
    np.testing.assert_array_equal(arms, np.tile([0, 1, 0], PATIENTS // 3))


def by_hand(luck, levels, ratio, probability):
    """Minimisation in plain Python, in fractions."""
    shares = [w / sum(ratio) for w in ratio]
    blind, before, out = (1 - probability) / (1 - min(shares)), [], []
    for u, mine in zip(luck, levels.T, strict=True):
        imbalance = []
        for joined in range(len(ratio)):
            total = Fraction(0)
            for f, level in enumerate(mine):
                there = [sum(a == k and past[f] == level for a, past in before) + (k == joined) for k in range(len(ratio))]
                each = [Fraction(n, w) for n, w in zip(there, ratio, strict=True)]
                total += max(each) - min(each)
            imbalance.append(total)
        best = [i == min(imbalance) for i in imbalance]
        among = sum(s for s, b in zip(shares, best, strict=True) if b)
        chance = [(1 - blind) * b * s / among + blind * s for s, b in zip(shares, best, strict=True)]
        arm = next((k for k in range(len(ratio)) if u < sum(chance[: k + 1])), len(ratio) - 1)
        before.append((arm, mine))
        out.append(arm)
    return out


@pytest.mark.parametrize(("ratio", "probability"), [((1, 1), 0.8), ((2, 1), 0.75), ((1, 1, 1), 0.9), ((3, 2, 1), 0.7)])
def test_minimisation_is_what_plain_python_finds(ratio, probability):
    for key in KEYS[:5]:
        found = randomise.minimisation(key, LEVELS[:, :90], ratio, probability)
        luck = np.asarray(randomise._luck(key, 90), float)
        np.testing.assert_array_equal(found, by_hand(luck, LEVELS[:, :90], ratio, probability))


def test_minimisation_balances_margins_much_better_than_chance():
    off = {}
    for name in ("minimisation", "simple"):
        signs = 1 - 2 * many(KINDS[name]((1, 1)))
        margins = [signs[:, row == level].sum(1) for row in LEVELS for level in (0, 1)]
        off[name] = np.abs(margins).mean(1)
        print(name, off[name].round(2))
    # the last level has few patients, of whom chance puts few too many anywhere
    assert (off["minimisation"] < np.where(off["simple"] > 5, 0.2, 0.5) * off["simple"]).all()
    # nothing drawn: no factor's imbalance is more than a few
    signs = 1 - 2 * many(balanced, ratio=(1, 1), probability=1.0)
    assert max(np.abs(signs[:, row == level].sum(1)).max() for row in LEVELS for level in (0, 1)) <= 6


# --- all kinds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [(1, 1), (2, 1), (1, 1, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_ratio_is_kept_at_the_end_and_on_the_way(kind, ratio):
    arms, shares = many(KINDS[kind](ratio)), np.array(ratio) / sum(ratio)
    for last in (PATIENTS // 3, PATIENTS):
        counts = (arms[:, :last, None] == np.arange(len(ratio))).sum(1)
        error = counts.std(0, ddof=1) / np.sqrt(REPLICATES)
        print(kind, ratio, last, counts.mean(0), error)
        # balancing arms leaves less than a patient, on average, on the way
        assert (np.abs(counts.mean(0) - last * shares) < 4 * error + (kind == "minimisation")).all()
    assert set(np.unique(arms)) == set(range(len(ratio)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_key_gives_the_same_list_and_no_later_patient_changes_it(kind):
    how = Randomisation(kind.replace(" ", "_"), (1, 1), 4, 0.8, (Stratum("VISC"),) * 3)
    one, again, other = (np.asarray(randomise.assigned(KEYS[i], how, LEVELS)) for i in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    np.testing.assert_array_equal(one[:100], randomise.assigned(KEYS[0], how, LEVELS[:, :100]))
    # many at once are each what they are alone
    together = jax.jit(jax.vmap(lambda key: randomise.assigned(key, how, LEVELS)))(KEYS[:3])
    np.testing.assert_array_equal(together[0], one)


def test_full_arms_leave_the_rest_to_the_others():
    arms = jnp.array([0, 0, 1, 0, 0, 1, 2, 0])
    # the fourth, fifth and eighth find the first arm full; one place is left in the second, then two in the third
    np.testing.assert_array_equal(randomise.filled(arms, (2, 3, 3)), [0, 0, 1, 1, 2, 1, 2, 2])
    np.testing.assert_array_equal(randomise.filled(arms, (5, 2, 1)), arms)
