"""Laws of the joint look: what organs and tumours do to each other, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vtrial import population
from vtrial.conduct.arm import arm as course_of
from vtrial.endpoints import protocol
from vtrial.endpoints.hard import arm_key
from vtrial.endpoints.joint import plan, replicate
from vtrial.endpoints.joint.subjects import patients
from vtrial.endpoints.outcome import replicate as outcomes
from vtrial.endpoints.people import flat
from vtrial.library import rules, trials

pytestmark = pytest.mark.slow
J101 = trials.load("j101")
HORIZON, KEY, N = J101.design.horizon(), jax.random.key(5), 3
ARM = "tdxd-5.4"


@pytest.fixture(scope="module")
def plans():
    return plan.plans(J101, J101.arms, HORIZON)[0]


@pytest.fixture(scope="module")
def look(plans):
    """Patients of an arm under some rules, three trials' worth."""
    of, places = plans[ARM], population.stream(KEY, J101.name)
    keys, ids = flat(arm_key(KEY, of.setting), jnp.arange(N), of.setting.n)
    of_place = flat(places, jnp.arange(N), of.setting.n)[0]
    run = jax.jit(lambda numbers: patients(of, numbers, {}, of_place, keys, ids))
    return lambda known: jax.tree.map(np.asarray, run(protocol.numbers(of.course, known)))


def without(of):
    """No rule at all."""
    return tuple(rules.Rules(r.drug, r.levels, ()) for r in of.course.rules)


@pytest.fixture(scope="module")
def free(look, plans):
    return look(without(plans[ARM]))


@pytest.fixture(scope="module")
def ruled(look, plans):
    return look(plans[ARM].course.rules)


def test_without_rules_tumours_are_those_of_the_outcome_look(free, plans):
    """Every dose is given, so that exposure is the plan's; and death and progression are what they were without organs."""
    s = plans[ARM].setting
    own = {ARM: s}
    known = [r for r in J101.rows.values() if r.arm == ARM and not replicate.unmodelled(r, J101, plans)]
    known = [r for r in known if r.endpoint in ("orr", "pfs")]
    stats = outcomes.statistics(J101, own, known, {}, KEY, replicates=N)["rows"]
    from vtrial.endpoints.outcome import rows

    found = outcomes.seen_by(s, free.tumour, free.known, sorted({rows.look(r, J101) for r in known}), {
        rows.look(r, J101)[1]: jnp.full(N, rows.cut(r, J101)) for r in known
    })  # fmt: skip
    for i, r in enumerate(known):
        mine = rows.units_of(r, np.asarray(rows.hard(r, J101, {ARM: found[rows.look(r, J101)]})))
        np.testing.assert_allclose(mine, stats[:, i], rtol=1e-5)


def test_nothing_is_given_after_progression_death_or_loss(ruled, plans):
    over = np.minimum(np.minimum(ruled.tumour.progressed, ruled.tumour.death), ruled.followed)
    last = ruled.course.doses[0].last
    assert (last < np.maximum(over, 1e-9))[np.isfinite(last)].all()
    assert (ruled.treated[0] <= over + 1e-3).all() and (over < HORIZON).any() and (ruled.treated[0] > 0).mean() > 0.5


def test_doses_left_out_spare_the_tumour(ruled, free):
    """Less drug never shrinks a tumour more, and with rules less drug is given; both look at the same patients."""
    assert (ruled.course.doses[0].mg <= free.course.doses[0].mg * (1 + 1e-5)).mean() > 0.95  # some stay on longer
    before = np.minimum(ruled.tumour.progressed, free.tumour.progressed)
    there = ruled.tumour.days <= before
    assert (ruled.tumour.size >= free.tumour.size * (1 - 1e-4))[there].all()
    assert (ruled.tumour.size > free.tumour.size * 1.02)[there].any()


def test_lung_disease_is_counted_to_the_end_and_organs_to_the_cut(ruled, plans):
    onset, seen = ruled.course.onset["ild"], ruled.course.organs["ild"].worst
    assert (np.isfinite(onset) >= (seen > 0)).all() and np.isfinite(onset).any()
    first = ruled.course.organs["neutrophils"].first
    until = np.minimum(ruled.followed, np.maximum(plans[ARM].closed - ruled.tumour.joined, 0))
    assert (first <= until)[np.isfinite(first)].all()


def test_an_arm_does_not_depend_on_the_others(plans):
    known = [r for r in J101.rows.values() if r.arm == ARM and not replicate.unmodelled(r, J101, plans)]
    both = replicate.statistics(J101, plans, known, {}, KEY, replicates=2)["rows"]
    alone = replicate.statistics(J101, {ARM: plans[ARM]}, known, {}, KEY, replicates=2)["rows"]
    np.testing.assert_allclose(alone, both, rtol=1e-6)


def test_a_replicate_is_the_same_wherever_it_is_asked_for(plans):
    known = [r for r in J101.rows.values() if r.arm == ARM and not replicate.unmodelled(r, J101, plans)]
    some = replicate.statistics(J101, {ARM: plans[ARM]}, known, {}, KEY, replicates=4)["rows"]
    last = replicate.statistics(J101, {ARM: plans[ARM]}, known, {}, KEY, replicates=1, first=3)["rows"]
    np.testing.assert_allclose(last[0], some[3], rtol=1e-6)


def test_the_plan_counts_the_days_of_both_kinds_of_drug():
    emilia = trials.load("emilia")
    infused, tablets = (plan.plan(emilia, a, 200.0) for a in ("tdm1", "lapcap"))
    edges = infused.setting.edges
    assert infused.planned[0] == len(np.arange(0, edges[1], 21)) and tablets.planned[0] == edges[1]
    assert infused.course.parts[0].drug == course_of(emilia, "tdm1").parts[0].drug
