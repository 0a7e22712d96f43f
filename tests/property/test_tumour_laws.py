"""Laws of tumours, of their exposure and of enrolment that hold for all parameters: no reference values are needed."""

from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtrial import pk, population
from vtrial.conduct import enrolment
from vtrial.conduct.exposed import average
from vtrial.efficacy import kill as kills
from vtrial.efficacy import tumour
from vtrial.library import cards
from vtrial.library.design import Dropout, Enrolment

N, EXAMPLES = 64, 40
EDGES = np.arange(0.0, 757.0, 42.0)
SPLIT = 9  # of the edges: what lies beyond changes nothing before
seeds = st.integers(0, 2**31 - 1)
run = jax.jit(tumour.path)


@cache
def exposed(every):
    return jax.jit(lambda modes, mg: average(modes, every, mg, EDGES))


def path(p, kill, e, edges=EDGES):
    return jax.tree.map(np.asarray, run(p, kill, e, edges))


def spread(rng, **spans):
    return {k: np.exp(rng.uniform(*np.log(span), N)) for k, span in spans.items()}


def drawn(seed):
    """Parameters of tumours and kills, and exposures, of random subjects; powers of either sign."""
    rng = np.random.default_rng(seed)
    p = spread(rng, KG=(2e-4, 0.01), HNL=(1e-5, 0.01), H0=(1e-5, 0.01), HPP=(1e-4, 0.01), FRAILTY=(0.2, 5), CROSS=(0.2, 1.5))
    p |= {k: rng.uniform(-1.5, 2, N) for k in ("BNL", "BOS", "BPP")}
    kill = spread(rng, KD=(1e-3, 0.1), LAMBDA=(1e-4, 0.1), FRES=(1e-4, 0.9), POST=(0.3, 2))
    return p, kill, np.exp(rng.normal(0, 0.5, (len(EDGES) - 1, N)))


@settings(max_examples=EXAMPLES)
@given(seeds)
def test_what_comes_later_changes_nothing_before(seed):
    p, kill, e = drawn(seed)
    other = np.concatenate([EDGES[: SPLIT + 1], EDGES[SPLIT] + np.cumsum(np.random.default_rng(seed).uniform(1, 90, 9))])
    one, two = path(p, kill, e), path(p, kill, np.concatenate([e[:SPLIT], 3 * e[SPLIT:]]), other)
    for name in ("log_size", "lesions", "death", "after"):
        np.testing.assert_allclose(getattr(one, name)[: SPLIT + 1], getattr(two, name)[: SPLIT + 1], rtol=1e-12)


@settings(max_examples=EXAMPLES)
@given(seeds)
def test_an_edge_more_does_not_move_the_others(seed):
    """Of the same exposure: sizes stay as they are, and hazards on a growth that is straight anyway."""
    p, kill, e = drawn(seed)
    finer = np.sort(np.concatenate([EDGES, EDGES[:-1] + 17.0]))
    one, two = path(p, kill, e), path(p, kill, np.repeat(e, 2, 0), finer)
    np.testing.assert_allclose(one.log_size, two.log_size[::2], rtol=1e-9, atol=1e-12)
    one, two = path(p, kill, 0 * e), path(p, kill, np.repeat(0 * e, 2, 0), finer)
    for name in ("lesions", "death"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name)[::2], rtol=1e-9)


RESISTANCE = """
[[covariate]]
on = "{on}"
of = "{of}"
form = "categorical"
coefficient = {{ value = {c}, unit = "1", source = "assumed", why = "a test" }}
reference = {{ value = 0, unit = "1" }}
"""


