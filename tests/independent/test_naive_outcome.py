"""Subjects of EMILIA against the naive ones, patient by patient: event days, progression, response and survival at cuts."""

import importlib.util
from dataclasses import replace
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vtrial import population
from vtrial.conduct import recist
from vtrial.endpoints.hard import arm_key
from vtrial.endpoints.outcome import hard, setting
from vtrial.endpoints.people import flat
from vtrial.library import trials
from vtrial.library.design import READING

SPEC = importlib.util.spec_from_file_location("naive_outcome", Path(__file__).with_name("naive_outcome.py"))
NAIVE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(NAIVE)

N, KEY = 200, 11
ARMS = ("tdm1", "lapcap")
# The first analysis by both assessors; the last one, after crossover.
LOOKS = (("central", "2012-01-14"), ("investigator", "2012-01-14"), ("central", "final"))
# The cards' numbers; and others that let every part speak: slow resistance, signs and powers not 1, many deaths, a sum that
# comes near nothing, assessors who read apart.
OTHER = {
    "tumour": {"theta.KG": 0.004, "omega.KG": 1.1, "theta.HNL": 0.0015, "theta.BNL": -0.4, "theta.H0": 0.0012}
    | {"theta.BOS": 0.3, "theta.BPP": 1.6, "theta.CROSS": 0.3, "omega.FRAILTY": 1.0},
    "kill": {"theta.KD": 0.06, "theta.LAMBDA": 0.012, "theta.FRES": 0.002, "theta.POST": 0.6, "omega.FRES": 2.5},
    "reading": {"agreement": 0.3, "error.investigator": 0.03, "leaving": 0.0015},
}
PLACES = {"card": ({"tumour": {}, "kill": {}, "reading": {}}, N), "other": (OTHER, N // 2)}


@cache
def emilia():
    return trials.load("emilia")


@cache
def arm(arm_id):
    cuts = emilia().design.cuts
    made = setting.setting(emilia(), arm_id, "her2-breast", max(c.day for c in cuts))
    # EMILIA tells nobody who is never scanned; and its control as where the investigator's progression ends scans
    dropout = replace(made.design.dropout, arms=((arm_id, 0.03, made.design.dropout.of(arm_id)[1]),))
    scans = replace(made.design.scans, beyond=arm_id == "tdm1")
    return replace(made, n=N, design=replace(made.design, dropout=dropout, scans=scans))


def dealt(s):
    key = jax.random.key(KEY)
    keys, ids = flat(arm_key(key, s), jnp.arange(1), s.n)
    return flat(population.stream(key, s.trial), jnp.arange(1), s.n)[0], keys, ids


@cache
def program(arm_id):
    s = arm(arm_id)

    @jax.jit
    def run(values):
        told = {s.tumour.path: values["tumour"], s.kill.path: values["kill"], READING: values["reading"]}
        of, known = hard.subjects(s, told, *dealt(s))
        at = [hard.at_cut(s, of, known, who, s.design.cut(cut).day) for who, cut in LOOKS]
        return of, at

    return run


@cache
def scores(arm_id):
    """Scores of each subject, the very ones that the array code is dealt."""
    found = {k: np.asarray(v) for k, v in hard.dealt(arm(arm_id), *dealt(arm(arm_id))).items()}
    return [{k: float(v[i]) for k, v in found.items()} for i in range(N)]


def card(of, values):
    """A card as plain numbers, with those of ``values`` in their place."""
    sd = np.sqrt(np.diag(of.omega))
    ratio = np.array([values.get(f"omega.{k}", s) for k, s in zip(of.etas, sd, strict=True)]) / sd
    return {
        "theta": of.theta | {k.removeprefix("theta."): v for k, v in values.items() if k.startswith("theta.")},
        "effects": [(e.on, e.of, e.form, e.reference, e.coefficient) for e in of.effects],
        "etas": of.etas,
        "omega": of.omega * np.outer(ratio, ratio),
        "upper": {k: v.upper for k, v in of.kinds.items() if v.kind == "logitnormal"},
    }


def plain(s, values):
    """An arm as `naive_outcome` takes it."""
    d, marginals = s.design, s.population.marginals
    over = [c for c in d.crossovers if c.leaves == s.arm]
    return {
        "population": {
            "names": list(marginals),
            "correlation": s.population.correlation,
            "marginals": {k: (m.distribution, m.a, m.b) for k, m in marginals.items()},
        },
        "pk": card(s.pk, {}),
        "kill": card(s.kill, values["kill"]),
        "tumour": card(s.tumour, values["tumour"]),
        "structure": {"one_cmt_oral": "lumped"}.get(s.pk.structure, s.pk.structure),
        "every": s.every,
        "amount": s.amount,
        "per_kg": s.unit == "mg/kg",
        "edges": s.edges,
        "scatter": d.scans.scatter,
        "missed": d.scans.missed,
        "errors": {who: values["reading"].get(f"error.{who}", error) for who, error in d.errors},
        "agreement": values["reading"].get("agreement", d.response.agreement),
        "assessor": d.response.assessor,
        "rules": s.rules._asdict(),
        "enrolment": (d.enrolment.duration, d.enrolment.ramp),
        "dropout": d.dropout.hazard,
        "unscanned": d.dropout.of(s.arm)[0],
        "leaving": values["reading"].get("leaving", d.dropout.of(s.arm)[1]),
        "beyond": d.scans.beyond,
        "crossover": {"opens": over[0].opens, "share": over[0].share} if over else None,
    }


@cache
def both(arm_id, place):
    """(array code's answers, naive patients with their scores)."""
    values, count = PLACES[place]
    told = {k: {n: jnp.asarray(x) for n, x in v.items()} for k, v in values.items()}
    naive = plain(arm(arm_id), values)
    people = [(NAIVE.follow(naive, own), own) for own in scores(arm_id)[:count]]
    return jax.tree.map(np.asarray, program(arm_id)(told)), naive, people


def close(a, b, what):
    np.testing.assert_allclose(a[: len(b)], b, rtol=1e-8, atol=1e-7, err_msg=what)


CASES = [(a, p) for a in ARMS for p in PLACES]


@pytest.mark.parametrize(("arm_id", "place"), CASES)
def test_courses_agree_day_by_day(arm_id, place):
    (of, _), _, people = both(arm_id, place)
    me = [m for m, _ in people]
    for name in ("joined", "gone", "death"):
        close(getattr(of, name), [m[name] for m in me], name)
    # of the one who never leaves it is enough that he does not
    close(np.minimum(of.leaves, 1e6), [min(m["leaves"], 1e6) for m in me], "leaves")
    for name in ("days", "new", "made"):
        close(getattr(of, name).T, [m[name] for m in me], name)
    close(of.size.T, [m["size"][1:] for m in me], "size")
    close(of.progressed, [np.inf if m["progressed"] is None else m["progressed"] for m in me], "progressed")


@pytest.mark.parametrize(("arm_id", "place"), CASES)
def test_records_agree_at_cuts(arm_id, place):
    (_, at), naive, people = both(arm_id, place)
    for (who, name), (outcome, joined) in zip(LOOKS, at, strict=True):
        cut = arm(arm_id).design.cut(name).day
        for i, (me, own) in enumerate(people):
            told = NAIVE.seen(naive, me, own, who, cut)
            assert joined[i] == (told is not None)
            if told:
                same(told, {k: v[i] for k, v in outcome._asdict().items()}, f"{who} {name} subject {i}")


def same(told, mine, what):
    for name in ("pfs", "os"):
        assert mine[f"{name}_event"] == told[name][1], what
        close(mine[f"{name}_day"][None], [float(told[name][0])], what)
    assert mine["responder"] == (told["response"] is not None), what
    if told["response"] is not None:
        close(mine["response_day"][None], [float(told["response"])], what)
        close(mine["dor_day"][None], [float(told["dor"][0])], what)
        assert mine["dor_event"] == told["dor"][1], what
    assert (recist.WORDS[mine["bor"]], recist.WORDS[mine["best"]]) == (told["bor"], told["best"]), what
    assert mine["benefit"] == told["benefit"], what


def first(tree, count):
    return jax.tree.map(lambda x: x[..., :count], tree)


def test_the_subjects_compared_meet_everything():
    """Progression of both kinds, deaths before it, responses, cuts and dropouts that hide events, crossover."""
    for place in PLACES:
        (of, at), _, people = both("lapcap", place)
        of, (central, _), (local, _), (final, _) = first((of, *at), len(people))
        assert (of.death < of.progressed).sum() > 2 and np.isfinite(of.progressed).sum() > 20
        assert central.responder.sum() > 10 and (~central.responder).sum() > 10
        assert (~central.pfs_event).sum() > 5 and final.os_event.sum() > central.os_event.sum() > 5
        assert (local.pfs_day != central.pfs_day).sum() > 1
        assert (of.gone < np.minimum(of.death, 2137 - of.joined)).sum() > 2 and not of.made.all()
        leaves = np.minimum(of.leaves, of.gone) < np.minimum(of.progressed, of.death)
        assert (of.leaves == 0).sum() > 1
        assert place == "card" or ((of.leaves > 0) & leaves & (of.leaves < of.gone)).sum() > 2
        opens = arm("lapcap").design.crossovers[0].opens
        assert (np.isfinite(of.progressed) & (of.joined + of.death > opens)).sum() > 5


def test_the_naive_tumour_is_that_of_two_clones():
    """The naive sum against an ordinary differential equation of both clones, one patient, exposure in steps."""
    from scipy.integrate import solve_ivp

    p, kill = {"KG": 0.003}, {"KD": 0.02, "LAMBDA": 0.01, "FRES": 0.05}
    edges, exposure, state, sums = np.arange(0.0, 300.0, 42.0), [0.7, 1.2, 1.0, 0.4, 1.1, 0.9, 1.3], [0.95, 0.05], [0.0]
    for e, start, end in zip(exposure, edges[:-1], edges[1:], strict=True):
        grow = lambda t, x, e=e: [  # noqa: E731
            (p["KG"] - kill["KD"] * e * np.exp(-kill["LAMBDA"] * t)) * x[0],
            p["KG"] * x[1],
        ]
        state = solve_ivp(grow, (start, end), state, "DOP853", rtol=1e-11, atol=1e-14).y[:, -1]
        sums.append(np.log(sum(state)))
    np.testing.assert_allclose(NAIVE.log_sizes(p, kill, exposure, edges), sums, atol=1e-9)
