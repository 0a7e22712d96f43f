"""Laws that hold whatever the numbers are: of pharmacokinetics, the effect's course, grades, units and the deal."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtrial import pk as pks
from vtrial import population
from vtrial.conduct.course import course
from vtrial.conduct.setting import setting
from vtrial.endpoints import TABLE, grades, hard, smooth
from vtrial.endpoints.cohort import Cohort
from vtrial.library import cards, populations, trials
from vtrial.library.trials import Visits
from vtrial.pk import modes as pkmodes
from vtrial.toxicity import friberg

EFFECT = "thrombocytopenia"
KEY = jax.random.PRNGKey(20121)
INFUSION = 1.5 / 24


def size(low, high):
    """Positive numbers, as likely in every decade."""
    return st.floats(np.log(low), np.log(high)).map(lambda x: float(np.exp(x)))


patients = st.fixed_dictionaries({"CL": size(0.05, 20), "V1": size(0.5, 50), "Q": size(0.05, 20), "V2": size(0.1, 100)})


def modes_of(p):
    return pks.STRUCTURES["two_cmt_iv"].modes({k: jnp.array([v]) for k, v in p.items()})


# --- pharmacokinetics ------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(patients, size(0.1, 20), st.floats(0, 1), st.floats(-0.2, 1.2), st.floats(0, 1), size(0.1, 1000))
def test_pk_over_a_then_b_is_pk_over_both(p, b, share, start, length, rate):
    modes, a = modes_of(p), share * b
    before = 50.0 * modes.weight
    begin, end = start * b, (start + length) * b
    at_once = pkmodes.advance(modes, before, b, rate, begin, end)
    half = pkmodes.advance(modes, before, a, rate, begin, end)
    np.testing.assert_allclose(pkmodes.advance(modes, half, b - a, rate, begin - a, end - a), at_once, rtol=1e-10, atol=1e-300)


@settings(max_examples=40)
@given(patients, size(0.1, 20), size(1e-3, 1e3), size(1e-3, 1e3), size(0.1, 1000))
def test_pk_is_linear_in_dose(p, dt, more, bolus, rate):
    modes = modes_of(p)
    once = pkmodes.advance(modes, bolus * modes.weight, dt, rate, 0.1 * dt, 0.4 * dt)
    scaled = pkmodes.advance(modes, more * bolus * modes.weight, dt, more * rate, 0.1 * dt, 0.4 * dt)
    np.testing.assert_allclose(scaled, more * once, rtol=1e-12, atol=1e-300)


@settings(max_examples=60)
@given(patients, size(0.01, 200), size(0.1, 1000))
def test_what_was_given_is_in_the_body_or_eliminated(p, t, dose):
    """A1 and the eliminated CL AUC from the modes; A2 as what Q brought from A1 and Q/V2 has not yet taken back."""
    modes = modes_of(p)
    rate, weight = np.asarray(modes.rate)[:, 0], np.asarray(modes.weight)[:, 0]
    k12, k21 = p["Q"] / p["V1"], p["Q"] / p["V2"]
    central = float(pkmodes.advance(modes, dose * modes.weight, t).sum()) * p["V1"]
    auc = float((pkmodes.decay_moments(modes, t, t, 1)[0] * dose * modes.weight).sum())
    # int_0^t k12 A1(s) exp(-k21 (t-s)) ds, a mode at a time, without dividing by k21 - rate, nor an exponential that grows
    gap = np.abs(k21 - rate) * t
    share = np.where(gap == 0, t, -np.expm1(-gap) * t / np.where(gap == 0, 1, gap)) * np.exp(-np.minimum(rate, k21) * t)
    peripheral = float((k12 * dose * weight * p["V1"] * share).sum())
    assert min(central, peripheral) >= 0
    assert central + peripheral + p["CL"] * auc == pytest.approx(dose, rel=1e-8)


@settings(max_examples=40)
@given(patients, size(0.1, 1000), size(1e-3, 2))
def test_exposure_is_dose_over_clearance(p, dose, duration):
    modes = modes_of(p)
    forever = 60 / float(modes.rate.min())
    auc = float(pkmodes.infusion_moments(modes, forever, forever, duration, 1).sum()) * dose
    assert auc * p["CL"] == pytest.approx(dose, rel=1e-8)


# --- the course ------------------------------------------------------------------------------------------------------


def cohort(n):
    """Subjects of the T-DM1 cards: PK, platelets, dose."""
    pk, fx, pop = cards.load("tdm1", "pk"), cards.load("tdm1", EFFECT), populations.load("emilia")
    scores = population.deal(KEY, jnp.arange(n), population.score_names(pop, pk, fx))
    covs = population.covariates(pop, scores)
    return population.individuals(pk, scores, covs), population.individuals(fx, scores, covs), 3.6 * covs["WT"]


def run(cycles, every=21):
    watch = tuple(range(2, every + 2))
    return jax.jit(lambda p, q, d: course("two_cmt_iv", "friberg", p, q, d, every, cycles, INFUSION, watch))


def test_the_effect_over_a_then_b_is_the_effect_over_both():
    """Day by day, the state handed over as bare arrays, against the course in one go: the state holds all there is."""
    p, q, dose = cohort(8)
    modes = pks.STRUCTURES["two_cmt_iv"].modes(p)
    step = friberg.prepare(q, modes, 1.0, INFUSION)
    forward = jax.jit(lambda state, c, mg: friberg.advance(step, state, c, mg))
    c, state, counts = jnp.zeros((2, 8)), friberg.start(q), []
    for day in range(42):
        mg = dose * (day % 21 == 0)
        state = jax.tree.map(lambda leaf: jnp.asarray(np.array(leaf)), forward(state, c, mg))
        c = pkmodes.advance(modes, c, 1.0, mg / INFUSION, 0.0, INFUSION)
        counts.append(friberg.circulating(state))
    np.testing.assert_allclose(np.stack(counts).reshape(2, 21, 8), run(2)(p, q, dose), rtol=1e-11)


def test_a_longer_course_begins_as_the_shorter():
    arguments = cohort(8)
    np.testing.assert_array_equal(run(3)(*arguments)[:2], run(2)(*arguments))


COURSE = run(1)


@settings(max_examples=15)
@given(st.floats(1.05, 4.0), st.floats(0.1, 0.5))
def test_more_effect_never_raises_the_first_nadir(more, scale):
    """Over slopes up to twice the card's: beyond, counts below a hundredth of baseline are the stepper's error."""
    p, q, dose = cohort(64)
    slope = scale * q["SLOPE"]
    low, lower = (np.asarray(COURSE(p, q | {"SLOPE": s}, dose)[0]).min(0) for s in (slope, more * slope))
    assert (lower <= low).all()
    assert np.median(low - lower) > 0.02 * (more - 1) * scale


@settings(max_examples=25)
@given(size(0.1, 20), size(0.3, 4), size(0.3, 4), size(0.1, 30))
def test_no_parameters_bring_a_count_to_zero(slope, mtt, gam, kd):
    """Far outside what a patient has, where a prior draw or a line search may go, counts and gradients stay usable."""
    p, q, dose = cohort(64)
    by = {"SLOPE": slope, "MTT": mtt, "GAM": gam, "KD": kd}
    counts, slopes = counts_and_slopes(p, q, dose, by)
    assert bool((counts > 0).all()) and bool(jnp.isfinite(counts).all())
    assert all(bool(jnp.isfinite(s)) for s in slopes.values()), slopes


@jax.jit
def counts_and_slopes(p, q, dose, by):
    def logs(by):
        scaled = q | {k: q[k] * factor for k, factor in by.items()}
        counts = course("two_cmt_iv", "friberg", p, scaled, dose, 21, 2, INFUSION, (4, 8, 15, 22))
        return jnp.log(counts).sum(), counts

    (_, counts), slopes = jax.value_and_grad(logs, has_aux=True)(by)
    return counts, slopes


# --- subjects --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kinetics():
    return setting(trials.load("platelet-kinetics"), "tdm1", EFFECT)


def looking(s):
    """The hard look of a setting at subjects, under a dose in mg/kg."""
    at = lambda amount: replace(s, plan=s.plan._replace(amount=amount))  # noqa: E731
    return jax.jit(lambda subjects, amount=s.plan.amount: hard.look(*hard.split(at(amount)), {}, KEY, subjects))


@pytest.fixture(scope="module")
def looker(kinetics):
    return looking(kinetics)


@pytest.fixture(scope="module")
def look(looker):
    return looker(jnp.arange(N))


N = 400
PER_SUBJECT = ("log_x", "scale", "given", "noise", "noise0")


def test_the_order_of_subjects_does_not_matter(looker, look):
    order = np.random.default_rng(5).permutation(N)
    shuffled = looker(jnp.asarray(order))
    for name in PER_SUBJECT:
        np.testing.assert_array_equal(getattr(shuffled, name), np.asarray(getattr(look, name))[..., order], name)


def test_a_subject_does_not_depend_on_the_others(looker, look):
    chosen = np.array([3, 60, 11])
    few = looker(jnp.asarray(chosen))
    for name in PER_SUBJECT:
        # another array length is another vectorisation of the same sums
        together = np.asarray(getattr(look, name))[..., chosen]
        np.testing.assert_allclose(getattr(few, name), together, rtol=1e-12, atol=1e-13, err_msg=name)


def test_more_names_re_deal_nobody():
    subjects = jnp.arange(50)
    before = population.deal(KEY, subjects, ["eta.CL", "WT"])
    after = population.deal(KEY, subjects, ["eta.NEW", "WT", "noise.99", "eta.CL"])
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)
    assert len({np.asarray(v).tobytes() for v in after.values()}) == 4


def test_more_subjects_re_deal_nobody():
    few, many = (population.deal(KEY, jnp.arange(n), ["eta.CL"])["eta.CL"] for n in (10, 300))
    np.testing.assert_array_equal(many[:10], few)
    np.testing.assert_array_equal(population.deal(KEY, jnp.array([7, 2]), ["eta.CL"])["eta.CL"], few[jnp.array([7, 2])])


def test_another_random_effect_re_deals_nobody(kinetics, look):
    """An eta added to the card changes what it scales and nothing else."""
    fx = kinetics.fx
    omega = np.zeros((len(fx.etas) + 1,) * 2)
    omega[:-1, :-1], omega[-1, -1] = fx.omega, 0.3**2
    wider = looking(replace(kinetics, fx=replace(fx, etas=(*fx.etas, "GAM"), omega=omega)))(jnp.arange(N))
    for name in ("scale", "given", "noise", "noise0"):
        np.testing.assert_array_equal(getattr(wider, name), getattr(look, name), name)
    assert np.abs(wider.log_x - look.log_x).max() > 1e-3


def test_arms_are_dealt_apart():
    t = trials.load("tdm3569g-q3w")

    def baseline(arm):
        s = setting(t, arm, EFFECT)
        # only baselines are asked for: the course is not compiled
        return jax.jit(lambda i: hard.look(*hard.split(s), {}, hard.arm_key(KEY, s), i).scale)(jnp.arange(16))

    assert not np.any(np.isclose(baseline("q3w-3.6"), baseline("q3w-4.8"), rtol=1e-9))


# --- grades ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weekly(looker):
    """Weekly counts under twice the dose of the kinetics study, so that every grade occurs."""
    return looker(jnp.arange(N), 7.2)


@pytest.fixture(scope="module")
def smoothed(weekly):
    return weekly._replace(shares=jnp.array([0.4, 0.6]), given=None)


@settings(max_examples=30)
@given(st.floats(5, 300), st.floats(5, 300))
def test_a_higher_limit_is_met_more_often(weekly, smoothed, a, b):
    lower, upper = ((min(a, b),) * 4, (max(a, b),) * 4)
    few, many = (grades.any_below(weekly._replace(limits=limit), 3) for limit in (lower, upper))
    assert bool((few <= many).all())
    most, least = (grades.none_below(smoothed._replace(limits=limit), 3) for limit in (lower, upper))
    assert bool((most >= least).all())


def test_limits_decide(look):
    """The law above would hold of a constant: the shares do move from none to all."""
    shares = [float(grades.any_below(look._replace(limits=(x,) * 4), 1).mean()) for x in (1.0, 110.0, 5000.0)]
    assert shares[0] == 0 and 0.2 < shares[1] < 0.8 and shares[2] == 1


def test_grades_nest(weekly, smoothed):
    for name, look in (("hard", weekly), ("smooth", smoothed)):
        form = {g: np.asarray(getattr(grades.at_least(g), name)(look)[0]) for g in (1, 2, 3, 4)}
        assert all((form[g] >= form[g + 1]).all() for g in (1, 2, 3))
        assert all(0 < form[g].mean() < 1 for g in form)
        np.testing.assert_allclose(getattr(grades.exactly(3), name)(look)[0], form[3] - form[4], atol=1e-14)


def test_more_visits_never_lower_the_worst_grade(look):
    """The same patients under more visits: the counts they had are the same counts, and others join them."""
    t = trials.load("platelet-kinetics")
    fewer = looking(setting(t, "tdm1", EFFECT, visits=Visits((22,), (8, 22))))(jnp.arange(N))
    assert (fewer.watch, look.watch) == ((8, 22), (8, 15, 22))
    every = np.asarray(look.looked)
    without_15 = every & (np.array(look.watch) != 15)
    np.testing.assert_array_equal(look.noise[:, [0, 2]], fewer.noise)
    looks = fewer, look._replace(looked=jnp.asarray(without_15)), look
    below = [np.stack([grades.any_below(x, g) for g in (1, 2, 3, 4)]) for x in looks]
    for few, many in zip(below[:-1], below[1:], strict=True):
        assert (few <= many).all()
        assert few[0].mean() < many[0].mean()  # and they do find more


# --- units -----------------------------------------------------------------------------------------------------------


def rewritten(tmp_path, card, *changes):
    """A card of the shelf with some lines written otherwise, loaded."""
    text = Path(card.path).read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / "card.toml"
    path.write_text(text, encoding="utf-8")
    return cards.read(path)


def written(card, key):
    """The line of a number as the shelf's card has it, and its value."""
    text = Path(card.path).read_text(encoding="utf-8")
    value = tomllib.loads(text)["theta"][key]["value"]
    line = re.search(rf"^{key} = \{{ value = .*$", text, re.MULTILINE)[0]
    return line, value


