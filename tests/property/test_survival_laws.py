"""Laws of survival statistics that hold whatever the data are."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtrial.endpoints import survival

N, STRATA, T = 24, 3, np.array([0.0, 2.5, 4.0, 9.0, 40.0])
seeds = st.integers(0, 10**6)
cox = jax.jit(survival.cox, static_argnames=("strata", "ties"))
logrank = jax.jit(survival.logrank, static_argnames="strata")
curve_of = jax.jit(survival.curve)


def draw(seed, tied=True, n=N):
    """Times, events, arms, strata and weights; tied: whole times, about three subjects each."""
    rng = np.random.default_rng(seed)
    time = rng.exponential(5, n)
    time = np.ceil(time) if tied else time
    event, arm = rng.random((2, n)) < [[0.7], [0.5]]
    return time, event, arm, rng.integers(0, STRATA, n), rng.permutation(n) < 0.8 * n


@partial(jax.jit, static_argnames="ties")
def everything(time, event, arm, stratum, weight, ties="efron"):
    """All statistics of a trial, (..., statistic)."""
    curve = curve_of(time, event, weight)
    fit = dict(weight=weight, ties=ties)
    stats = [survival.at(curve, T), jnp.stack(survival.interval(curve, T[1:3]), -1).reshape(*time.shape[:-1], -1)]
    stats += [survival.rmst(curve, T), survival.incidence(time, event + 0, T, 1, weight)[0][..., 0, :]]
    single = [survival.median(curve), *survival.median_interval(curve)]
    single += logrank(time, event, arm, weight=weight)
    single += logrank(time, event, arm, stratum, weight, strata=STRATA)
    single += cox(time, event, arm, **fit)
    single += cox(time, event, arm, stratum, strata=STRATA, **fit)
    single += cox(time, event, arm * 1.0, stratum, strata=STRATA, **fit)[:2]
    return jnp.concatenate([*stats, jnp.stack(single, -1)], -1)


def same(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


@settings(max_examples=30)
@given(seeds, st.sampled_from(["efron", "breslow"]))
def test_the_order_of_subjects_does_not_matter(seed, ties):
    data = draw(seed)
    other = np.random.default_rng(seed + 1).permutation(N)
    same(everything(*data, ties=ties), everything(*(v[other] for v in data), ties=ties))


@settings(max_examples=15)
@given(seeds)
def test_no_weight_is_as_left_out(seed):
    data = draw(seed)
    kept = [v[data[-1]] for v in data]
    same(everything(*data), everything(*kept))


@settings(max_examples=15)
@given(seeds)
def test_what_has_no_weight_may_be_anything(seed):
    time, event, arm, stratum, weight = draw(seed)
    junk = np.where(weight, time, np.random.default_rng(seed).choice([np.nan, np.inf, 0.0, 1e9], N))
    same(everything(time, event, arm, stratum, weight), everything(junk, event | ~weight, arm ^ ~weight, stratum, weight))


def test_a_batch_is_as_one_by_one():
    trials = [draw(seed) for seed in range(12)]
    batch = [np.stack(v) for v in zip(*trials, strict=True)]
    alone = np.stack([everything(*trial) for trial in trials])
    same(everything(*batch), alone)
    same(everything(*(v.reshape(3, 4, N) for v in batch)), alone.reshape(3, 4, -1))
    same(jax.vmap(everything)(*batch), alone)


def test_arms_shared_by_all_replicates_need_no_copies():
    time, event, arm, stratum, weight = (np.stack(v) for v in zip(*(draw(seed) for seed in range(4)), strict=True))
    for verb in (logrank, cox):
        whole = verb(time, event, np.broadcast_to(arm[0], time.shape), stratum, weight, strata=STRATA)
        for a, b in zip(whole, verb(time, event, arm[0], stratum, weight, strata=STRATA), strict=True):
            same(a, b)


@settings(max_examples=30)
@given(seeds, st.booleans())
def test_without_censoring_survival_is_the_share_alive(seed, tied):
    time = draw(seed, tied)[0]
    curve = curve_of(time, np.ones(N))
    same(survival.at(curve, T), (time[:, None] > T).mean(0))
    same(survival.rmst(curve, 40.0), np.minimum(time, 40).mean())
    n, d = N, (time <= 4).sum()
    if 0 < d < n:  # Greenwood's variance is then that of a share
        greenwood = np.max(np.where(curve.time <= 4, curve.greenwood, 0))
        same((1 - d / n) ** 2 * greenwood, (1 - d / n) * (d / n) / n)


@settings(max_examples=30)
@given(seeds, st.floats(1e-3, 1e3))
def test_units_of_time_do_not_matter(seed, unit):
    time, event, arm, stratum, weight = draw(seed)
    one, other = (curve_of(v, event, weight) for v in (time, unit * time))
    same(one.survival, other.survival)
    same(unit * survival.median(one), survival.median(other))
    same(unit * survival.rmst(one, 7.0), survival.rmst(other, 7.0 * unit))
    same(*(logrank(v, event, arm, stratum, weight, strata=STRATA)[0] for v in (time, unit * time)))
    same(*(cox(v, event, arm, stratum, weight, strata=STRATA).log_hr for v in (time, unit * time)))


@settings(max_examples=30)
@given(seeds, st.sampled_from(["efron", "breslow"]))
def test_swapped_arms_have_the_inverse_hazard_ratio(seed, ties):
    time, event, arm, stratum, weight = draw(seed)
    one, other = (cox(time, event, a, stratum, weight, strata=STRATA, ties=ties) for a in (arm, ~arm))
    same(one.log_hr, -other.log_hr)
    same(one[1:], other[1:])
    same(*(logrank(time, event, a, stratum, weight, strata=STRATA)[0] for a in (arm, ~arm)))


@settings(max_examples=30)
@given(seeds)
def test_arms_as_truth_and_as_numbers_agree(seed):
    time, event, arm, stratum, weight = draw(seed)
    one, other = (cox(time, event, a, stratum, weight, strata=STRATA) for a in (arm, 3.0 * arm - 1))
    same(one.log_hr, 3 * other.log_hr)
    same(one.se, 3 * other.se)
    if np.isfinite(one.log_hr):
        same(one.loglik, other.loglik)


@settings(max_examples=30)
@given(seeds)
def test_log_rank_is_the_score_test_of_cox_without_ties(seed):
    """Score and information at 0 by differences of the naive partial likelihood."""
    time, event, arm, stratum, _ = draw(seed, tied=False)
    heights = [_height(time, event, arm, stratum, b) for b in (-1e-4, 0, 1e-4)]
    score = (heights[2] - heights[0]) / 2e-4
    information = -(heights[2] - 2 * heights[1] + heights[0]) / 1e-8
    chi = logrank(time, event, arm, stratum, strata=STRATA)[0]
    assert chi == pytest.approx(score**2 / information, rel=1e-4, abs=1e-6)


def _height(time, event, arm, stratum, b):
    risk = (time[None] >= time[:, None]) & (stratum[None] == stratum[:, None])
    return np.sum((b * arm - np.log(np.sum(risk * np.exp(b * arm), 1)))[event])


@settings(max_examples=30)
@given(seeds)
def test_strata_of_one_code_are_none(seed):
    time, event, arm, _, weight = draw(seed)
    for verb in (logrank, cox):
        plain = verb(time, event, arm, weight=weight)
        same(plain, verb(time, event, arm, np.full(N, 2), weight, strata=STRATA))


@settings(max_examples=30)
@given(seeds)
def test_a_curve_falls_within_its_limits(seed):
    time, event, _, _, weight = draw(seed)
    curve = curve_of(time, event, weight)
    assert np.all(np.diff(curve.survival) <= 1e-15) and np.all(np.diff(curve.at_risk) <= 0)
    t = np.linspace(0, 30, 61)
    lower, upper = survival.interval(curve, t)
    wide = survival.interval(curve, t, 0.99)
    s = survival.at(curve, t)
    assert np.all((lower >= 0) & (lower <= s) & (s <= upper) & (upper <= 1))
    assert np.all((wide[0] <= lower) & (upper <= wide[1]))
    low, high = survival.median_interval(curve)
    assert low <= survival.median(curve) <= high
