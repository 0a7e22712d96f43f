"""The toxicity structures and a whole arm under its dose rules against the naive ones: one patient at a time, by scipy."""

import importlib.util
from dataclasses import replace
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from vtrial import population, toxicity
from vtrial.conduct.arm import Effect, arm
from vtrial.endpoints import hard, protocol
from vtrial.endpoints.people import flat, frame, people
from vtrial.library import organs, trials
from vtrial.library.cards import Card
from vtrial.library.rules import Condition, Rule
from vtrial.pk import modes as pkmodes
from vtrial.pk import two_cmt_iv

SPEC = importlib.util.spec_from_file_location("naive_arm", Path(__file__).with_name("naive_arm.py"))
NAIVE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(NAIVE)

INFUSION = 1.5 / 24


# --- each structure alone --------------------------------------------------------------------------------------------

N, DAYS = 6, 120
MARKERS = toxicity.turnover.MARKERS
DOSES = {0: 250.0, 21: 180.0, 45: 320.0, 63: 140.0}
SPANS = {
    "turnover": {"KE0": (0.1, 2.0)}
    | {
        f"{k}_{m}": s
        for m in toxicity.turnover.MARKERS
        for k, s in (("BASE", (0.3, 1)), ("KOUT", (0.2, 3)), ("SLOPE", (3e-3, 0.1)))
    },
    "decline": {"KE0": (0.01, 0.3), "BASE": (55, 70), "SLOPE": (0.1, 1.0)},
    "hazard": {"KE0": (0.05, 0.5), "HAZ": (2, 8), "SHAPE": (1.2, 3), "SCALE": (20, 80), "CREF": (10, 30), "POWER": (0.5, 2)}
    | {"P2": (0.6, 0.8), "P3": (0.3, 0.5), "P4": (0.15, 0.25), "P5": (0.02, 0.1), "WORSEN": (0.02, 0.2), "RECOVERY": (15, 60)},
    "ordinal": {"KE0": (0.05, 0.5), "CREF": (10, 30), "POWER": (0.5, 2), "SHIFT": (0.3, 2.0)}
    | {"B1": (0.1, 0.2), "B2": (0.5, 0.8), "B3": (1, 1.5), "B4": (2, 2.5), "BLOCK": (21, 21), "LENGTH": (5, 21)},
}
ORGANS = {"turnover": organs.LIVER, "decline": ("lvef",), "hazard": ("ild",), "ordinal": ("other",)}


def drawn(spans, rng):
    return {k: np.exp(rng.uniform(*np.log(span), N)) for k, span in spans.items()}


@cache
def patients(name):
    """Kinetics, parameters and luck of random patients, (subject,) each."""
    rng = np.random.default_rng(7)
    pk = drawn({"CL": (0.3, 1.5), "V1": (2, 5), "Q": (0.1, 4), "V2": (0.3, 3)}, rng)
    q = drawn(SPANS[name], rng)
    fx = toxicity.STRUCTURES[name]
    names = fx.luck(DAYS, {k: v[0] for k, v in q.items()}) if hasattr(fx, "luck") else ()
    return pk, q, {k: rng.standard_normal(N) for k in names}


def of_vtrial(name):
    """Readings at the start of each day, (reading, day, subject)."""
    pk, q, luck = patients(name)
    fx, modes = toxicity.STRUCTURES[name], two_cmt_iv.modes(pk)
    q = q | ({"blocks": toxicity.ordinal.blocks(luck)} if name == "ordinal" else {"luck": luck})
    step, pace = fx.prepare(q, modes, 1.0, INFUSION), pkmodes.pace(modes, 1.0, INFUSION)

    def day(carry, dose):
        c, state = carry
        after = tuple(a * left + dose * gain for a, left, gain in zip(c, pace.left, pace.gain, strict=True))
        return (after, fx.advance(step, state, c, dose)), jnp.stack(fx.readings(q, state))

    begin = tuple(jnp.zeros(N) for _ in modes.rate), fx.start(q)
    doses = jnp.array([DOSES.get(d, 0.0) for d in range(DAYS)])
    return np.asarray(jax.jit(lambda d: jax.lax.scan(day, begin, d))(doses)[1]).swapaxes(0, 1)


def of_naive(name):
    pk, q, luck = patients(name)
    out = []
    for j in range(N):
        effect = {"structure": name, "organs": ORGANS[name], "p": own(q, j), "luck": by_block(luck, j)}
        body = NAIVE.Body(own(pk, j), [effect], INFUSION)
        for day, mg in DOSES.items():
            body.live(day)
            body.dose(mg)
        out.append(list(body.truths(DAYS - 1).values()))
    return np.moveaxis(out, 0, -1)


def own(values, j):
    """The numbers of one subject."""
    return {k: float(np.asarray(v).ravel()[j if np.size(v) > 1 else 0]) for k, v in values.items()}


def by_block(luck, j):
    """The luck of one subject; what comes by block as lists."""
    mine = own(luck, j)
    blocks = {stem: [v for k, v in mine.items() if k.startswith(f"{stem}.")] for stem in ("onset", "strength")}
    return blocks if any(blocks.values()) else mine