@pytest.mark.parametrize(
    ("name", "key", "factor", "old", "new"),
    [
        (EFFECT, "MTT", 1 / 24, '"h"', '"day"'),
        (EFFECT, "MTT", 60.0, '"h"', '"min"'),
        (EFFECT, "KS", 7.0, '"1/day"', '"1/week"'),
        (EFFECT, "KD", 1e-3, '"L/mg/day"', '"L/ug/day"'),
        (EFFECT, "SLOPE", 1.0, '"L/mg"', '"mL/ug"'),
        (EFFECT, "CIRC0", 1e9, '"1e9/L"', '"1/L"'),
        ("pk", "CL", 1000 / 24, '"L/day"', '"mL/h"'),
        ("pk", "Q", 1 / 1440, '"L/day"', '"L/min"'),
        ("pk", "V2", 1000.0, '"L"', '"mL"'),
    ],
)
def test_a_number_in_another_unit_is_the_same_number(tmp_path, name, key, factor, old, new):
    card = cards.load("tdm1", name)
    line, value = written(card, key)
    other = line.replace(f"value = {line.split('value = ')[1].split(',')[0]}", f"value = {value * factor!r}")
    again = rewritten(tmp_path, card, (line, other.replace(f"unit = {old}", f"unit = {new}")))
    assert again.theta.keys() == card.theta.keys()
    for k, v in card.theta.items():
        assert again.theta[k] == pytest.approx(v, rel=1e-13)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('reference = { value = 9, unit = "cm" }', 'reference = { value = 90, unit = "mm" }'),
        ('reference = { value = 41, unit = "g/L" }', 'reference = { value = 4.1, unit = "g/dL" }'),
        ('coefficient = { value = -0.002, unit = "mL/ug"', 'coefficient = { value = -2.0, unit = "mL/mg"'),
    ],
)
def test_a_covariate_in_another_unit_is_the_same_covariate(tmp_path, old, new):
    card = cards.load("tdm1", "pk")
    again = rewritten(tmp_path, card, (old, new))
    for mine, theirs in zip(again.effects, card.effects, strict=True):
        assert (mine.on, mine.of, mine.form) == (theirs.on, theirs.of, theirs.form)
        assert mine.reference == pytest.approx(theirs.reference, rel=1e-13)
        assert mine.coefficient == pytest.approx(theirs.coefficient, rel=1e-13)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('median = 9\nlog_sd = 0.7\nunit = "cm"', 'median = 90\nlog_sd = 0.7\nunit = "mm"'),
        ('p05 = 49\np95 = 98\nunit = "kg"', 'p05 = 49000\np95 = 98000\nunit = "g"'),
        ('mean = 41\nsd = 4\nunit = "g/L"', 'mean = 4.1\nsd = 0.4\nunit = "g/dL"'),
        ('p95 = 54\nunit = "ug/mL"', 'p95 = 54000\nunit = "ng/mL"'),
    ],
)
def test_a_population_in_another_unit_is_the_same_population(tmp_path, old, new):
    pop = populations.load("emilia")
    text = Path(pop.path).read_text(encoding="utf-8")
    assert text.count(old) == 1
    (tmp_path / "pop.toml").write_text(text.replace(old, new), encoding="utf-8")
    again = populations.read(tmp_path / "pop.toml")
    for name, m in pop.marginals.items():
        assert (again.marginals[name].a, again.marginals[name].b) == pytest.approx((m.a, m.b), rel=1e-12)


