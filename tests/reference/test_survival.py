"""Survival statistics against lifelines on its data, published values of small data sets, and naive sums."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest, chi2

from vtrial import survival_speed
from vtrial.endpoints import survival

NEAR = dict(rtol=1e-6, atol=1e-9)
cox = jax.jit(survival.cox, static_argnames=("strata", "ties"))
logrank = jax.jit(survival.logrank, static_argnames="strata")
curve_of = jax.jit(survival.curve)


def load(name):
    from lifelines import datasets

    return getattr(datasets, f"load_{name}")()


def columns(frame, *names):
    return [frame[name].to_numpy() for name in names]


def leukemia():
    """Weeks, relapse, placebo (1) or 6-MP (0)."""
    return columns(load("leukemia"), "t", "status", "Rx")


def lung():
    frame = load("lung")
    return *columns(frame, "time", "status"), (frame["sex"] == 2).to_numpy()


# two arms each, with ties
PAIRS = {
    "leukemia": leukemia,
    "waltons": lambda: (lambda f: (*columns(f, "T", "E"), (f["group"] == "control").to_numpy()))(load("waltons")),
    "lung": lung,
    "larynx": lambda: (lambda f: (*columns(f, "time", "death"), (f["age"] > 65).to_numpy()))(load("larynx")),
    "rossi": lambda: columns(load("rossi"), "week", "arrest", "fin"),
    "gbsg2": lambda: (lambda f: (*columns(f, "time", "cens"), (f["horTh"] == "yes").to_numpy()))(load("gbsg2")),
    "kidney": lambda: (lambda f: (*columns(f, "time", "death"), (f["age"] > 43).to_numpy()))(load("kidney_transplant")),
    "lymphoma": lambda: (lambda f: (*columns(f, "Time", "Censor"), (f["Stage_group"] == 1).to_numpy()))(load("lymphoma")),
}

# (data, time, event, covariate, strata), with ties
STRATA = {
    "rossi": ("rossi", "week", "arrest", "fin", "race"),
    "rossi, age": ("rossi", "week", "arrest", "age", "wexp"),
    "gbsg2": ("gbsg2", "time", "cens", "horTh", "tgrade"),
    "kidney": ("kidney_transplant", "time", "death", "age", "black_male"),
    "larynx": ("larynx", "time", "death", "age", "Stage_II"),
    "lung": ("lung", "time", "status", "sex", "ph.ecog"),
}


@pytest.fixture(params=sorted(PAIRS))
def pair(request):
    time, event, arm = (np.asarray(v, float) for v in PAIRS[request.param]())
    assert {0.0, 1.0} == set(arm) and set(event) <= {0.0, 1.0}
    return time, event, arm > 0


@pytest.fixture(params=sorted(STRATA))
def layered(request):
    """Time, event, covariate, stratum codes, and how many there are."""
    name, *names = STRATA[request.param]
    frame = load(name).dropna(subset=names)
    time, event, x, stratum = columns(frame, *names)
    codes = np.unique(stratum, return_inverse=True)[1]
    x = (x == "yes") if x.dtype == object or x.dtype.kind in "OUT" or x.dtype.name.startswith("str") else x
    return time.astype(float), event > 0, np.asarray(x, float), codes, codes.max() + 1


def halves(x):
    """Two arms from a covariate: those over its median, or the higher of two values."""
    return x > (np.median(x) if len(np.unique(x)) > 2 else x.min())


def fitted(time, event):
    from lifelines import KaplanMeierFitter

    return KaplanMeierFitter().fit(time, event)


@pytest.mark.filterwarnings("ignore:Approximating using")
def test_curves_are_those_of_lifelines(pair):
    time, event, arm = pair
    for of in (arm, ~arm):
        theirs = fitted(time[of], event[of])
        ours = curve_of(time, event, of)
        t = np.unique(np.r_[time, 0.5 * time, 1.1 * time.max()])
        want = theirs.predict(t).to_numpy()
        np.testing.assert_allclose(survival.at(ours, t), want, **NEAR)
        limits = theirs.confidence_interval_.asof(t).to_numpy().T
        inside = want > 0  # at 0 the conventions part
        np.testing.assert_allclose(np.array(survival.interval(ours, t))[:, inside], limits[:, inside], **NEAR)
        assert survival.median(ours) == theirs.median_survival_time_
        for q in (0.903, 0.747, 0.31):  # lifelines misses round ones by rounding
            assert survival.quantile(ours, q) == theirs.percentile(q)


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_median_intervals_are_those_of_lifelines(pair, level):
    from lifelines import KaplanMeierFitter
    from lifelines.utils import median_survival_times

    time, event, arm = pair
    for of in (arm, ~arm):
        theirs = KaplanMeierFitter(alpha=1 - level).fit(time[of], event[of])
        limits = theirs.confidence_interval_[theirs.survival_function_.to_numpy() > 0]  # at 0 the conventions part
        want = median_survival_times(limits).to_numpy().ravel()
        np.testing.assert_array_equal(survival.median_interval(curve_of(time[of], event[of]), level), want)


def test_restricted_means_are_those_of_lifelines(pair):
    from lifelines.utils import restricted_mean_survival_time

    time, event, arm = pair
    horizon = np.array([0.3, 0.7, 0.95]) * min(time[arm].max(), time[~arm].max())
    for of in (arm, ~arm):
        want = [restricted_mean_survival_time(fitted(time[of], event[of]), t) for t in horizon]
        np.testing.assert_allclose(survival.rmst(curve_of(time, event, of), horizon), want, **NEAR)


def test_log_rank_is_that_of_lifelines(pair):
    from lifelines.statistics import logrank_test

    time, event, arm = pair
    theirs = logrank_test(time[arm], time[~arm], event[arm], event[~arm])
    chi, p = logrank(time, event, arm)
    np.testing.assert_allclose([chi, p], [theirs.test_statistic, theirs.p_value], rtol=1e-6)


def theirs_cox(time, event, x, stratum=None):
    from lifelines import CoxPHFitter
    from pandas import DataFrame

    frame = DataFrame({"time": time, "event": event, "x": x})
    if stratum is not None:
        frame["stratum"] = stratum
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"fit_options": {"precision": 1e-12}}
        fit = CoxPHFitter().fit(
            frame.astype(float), "time", "event", strata=None if stratum is None else ["stratum"], **options
        )
    return fit.params_["x"], fit.standard_errors_["x"], fit.log_likelihood_


def test_cox_of_two_arms_is_that_of_lifelines(pair):
    time, event, arm = pair
    want = theirs_cox(time, event, arm)
    np.testing.assert_allclose(cox(time, event, arm), want, rtol=1e-6)
    np.testing.assert_allclose(cox(time, event, arm.astype(float)), want, rtol=1e-6)


def test_stratified_cox_is_that_of_lifelines(layered):
    time, event, x, codes, strata = layered
    want = theirs_cox(time, event, x, codes)
    np.testing.assert_allclose(cox(time, event, x, codes, strata=strata), want, rtol=1e-6)
    arm = halves(x)
    want = theirs_cox(time, event, arm, codes)
    np.testing.assert_allclose(cox(time, event, arm, codes, strata=strata), want, rtol=1e-6)


def test_log_likelihood_at_its_maximum_by_naive_sums(layered):
    time, event, x, codes, strata = layered
    for ties in ("efron", "breslow"):
        found = cox(time, event, x, codes, strata=strata, ties=ties)
        heights = [naive_height(time, event, x, codes, float(found.log_hr) + d, ties) for d in (-1e-4, 0, 1e-4)]
        assert found.loglik == pytest.approx(heights[1], rel=1e-10)
        assert max(heights) == heights[1]
        bend = -(heights[0] - 2 * heights[1] + heights[2]) / 1e-8
        assert found.se == pytest.approx(bend**-0.5, rel=2e-3)


def naive_height(time, event, x, codes, b, ties):
    """The partial log-likelihood, an event at a time."""
    total, theta = 0.0, np.exp(b * x)
    for s, t in sorted({(s, t) for s, t, e in zip(codes, time, event, strict=True) if e}):
        here = (codes == s) & (time == t) & event
        risk = theta[(codes == s) & (time >= t)].sum()
        for k in range(here.sum()):
            total -= np.log(risk - (k / here.sum() * theta[here].sum() if ties == "efron" else 0))
        total += b * x[here].sum()
    return total


def test_stratified_log_rank_by_naive_sums(layered):
    time, event, x, codes, strata = layered
    arm = halves(x)
    excess, variance = 0.0, 0.0
    for s in range(strata):
        for t in np.unique(time[event & (codes == s)]):
            risk, here = (codes == s) & (time >= t), (codes == s) & (time == t) & event
            n, n1, d = risk.sum(), (risk & arm).sum(), here.sum()
            excess += (here & arm).sum() - d * n1 / n
            variance += d * n1 * (n - n1) * (n - d) / (n**2 * (n - 1)) if n > 1 else 0
    chi, p = logrank(time, event, arm, codes, strata=strata)
    assert chi == pytest.approx(excess**2 / variance, rel=1e-10)
    assert p == pytest.approx(chi2.sf(excess**2 / variance, 1), rel=1e-8)


def test_several_covariates_are_those_of_lifelines_and_published():
    """The recidivism model of Rossi as R prints it: coefficients, errors and log-likelihood."""
    names = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]
    frame = load("rossi")
    found = cox(*columns(frame, "week", "arrest"), frame[names].to_numpy().T)
    coefficients = [-0.37942, -0.05744, 0.31390, -0.14980, -0.43370, -0.08487, 0.09150]
    errors = [0.19138, 0.02200, 0.30799, 0.21222, 0.38187, 0.19576, 0.02865]
    np.testing.assert_allclose(found.log_hr, coefficients, atol=6e-6)
    np.testing.assert_allclose(found.se, errors, atol=6e-6)
    assert found.loglik == pytest.approx(-658.75, abs=0.005)
    from lifelines import CoxPHFitter

    fit = CoxPHFitter().fit(frame[[*names, "week", "arrest"]], "week", "arrest", fit_options={"precision": 1e-12})
    np.testing.assert_allclose(found.log_hr, fit.params_[names], rtol=1e-6)
    np.testing.assert_allclose(found.se, fit.standard_errors_[names], rtol=1e-6)


def test_published_values_of_leukemia():
    time, event, placebo = leukemia()
    chi, p = logrank(time, event, placebo)
    assert chi == pytest.approx(16.793, abs=5e-4) and p == pytest.approx(4.17e-5, rel=2e-3)
    efron, breslow = (cox(time, event, placebo > 0, ties=ties) for ties in ("efron", "breslow"))
    np.testing.assert_allclose(efron, [1.5721, 0.4124, -85.0084], atol=6e-5)
    np.testing.assert_allclose(breslow, [1.5092, 0.4096, -172.759 / 2], atol=3e-4)
    treated, control = (curve_of(time, event, placebo == arm) for arm in (0, 1))
    want = [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    np.testing.assert_allclose(survival.at(treated, [6, 7, 10, 13, 16, 22, 23]), want, atol=6e-4)
    np.testing.assert_allclose(survival.at(control, np.arange(9)), 1 - np.array([0, 2, 4, 5, 7, 9, 9, 9, 13]) / 21)
    assert (survival.median(treated), survival.median(control)) == (23, 8)
    assert survival.median_interval(treated) == (13, np.inf)
    assert survival.median_interval(control) == (4, 11)


def test_published_values_of_lung():
    time, event, woman = lung()
    found = cox(time, event, woman)
    np.testing.assert_allclose(found[:2], [-0.5310, 0.1672], atol=6e-5)
    assert logrank(time, event, woman)[0] == pytest.approx(10.3, abs=0.05)
    assert survival.median(curve_of(time, event)) == 310
    assert [float(survival.median(curve_of(time, event, woman == w))) for w in (0, 1)] == [270, 426]


def test_closed_forms_of_six_subjects():
    """One event in each arm tied: the hazard ratio solves r^2 - 3 r - 6 = 0 (Breslow) or r^3 - 23 r - 30 = 0 (Efron)."""
    time, event, x = np.array([1, 1, 6, 6, 8, 9]), np.array([1, 0, 1, 1, 0, 1]), np.array([1, 1, 1, 0, 0, 0], bool)
    second = {"breslow": lambda r: r + 3, "efron": lambda r: (r + 5) / 2}
    for ties, equation in (("breslow", [1, -3, -6]), ("efron", [1, 0, -23, -30])):
        r = max(np.roots(equation).real)
        height = np.log(r**2 / (3 * r + 3) / (r + 3) / second[ties](r))
        found = cox(time, event, x, ties=ties)
        np.testing.assert_allclose([found.log_hr, found.loglik], [np.log(r), height], rtol=1e-12)


def test_stratified_example_of_seven_subjects():
    """The example of R's coxph: coefficient 0.8023 with error 0.8224."""
    time, event, x, sex = [4, 3, 1, 1, 2, 2, 3], [1, 1, 1, 0, 1, 1, 0], [0, 2, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1]
    found = cox(*map(np.array, (time, event, x, sex)), strata=2)
    np.testing.assert_allclose(found[:2], [0.8023, 0.8224], atol=6e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [bool, float])