@pytest.mark.parametrize(("on", "of", "c"), [("KD", "EFFLUX", 0.5), ("LAMBDA", "HER2LOSS", 3), ("FRES", "HER2HET", 20)])
def test_a_card_may_name_what_makes_tumours_resist(on, of, c, tmp_path):
    """Efflux, loss of antigen, cells without it: each leaves more of a tumour, in those who have it alone."""
    shelf = cards.load("tdm1", "efficacy")
    (tmp_path / "efficacy.toml").write_text(Path(shelf.path).read_text(encoding="utf-8") + RESISTANCE.format(on=on, of=of, c=c))
    card = cards.read(tmp_path / "efficacy.toml")
    scores = {f"eta.{name}": np.zeros(2) for name in card.etas}
    covs = {"HER2MRNA": np.ones(2), of: np.array([0.0, 1.0])}
    p = population.individuals(card, scores, covs)
    left = np.asarray(kills.survived(p, kills.cumulative(p, np.ones((len(EDGES) - 1, 2)), EDGES)))
    assert (left[5:, 1] > left[5:, 0]).all()
    bare = population.individuals(shelf, scores, covs)
    for name in card.theta:
        assert p[name][0] == bare[name][0] and (name == on or p[name][1] == bare[name][1])


@settings(max_examples=EXAMPLES)
@given(seeds)
def test_without_effect_a_tumour_grows(seed):
    """No drug, no kill, or all of it resistant: growth alone, and hazards as their integrals."""
    p, kill, e = drawn(seed)
    days = EDGES[:, None]
    still = (kill, 0 * e), (kill | {"KD": np.zeros(N)}, e), (kill | {"FRES": np.ones(N)}, e)
    for k, exposure in still:
        found = path(p, k, exposure)
        np.testing.assert_allclose(found.log_size, p["KG"] * days, rtol=1e-9, atol=1e-12)
        for of, rate, power in ((found.lesions, "HNL", "BNL"), (found.death, "H0", "BOS")):
            pace = p[power] * p["KG"]
            np.testing.assert_allclose(of, p[rate] * p["FRAILTY"] * np.expm1(pace * days) / pace, rtol=1e-6, atol=1e-15)
        after = p["HPP"] * k["POST"] * p["FRAILTY"] * np.exp(p["BPP"] * p["KG"] * days)
        np.testing.assert_allclose(found.after, after, rtol=1e-9)


@settings(max_examples=EXAMPLES)
@given(seeds)
def test_sizes_fall_with_the_kill_and_rise_with_resistance(seed):
    p, kill, e = drawn(seed)
    base, slack = path(p, kill, e).log_size, 1e-12
    for name, side in (("LAMBDA", 1), ("FRES", 1), ("KD", -1)):
        more = np.minimum(kill[name] * 1.1, 0.99 if name == "FRES" else np.inf)
        moved = path(p, kill | {name: more}, e).log_size - base
        # nothing moves any more where all that responds is dead
        assert (side * moved >= -slack).all() and (side * moved[-1] > 1e-6).mean() > 0.5, name
    assert (path(p, kill, 1.1 * e).log_size <= base + slack).all()
    assert (base[-1] < p["KG"] * EDGES[-1]).all()
    # never below what is resistant
    assert (base >= p["KG"] * EDGES[:, None] + np.log(kill["FRES"]) - slack).all()


@settings(max_examples=EXAMPLES)
@given(seeds)
def test_hazards_gather_and_are_in_proportion(seed):
    p, kill, e = drawn(seed)
    one, two = path(p, kill, e), path(p | {"FRAILTY": 2 * p["FRAILTY"]}, kill, e)
    for name in ("lesions", "death"):
        of = getattr(one, name)
        assert (of[0] == 0).all() and (np.diff(of, axis=0) > 0).all()
    for name in ("lesions", "death", "after"):
        np.testing.assert_allclose(2 * getattr(one, name), getattr(two, name), rtol=1e-12)
    np.testing.assert_array_equal(one.log_size, two.log_size)


