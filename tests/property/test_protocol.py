"""Laws of a course under dose rules: nothing fires, nothing changes; the ledger replayed; rules on against off; one program."""

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

from vtrial import population
from vtrial.conduct import rules
from vtrial.conduct.course import body, calendar, run
from vtrial.conduct.protocol import frozen
from vtrial.conduct.setting import setting
from vtrial.endpoints import hard, protocol
from vtrial.events import from_frame
from vtrial.library import rules as library
from vtrial.library import trials
from vtrial.pk.simulate import simulate

N = 256
EMILIA = setting(trials.load("emilia"), "tdm1", "thrombocytopenia")
FRAME, _ = hard.split(EMILIA)
LABEL = library.load("tdm1")
OFF = LABEL.changed({f"{r.id}.action": "none" for r in LABEL.rules})
# more sensitive, and drifting down: many holds, reductions and stops in few patients
VALUES = {"theta.SLOPE": 0.006, "theta.KD": 1e-3}
KEY = hard.arm_key(jax.random.key(3), EMILIA)


@jax.jit
def followed(numbers):
    return protocol.courses(FRAME, numbers, VALUES, KEY, jnp.arange(N))


def course(known):
    return jax.tree.map(np.asarray, followed(protocol.numbers(EMILIA, known)))


@pytest.fixture(scope="module")
def on():
    return course(LABEL)


@pytest.fixture(scope="module")
def off():
    return course(OFF)


def patients():
    scores = population.deal(KEY, jnp.arange(N), population.score_names(FRAME.population, FRAME.pk, FRAME.fx))
    covs = population.covariates(FRAME.population, scores)
    p, q = population.individuals(FRAME.pk, scores, covs), population.individuals(FRAME.fx, scores, covs, VALUES)
    return body(FRAME.pk.structure, FRAME.fx.structure, p, q, FRAME.infusion), covs["WT"]


def test_without_rules_it_is_the_plain_course(off):
    of, mg = patients()
    days = FRAME.every * FRAME.cycles
    plain = np.asarray(run(of, calendar(FRAME.every, days, EMILIA.plan.amount), mg))
    # row i of the plain course is the count i + 1 days after the start; until a subject's last dose the two agree
    last = np.where(off.mg > 0, np.arange(days)[:, None], 0).max(0)
    for j in range(N):
        np.testing.assert_allclose(off.level[1 : last[j] + FRAME.every, j], plain[: last[j] + FRAME.every - 1, j], rtol=1e-5)
    assert not np.isin(off.ledger.action, (rules.HELD, rules.STOPPED)).any()


def test_the_ledger_fed_back_as_fixed_doses_is_the_same_course(on):
    of, _ = patients()
    level, modes = jax.jit(lambda mg: frozen(of, mg))(jnp.asarray(on.mg))
    np.testing.assert_allclose(level, on.level, rtol=1e-5)
    # and NONMEM's records of the same doses give the same concentrations at the start of each day
    scores = population.deal(KEY, jnp.arange(N), population.score_names(FRAME.population, FRAME.pk, FRAME.fx))
    p = population.individuals(FRAME.pk, scores, population.covariates(FRAME.population, scores))
    for j in np.flatnonzero((on.ledger.action == rules.HELD).any(0))[:3]:
        one = {k: float(v[j]) for k, v in p.items()}
        seen = simulate(FRAME.pk.structure, records(on.mg[:, j]), one).filter(pl.col("EVID") == 0)
        np.testing.assert_allclose(seen["CP"], np.asarray(modes).sum(1)[:, j], rtol=2e-4, atol=1e-4)


def records(mg):
    """A subject's ledger as event records: observations at the start of each day, before its dose."""
    dose = {"TIME": np.flatnonzero(mg).astype(float), "EVID": 1.0, "AMT": mg[mg > 0], "RATE": mg[mg > 0] / FRAME.infusion}
    look = {"TIME": np.arange(float(len(mg))), "EVID": 0.0, "AMT": 0.0, "RATE": 0.0}
    frames = [pl.DataFrame({k: np.broadcast_to(v, len(f["TIME"])) for k, v in f.items()}) for f in (look, dose)]
    return from_frame(pl.concat(frames).sort("TIME", "EVID"))


