"""The steppers against references that share nothing with them: matrix exponentials, quadrature, scipy's DOP853.

Times are days. The naive implementation of tests/independent is the reference of the platelet course.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import expm

from vtrial import population
from vtrial.conduct.course import course
from vtrial.library import cards, files, populations, problems
from vtrial.pk import modes as pkmodes
from vtrial.pk import two_cmt_iv
from vtrial.toxicity import friberg

INFUSION = 1.5 / 24
EVERY, CYCLES = 21, 18  # 378 days: a year
WATCH = tuple(range(2, EVERY + 2))
DAYS = [float(d) for d in range(1, EVERY * CYCLES + 1)]

# The parameters of the benchmark: Lu 2014's typical patient of 70 kg at 3.6 mg/kg, Friberg's own chain.
BENCHMARK_PK = {"CL": 0.676, "V1": 3.127, "Q": 1.534, "V2": 0.660}
BENCHMARK_FX = {"CIRC0": 250.0, "MTT": 132 / 24, "GAM": 0.17, "SLOPE": 0.0025, "KS": 0.0, "KD": 0.0}
BENCHMARK_DOSE = 252.0


def row(p):
    """Numbers as (subject,) arrays of one subject."""
    return {k: jnp.array([v]) for k, v in p.items()}


# --- pharmacokinetics against the matrix exponential -----------------------------------------------------------------


def random_patients(rng, n):
    """PK parameters over five orders of magnitude of Q/V2, name -> (n,)."""
    spans = {"CL": (0.05, 50.0), "V1": (0.5, 50.0), "Q": (0.01, 50.0), "V2": (0.1, 100.0)}
    return {k: np.exp(rng.uniform(np.log(a), np.log(b), n)) for k, (a, b) in spans.items()}


def amounts_after(p, amounts, dt, rate, start, stop):
    """(A1, A2) after ``dt``: a matrix exponential over each stretch of constant input, itself a third state."""
    k10, k12, k21 = p["CL"] / p["V1"], p["Q"] / p["V1"], p["Q"] / p["V2"]
    start, stop = np.clip([start, stop], 0.0, dt)
    state = np.array([*amounts, 1.0])
    for length, on in ((start, 0.0), (stop - start, rate), (dt - stop, 0.0)):
        state = expm(np.array([[-k10 - k12, k21, on], [k12, -k21, 0.0], [0.0, 0.0, 0.0]]) * length) @ state
    return state[:2]


def test_pk_against_the_matrix_exponential():
    rng = np.random.default_rng(1)
    n, intervals = 30, 8
    p = random_patients(rng, n)
    modes = two_cmt_iv.modes(p)
    c, amounts = jnp.zeros((2, n)), np.zeros((n, 2))
    worst = 0.0
    for i in range(intervals):
        dt, rate = rng.uniform(0.01, 10.0, n), rng.uniform(0.0, 500.0, n)
        # from before the interval to after it, wherever the two fall; every fourth has no length, some no interval
        start, stop = np.sort(rng.uniform(-0.5, 1.5, (2, n)), axis=0) * dt
        stop = np.where(i % 4 == 3, start, stop)
        c = pkmodes.advance(modes, c, dt, rate, start, stop)
        for j in range(n):
            own = {k: v[j] for k, v in p.items()}
            amounts[j] = amounts_after(own, amounts[j], dt[j], rate[j], start[j], stop[j])
        reference = amounts[:, 0] / p["V1"]
        alive = reference > 1e-200
        assert alive.sum() > n / 2
        worst = max(worst, np.abs(np.asarray(c.sum(0))[alive] / reference[alive] - 1).max())
    print(f"worst relative error of {n * intervals} concentrations: {worst:.1e}")
    assert worst < 1e-9


def test_an_infusion_of_no_length_leaves_decay():
    p = random_patients(np.random.default_rng(2), 20)
    modes = two_cmt_iv.modes(p)
    before = 100.0 * modes.weight
    for at in (0.0, 0.3, 1.0):
        after = pkmodes.advance(modes, before, 1.0, 1e6, at, at)
        np.testing.assert_array_equal(after, pkmodes.advance(modes, before, 1.0))


def test_a_short_infusion_tends_to_a_bolus():
    p = random_patients(np.random.default_rng(3), 20)
    modes = two_cmt_iv.modes(p)
    bolus = pkmodes.advance(modes, 100.0 * modes.weight, 2.0)
    short = pkmodes.advance(modes, jnp.zeros_like(modes.rate), 2.0, 100.0 / 1e-9, 0.0, 1e-9)
    np.testing.assert_allclose(short, bolus, rtol=1e-6)


def test_doses_superpose():
    """Five infusions, overlapping and apart, of one course are the sum of five courses of one infusion each."""
    rng = np.random.default_rng(4)
    p = random_patients(rng, 20)
    modes = two_cmt_iv.modes(p)
    doses = [(0.0, 50.0, 1.5), (0.5, 80.0, 3.0), (3.1, 10.0, 0.1), (3.1, 20.0, 2.0), (7.0, 200.0, 0.0625)]
    grid = np.arange(0.0, 12.01, 0.4)

    def together(chosen):
        c, out = jnp.zeros((2, 20)), []
        for a, b in zip(grid[:-1], grid[1:], strict=True):
            parts = [pkmodes.advance(modes, 0 * c, b - a, mg / d, t - a, t + d - a) for t, mg, d in chosen]
            c = pkmodes.advance(modes, c, b - a) + sum(parts)
            out.append(c.sum(0))
        return np.stack(out)

    def alone(t, mg, d):
        rows = [pkmodes.advance(modes, jnp.zeros((2, 20)), end, mg / d, t, t + d) for end in grid[1:]]
        return np.stack(rows).sum(1)

    np.testing.assert_allclose(together(doses), sum(alone(*dose) for dose in doses), rtol=1e-10, atol=1e-200)


# --- moments against quadrature --------------------------------------------------------------------------------------

MOMENT_CASES = [
    # dt, upto, duration
    (1.0, 1.0, 0.0625),
    (1.0, 0.5, 0.0625),
    (1.0, 0.5, 0.7),
    (1.0, 1.0, 1.0),
    (0.5, 0.25, 0.02),
    (7.0, 3.5, 1.0),
]


@pytest.mark.parametrize(("dt", "upto", "duration"), MOMENT_CASES)
def test_moments_against_quadrature(dt, upto, duration):
    rate = np.array([1e-3, 0.05, 0.3, 0.499, 0.501, 2.5, 20.0])
    weight = np.array([0.3, 0.1, 0.2, 0.5, 0.4, 0.7, 0.05])
    modes = pkmodes.Modes(jnp.asarray(rate)[:, None], jnp.asarray(weight)[:, None])
    decays = np.asarray(pkmodes.decay_moments(modes, dt, upto, 3))
    infusions = np.asarray(pkmodes.infusion_moments(modes, dt, upto, duration, 3))

    def infused(t, r, w):
        while_on = -np.expm1(-r * min(t, duration)) * w / (r * duration)
        return while_on * np.exp(-r * max(t - duration, 0.0))

    def integral(f):
        cuts = [0.0, min(duration, upto), upto]
        return sum(quad(f, a, b, epsabs=0, epsrel=1e-13, limit=200)[0] for a, b in pairwise(cuts) if b > a)

    for k in range(3):
        for m, (r, w) in enumerate(zip(rate, weight, strict=True)):
            decay = integral(lambda t, k=k, r=r: (t / dt) ** k * np.exp(-r * t))
            dose = integral(lambda t, k=k, r=r, w=w: (t / dt) ** k * infused(t, r, w))
            assert decays[k, m, 0] == pytest.approx(decay, rel=1e-11, abs=0)
            # 1/(k+1) minus the decay moment loses digits as 1/(rate duration): 1e-16/2e-5 at the slowest and shortest
            assert infusions[k, m, 0] == pytest.approx(dose, rel=1e-10, abs=0)


# --- platelets against DOP853 ----------------------------------------------------------------------------------------


def year(p, q, dose):
    """The library's count of every day of a year, (day, subject)."""
    run = jax.jit(lambda p, q, d: course("two_cmt_iv", "friberg", p, q, d, EVERY, CYCLES, INFUSION, WATCH))
    return np.asarray(run(p, q, dose)).reshape(EVERY * CYCLES, -1)