@pytest.mark.parametrize("name", ["turnover", "decline"])
def test_readings(name):
    np.testing.assert_allclose(of_vtrial(name), of_naive(name), rtol=1e-6)


@pytest.mark.parametrize("name", ["hazard", "ordinal"])
def test_grades_day_by_day(name):
    found, expected = of_vtrial(name), of_naive(name)
    np.testing.assert_array_equal(found, expected)
    # or the test would say little: events, of several grades, also well again
    assert len(np.unique(found)) >= 4
    assert ((found[:, :-1] > 0) & (found[:, 1:] == 0)).any()
    assert (found > 0).any(1).sum() >= N // 2


def test_an_event_worsens():
    """Of those above, some rise while ill."""
    found = of_vtrial("hazard")[0]
    assert ((np.diff(found, axis=0) > 0) & (found[:-1] > 0)).any()


@pytest.mark.parametrize("name", ["turnover", "decline"])
def test_by_way_of_another_time_is_the_same(name):
    """0 -> a -> b is 0 -> b, with a dose and with much left of those before."""
    pk, q, _ = patients(name)
    fx, modes = toxicity.STRUCTURES[name], two_cmt_iv.modes(pk)
    rng = np.random.default_rng(3)
    c = tuple(rng.uniform(0, 60, (2, N)))
    state = jax.tree.map(lambda v: v + rng.uniform(0, 20, N), fx.start(q))
    for a, b in ((0.1, 1.0), (0.5, 1.0), (0.77, 0.9)):
        whole, one, two = (fx.prepare(q, modes, dt, INFUSION) for dt in (b, a, b - a))
        pace = pkmodes.pace(modes, a, INFUSION)
        later = tuple(x * left + 250.0 * gain for x, left, gain in zip(c, pace.left, pace.gain, strict=True))
        there = fx.advance(whole, state, c, 250.0)
        by_way = fx.advance(two, fx.advance(one, state, c, 250.0), later)
        for x, y in zip(jax.tree.leaves(there), jax.tree.leaves(by_way), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-9)


# --- a whole arm -----------------------------------------------------------------------------------------------------

TRIAL = trials.load("emilia")
EMILIA = arm(TRIAL, "tdm1")
SIZE = 14
KEY = hard.arm_key(jax.random.key(3), EMILIA)
KEYS, SUBJECTS = flat(KEY, jnp.arange(1), SIZE)
CYCLES = 10
COURSE = EMILIA.every * CYCLES
# of the shelf's cards: what makes events of every kind frequent
FREQUENT = {
    "thrombocytopenia": {"theta.SLOPE": 0.006, "theta.KD": 1e-3},
    "neutropenia": {"theta.SLOPE": 0.006},
    "transaminases": {"theta.SLOPE_ALT": 0.1, "theta.SLOPE_BIL": 0.012},
    "lvef": {"theta.SLOPE": 0.7},
    "ild": {"theta.HAZ": 1.5, "theta.SCALE": 80.0, "theta.POWER": 1.0, "theta.P3": 0.2, "theta.P5": 0.1, "theta.WORSEN": 0.03},
    "other": {"theta.B1": 1.2, "theta.B2": 1.7, "theta.B3": 2.6},
}
# the shelf has none for this drug
DIARRHOEA = {"KE0": 0.1, "CREF": 15.0, "POWER": 1.0, "SHIFT": -0.3, "BLOCK": 21.0, "LENGTH": 12.0}
DIARRHOEA |= {"B1": 0.0, "B2": 0.7, "B3": 2.0, "B4": 2.6}


def everything():
    """The shelf's arm of fewer cycles, with one organ more."""
    card = Card("diarrhoea", "", "ordinal", "tdm1", DIARRHOEA, (), ("SHIFT",), np.array([[0.25]]), {}, ())
    return replace(EMILIA, cycles=CYCLES, effects=(*EMILIA.effects, Effect("diarrhoea", card, 0, ("diarrhoea",))))


def label(of):
    return of.rules


def strange(of):
    """Whatever a rule can say: a level by episode, a level of its own, late, lasting, at a dose only, a longest hold."""
    at_most = lambda organ, g: Condition(organ, "grade", -np.inf, g, False)  # noqa: E731
    least = lambda organ, g: Condition(organ, "grade", g, np.inf, False)  # noqa: E731
    off = ("ild", "other-stop", "other-reduce", "alt-grade3")
    known = of.rules[0].changed({f"{name}.action": "none" for name in off} | {"platelets-grade3.max_hold_days": 7})
    more = (
        Rule("low", "hold", (least("neutrophils", 2),), (at_most("neutrophils", 1),), 3.0, ("same", "down", "stop")),
        Rule("lasting", "reduce", (least("alt", 1),), for_days=20.0, levels=("same", "same", 3.0)),
        Rule("loose", "hold", (least("diarrhoea", 2),), (at_most("diarrhoea", 0),), 4.0, late=(6.0, "down"), seen="dose"),
        Rule("both", "stop", (least("platelets", 3), least("diarrhoea", 3))),
        Rule("lung", "hold", (least("ild", 1),), (at_most("ild", 0),), 7.0, (2.4,), max_hold_days=50.0),
    )
    return (replace(known, rules=(*known.rules, *more), delay=30.0),)


