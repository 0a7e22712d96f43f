"""A published number against replicates: covered or not, and what a reader is told beside it."""

from types import SimpleNamespace

import numpy as np
import pytest

from vtrial import compare

# the 5 % and 95 % quantiles are 6.846 and 9.744
REPLICATES = np.linspace(6.685, 9.905, 1001)


def row(value, relation="=", rounding=0.05, lower=None, upper=None, level=None):
    kept = {"statistic": "median", "unit": "months", "n": 263}
    return SimpleNamespace(value=value, relation=relation, rounding=rounding, lower=lower, upper=upper, level=level, **kept)


def test_the_interval_is_that_of_the_replicates():
    found = compare.quantiles(REPLICATES)
    assert (found["q05"], found["median"], found["q95"]) == pytest.approx((6.846, 8.295, 9.744))


@pytest.mark.parametrize(
    ("value", "relation", "covered"),
    [
        (6.8, "=", False),  # a printed number is taken as it stands
        (6.9, "=", True),
        (9.8, "=", False),
        (6.8, "<", False),
        (6.9, "<", True),
        (9.8, ">", False),
        (9.7, ">", True),
        (None, "=", None),
    ],
)
def test_covered(value, relation, covered):
    assert compare.covered(row(value, relation), REPLICATES) is covered


@pytest.mark.parametrize(
    ("value", "rounding", "near"),
    [(6.8, 0.05, True), (6.79, 0.05, False), (6.8, 0.005, False), (9.79, 0.05, True), (9.8, 0.05, False), (8.0, 0.05, False)],
)
def test_a_miss_smaller_than_its_rounding_is_told_and_stays_a_miss(value, rounding, near):
    one = row(value, rounding=rounding)
    assert ("less than it is rounded" in compare.flag(one, REPLICATES)) is near
    assert not (near and compare.covered(one, REPLICATES))


def test_an_inequality_is_not_rounded():
    assert compare.flag(row(6.8, "<"), REPLICATES) == ""


def test_an_interval_at_odds_with_its_size_is_told_beside_it():
    narrow = row(6.8, lower=6.7, upper=6.9, level=0.95)
    told = compare.flag(narrow, REPLICATES)
    assert "times the sampling error of n = 263" in told
    assert told.endswith("; outside by less than it is rounded")


def test_nothing_is_told_of_a_row_that_is_not_modelled():
    assert compare.flag(row(6.8), None) == ""