def plan(dose):
    return [(float(EVERY * k), dose) for k in range(CYCLES)]


def study_population(n):
    """Subjects as the T-DM1 cards and the emilia population deal them: covariates, PK, platelets, all etas."""
    pk, fx, pop = cards.load("tdm1", "pk"), cards.load("tdm1", "thrombocytopenia"), populations.load("emilia")
    points = population.quasi(population.score_names(pop, pk, fx), 256, seed=365)
    scores = {k: v[:n] for k, v in points.items()}
    covs = population.covariates(pop, scores)
    p, q = population.individuals(pk, scores, covs), population.individuals(fx, scores, covs)
    as_numpy = lambda d: {k: np.asarray(v) for k, v in d.items()}  # noqa: E731
    return as_numpy(p), as_numpy(q), 3.6 * np.asarray(covs["WT"])


def test_a_year_of_200_patients(naive):
    p, q, dose = study_population(200)
    reference = naive.counts(p, q, plan(dose), INFUSION, DAYS)
    error = np.abs(year(p, q, dose) / reference - 1)
    worst = int(error.max(0).argmax())
    day, low = int(error[:, worst].argmax()) + 1, reference[:, worst].min()
    numbers = ", ".join(f"{k} {v[worst]:.4g}" for k, v in {**p, **q}.items())
    print(f"worst of 200 patients: {error.max():.2e} on day {day} (median patient {np.median(error.max(0)):.1e});")
    print(f"{numbers}; dose {dose[worst]:.0f} mg; nadir {low:.3f} of baseline; {sum(error.max(0) > 1e-3)} over 1e-3")
    assert np.std(reference) > 0.1  # the drug does something to these patients
    # the few beyond are steep (Asian patients of a high SLOPE) and fall to a fiftieth of their baseline, at full doses
    assert np.quantile(error.max(0), 0.95) < 1e-3
    assert error.max() < 5e-3