@pytest.mark.parametrize("stratum", [None, [0, 0, 0, 1, 1, 1]])
def test_a_likelihood_without_maximum(dtype, kind, stratum):
    """All events of one arm while both are at risk: infinite; never both at risk, or no events: nothing."""
    time, arm = np.array([1, 2, 3, 4, 5, 6], dtype), np.array([1, 0, 1, 1, 0, 0]).astype(kind)
    fit = lambda event, x: cox(time, np.array(event), x, stratum, strata=2 if stratum else 1)  # noqa: E731
    for side, x in ((1, arm), (-1, (1 - arm).astype(kind))):
        found = fit([1, 0, 1, 0, 0, 0], x)
        assert found.log_hr == side * np.inf and found.se == np.inf
        assert found.loglik <= 0 and np.isfinite(found.loglik)
    if kind is bool and stratum is None:  # 3 and 2 of the arm at risk
        assert fit([1, 0, 1, 0, 0, 0], arm).loglik == pytest.approx(-np.log(6), rel=1e-6)
    for event, x in (([0] * 6, arm), ([0, 0, 0, 0, 1, 1], arm)):
        found = fit(event, x)
        assert np.isnan(found.log_hr) and found.se == np.inf


def test_a_steep_but_finite_hazard_ratio_is_found():
    """All of the second arm have events, but one of the first arm comes before: r is near n log n."""
    n = 4000
    time, arm = np.r_[0.0, np.arange(1, n + 1), np.full(n, 2.0 * n)], np.repeat([False, True, False], [1, n, n])
    event = time <= n
    found = cox(time, event, arm)
    assert float(found.log_hr) == pytest.approx(np.log(n * np.log(n)), abs=0.2)
    np.testing.assert_allclose(cox(time, event, arm.astype(float)), found, rtol=1e-8)
    np.testing.assert_allclose(cox(time.astype(np.float32), event, arm), found, rtol=1e-3)


