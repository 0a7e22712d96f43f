"""Laws of RECIST for every history: nothing later changes what was dated, new lesions progress, lengths have no unit."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtrial.conduct import recist
from vtrial.library import response

SUBJECTS, SCANS = 40, 10
VERSIONS = tuple(response.versions())
seeds = st.integers(0, 2**31 - 1)
versions = st.sampled_from(VERSIONS)


@jax.jit
def run(rules, h):
    h = dict(h)
    death, until = h["death_day"], h["until"]
    state, overall = recist.history(rules, **h)
    return state, overall, recist.endpoints(rules, state, death, until)


def asked(rules, h):
    return jax.tree.map(np.asarray, run(rules, h))


def histories(seed):
    """Shrinking and regrowing sums, read with error; a fifth of the scans missed."""
    rng = np.random.default_rng(seed)
    days = np.cumsum(rng.choice([21, 28, 42], (SCANS, SUBJECTS)), 0).astype(float)
    baseline = np.round(np.exp(rng.uniform(np.log(12), np.log(150), SUBJECTS)), 1)
    kill, grow = rng.uniform(0, 0.02, SUBJECTS), rng.uniform(0, 0.008, SUBJECTS)
    course = np.exp(-kill * days) + np.exp(grow * days) - 1
    sld = baseline * course * np.exp(rng.normal(0, 0.08, days.shape))
    return {
        "baseline": baseline,
        "days": days,
        "sld": np.where(rng.random(days.shape) < 0.02, np.nan, sld),
        "new_lesion": rng.random(days.shape) < 0.03,
        "adequate": rng.random(days.shape) > 0.2,
        "death_day": np.where(rng.random(SUBJECTS) < 0.5, np.round(rng.uniform(1, 500, SUBJECTS)), np.inf),
        "until": np.round(rng.uniform(30, 500, SUBJECTS)),
    }


def same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


@settings(max_examples=40)
@given(seeds, versions, st.integers(0, SCANS - 1))
def test_a_later_scan_changes_no_earlier_date(seed, version, kept):
    h, rules = histories(seed), response.load(version)
    cut = np.arange(SCANS)[:, None] < kept
    before, told, short = asked(rules, h | {"days": np.where(cut, h["days"], np.inf)})
    after, all_told, long = asked(rules, h)
    same(told[:kept], all_told[:kept])
    for name in ("progressed", "response", "first"):
        known = np.isfinite(getattr(before, name))
        same(getattr(before, name)[known], getattr(after, name)[known])
    assert (after.bor >= before.bor).all() and (after.best >= before.best).all()
    done = np.isfinite(before.progressed)
    same(short.pfs_day[done], long.pfs_day[done])
    assert (long.pfs_day >= short.pfs_day)[~short.pfs_event].all()


@settings(max_examples=40)
@given(seeds, versions, st.integers(0, SCANS - 1))
def test_a_new_lesion_is_progression(seed, version, k):
    h, rules = histories(seed), response.load(version)
    at = np.arange(SCANS)[:, None] == k
    plain, told, _ = asked(rules, h | {"new_lesion": np.zeros_like(h["new_lesion"])})
    state, now, _ = asked(rules, h | {"new_lesion": np.broadcast_to(at, h["new_lesion"].shape)})
    # where the scan was read at all: then it is progression, and the first; elsewhere nothing changes
    read = told[k] != recist.NE
    assert (now[k][read] == recist.PD).all() and (state.progressed[read] == h["days"][k][read]).all()
    assert (state.kind[read] & recist.NEW > 0).all()
    same(state.progressed[~read], plain.progressed[~read])


@settings(max_examples=40)
@given(seeds, st.floats(0.01, 100))
def test_lengths_have_no_unit_without_limits_in_mm(seed, factor):
    h, rules = histories(seed), response.load("1.0")
    assert rules.pd_absolute == 0
    scaled = h | {k: factor * h[k] for k in ("baseline", "sld")}
    state, told, out = asked(rules, h)
    other, told_too, out_too = asked(rules._replace(cr_below=factor * rules.cr_below), scaled)
    same(told, told_too)
    same(out, out_too)
    np.testing.assert_allclose(other.nadir, factor * state.nadir, rtol=1e-12)


@settings(max_examples=40)
@given(seeds, st.floats(0.1, 20))
def test_growth_in_mm_delays_progression_if_anything(seed, growth):
    h, rules = histories(seed), response.load("1.1")
    with_mm, _, _ = asked(rules._replace(pd_absolute=growth), h)
    without, _, _ = asked(rules._replace(pd_absolute=0.0), h)
    assert (with_mm.progressed >= without.progressed).all()


def test_growth_in_mm_delays_progression_of_some():
    h = histories(1) | {"baseline": np.full(SUBJECTS, 12.0)}
    h["sld"] = 12.0 * np.exp(0.05 * np.arange(1, SCANS + 1))[:, None] + np.zeros(SUBJECTS)
    progressed = [asked(response.load(v), h)[0].progressed for v in ("1.1", "1.0")]
    assert (progressed[0] > progressed[1]).any()


@settings(max_examples=20)
@given(seeds, versions)
def test_subjects_are_strangers(seed, version):
    h, rules = histories(seed), response.load(version)
    order = np.random.default_rng(seed + 1).permutation(SUBJECTS)
    moved = asked(rules, {k: v[..., order] for k, v in h.items()})
    same(moved, jax.tree.map(lambda x: x[..., order], asked(rules, h)))


@settings(max_examples=40)
@given(seeds, versions)
def test_outcomes_agree_with_each_other(seed, version):
    h, rules = histories(seed), response.load(version)
    state, told, out = asked(rules, h)
    assert (out.pfs_day <= out.os_day).all() and (out.os_day <= h["until"]).all() and (out.pfs_day >= 0).all()
    assert (out.best >= out.bor).all() and (out.benefit >= out.responder).all()
    same(out.responder, out.bor >= recist.PR)
    assert (out.dor_day[out.responder] >= rules.confirm_days).all() and np.isnan(out.dor_day[~out.responder]).all()
    assert (state.first <= state.response).all() and (state.nadir <= h["baseline"]).all()
    same(np.isfinite(state.progressed), (told == recist.PD).any(0))
    same((told == recist.PD).sum(0) > 0, state.kind > 0)


@settings(max_examples=20)
@given(seeds, versions, st.integers(1, 400))
def test_a_later_cut_off_keeps_events(seed, version, later):
    h, rules = histories(seed), response.load(version)
    _, _, early = asked(rules, h)
    _, _, late = asked(rules, h | {"until": h["until"] + later})
    for day, event in (("pfs_day", "pfs_event"), ("os_day", "os_event")):
        known = getattr(early, event)
        assert getattr(late, event)[known].all()
        same(getattr(early, day)[known], getattr(late, day)[known])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_batch_is_each_of_it(version):
    """Batch axes lead: (scan, batch, subject) is every (scan, subject) alone."""
    rules, parts = response.load(version), [histories(s) for s in (1, 2)]
    stacked = {k: np.stack([p[k] for p in parts], -2) for k in parts[0]}
    whole = asked(rules, stacked)
    for i, part in enumerate(parts):
        same(jax.tree.map(lambda x, i=i: x[..., i, :], whole), asked(rules, part))
