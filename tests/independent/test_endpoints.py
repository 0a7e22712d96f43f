"""vtrial against the naive implementation: individual parameters, courses, hard endpoints; and smooth against hard."""

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from vtrial import population
from vtrial.conduct.setting import setting
from vtrial.conduct.treatment import cycle_shares, cycles_given
from vtrial.endpoints import TABLE, grades, hard, smooth
from vtrial.endpoints.cohort import Cohort
from vtrial.library import cards, files, populations, trials
from vtrial.library.trials import Treatment

EFFECT = "thrombocytopenia"
KEY = jax.random.PRNGKey(490)
N = 200
HARD_SUBJECTS, CHUNK = 106_496, 8192  # 13 chunks
SCRAMBLES = 4


@pytest.fixture(scope="module")
def printed(repo):
    """The numbers as the files print them: population, platelet card."""
    at = Path(repo) / "models"
    paths = at / "populations" / "emilia.toml", at / "drugs" / "tdm1" / f"{EFFECT}.toml"
    return [tomllib.loads(path.read_text(encoding="utf-8")) for path in paths]


def normals(rng, n):
    names = "WT ALB AST SLD ECD TBL AGE ECOG ASIAN VISC CNS PIK3CA HER2MRNA PRIORLINES REGION_US REGION_WEST".split()
    names += [f"eta.{k}" for k in "CL V1 Q V2 CIRC0 MTT GAM SLOPE KS KD".split()]
    return {k: rng.standard_normal(n) for k in names}


def patient(naive, printed, scores):
    """Covariates, PK and platelet parameters of one patient, by the naive formulae."""
    of, card = printed
    cov = naive.covariates(of, scores)
    z = {k.removeprefix("eta."): v for k, v in scores.items() if k.startswith("eta.")}
    return cov, naive.lu2014(cov, z), naive.platelet_parameters(card, z, cov)


# --- individual parameters and courses -------------------------------------------------------------------------------


def test_individuals_against_formulae(naive, printed):
    scores = normals(np.random.default_rng(1), N)
    covs = population.covariates(populations.load("emilia"), scores)
    p = population.individuals(cards.load("tdm1", "pk"), scores, covs)
    q = population.individuals(cards.load("tdm1", EFFECT), scores, covs)
    for i in range(N):
        cov, pk, fx = patient(naive, printed, {k: v[i] for k, v in scores.items()})
        cov = cov | {"SLD": 10 * cov["SLD"]}  # printed in cm, mm inside
        for mine, theirs in ((covs, cov), (p, pk), (q, fx)):
            assert set(theirs) == set(mine)
            for name, value in theirs.items():
                assert float(mine[name][i]) == pytest.approx(value, rel=1e-12, abs=1e-13), name


LONG = [("emilia", "tdm1"), ("tdm4258g", "bender-2012")]
ARMS = [*LONG, ("platelet-kinetics", "tdm1")]


@cache
def taken(trial, arm):
    """An arm's setting, its look and, for each subject, what was measured: counts, baseline, and cycles given."""
    s = setting(trials.load(trial), arm, EFFECT)
    look = jax.jit(lambda i: hard.look(*hard.split(s), {}, hard.arm_key(KEY, s), i))(jnp.arange(N))
    true = np.exp(look.scale[0])
    baseline = true * np.exp(look.sigma * look.noise0)
    measured = np.exp(look.log_x) * true * np.exp(look.sigma * look.noise)
    return s, look, [(measured[:, :, i].tolist(), float(baseline[i]), int(look.given[i])) for i in range(N)]


