"""Trials with tumours as a whole: no effect gives no effect, scans delay progression, arms do not know of each other."""

import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vtrial import population
from vtrial.endpoints import survival
from vtrial.endpoints.hard import arm_key
from vtrial.endpoints.outcome import hard, replicate, setting
from vtrial.endpoints.people import flat
from vtrial.library import trials

EMILIA, DISEASE = trials.load("emilia"), "her2-breast"
CUT = EMILIA.design.cut("2012-01-14").day
NO, CHUNK = 1e-12, 20


def of(trial, arm_id, n, horizon=CUT):
    return replace(setting.setting(trial, arm_id, DISEASE, horizon), n=n)


def subjects(s, values, key, index):
    """(`Subjects`, scores and covariates) of some replicates, (replicate x subject,), as `replicate` deals them."""
    keys, ids = flat(arm_key(key, s), index, s.n)
    return hard.subjects(s, values, flat(population.stream(key, s.trial), index, s.n)[0], keys, ids)


def seen(s, values, key, index, cut):
    """(`Outcome`, who has joined) at a cut by the primary assessor, (replicate, subject) each."""
    people, known = subjects(s, values, key, index)
    found = hard.at_cut(s, people, known, s.design.response.assessor, cut)
    return jax.tree.map(lambda x: x.reshape(len(index), s.n), found)


def chunked(run, replicates):
    """``run(replicates)`` over chunks, its arrays (replicate, ...) put together."""
    parts = [run(jnp.arange(i, i + CHUNK)) for i in range(0, replicates, CHUNK)]
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


# --- no effect -------------------------------------------------------------------------------------------------------


@cache
def contrasts():
    """``run(values, replicates)``: endpoint -> (log hazard ratio, p of the log-rank test), events; of 150 against 150."""
    pair = [of(EMILIA, a, 150) for a in ("tdm1", "lapcap")]

    @jax.jit
    def run(values, index):
        sides = [seen(s, values, jax.random.key(5), index, CUT) for s in pair]
        first = jnp.arange(2 * 150) < 150
        out = {}
        for name in ("pfs", "os"):
            time, event = (jnp.concatenate([getattr(o, f"{name}_{k}") for o, _ in sides], -1) for k in ("day", "event"))
            arm, counts = jnp.broadcast_to(first, time.shape), jnp.concatenate([j for _, j in sides], -1)
            log_hr = survival.cox(time, event, arm, weight=counts).log_hr
            out[name] = log_hr, survival.logrank(time, event, arm, weight=counts)[1], (event & counts).sum(-1)
        return out

    return pair, run


def told(pair, kd):
    """Both drugs' kills: their cards' where ``kd`` is None; what follows progression is the same after both."""
    one = jnp.asarray(1.0)
    return {s.kill.path: {"theta.KD": s.kill.theta["KD"] * one if kd is None else kd * one, "theta.POST": one} for s in pair}


@pytest.mark.slow
def test_without_effect_hazards_are_equal_and_five_in_a_hundred_tests_reject():
    pair, run = contrasts()
    found = chunked(lambda index: run(told(pair, NO), index), 2000)
    for name, (log_hr, p, events) in found.items():
        many = len(log_hr)
        error, rejected = log_hr.std(ddof=1) / np.sqrt(many), (p < 0.05).mean()
        size = np.sqrt(0.05 * 0.95 / many)
        print(f"{name}: {events.mean():.0f} events; log HR {log_hr.mean():+.5f} +/- {error:.5f}; rejected {rejected:.4f}")
        assert np.isfinite(log_hr).all() and many == 2000
        assert abs(log_hr.mean()) < 4 * error
        assert abs(rejected - 0.05) < 3.5 * size
        # and the estimates scatter as their information says
        np.testing.assert_allclose(log_hr.std(ddof=1), 2 / np.sqrt(events.mean()), rtol=0.08)


@pytest.mark.slow
def test_with_the_cards_effects_the_same_program_finds_one():
    pair, run = contrasts()
    log_hr, p, _ = chunked(lambda index: run(told(pair, None), index), 100)["pfs"]
    print(f"log HR {log_hr.mean():+.3f} +/- {log_hr.std(ddof=1) / 10:.3f}; rejected {(p < 0.05).mean():.2f}")
    assert log_hr.mean() < -10 * log_hr.std(ddof=1) / np.sqrt(len(log_hr))
    assert (p < 0.05).mean() > 0.2


# --- scans -----------------------------------------------------------------------------------------------------------

EVERY, ODD, BOUND = 42, 101, np.log(1.2)