@pytest.mark.parametrize("kind", [bool, float])
def test_a_rare_arm_with_all_events_at_first(kind):
    """Newton's whole first step would be about 160, where nothing is left to go by."""
    n = 1000
    time, x, event = np.arange(float(n)), np.arange(n) < 5, np.arange(n) < 6
    x[-1] = True
    naive = lambda b: -naive_height(time, event, x, np.zeros(n), b, "efron")  # noqa: E731
    best = minimize_scalar(naive, bounds=(0, 20), method="bounded", options={"xatol": 1e-9})
    found = cox(time, event, x.astype(kind))
    assert float(found.log_hr) == pytest.approx(best.x, abs=1e-5)
    assert float(found.loglik) == pytest.approx(-best.fun, rel=1e-10)


def test_nothing_to_test():
    time, event = np.arange(1.0, 5), np.ones(4)
    assert logrank(time, event, np.ones(4)) == (0, 1)
    assert logrank(time, np.zeros(4), [0, 1, 0, 1]) == (0, 1)


def test_a_curve_that_falls_to_zero():
    curve = curve_of(np.array([1.0, 2, 2, 3]), np.ones(4))
    np.testing.assert_array_equal(survival.at(curve, [0.9, 1, 2, 3, 9]), [1, 0.75, 0.25, 0, 0])
    np.testing.assert_array_equal(survival.interval(curve, 3), (0, 1))
    np.testing.assert_array_equal(survival.interval(curve, 0.5), (1, 1))
    assert survival.rmst(curve, 10) == 2 and survival.rmst(curve, 2.5) == 1 + 0.75 + 0.125
    assert survival.quantile(curve, 0.0) == 3