PROBLEMS = [p for p in map(problems.load, files.names("problems")) if p.effect == "thrombocytopenia"]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_half_a_year_of_patients_of_the_prior(naive, problem):
    """A calibration asks for every parameter value that its prior allows: 256 of them, one patient each.

    Accuracy is asked for where the reference stays above 0.02 of baseline (grade 4 throughout, and nobody's course) and
    where the chain has a steady state to go back to: the roots of ``s (1 + s)^4 = -GAM`` leave the left half-plane at
    GAM = 0.57, beyond which counts swing for ever and an error of phase grows. No count may be zero or below anywhere.
    """
    n, cycles = 256, 8
    pk, fx = cards.load(problem.drug, "pk"), cards.load(problem.drug, problem.effect)
    of = populations.load("emilia")
    priors = [f"prior.{f.name}" for f in problem.free]
    scores = population.quasi([*population.score_names(of, pk, fx), *priors], n, seed=8)
    values = {f.name: f.median * np.exp(f.log_sd * scores[f"prior.{f.name}"]) for f in problem.free}
    covs = population.covariates(of, scores)
    p = {k: np.asarray(v) for k, v in population.individuals(pk, scores, covs).items()}
    effects = population.individuals(fx, scores, covs, problems.internal(problem.free, values))
    q, dose = {k: np.asarray(v) for k, v in effects.items()}, 3.6 * np.asarray(covs["WT"])
    days = DAYS[: EVERY * cycles]
    reference = naive.counts(p, q, plan(dose)[:cycles], INFUSION, days)
    counts = year(p, q, dose)[: len(days)]
    judged = (q["GAM"] < 0.55) & (reference.min(0) > 0.02)
    error = np.where(judged, np.abs(counts / reference - 1).max(0), 0.0)
    worst, high = int(error.argmax()), np.quantile(error[judged], 0.95)
    numbers = ", ".join(f"{k} {v[worst]:.3g}" for k, v in q.items())
    print(f"{problem.name}: {judged.sum()} of {n} patients judged; lowest count of all {counts.min():.1e} of baseline;")
    print(f"errors: median {np.median(error[judged]):.1e}, 95 % {high:.1e}, worst {error.max():.1e} with {numbers},")
    print(f"lowest count {reference[:, worst].min():.3f}, by vtrial {counts[:, worst].min():.3f}")
    assert (counts > 0).all()
    assert judged.sum() > 0.75 * n
    assert high < 2e-3
    assert error.max() < 0.02


