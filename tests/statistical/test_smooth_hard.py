"""The smooth predictions of the calibration against the hard simulator, and their quasi-random error."""

import dataclasses

import jax
import numpy as np
import pytest

from vtrial.calibrate import bound as binding
from vtrial.calibrate import results, targets
from vtrial.calibrate.model import parameters
from vtrial.endpoints import replicate
from vtrial.library import problems

SUBJECTS, SIZE = 200_000, 4096
PROBLEM = problems.load("platelets-tdm1")


def large(bound):
    """(setting, fit rows as shares of `SIZE` subjects) of every arm."""
    for name, setting in bound.settings.items():
        rows = [r for r in bound.rows if (r.trial, r.arm) == name]
        yield setting, [dataclasses.replace(r, n=SIZE, unit="fraction") for r in rows]


def hard(bound, values):
    """Mean of every fit row over at least 200,000 hard subjects, and its standard error."""
    wanted, out = problems.internal(PROBLEM.free, values), {}
    blocks = -(-SUBJECTS // SIZE)
    for setting, rows in large(bound):
        stats = replicate.statistics(setting, rows, wanted, jax.random.key(7), replicates=blocks)
        assert stats["failed"] == 0
        for row, column in zip(rows, stats["rows"].T, strict=True):
            out[row.trial, row.id] = column.mean(), column.std(ddof=1) / np.sqrt(blocks)
    return out


def places():
    """The posterior mode, and three prior draws."""
    data = results.read(results.folder(PROBLEM.name) / "posterior.nc")
    at = np.asarray(data["constant_data"]["mode"])
    yield "mode", {k: float(v) for k, v in parameters(PROBLEM, at).items()}
    prior = {k: np.asarray(v).reshape(-1)[:3] for k, v in data["prior"].data_vars.items()}
    yield from ((f"prior draw {i}", {k: v[i] for k, v in prior.items()}) for i in range(3))


@pytest.mark.slow
def test_smooth_predictions_agree_with_hard_subjects():
    bound, faults = binding.bind(PROBLEM), []
    predict = jax.jit(bound.predict)
    for name, values in places():
        sampled = hard(bound, values)
        for row, smooth in zip(bound.rows, np.asarray(predict(values)), strict=True):
            mean, error = sampled[row.trial, row.id]
            # a bias of a quarter of the published number's sampling deviation, and the hard mean's own error on top of it
            allowed = np.hypot(4 * error, targets.deviation(row) / 4)
            print(f"{name:14} {row.id:20} smooth {smooth:.5f} hard {mean:.5f} +/- {error:.5f} allowed {allowed:.5f}")
            if abs(smooth - mean) > allowed:
                faults.append((name, row.id, smooth, mean, allowed))
    assert not faults


@pytest.mark.slow
def test_quasi_random_error_shrinks_and_is_small():
    _, values = next(places())
    exact = np.asarray(jax.jit(binding.bind(PROBLEM, subjects=4096, scramble=99).predict)(values))
    scale = np.array([targets.deviation(r) for r in binding.bind(PROBLEM).rows])

    def off(n, scramble):
        return np.asarray(jax.jit(binding.bind(PROBLEM, subjects=n, scramble=scramble).predict)(values)) - exact

    worst = {}
    for n in (128, 512):
        rms = np.sqrt(np.mean([off(n, s) ** 2 for s in range(3)], 0)) / scale
        worst[n] = rms.max()
        print(f"{n} subjects: error (RMS) over sampling deviation, worst row {rms.max():.3f}, median {np.median(rms):.4f}")
    # Sobol's error falls faster than that of independent subjects
    assert worst[512] < worst[128] / 2
    # that of the subjects which the posterior rests upon: their scramble was chosen for it (scripts/rank_scrambles.py)
    own = np.abs(off(PROBLEM.subjects, PROBLEM.scramble)) / scale
    print(f"the problem's own {PROBLEM.subjects} subjects: worst row {own.max():.3f}, median {np.median(own):.4f}")
    assert own.max() < 0.25