@pytest.mark.parametrize(("trial", "arm", "per_kg", "every"), [("emilia", "tdm1", 3.6, 21), ("tdm3569g-qw", "qw-2.9", 2.9, 7)])
def test_a_simulated_patient_is_the_naive_patient(naive, printed, trial, arm, per_kg, every):
    """Scores, covariates, parameters, dose and course end to end: the counts of eight patients of an arm."""
    s, look, _ = taken(trial, arm)
    names = [*normals(np.random.default_rng(0), 1)]
    scores = population.deal(population.stream(KEY, f"{trial}/{arm}"), jnp.arange(8), names)
    days = [float(every * c + d - 1) for c in range(s.plan.cycles) for d in look.watch]
    for i in range(8):
        cov, pk, fx = patient(naive, printed, {k: float(v[i]) for k, v in scores.items()})
        doses = [(float(every * c), per_kg * cov["WT"]) for c in range(s.plan.cycles)]
        expected = naive.counts(pk, fx, doses, 1.5 / 24, days)
        # what the stepper may cost: tests/reference/test_steppers.py
        np.testing.assert_allclose(np.exp(look.log_x[..., i]).ravel(), expected, rtol=1e-3)
        assert float(look.scale[0, i]) == pytest.approx(np.log(fx["CIRC0"]), rel=1e-12)


def test_cycles_given_against_the_clock(naive):
    """Quantiles of the exponential time on treatment, one patient at a time."""
    every, longest, median = 21, 24, 7.6 * 30.4375
    scores = np.random.default_rng(2).standard_normal(2000)
    shares = cycle_shares(Treatment("exponential", longest, median=median), every, longest)
    given = np.asarray(cycles_given(shares, scores))
    assert list(given) == [naive.cycles_started(norm.cdf(z), median, every, longest) for z in scores]
    assert {1, 24} <= set(given)
    np.testing.assert_allclose(shares.sum(), 1.0, rtol=1e-14)


def test_cycles_of_a_fixed_plan():
    shares = cycle_shares(Treatment("cycles", 3), 21, 3)
    assert set(np.asarray(cycles_given(shares, np.random.default_rng(3).standard_normal(50)))) == {3}


def test_cycles_of_a_curve():
    """A curve that is exponential gives what the exponential gives, between its points and after the last."""
    days = (0.0, 50.0, 90.0, 200.0)
    curve = Treatment("curve", 24, days=days, share=tuple(0.5 ** (d / 150) for d in days))
    np.testing.assert_allclose(
        cycle_shares(curve, 21, 24), cycle_shares(Treatment("exponential", 24, median=150.0), 21, 24), rtol=1e-12
    )


# --- hard endpoints, subject by subject ------------------------------------------------------------------------------


@pytest.mark.parametrize("arm", ARMS, ids="/".join)
def test_hard_grades(arm, naive):
    s, look, subjects = taken(*arm)
    visits, limits = s.looked.tolist(), s.limits
    worst = np.array([naive.worst_grade(measured, visits, given, limits) for measured, _, given in subjects])
    for g in (1, 2, 3, 4):
        value, weight = grades.at_least(g).hard(look)
        np.testing.assert_array_equal(value, worst >= g)
        np.testing.assert_array_equal(grades.exactly(g).hard(look)[0] if g < 4 else value, worst == g)
        np.testing.assert_array_equal(weight, 1.0)
    assert len(set(worst)) >= 3


@pytest.mark.parametrize("arm", ARMS, ids="/".join)
@pytest.mark.parametrize("cycle", [1, 2])
def test_hard_nadirs(arm, naive, cycle):
    _, look, subjects = taken(*arm)
    value, weight = TABLE["platelets_nadir_fraction"].hard(look, cycle=cycle)
    expected = [naive.nadir_fraction(measured, baseline, cycle) for measured, baseline, _ in subjects]
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_array_equal(weight, [given >= cycle for *_, given in subjects])


@pytest.mark.parametrize("arm", ARMS, ids="/".join)
def test_hard_fraction_of_a_day(arm, naive):
    s, look, subjects = taken(*arm)
    for day in s.plan.watch:
        value, weight = TABLE["platelets_fraction_of_baseline"].hard(look, day=day)
        expected = [naive.day_fraction(measured, s.plan.watch, baseline, day) for measured, baseline, _ in subjects]
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        np.testing.assert_array_equal(weight, 1.0)