@settings(max_examples=EXAMPLES)
@given(seeds)
def test_a_burden_lies_between_its_ends_and_has_no_direction(seed):
    rng = np.random.default_rng(seed)
    y, power, width = rng.normal(0, 2, (6, N)), rng.uniform(-2, 2, N), rng.uniform(1, 90, (5, 1))
    found = np.asarray(tumour.burden(y, power, width)) / width
    ends = np.exp(power * y)
    assert (found <= np.maximum(ends[1:], ends[:-1]) * (1 + 1e-12)).all()
    assert (found >= np.minimum(ends[1:], ends[:-1]) * (1 - 1e-12)).all()
    np.testing.assert_allclose(np.asarray(tumour.burden(-y, -power, width)) / width, found, rtol=1e-9)
    np.testing.assert_allclose(np.asarray(tumour.burden(y[::-1], power, width[::-1]))[::-1] / width, found, rtol=1e-9)


def kinetics(seed):
    rng = np.random.default_rng(seed)
    p = spread(rng, CL=(0.3, 2), V1=(2, 5), Q=(0.1, 4), V2=(0.3, 3), KA=(0.5, 20))
    return p, rng.uniform(100, 400, N)


@settings(max_examples=EXAMPLES)
@given(seeds, st.sampled_from(["two_cmt_iv", "one_cmt_oral"]), st.sampled_from([1.0, 7.0, 21.0]))
def test_what_is_given_is_cleared_or_there(seed, structure, every):
    """Exposure is in proportion to the dose; clearance by area never exceeds what is given, and is all of it in the end."""
    p, mg = kinetics(seed)
    modes = pk.STRUCTURES[structure].modes(p)
    found = np.asarray(exposed(every)(modes, mg))
    np.testing.assert_allclose(exposed(every)(modes, 2.5 * mg), 2.5 * found, rtol=1e-12)
    cleared = p["CL"] * np.cumsum(found * np.diff(EDGES)[:, None], 0)
    given = mg * np.ceil(EDGES[1:] / every - 1e-9)[:, None]
    assert (cleared <= given * (1 + 1e-12)).all() and (np.diff(cleared, axis=0) > 0).all()
    # half-lives are of days here: nothing of the start is left by the last intervals
    np.testing.assert_allclose(p["CL"] * found[-1], mg / every, rtol=1e-6)


plans = st.tuples(st.floats(30, 2000), st.floats(0, 1)).map(lambda x: Enrolment(x[0], x[0] * x[1]))


@settings(max_examples=EXAMPLES)
@given(plans)
def test_days_and_shares_of_enrolment_are_inverse(plan):
    share = np.linspace(0, 1, 101)
    day = np.asarray(enrolment.day(plan, share))
    assert day[0] == 0 and (np.diff(day) > 0).all()
    np.testing.assert_allclose(day[-1], plan.duration, rtol=1e-9)
    np.testing.assert_allclose(enrolment.joined(plan, day), share, atol=1e-9)
    # the rate rises in a straight line, then stays
    rate = np.diff(np.asarray(enrolment.joined(plan, np.linspace(0, plan.duration, 401))))
    assert (np.diff(rate) > -1e-12).all()
    flat = np.linspace(0, plan.duration, 401)[:-1] >= plan.ramp
    assert np.ptp(rate[flat]) < 1e-9 if flat.any() else True


@settings(max_examples=10)
@given(plans, seeds, st.floats(0.3, 2.5), st.floats(0, 3e-3))
def test_those_followed_are_those_of_simulated_patients(plan, seed, at, hazard):
    """Patients who join on their days and leave at a hazard: the share of each length of follow-up, within 4.5 errors."""
    rng, many, cut = np.random.default_rng(seed), 200_000, at * plan.duration
    day = np.asarray(enrolment.day(plan, rng.random(many)))
    left = rng.exponential(1, many) / max(hazard, 1e-12)
    there = np.minimum(cut - day, left)[day < cut]
    for days in np.linspace(0.02, 0.98, 9) * cut:
        share = float(enrolment.followed(plan, Dropout(hazard, 0.0), cut, days))
        error = np.sqrt(share * (1 - share) / len(there)) + 1 / len(there)
        assert abs((there > days).mean() - share) < 4.5 * error
