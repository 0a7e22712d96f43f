"""Exposure and prognosis in EMILIA's T-DM1 arm: what the hazard ratio by quarter of the trough is made of, part by part.

Organs are left out of these patients, so that all doses are given.
"""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vtrial import pk, population
from vtrial.endpoints.hard import arm_key
from vtrial.endpoints.joint import exposure, plan
from vtrial.endpoints.outcome import hard, setting
from vtrial.endpoints.people import flat, frame, people
from vtrial.library import trials

EMILIA = trials.load("emilia")
CUT = EMILIA.design.horizon("2012-07-31")
NO, KEY, COUNT = 1e-12, jax.random.key(3), 20_000
# Clearance by tumour size to this power, five times the card's, and prognosis by three times the card's part: the link is seen
# at once.
POWER, PART = 0.25, 0.009


@cache
def plain():
    return plan.plan(EMILIA, "tdm1", CUT)


@cache
def linked():
    """The arm without organs, its clearance by tumour size to the power `POWER`."""
    of = exposure.every_dose(plain())
    card = replace(
        of.setting.pk, effects=tuple(replace(e, coefficient=POWER) if e.of == "SLD" else e for e in of.setting.pk.effects)
    )
    course = replace(of.course, parts=(of.course.parts[0]._replace(pk=card),))
    return replace(of, course=course, setting=replace(of.setting, pk=card))


def told(kill=True, link=True):
    """Values that leave out the kill, or the tumour size's part in prognosis."""
    s = linked().setting
    one = jnp.asarray(1.0)
    return {
        s.kill.path: {"theta.KD": one * (s.kill.theta["KD"] if kill else NO)},
        s.tumour.path: {"coefficient.FRAILTY.SLD": one * (PART if link else 0.0)},
    }


@cache
def ratios(kill, link):
    """Dealing -> (log hazard ratio, its standard error by the deaths in both quarters)."""
    out = {}
    for dealing in exposure.DEALINGS:
        with jax.enable_x64(False):
            of = exposure.cohort(linked(), CUT, told(kill, link), KEY, COUNT, dealing)
        log_hr, without, _, deaths = exposure.contrast(of)
        assert np.isfinite(without).all() and of.counts.all() and of.counts.size >= COUNT
        out[dealing] = float(log_hr), 2 / np.sqrt(deaths)
    print(f"kill {kill}, link {link}:", *(f"{d} {x:+.3f} +/- {e:.3f}" for d, (x, e) in out.items()))
    return out


def test_only_tumour_size_links_clearance_to_prognosis():
    assert exposure.links(plain().setting) == ["SLD"]


def test_without_kill_and_link_the_hazard_is_one():
    for log_hr, error in ratios(False, False).values():
        assert abs(log_hr) < 3.5 * error


def test_of_a_link_alone_re_dealing_leaves_nothing():
    found = ratios(False, True)
    log_hr, error = found[exposure.AS_THEY_ARE]
    assert log_hr > 8 * error
    for dealing in (exposure.CLEARANCE, exposure.LINKS):
        log_hr, error = found[dealing]
        assert abs(log_hr) < 3.5 * error


def test_of_kill_by_exposure_alone_re_dealing_takes_nothing():
    found = ratios(True, False)
    whole, error = found[exposure.AS_THEY_ARE]
    assert whole > 5 * error
    for dealing in (exposure.CLEARANCE, exposure.LINKS):
        assert abs(found[dealing][0] - whole) < 3.5 * np.hypot(error, found[dealing][1])


def test_of_both_it_takes_a_part_and_either_re_dealing_the_same():
    found = ratios(True, True)
    (whole, error), (one, e1), (two, e2) = (found[d] for d in exposure.DEALINGS)
    assert 3 * e1 < one < whole - 3 * error and 3 * e2 < two < whole - 3 * error
    assert abs(one - two) < 3.5 * np.hypot(e1, e2)


def dealt(s, size):
    keys, ids = flat(arm_key(KEY, s), jnp.arange(1), size)
    return flat(population.stream(KEY, s.trial), jnp.arange(1), size)[0], keys, ids


def test_the_trough_is_that_of_two_compartments():
    """By the differential equation; the typical patient's, of 70 kg, is 1.60 mg/L after a bolus, more after an infusion."""
    of, s = plain(), plain().setting
    own = {f"eta.{n}": jnp.array([0.0, 1.0]) for n in s.pk.etas}
    covs = {e.of: jnp.array([e.reference, 1.3 * e.reference]) for e in s.pk.effects}
    found = exposure.trough(of, own, covs)
    assert abs(found[0] - 1.60) < 0.02
    p = {k: np.asarray(v) for k, v in population.individuals(s.pk, own, covs).items()}
    wait, hours = s.every, of.course.parts[0].infusion
    for i, c in enumerate(found):
        k10, k12, k21 = (p[a][i] / p[b][i] for a, b in (("CL", "V1"), ("Q", "V1"), ("Q", "V2")))
        rates, shapes = np.linalg.eig(np.array([[-k10 - k12, k21], [k12, -k21]]))
        start = np.linalg.solve(shapes, [s.amount * covs["WT"][i] / hours, 0.0])
        left = shapes @ (np.exp(rates * (wait - hours)) * np.expm1(rates * hours) / rates * start)
        np.testing.assert_allclose(c, left[0] / p["V1"][i], rtol=1e-6)


def test_ones_own_kinetics_change_nothing_and_anothers_change_the_size_alone():
    s = setting.setting(EMILIA, "tdm1", EMILIA.tumour, 100.0)
    places, keys, ids = dealt(s, 300)
    scores = hard.dealt(s, places, keys, ids)
    covs = setting.covariates(s, scores)
    me, other = np.arange(300), exposure.turned(300)
    assert (other != me).all() and set(other) == set(me)
    names = ("joined", "gone", "days", "made", "baseline")

    @jax.jit
    def run(who, kinetics):
        of, _ = hard.subjects(s, {}, *who, kinetics=kinetics)
        return {name: getattr(of, name) for name in ("size", *names)}

    own = [k and exposure.redealt(s, scores, covs, *k) for k in (None, (me, me), (other, other))]
    alone, own, others = (run((places, keys, ids), k) for k in own)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), alone, own)
    for name in names:
        np.testing.assert_array_equal(others[name], alone[name])
    assert (others["size"] != alone["size"]).any(0).all()


@pytest.mark.parametrize("dealing", exposure.DEALINGS)
def test_organs_see_the_kinetics_that_tumours_see(dealing):
    of, s = linked(), linked().setting
    size, me, other = 16, np.arange(16), exposure.turned(16)
    places, keys, ids = dealt(s, size)
    scores = hard.dealt(s, places, keys, ids)
    covs = setting.covariates(s, scores)
    whose = {"as_they_are": (me, me), "clearance": (other, other), "links": (me, other)}[dealing]
    own = exposure.redealt(s, scores, covs, *whose)
    made = people(of.course, frame(of.course), None, {}, keys, ids, 2, scores, own)
    modes = pk.STRUCTURES[s.pk.structure].modes(population.individuals(s.pk, scores | own, covs | own))
    np.testing.assert_allclose(made.paces[0].left, np.exp(-modes.rate), rtol=1e-12)
    np.testing.assert_array_equal(made.mg[0], covs["WT"])
    # but for weight, which stays one's own, they are cleared as he is
    if dealing == exposure.CLEARANCE:
        alike = covs | {"WT": jnp.full(size, 70.0)}
        mine, his = (population.individuals(s.pk, scores | k, alike | k)["CL"] for k in (own, {}))
        np.testing.assert_allclose(mine, his[other], rtol=1e-12)