def by_calendar(of):
    """The same, a missed dose not made up."""
    return (replace(strange(of)[0], made_up=False),)


ARM = everything()
VALUES = {e.card.path: FREQUENT.get(e.name, {}) for e in ARM.effects}
WORDS = ("nothing", "given", "held", "stopped")


@pytest.fixture(scope="module")
def who():
    return jax.jit(lambda k: people(ARM, frame(ARM), ARM.shares, VALUES, k, SUBJECTS, COURSE))(KEYS)


@jax.jit
def followed(numbers):
    return protocol.courses(ARM, numbers, VALUES, KEYS, SUBJECTS, keep=True)


@pytest.fixture(scope="module")
def cohort(who):
    """Patients as the naive one takes them: numbers only."""
    card = ARM.parts[0].pk
    dealt = population.deal_each(KEYS, SUBJECTS, population.score_names(ARM.population, card))
    pk = population.individuals(card, dealt, population.covariates(ARM.population, dealt))
    # noise of each day from the keys of the persons
    each = lambda key: jax.vmap(lambda d: jax.random.normal(jax.random.fold_in(key, d)))(jnp.arange(1, COURSE + 1))  # noqa: E731
    scores = {o: np.asarray(jax.vmap(each)(keys)) for o, keys in who.noise.items()}
    return [
        {
            "pk": own(pk, j),
            "effects": [effect(e, q, j) for e, q in zip(ARM.effects, who.effects, strict=True)],
            "unit": float(who.mg[0][j]),
            "cycles": int(who.cycles[j]),
            "sigma": {o: float(v) for o, v in who.sigma.items()},
            "scores": {o: v[j] for o, v in scores.items()},
            "baseline": own(who.baseline, j),
        }
        for j in range(SIZE)
    ]


def effect(e, q, j):
    luck = {k: np.asarray(v)[:, j] for k, v in q.get("blocks", {}).items()} or own(q.get("luck", {}), j)
    if "onset" in luck and e.card.structure == "ordinal":
        luck = {"strength": luck["strength"].tolist(), "onset": norm.ppf(luck["onset"]).tolist()}
    numbers = own({k: v for k, v in q.items() if k not in ("blocks", "luck")}, j)
    return {"structure": e.card.structure, "organs": e.organs, "p": numbers, "luck": luck}


def sheet():
    """What the trial's file says."""
    assert TRIAL.grading == "v3"
    visits = {"blood" if k == "platelets" else k: (v.first_cycle, v.later_cycles, v.every) for k, v in TRIAL.visits.items()}
    return {"every": 21, "infusion": ARM.parts[0].infusion, "lower_limit": TRIAL.lower_limit, "visits": visits}


@pytest.mark.parametrize("changed", [label, strange, by_calendar])
def test_an_arm_is_the_naive_arm(changed, cohort):
    """Ledger, doses, true readings and worst measured grades of every patient, day by day."""
    (rules,) = known = changed(ARM)
    course = jax.tree.map(np.asarray, followed(protocol.numbers(ARM, known)))
    entry, off, told, errors = course.ledger[0], [], [], {}
    for j, patient in enumerate(cohort):
        ledger, mg, truth, worst = NAIVE.follow(patient, rules, sheet(), COURSE)
        rows = (entry.action[:, j], entry.level[:, j], entry.reason[:, j], entry.planned[:, j])
        found = [(WORDS[a], *(int(v) for v in rest)) for a, *rest in zip(*rows, strict=True)]
        wanted = [(a, level, -1 if reason is None else reason, day) for a, level, reason, day in ledger]
        # the first day on which they differ says it
        off += [(j, d, f, w) for d, (f, w) in enumerate(zip(found, wanted, strict=True)) if f != w][:1]
        off += [(j, o, int(course.organs[o].worst[j]), int(g)) for o, g in worst.items() if course.organs[o].worst[j] != g]
        np.testing.assert_allclose(course.mg[:, 0, j], mg, rtol=1e-9, err_msg=f"mg of patient {j}")
        for organ, values in truth.items():
            off_by = np.abs(course.truth[organ][:, j] / np.where(np.equal(values, 0), 1, values) - np.not_equal(values, 0))
            errors[organ] = max(errors.get(organ, 0.0), off_by.max())
        told += wanted
    assert not off, "(patient, day and what, vtrial, naive)\n" + "\n".join(map(str, off))
    # what the stepper of counts may cost: tests/reference/test_steppers.py, here with a slope of twice the card's
    beyond = {o: e for o, e in errors.items() if e > (2e-3 if o in organs.COUNTS else 1e-4)}
    assert not beyond, beyond
    print({o: f"{e:.1e}" for o, e in errors.items()}, {(t[0], rules.rules[t[2]].id) for t in told if t[2] >= 0})
    assert {t[0] for t in told} == set(WORDS)
    # or the test would say little: many rules at work, and a treatment that more than one of them ended
    assert len({t[2] for t in told if t[2] >= 0}) >= 7 and len({t[2] for t in told if t[0] == "stopped"}) >= 2