def plainly_scanned(n, horizon):
    """An arm whose scans are all made on their days and measure exactly; nobody is lost."""
    s = of(EMILIA, "tdm1", n, horizon)
    scans = replace(s.design.scans, scatter=0.0, missed=0.0)
    dropout = replace(s.design.dropout, hazard=0.0)
    errors = tuple((who, 1e-6) for who, _ in s.design.errors)
    return replace(s, design=replace(s.design, scans=scans, dropout=dropout, errors=errors))


def alone(s, kg, kd=None):
    """Values with neither new lesions nor deaths, growth of a median ``kg``, and the card's kill or another."""
    tumour = {"theta.HNL": NO, "theta.H0": NO, "theta.KG": kg}
    return {s.tumour.path: tumour, s.kill.path: {"theta.KD": s.kill.theta["KD"] if kd is None else kd}}


def middle(quantile):
    """Mean over trials of the sample median of `ODD` subjects: the middle one's, whose rank is beta-distributed."""
    u = (np.arange(20_000) + 0.5) / 20_000
    return quantile(stats.beta(ODD // 2 + 1, ODD // 2 + 1).ppf(u)).mean()


@pytest.mark.slow
@pytest.mark.parametrize("at", [3.6, 4.0, 4.25])
def test_scans_delay_the_median_by_what_rounding_up_predicts(at):
    """Growth alone, at log-normal rates: the sum passes its limit at a log-normal time, here with a median of so many
    intervals, and is seen at the next scan. Both sample medians have known means."""
    s, replicates = plainly_scanned(ODD, 40 * EVERY), 2000
    kg, sd = BOUND / (at * EVERY), s.tumour.sd("KG")

    @jax.jit
    def run(index):
        people, known = subjects(s, alone(s, kg, NO), jax.random.key(6), index)
        outcome = hard.at_cut(s, people, known, "central", 1e6)[0]
        day, event = (x.reshape(len(index), ODD) for x in (outcome.pfs_day, outcome.pfs_event))
        grown = population.individuals(s.tumour, known, known, alone(s, kg)[s.tumour.path])["KG"]
        return survival.median(survival.curve(day, event)), jnp.median(BOUND / grown.reshape(day.shape), -1)

    measured, continuous = chunked(run, replicates)
    times = stats.lognorm(sd, scale=at * EVERY)
    predicted = middle(lambda u: EVERY * np.ceil(times.ppf(u) / EVERY)), middle(times.ppf)
    delay, wanted = measured - continuous, predicted[0] - predicted[1]
    error = delay.std(ddof=1) / np.sqrt(replicates)
    print(f"median {continuous.mean():.1f}, measured {measured.mean():.1f}, later by {delay.mean():.2f} +/- {error:.2f}")
    print(f"predicted {wanted:.2f}")
    assert set(np.unique(measured / EVERY)) <= set(range(1, 41))
    for found, value in ((measured, predicted[0]), (continuous, predicted[1]), (delay, wanted)):
        assert abs(found.mean() - value) < 4 * found.std(ddof=1) / np.sqrt(replicates)
    assert wanted > 10 * error


def first_passed(s, p, kill, exposure):
    """Day on which the noise-free sum passes a fifth over its smallest so far, by quarters of a day, (subject,); inf: not
    by the last edge. Exposure (interval, subject) is that between edges."""
    step, days = 0.25, np.arange(0, s.edges[-1] + 0.1, 0.25)
    at = np.minimum(np.searchsorted(s.edges, days[:-1] + step / 2) - 1, len(exposure) - 1)
    rate = kill["KD"] * exposure[at] * np.exp(-kill["LAMBDA"] * (days[:-1, None] + step / 2))
    killed = np.concatenate([np.zeros_like(rate[:1]), np.cumsum(rate * step, 0)])
    y = p["KG"] * days[:, None] + np.log(kill["FRES"] + (1 - kill["FRES"]) * np.exp(-killed))
    passed = y >= np.minimum.accumulate(y, 0) + BOUND
    return np.where(passed.any(0), days[passed.argmax(0)], np.inf)


@pytest.mark.slow
def test_under_treatment_progression_is_seen_at_the_next_scan():
    """Or one later, where scans missed the smallest sum."""
    s = plainly_scanned(4000, 60 * EVERY)
    values = alone(s, s.tumour.theta["KG"])

    @jax.jit
    def run(index):
        people, known = subjects(s, values, jax.random.key(7), index)
        p, kill = (population.individuals(c, known, known, values[c.path]) for c in (s.tumour, s.kill))
        return people.progressed, p, kill, setting.kinetics(s, known, known), people.size.min(0) > 2 * s.rules.cr_below

    progressed, p, kill, exposure, visible = jax.tree.map(np.asarray, run(jnp.arange(1)))
    passed = first_passed(s, p, kill, exposure)[visible]
    progressed, next_scan = progressed[visible], EVERY * np.ceil(passed / EVERY)
    both = np.isfinite(passed) & np.isfinite(progressed)
    late = (progressed[both] - next_scan[both]) / EVERY
    print(f"{both.sum()} progress, {(late == 0).mean():.3f} seen at the next scan, {(late == 1).mean():.3f} one later")
    print(
        f"medians: {np.median(passed):.1f} continuous, {np.median(next_scan):.0f} rounded up, {np.median(progressed):.0f} seen"
    )
    assert both.sum() > 3000 and not (np.isinf(passed) & np.isfinite(progressed)).any()
    assert (late >= 0).all() and (late <= 1).mean() > 0.99 and (late == 0).mean() > 0.8
    assert np.median(passed) < np.median(next_scan) <= np.median(progressed) <= np.median(next_scan) + EVERY


# --- arms ------------------------------------------------------------------------------------------------------------

THIRD = """
[[arm]]
id = "low"
title = "T-DM1 2.4 mg/kg q3w"
drug = "tdm1"
regimen = "2.4 mg/kg q3w"
n = 60

[arm.treatment]
kind = "exponential"
median = { value = 7.6, unit = "month", source = "assumed", why = "a test" }
longest = { value = 18, unit = "cycle", source = "assumed", why = "a test" }
"""

OF_AN_ARM = re.compile(r"\[dropout\.arm\.lapcap\]\n.*\n")  # patients of an arm who leave scans sooner than the trial's


def copied(folder, arms):
    """EMILIA in a folder, its arms those of ``arms`` in that order; what is told of both arms only where both are there."""
    home = Path(EMILIA.path).parent
    head, *blocks = (home / "trial.toml").read_text(encoding="utf-8").split("[[arm]]\n")
    last, rest = blocks.pop().split("# Minimisation", 1)
    known = {"low": THIRD} | dict(zip(("tdm1", "lapcap"), (f"[[arm]]\n{b}" for b in (*blocks, last)), strict=True))
    rest = rest.replace("ratio = [1, 1]", f"ratio = {[1] * len(arms)}").replace("value = 0.8, unit", "value = 1, unit")
    if {"tdm1", "lapcap"} <= set(arms):
        shutil.copy(home / "published.csv", folder)
    else:
        rest = OF_AN_ARM.sub("", rest.split("[[crossover]]")[0])
    (folder / "trial.toml").write_text(head + "\n".join(known[a] for a in arms) + "\n# Minimisation" + rest, encoding="utf-8")
    return trials.load(folder)


@cache
def courses():
    """``run(setting)``: (`Subjects`, `Outcome` and who has joined at the cut) of 300 subjects of an arm."""

    def run(s):
        people, known = subjects(s, {}, jax.random.key(8), jnp.arange(2))
        return people, hard.at_cut(s, people, known, "central", CUT)

    return jax.jit(run, static_argnums=0)


def course(trial, arm_id):
    return jax.tree.map(np.asarray, courses()(of(trial, arm_id, 150)))


def test_an_arm_does_not_know_what_other_arms_there_are(tmp_path):
    """Subject by subject, every day and every answer: with a third arm, in another order, and with one taken away."""
    alone = {a: course(EMILIA, a) for a in ("tdm1", "lapcap")}
    others = {
        "three": ("tdm1", "lapcap", "low"),
        "turned": ("low", "lapcap", "tdm1"),
        "one": ("tdm1",),
    }
    for name, arms in others.items():
        (tmp_path / name).mkdir()
        trial = copied(tmp_path / name, arms)
        assert tuple(trial.arms) == arms
        for a in set(arms) & set(alone):
            jax.tree.map(np.testing.assert_array_equal, alone[a], course(trial, a))
    # and the arms are not the same people
    low, _ = course(copied(tmp_path / "three", others["three"]), "low")
    assert not np.isin(low.death, alone["tdm1"][0].death).any()
    np.testing.assert_array_equal(low.joined, alone["tdm1"][0].joined)


@pytest.mark.slow
def test_statistics_of_two_arms_stay_as_they_are_beside_a_third(tmp_path):
    """The whole of a replicate: rows of both arms and of their contrast."""
    (tmp_path / "three").mkdir()
    trial = copied(tmp_path / "three", ("low", "tdm1", "lapcap"))
    wanted = [EMILIA.rows[i] for i in ("em-pfs-median", "em-pfs-12", "em-hr-pfs", "em-hr-os-int1", "em-orr", "em-lc-orr")]
    found = []
    for t, arms in ((EMILIA, ("tdm1", "lapcap")), (trial, ("low", "tdm1", "lapcap"))):
        settings = {a: of(t, a, 60) for a in arms}
        found.append(replicate.statistics(t, settings, wanted, {}, jax.random.key(9), replicates=20)["rows"])
    assert np.isfinite(found[0]).all()
    # programs of other shapes may round a last digit otherwise
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)