@pytest.mark.parametrize("arm", LONG, ids="/".join)
def test_hard_drift_and_stability(arm, naive):
    _, look, subjects = taken(*arm)
    value, weight = TABLE["platelets_drift"].hard(look, threshold=0.8, first=6, last=8)
    expected = [naive.drifts(measured, baseline, 0.8, 6, 8) for measured, baseline, _ in subjects]
    np.testing.assert_array_equal(value, expected)
    np.testing.assert_array_equal(weight, [given >= 8 for *_, given in subjects])
    assert 0.1 < np.mean(expected) < 0.9
    value, weight = TABLE["platelets_drift_stability"].hard(look, cycle=12, over=8)
    np.testing.assert_allclose(value, [naive.predose_ratio(measured, 12, 8) for measured, *_ in subjects], rtol=1e-12)
    np.testing.assert_array_equal(weight, [given >= 12 for *_, given in subjects])


# --- smooth endpoints are the expectation of the hard ones -----------------------------------------------------------


def modelled():
    """(trial, arm) -> rows on modelled endpoints, of every trial on the shelf whose arm's drug has a card."""
    out = {}
    for name in files.names("trials"):
        trial = trials.load(name)
        for row in trial.rows.values():
            if row.endpoint in TABLE and trial.arms[row.arm].drug in files.names("drugs"):
                out.setdefault((name, row.arm), []).append(row)
    return out


def smooth_statistics(arms, rows):
    """Mean over scrambles of the quasi-random cohort of 1024, and its standard error, (row,) each."""
    draws = []
    for seed in range(SCRAMBLES):
        cohort = Cohort.make(list(arms.values()), rows, 1024, seed)
        draws.append(np.asarray(smooth.predictor(arms, rows, cohort)({})))
    return np.mean(draws, 0), np.std(draws, 0, ddof=1) / np.sqrt(SCRAMBLES)


def hard_statistics(run, amount, kinds):
    """kind -> weighted mean over fresh subjects, its standard error (delta method), the weight."""
    total = 0.0
    for start in range(0, HARD_SUBJECTS, CHUNK):
        total = total + np.asarray(run(jnp.arange(start, start + CHUNK), amount))
    n, weight, value, square = total.T  # of 1, w, w v, w v^2; weights are 0 or 1
    assert (n == HARD_SUBJECTS).all()
    mean = value / weight
    return dict(zip(kinds, zip(mean, np.sqrt((square / weight - mean**2) / weight), weight, strict=True), strict=True))


def sums(s, rows):
    """Sums over subjects, (row, 4), of a jitted hard look; arms that differ only in amount share it."""

    def run(subjects, amount):
        look = hard.look(*hard.split(replace(s, plan=s.plan._replace(amount=amount))), {}, KEY, subjects)
        pairs = [TABLE[r.endpoint].hard(look, **r.options) for r in rows]
        return jnp.stack([jnp.stack([jnp.ones_like(w), w, w * v, w * v**2]).sum(1) for v, w in pairs])

    return jax.jit(run)


@pytest.mark.slow
def test_smooth_is_the_expectation_of_hard():
    arms = modelled()
    settings_of = {(t, a): setting(trials.load(t), a, EFFECT) for t, a in arms}
    rows = [r for own in arms.values() for r in own]
    statistics = zip(*smooth_statistics(settings_of, rows), strict=True)
    expected = dict(zip([(r.trial, r.id) for r in rows], statistics, strict=True))
    assert len(arms) >= 10 and len(expected) >= 20
    groups = {}
    for name, s in settings_of.items():
        groups.setdefault((s.trial, s.plan._replace(amount=0.0), tuple(s.shares)), []).append(name)
    for members in groups.values():
        shared = {(r.endpoint, r.definition): r for name in members for r in arms[name]}
        run = sums(settings_of[members[0]], list(shared.values()))
        for name in members:
            found = hard_statistics(run, settings_of[name].plan.amount, shared)
            for row in arms[name]:
                agree(row, *expected[row.trial, row.id], *found[row.endpoint, row.definition])


def agree(row, smoothed, error, mean, se, weight):
    """Within four standard errors, the hard sample's and that of the scrambles together."""
    if TABLE[row.endpoint].scale == "logit":  # a share that nobody has is not known without error
        se = max(se, np.sqrt(smoothed * (1 - smoothed) / weight))
    allowed = 4 * np.hypot(se, error)
    off = abs(smoothed - mean)
    print(f"{row.trial}/{row.id}: smooth {smoothed:.5f}, hard {mean:.5f}, off {off:.5f} of {allowed:.5f}")
    assert off <= allowed, row.id