def test_the_ledger_is_the_doses(on):
    given = on.ledger.action == rules.GIVEN
    np.testing.assert_array_equal(given, on.mg > 0)
    np.testing.assert_array_equal(given.sum(0), on.given)
    levels = np.array(LABEL.levels)[on.ledger.level]
    _, weight = patients()
    np.testing.assert_allclose(on.mg[given], (levels * np.asarray(weight))[given], rtol=1e-5)
    # no level is raised again, no dose follows a stop, and doses stand at least a cycle apart
    assert (np.diff(on.ledger.level, axis=0) >= 0).all()
    for j in np.flatnonzero((on.ledger.action == rules.STOPPED).any(0)):
        assert not given[np.argmax(on.ledger.action[:, j] == rules.STOPPED) :, j].any()
    assert min(np.diff(np.flatnonzero(given[:, j])).min(initial=99) for j in range(N)) >= FRAME.every


def test_rules_never_give_more_and_keep_platelets_up(on, off):
    """Paired subject by subject: what was given by any day is never more with the rules than without."""
    assert (on.mg.cumsum(0) <= off.mg.cumsum(0) * (1 + 1e-6)).all()
    held = (on.ledger.action == rules.HELD).any(0)
    # or the test would say little
    assert held.mean() > 0.1
    same = ~np.isin(on.ledger.action, (rules.HELD, rules.STOPPED)).any(0) & (on.ledger.level.max(0) == 0)
    np.testing.assert_array_equal(on.mg[:, same], off.mg[:, same])
    assert (on.worst[same] == off.worst[same]).all()
    # until a first grade 3 nothing differs, so that whether there is one cannot
    np.testing.assert_array_equal(on.worst >= 3, off.worst >= 3)
    # days below 50 for as long as both are watched
    assert (off.level < 0.2).sum() > 1.2 * (on.level < 0.2).sum()


def test_one_program_for_ten_protocols():
    changes = [
        {"platelets-grade3.resume": {"at_least": 50}},
        {"platelets-grade3.resume": {"at_least": 100}},
        {"platelets-grade3.recheck_days": 3},
        {"platelets-grade3.level": "down"},
        {"platelets-grade3.trigger": {"below": 75}},
        {"platelets-grade4.action": "stop"},
        {"platelets-grade4.level": ["down", "stop"]},
        {"platelets-grade4.level": 2.4},
        {"platelets-grade4.max_hold_days": 14},
        {"platelets-grade3.action": "none"},
    ]
    course(LABEL)
    before, given = followed._cache_size(), set()
    for change in changes:
        given.add(course(LABEL.changed(change)).mg.sum().item())
    assert followed._cache_size() == before
    # and each protocol is another one
    assert len(given) == len(changes)


def test_a_statistic_against_a_count_by_hand(on):
    stats, failed = jax.jit(protocol.summary, static_argnums=(1, 2))(jax.tree.map(jnp.asarray, on), FRAME.every, 100)
    told = dict(zip(protocol.STATISTICS, np.asarray(stats), strict=True))
    assert failed == 0
    first = slice(0, 100)
    assert told["thrombocytopenia_grade3plus"] == pytest.approx((on.worst[first] >= 3).mean())
    intensity = []
    for j in range(100):
        days = np.flatnonzero(on.mg[:, j])
        intensity.append(on.mg[:, j].sum() / (on.mg[0, j] * (days[-1] + 21) / 21))
    assert told["dose_intensity"] == pytest.approx(np.mean(intensity), rel=1e-5)
    assert told["dose_delayed"] == pytest.approx((on.ledger.action[:, first] == rules.HELD).any(0).mean())