def test_the_reference_is_sharp(naive):
    """Solving the batch as one system at 1e-10 costs the single patient no more than the reference promises."""
    p, q, dose = study_population(40)
    loose = naive.counts(p, q, plan(dose)[:3], INFUSION, DAYS[:63])
    for i in (0, 17, 39):
        own = naive.counts(*({k: float(v[i]) for k, v in d.items()} for d in (p, q)), [
            (t, float(mg[i])) for t, mg in plan(dose)[:3]], INFUSION, DAYS[:63], rtol=1e-12)  # fmt: skip
        np.testing.assert_allclose(loose[:, i], own, rtol=1e-7)


def test_a_year_at_the_benchmark(naive):
    reference = naive.counts(BENCHMARK_PK, BENCHMARK_FX, plan(BENCHMARK_DOSE), INFUSION, DAYS)
    error = np.abs(year(row(BENCHMARK_PK), row(BENCHMARK_FX), jnp.array([BENCHMARK_DOSE]))[:, 0] / reference - 1)
    print(f"benchmark patient: {error.max():.1e} on day {int(error.argmax()) + 1}; nadir {reference.min():.3f}")
    assert reference.min() < 0.75
    assert error.max() < 1e-3


# --- the platelet model's own facts ----------------------------------------------------------------------------------


def days(p, q, doses, duration=INFUSION):
    """Counts at the end of each day under one dose (0 is none) at the start of each, (day,)."""
    modes = two_cmt_iv.modes(p)
    step = friberg.prepare(q, modes, 1.0, duration)

    def day(carry, mg):
        c, state = carry
        state = friberg.advance(step, state, c, jnp.full(1, mg))
        c = pkmodes.advance(modes, c, 1.0, mg / duration, 0.0, duration)
        return (c, state), friberg.circulating(state)[0]

    return np.asarray(jax.lax.scan(day, (jnp.zeros((2, 1)), friberg.start(q)), jnp.asarray(doses))[1])


def test_untreated_counts_stay_at_baseline():
    p, q, _ = study_population(200)
    assert q["KD"].min() > 0 and q["KS"].min() > 0
    counts = year(p, q, np.zeros(200))
    print(f"furthest from baseline in an untreated year: {np.abs(counts - 1).max():.1e}")
    np.testing.assert_allclose(counts, 1.0, rtol=0, atol=1e-12)


def test_counts_recover_after_the_drug():
    q = row(BENCHMARK_FX | {"KS": 0.05, "KD": 5e-4})
    counts = days(row(BENCHMARK_PK), q, [BENCHMARK_DOSE] * 3 + [0.0] * 600)
    assert counts.min() < 0.6
    assert abs(counts[-1] - 1) < 1e-6


@pytest.mark.parametrize("gam", [0.1, 0.17, 0.5])
@pytest.mark.parametrize("slope", [0.0, 0.004])
def test_the_stem_pool_moves_the_set_point(gam, slope):
    """Under the same amount infused over every day the concentration C is constant, so that S* = KS/(KS + KD C).

    The count then settles where (1 - SLOPE C) (S*/X)^GAM = 1: at S* itself where SLOPE is 0, not at S*^(1/GAM).
    """
    ks, kd, daily = 0.02, 4e-4, 30.0
    q = row(BENCHMARK_FX | {"GAM": gam, "SLOPE": slope, "KS": ks, "KD": kd})
    c = daily / BENCHMARK_PK["CL"]
    s = ks / (ks + kd * c)
    expected = s * (1 - slope * c) ** (1 / gam)
    counts = days(row(BENCHMARK_PK), q, [daily] * 3000, duration=1.0)
    assert s < 0.6 and abs(s - s ** (1 / gam)) > 0.1  # the two readings are far apart here
    assert counts[-1] == pytest.approx(expected, rel=1e-6)


def test_short_daily_infusions_reach_the_same_set_point():
    """The same daily amount in 90 minutes: S's reciprocal averages to 1 + KD C/KS; ripples are of second order."""
    q = row(BENCHMARK_FX | {"SLOPE": 0.0, "KS": 0.02, "KD": 4e-4})
    expected = 1 / (1 + 4e-4 / 0.02 * 30.0 / BENCHMARK_PK["CL"])
    assert days(row(BENCHMARK_PK), q, [30.0] * 2000)[-1] == pytest.approx(expected, rel=1e-3)