# --- gradients -------------------------------------------------------------------------------------------------------


def test_gradients_against_central_differences():
    """Of every row of two trials by every number of the card, on the logarithm of the number."""
    ts = [trials.load(name) for name in ("platelet-kinetics", "tdm3569g-q3w")]
    rows = [r for t in ts for r in t.rows.values() if r.endpoint in TABLE]
    arms = {(r.trial, r.arm): setting(next(t for t in ts if t.name == r.trial), r.arm, EFFECT) for r in rows}
    predict = smooth.predictor(arms, rows, Cohort.make(list(arms.values()), rows, 64, 3))
    fx = cards.load("tdm1", EFFECT)
    at = {f"theta.{k}": v for k, v in fx.theta.items()}
    at |= {f"omega.{k}": float(np.sqrt(fx.omega[i, i])) for i, k in enumerate(fx.etas)}
    at |= {"sigma.log": fx.sigma["log"], "theta.SLOPE": 2 * fx.theta["SLOPE"]}  # grade 4 then occurs
    names = list(at)
    fun = jax.jit(lambda u: predict(dict(zip(names, jnp.exp(u), strict=True))))
    u = np.log([at[k] for k in names])
    slope = np.asarray(jax.jit(jax.jacrev(fun))(u))
    h = 1e-5
    sides = [(fun(u + h * e), fun(u - h * e)) for e in np.eye(len(u))]
    central = np.stack([np.asarray(up - down) / (2 * h) for up, down in sides], -1)
    # rounding of the difference: 1e-16 / 1e-5; truncation h^2 times a third derivative of order one
    np.testing.assert_allclose(slope, central, rtol=1e-5, atol=1e-9)
    telling = np.abs(central) > 1e-4  # where the relative tolerance is the one that judges
    print(f"{telling.sum()} of {telling.size} derivatives above 1e-4; rows: {[r.id for r in rows]}")
    assert telling.any(1).sum() >= 6 and telling.any(0).all()