def test_a_curve_flat_at_a_half_has_the_first_time():
    for dtype in (np.float32, np.float64):
        time = np.arange(1, 1001).astype(dtype)
        curve = curve_of(time, np.ones(1000, bool))
        assert survival.median(curve) == 500 and curve.survival.dtype == dtype
        assert survival.quantile(curve, 0.3) == 700


def test_nobody_counts():
    curve = curve_of(np.ones(3), np.ones(3), np.zeros(3))
    assert survival.at(curve, 2.0) == 1 and survival.median(curve) == np.inf and survival.rmst(curve, 2.0) == 2
    assert logrank(np.ones(3), np.ones(3), [0, 1, 0], weight=np.zeros(3)) == (0, 1)
    assert np.isnan(cox(np.ones(3), np.ones(3), np.array([True, False, True]), weight=np.zeros(3)).log_hr)


def test_single_precision_and_jit_change_nothing_that_matters(pair):
    time, event, arm = pair
    double = cox(time, event, arm)
    single = cox(time.astype(np.float32), event, arm)
    assert single.log_hr.dtype == jnp.float32
    np.testing.assert_allclose(single[:2], double[:2], rtol=1e-4)
    chi = logrank(time.astype(np.float32), event, arm)[0]
    np.testing.assert_allclose(chi, logrank(time, event, arm)[0], rtol=1e-4)
    curves = [curve_of(t, event, arm) for t in (time, time.astype(np.float32))]
    np.testing.assert_allclose(curves[1].survival, curves[0].survival, atol=1e-5)


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_exact_limits_are_those_of_scipy(level):
    k, n = np.meshgrid([0, 1, 3, 20, 37], [1, 20, 37, 400])
    low, high = survival.clopper_pearson(np.minimum(k, n), n, level)
    for i in np.ndindex(k.shape):
        want = binomtest(min(k[i], n[i]), n[i]).proportion_ci(level, "exact")
        np.testing.assert_allclose((low[i], high[i]), want, rtol=1e-8, atol=1e-12)
    assert survival.clopper_pearson(0, 0) == (0, 1)


