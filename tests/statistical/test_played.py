"""A trial whose randomisation is played out, patient by patient, against the limit in which it balances arms exactly."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vtrial import population
from vtrial.endpoints import survival
from vtrial.endpoints.hard import arm_key
from vtrial.endpoints.outcome import hard, played, replicate, setting
from vtrial.endpoints.people import flat
from vtrial.library import digests, trials

EMILIA = trials.load("emilia")
CUT = EMILIA.design.cut("2012-01-14").day
N, CHUNK, NO = 150, 20, 1e-12
KEY = jax.random.key(12)
BLOCKS = {"kind": "permuted_blocks", "block": 4, "probability": None}
HOW = {
    "limit": {},
    "minimisation": {"played": True},
    "permuted blocks": {"played": True, **BLOCKS},
    "simple": {"played": True, "kind": "simple", "probability": None},
}


@cache
def pair(how, n=N):
    """Both arms of EMILIA, ``n`` patients each."""
    design = replace(EMILIA.design, randomisation=replace(EMILIA.design.randomisation, **HOW[how]))
    arms = [setting.setting(EMILIA, a, "her2-breast", CUT) for a in EMILIA.arms]
    return [replace(s, n=n, design=design, arms=tuple((o.arm, n) for o in arms)) for s in arms]


def subjects(s, values, index):
    keys, ids = flat(arm_key(KEY, s), index, s.n)
    return hard.subjects(s, values, flat(population.stream(KEY, s.trial), index, s.n)[0], keys, ids)


@cache
def contrasts(how):
    """``run(values, replicates)``: log hazard ratio of progression, and p of its log-rank test, (replicate,) each."""

    @jax.jit
    def run(values, index):
        sides = []
        for s in pair(how):
            people, known = subjects(s, values, index)
            outcome, joined = hard.at_cut(s, people, known, "central", CUT)
            sides.append([x.reshape(len(index), N) for x in (outcome.pfs_day, outcome.pfs_event, joined)])
        time, event, counts = (jnp.concatenate(x, -1) for x in zip(*sides, strict=True))
        first = jnp.broadcast_to(jnp.arange(2 * N) < N, time.shape)
        return survival.cox(time, event, first, weight=counts).log_hr, survival.logrank(time, event, first, weight=counts)[1]

    return run


def found(how, replicates, kd=None):
    """Over replicates, with the cards' kills or with none."""
    values = {s.kill.path: {"theta.KD": s.kill.theta["KD"] if kd is None else kd, "theta.POST": 1.0} for s in pair(how)}
    parts = [contrasts(how)(values, jnp.arange(i, i + CHUNK)) for i in range(0, replicates, CHUNK)]
    return [np.concatenate(x) for x in zip(*parts, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["minimisation", "permuted blocks", "simple"])
def test_the_hazard_ratio_is_that_of_the_limit(how):
    limit, other = (found(name, 400)[0] for name in ("limit", how))
    error = np.hypot(limit.std(ddof=1), other.std(ddof=1)) / np.sqrt(400)
    print(f"{how}: log HR {other.mean():+.4f} against {limit.mean():+.4f} +/- {error:.4f}; sd {other.std():.4f}")
    assert abs(other.mean() - limit.mean()) < 4 * error
    assert limit.mean() < -10 * error
    # standard deviations of 400 are known to 3.5 % each
    np.testing.assert_allclose(other.std(ddof=1), limit.std(ddof=1), rtol=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["minimisation", "permuted blocks"])
def test_without_effect_five_in_a_hundred_tests_reject(how):
    log_hr, p = found(how, 1200, NO)
    rejected, error = (p < 0.05).mean(), log_hr.std(ddof=1) / np.sqrt(len(p))
    print(f"{how}: log HR {log_hr.mean():+.4f} +/- {error:.4f}; rejected {rejected:.4f}")
    assert abs(log_hr.mean()) < 4 * error
    assert abs(rejected - 0.05) < 3.5 * np.sqrt(0.05 * 0.95 / len(p))


# --- who comes to an arm ---------------------------------------------------------------------------------------------


@cache
def patients(how, replicates=40):
    """Scores and covariates of both arms, name -> (replicate, subject)."""

    @jax.jit
    def run(index):
        dealt = [subjects(s, {}, index) for s in pair(how)]
        return [{"joined": of.joined} | known for of, known in dealt]

    return [{k: np.asarray(v).reshape(replicates, N) for k, v in one.items()} for one in run(jnp.arange(replicates))]


def test_arms_share_the_patients_of_the_trial():
    """Each of the trial's patients is in one arm, and those are the patients of the limit, who are N places in both arms."""
    one, two = patients("minimisation")
    known = [k for k in pair("minimisation")[0].population.marginals if k in one]
    places = population.stream(KEY, "emilia")
    for r in range(3):
        whole = population.deal(jax.random.fold_in(places, r), jnp.arange(2 * N), ["joins"])["joins"]
        both = np.concatenate([one["joins"][r], two["joins"][r]])
        np.testing.assert_allclose(np.sort(both), np.sort(whole), rtol=1e-6)
        assert not np.isin(one["joins"][r], two["joins"][r]).any()
    limit = patients("limit")[0]
    np.testing.assert_allclose(
        limit["joins"][0], population.deal(jax.random.fold_in(places, 0), jnp.arange(N), ["joins"])["joins"]
    )
    # in no order of joining, so that the first half of an arm's subjects are no earlier ones
    early, late = one["joined"][:, : N // 2].mean(1), one["joined"][:, N // 2 :].mean(1)
    assert abs((early - late).mean()) < 4 * (early - late).std(ddof=1) / np.sqrt(len(early))
    assert len(known) > 4


def test_strata_are_balanced_as_the_kind_balances_them():
    off = {}
    for how in HOW:
        s, sides = pair(how)[0], patients(how)
        levels = [
            np.stack([x[f.of] > (0.5 if f.above is None else f.above) for f in s.design.randomisation.strata]) for x in sides
        ]
        off[how] = np.abs(levels[0].sum(-1) - levels[1].sum(-1)).mean(1)
        print(how, off[how].round(2))
    assert (off["limit"] == 0).all()
    assert (off["minimisation"] < 0.5 * off["simple"]).all()
    assert (off["permuted blocks"] < off["simple"]).all()


def test_random_effects_stay_the_arms_own():
    """Dealt by arm and identity, as in the limit; what describes a patient belongs to the place."""
    for limit, other in zip(patients("limit"), patients("minimisation"), strict=True):
        for name in [k for k in other if k.startswith(("eta.", "death", "gone", "lesion"))]:
            np.testing.assert_array_equal(limit[name], other[name])
        assert (limit["SLD"] != other["SLD"]).mean() > 0.9


def test_other_arms_change_who_comes():
    """The law that is given up: a third arm takes patients, who then miss in the others."""
    s = pair("minimisation")[0]
    three = replace(s.design.randomisation, ratio=(1, 1, 1))
    more = replace(s, arms=(*s.arms, ("low", N)), design=replace(s.design, randomisation=three))
    alone, beside = (subjects(x, {}, jnp.arange(1))[1] for x in (s, more))
    assert 0 < np.isin(alone["joins"], beside["joins"]).mean() < 1


# --- the whole of a replicate ----------------------------------------------------------------------------------------


def test_statistics_of_the_published_trial(tmp_path):
    """EMILIA as it is on the shelf, but played: its sizes are the published ones, and its statistics are told."""
    design = replace(EMILIA.design, randomisation=replace(EMILIA.design.randomisation, played=True))
    trial = replace(EMILIA, design=design)
    made = {a: setting.setting(trial, a, "her2-breast", CUT) for a in trial.arms}
    assert [s.arms for s in made.values()] == [(("tdm1", 495), ("lapcap", 496))] * 2
    wanted = [EMILIA.rows[i] for i in ("em-pfs-median", "em-hr-pfs", "em-orr")]
    stats = replicate.statistics(trial, made, wanted, {}, KEY, replicates=4)
    assert stats["failed"] == 0 and np.isfinite(stats["rows"]).all()
    assert (stats["rows"][:, 1] < 1).all()
    arms = np.asarray(
        played.assigned(made["tdm1"], KEY, population.deal(KEY, jnp.arange(991), ["joins", *made["tdm1"].population.marginals]))
    )
    assert [(arms == k).sum() for k in (0, 1)] == [495, 496]


def test_a_choice_not_made_makes_no_result_stale():
    how = EMILIA.design.randomisation
    bare = {k: v for k, v in vars(how).items() if k != "played"}
    assert digests.of(how) == digests.of(bare) != digests.of(replace(how, played=True))
