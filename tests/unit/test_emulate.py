"""Surrogates: their regressions find what made the data, their features say what they should, targets read what was printed."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binom, multinomial

from vtrial.calibrate import blocks, stacked, targets
from vtrial.calibrate.emulate import basis, regress, rounds
from vtrial.calibrate.model import names, parameters
from vtrial.errors import InputError
from vtrial.library import problems
from vtrial.library.free import Free
from vtrial.library.trials import Row

HER2 = problems.load("her2-adc")


def row(**more):
    told = {
        "id": "a", "trial": "t", "arm": "x", "endpoint": "ild_any", "statistic": "share", "relation": "=", "value": 0.1,
        "lower": None, "upper": None, "level": None, "n": 100, "unit": "fraction", "definition": (), "table": "",
        "rounding": 0.005, "reading_sd": 0.0, "source": "", "confidence": "retrieved", "cut": "",
    }  # fmt: skip
    return Row(**(told | more))


@pytest.mark.parametrize("n", [20, 400])
def test_logistic_finds_the_curve_whatever_the_number_of_patients(n):
    rng = np.random.default_rng(n)
    x = rng.normal(size=(3000, 2))
    features = np.column_stack([np.ones(3000), x, x[:, 0] ** 2, x[:, 0] * x[:, 1]])
    beta = np.array([-1.0, 0.7, -0.4, 0.2, 0.3])
    y = rng.binomial(n, 1 / (1 + np.exp(-features @ beta))) / n
    fit = regress.logistic(features, y, 3)
    off = (fit.beta - beta) / np.sqrt(np.diag(fit.covariance))
    assert np.abs(off).max() < 4
    # the residual's spread is that of a share of n
    assert fit.residual.var() == pytest.approx(1 / n, rel=0.15)


def test_straight_does_not_follow_a_few_far_points():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1000, 1))
    features = np.column_stack([np.ones(1000), x, x**2])
    y = features @ np.array([2.0, 0.5, 0.1]) + 0.1 * rng.normal(size=1000)
    y[:20] += 30
    np.testing.assert_allclose(regress.straight(features, y, 2).beta, [2.0, 0.5, 0.1], atol=0.03)


def test_features_are_one_scores_and_products_of_the_own_block():
    of = basis.Basis(use=(2, 0), first=(0, 0, 1), second=(0, 1, 1))
    np.testing.assert_allclose(of(np.array([3.0, 9.0, 2.0])), [1, 2, 3, 4, 6, 9])


def test_a_row_hangs_on_its_own_arms_alone():
    rows = {r.id: r for r in HER2.rows("fit")}
    reach = lambda name, of: blocks.reaches(HER2, next(f for f in HER2.free if f.name == name), rows[of])  # noqa: E731
    assert reach("KD_TDM1", "em-orr") and not reach("KD_TDM1", "em-lc-orr") and reach("KD_TDM1", "em-hr-os")
    assert reach("KG", "em-lc-orr") and not reach("LOW_PLT", "em-plt-lab-any") and reach("LOW_PLT", "em-plt-ae-any")
    assert blocks.of_row(rows["em-ast-ae-g3plus"]) == ("transaminases",)
    assert blocks.of_row(rows["db-tx-neu-ae-any"]) == ("neutropenia",) and blocks.of_row(rows["em-dose-delayed"]) == ("other",)


def test_a_trials_own_score_moves_its_parameter_alone():
    order = names(HER2)
    u = np.zeros(len(order))
    u[order.index("KG@emilia")] = 2.0
    values = parameters(HER2, jnp.asarray(u))
    path = HER2.cards["her2-breast"].path
    here, there = (float(problems.by_card(HER2, values, t)[path]["theta.KG"]) for t in ("emilia", "destiny-breast03"))
    kg = next(f for f in HER2.free if f.name == "KG")
    assert there == pytest.approx(kg.median) and here == pytest.approx(kg.median * np.exp(2 * kg.between[0]))
    i = [f.name for f in HER2.free].index("KG")
    assert float(basis.scores_of(HER2, values, "emilia")[i]) == pytest.approx(2 * kg.between[0] / kg.log_sd, rel=1e-2)


@pytest.mark.parametrize(
    "f",
    [
        Free("a", "theta.A", 2.0, 0.5, "1", 1.0),
        Free("a", "theta.A", 2.0, 0.5, "1", 1.0, lower=1.0),
        Free("a", "theta.A", 0.3, 0.5, "1", 1.0, upper=1.0),
        Free("a", "theta.A", -0.3, 0.5, "1", 1.0, normal=True),
    ],
)
def test_scores_and_values(f):
    for score in (-1.7, 0.0, 2.2):
        assert float(f.score(f.value(score))) == pytest.approx(score, abs=1e-5)
        assert float(f.moved(f.value(score), 0.4)) == pytest.approx(float(f.value(score + 0.4 / f.slope)), rel=1e-5)
    assert float(f.value(0.0)) == pytest.approx(f.median)


def test_counts_of_one_event_at_two_cuts_are_one_multinomial():
    early = row(id="e", value=0.10, cut="2021", rounding=0.0005)
    late = row(id="l", value=0.15, cut="2022", rounding=0.0005)
    (target,) = targets.gather([early, late])
    got = float(target.loglik(jnp.array([0.12, 0.2]), 0.0))
    assert got == pytest.approx(multinomial.logpmf([85, 5, 10], 100, [0.8, 0.08, 0.12]), abs=1e-6)


def test_less_than_is_any_smaller_count():
    (target,) = targets.gather([row(relation="<", value=0.02, rounding=0.0)])
    assert float(target.loglik(jnp.array([0.03]), 0.0)) == pytest.approx(binom.logcdf(1, 100, 0.03), abs=1e-6)


def test_a_surrogates_error_widens_its_target():
    told = [row(value=0.3, endpoint="orr", statistic="share")]
    exact, widened = (targets.gather(told, error)[0] for error in (None, np.array([0.5])))
    at = jnp.array([0.12])  # far off: a prediction that may be off itself is less surprised
    assert float(widened.loglik(at, 0.0)) > float(exact.loglik(at, 0.0)) + 1
    assert float(widened.loglik(at, 0.0)) == pytest.approx(float(exact.loglik(at, 0.5)), abs=1e-9)


def test_targets_side_by_side_are_what_they_are_one_by_one():
    told = [row(id=str(i), value=v, n=n) for i, (v, n) in enumerate([(0.1, 100), (0.3, 57), (0.0, 20)])]
    grades = (("any", 0.5), ("grade3", 0.1), ("grade4", 0.02))
    table = [row(id=f"t{g}", endpoint=f"alt_lab_{g}", value=v, table="a") for g, v in grades]
    fitted = targets.gather([*told, *table], np.full(6, 0.1))
    predicted = jnp.array([0.12, 0.25, 0.02, 0.45, 0.12, 0.03])
    got = stacked.logliks(fitted, stacked.stacks(fitted), predicted, 0.2, {})
    np.testing.assert_allclose(got, [t.loglik(predicted, 0.2) for t in fitted], rtol=1e-9)


def test_what_hardly_ever_happens_does_not_blur_the_rest():
    """The error of a rare grade's logit is large and tells nothing: the table's own is about that of the other grades. With one
    too wide for its nodes the likelihood was a comb of seven spikes, over which no chain walks."""
    problem = problems.load("her2-adc")
    rows = [r for r in problem.rows("fit") if r.table == "tdm1-alt-lab"]
    level = {r.endpoint.rsplit("_", 1)[1]: i for i, r in enumerate(rows)}
    error = np.full(len(rows), 0.05)
    error[level["grade4"]] = 3.0
    (table,) = targets.gather(rows)
    assert targets.common(table, np.full(len(rows), 0.05)) == pytest.approx(0.05)
    (blurred,) = targets.gather(rows, np.full(len(rows), targets.common(table, error)))
    assert 0.05 < blurred.error < 0.2

    def energy(any_):
        predicted = np.zeros(len(rows))
        predicted[level["any"]], predicted[level["grade3"]], predicted[level["grade4"]] = any_, 0.05, 0.002
        return -float(blurred.loglik(predicted, 0.05))

    # one valley
    found = np.array([energy(p) for p in np.linspace(0.7, 0.92, 80)])
    falls = np.diff(found) < 0
    assert falls[0] and not falls[-1] and (np.diff(falls.astype(int)) != 0).sum() == 1


def test_training_points_of_a_problem_serve_one_with_more_of_a_trials_own(tmp_path):
    """Its own values are nought in trials simulated without; what the file has and the problem has not is refused."""
    known, told = ["A", "TAU", "B"], ["B", "TAU_A", "A@x", "A", "TAU"]
    points = np.arange(6.0).reshape(2, 3)
    file = tmp_path / "training.npz"
    rounds.save(file, known, [(points, [np.ones((2, 1))])], points[:1], [np.ones((1, 1))])
    rounds.joined(file, tmp_path / "more.npz", told, np.full((1, 5), 7.0), [np.zeros((1, 1))])
    with np.load(tmp_path / "more.npz") as more:
        np.testing.assert_array_equal(more["points"], [[2, 0, 0, 0, 1], [5, 0, 0, 3, 4], [7] * 5])
        np.testing.assert_array_equal(more["probes"], [[2, 0, 0, 0, 1]])
        assert list(more["names"]) == told
    with pytest.raises(InputError, match="alone: A, AGREEMENT"):
        rounds.restored(Bare(HER2), file)
    # the same parameters in another order, less what trials have of their own
    order = names(HER2)
    short = [n for n in reversed(order) if "@" not in n and not n.startswith("TAU_")]
    rounds.save(file, short, [(np.arange(len(short))[None], [])], np.zeros((1, len(short))), [])
    (placed,) = rounds._read(Bare(HER2), file)["points"]
    assert [placed[order.index(n)] for n in short] == list(range(len(short)))
    assert sum(placed != 0) == len(short) - 1


class Bare:
    work = ()

    def __init__(self, problem):
        self.problem = problem