def competing(n=200, seed=3):
    rng = np.random.default_rng(seed)
    return rng.exponential(10, n), rng.choice(4, n, p=[0.3, 0.3, 0.2, 0.2])


def test_incidence_is_that_of_lifelines():
    from lifelines import AalenJohansenFitter

    time, cause = competing()
    t = np.quantile(time, [0.1, 0.35, 0.8, 0.97])
    value, variance = survival.incidence(time, cause, t, 3)
    for c in (1, 2, 3):
        fit = AalenJohansenFitter().fit(time, cause, event_of_interest=c)
        np.testing.assert_allclose(value[c - 1], fit.cumulative_density_.iloc[:, 0].asof(t), **NEAR)
        np.testing.assert_allclose(variance[c - 1], fit.variance_.asof(t), **NEAR)


def test_incidence_without_censoring_is_the_share():
    time, cause = competing()
    time, cause = np.ceil(time), np.maximum(cause, 1)  # tied, causes among one another too
    t = np.array([0.5, 3, 10, 100])
    value, variance = survival.incidence(time, cause, t, 3)
    share = np.array([[np.mean((time <= s) & (cause == c)) for s in t] for c in (1, 2, 3)])
    np.testing.assert_allclose(value, share, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(variance, share * (1 - share) / len(time), rtol=1e-9, atol=1e-15)


def test_incidences_and_survival_make_one():
    time, cause = competing()
    time, weight = np.ceil(time), np.arange(len(time)) % 3 > 0
    value, _ = survival.incidence(time, cause, 7.0, 3, weight)
    left = survival.at(curve_of(time, cause > 0, weight), 7.0)
    assert value.shape == (3,) and value.sum() + left == pytest.approx(1, abs=1e-12)


def test_the_benchmark_compares_like_with_like():
    found = survival_speed.run(replicates=3, rival=2)
    assert found["difference"] < 1e-6 and found["rival"] == 2
    assert len(list(survival_speed.notes(found))) == 2
