"""RECIST as arrays against the naive one, patient by patient: random histories that often meet the limits exactly."""

import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest

from vtrial.conduct import recist
from vtrial.library import response

SPEC = importlib.util.spec_from_file_location("naive_recist", Path(__file__).with_name("naive_recist.py"))
NAIVE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(NAIVE)

N, SCANS = 2000, 12
# The shelf's versions, and one with every switch the other way.
RULES = response.versions() | {
    "other": response.load("1.1")._replace(
        confirm_days=0.0, stable_between=0.0, missed_limit=1.0, cr_below=0.0, pd_absolute=7.5
    )
}


def sums(rng, baseline):
    """mm, scan by scan, to a tenth: steps to exactly a limit of the baseline or of the smallest sum, or one beside it."""
    out, smallest, now = [], baseline, baseline
    for _ in range(SCANS):
        at = [0.7 * baseline, 1.2 * smallest, smallest + 5, smallest + 7.5, now * rng.uniform(0.6, 1.1), smallest, 5.0, 0.0]
        now = max(
            0.0, round(rng.choice(at, p=[0.25, 0.06, 0.06, 0.02, 0.44, 0.07, 0.07, 0.03]) + rng.choice([-0.1, 0, 0.1]), 1)
        )
        smallest = min(smallest, now)
        out.append(now)
    return out


def patient(rng):
    """One of whom anything can be: death and cut-off also on days of scans, missed scans in runs, nothing measurable."""
    # whole, so that 20 and 30 % are tenths too
    baseline = float(rng.choice([10, 20, 23, 38, 50, 70, 100, 151]))
    days = np.cumsum(rng.choice([14, 21, 28, 42, 42, 45], SCANS)).tolist()
    mm = sums(rng, baseline)
    if rng.random() < 0.05:
        baseline, mm = None, mm if rng.random() < 0.5 else [None] * SCANS
    missed = rng.random() < 0.5
    done = [not missed or rng.random() < (0.8 if k == 0 else 0.7) for k in range(SCANS)]
    unclear = [rng.random() < 0.02 for _ in range(SCANS)]
    scans = [
        (d, None if u else x, bool(rng.random() < 0.04), bool(ok)) for d, x, ok, u in zip(days, mm, done, unclear, strict=True)
    ]
    days_at = lambda: int(rng.choice([*days, *rng.integers(1, 500, SCANS)]))  # noqa: E731
    return {"baseline": baseline, "scans": scans, "death": days_at() if rng.random() < 0.5 else None, "until": days_at()}


def number(x, none=np.nan):
    return none if x is None else float(x)


def arrays(patients):
    columns = lambda k: np.array([[s[k] for s in p["scans"]] for p in patients]).T  # noqa: E731
    sld = np.array([[number(s[1]) for s in p["scans"]] for p in patients]).T
    baseline = np.array([number(p["baseline"]) for p in patients])
    death = np.array([number(p["death"], np.inf) for p in patients])
    until = np.array([float(p["until"]) for p in patients])
    return baseline, columns(0).astype(float), sld, columns(2), columns(3), death, until


@jax.jit
def run(rules, baseline, days, sld, new, adequate, death, until):
    state, overall = recist.history(rules, baseline, days, sld, new, adequate, death_day=death, until=until)
    return state, overall, recist.endpoints(rules, state, death, until)


def told(overall, out, i):
    """What the arrays say of patient i, in the naive one's words."""
    responds = bool(out.responder[i])
    return {
        "overall": [recist.WORDS[c] for c in overall[:, i]],
        "bor": recist.WORDS[out.bor[i]],
        "best": recist.WORDS[out.best[i]],
        "response": out.response_day[i] if responds else None,
        "pfs": (out.pfs_day[i], out.pfs_event[i]),
        "dor": (out.dor_day[i], out.dor_event[i]) if responds else None,
        "os": (out.os_day[i], out.os_event[i]),
        "benefit": out.benefit[i],
    }


@pytest.mark.parametrize("version", RULES)
def test_every_patient_alike(version):
    rng = np.random.default_rng(sorted(RULES).index(version) + 2009)
    patients = [patient(rng) for _ in range(N)]
    _, overall, out = jax.tree.map(np.asarray, run(RULES[version], *arrays(patients)))
    for i, one in enumerate(patients):
        assert told(overall, out, i) == NAIVE.assess(RULES[version]._asdict(), one), one
    # the histories say something: each kind of outcome is there often
    assert np.bincount(out.bor, minlength=5).min() >= 10
    assert 0.1 < out.pfs_event.mean() < 0.9 and out.dor_event.sum() >= 20
    assert RULES[version].confirm_days == 0 or (out.bor != out.best).sum() >= 20
