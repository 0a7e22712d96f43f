"""Simulation-based calibration of the joint pipeline on a reduced problem: two trials, six free parameters, one of them with an
effect between trials, and the discrepancy (`vtrial.calibrate.check.sbc`; made by ``scripts/sbc_joint.py``).

The committed table must be inside its envelopes; some of its calibrations, made anew from the committed simulations, must give
it again; and a likelihood that is too sure must be found out by the same verdict.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from vtrial.calibrate import bound as binding
from vtrial.calibrate import mode, targets
from vtrial.calibrate.check import ranks, sbc
from vtrial.calibrate.emulate import rounds
from vtrial.calibrate.model import names, parameters
from vtrial.library import problems
from vtrial.library.files import digest

FOLDER = Path(__file__).parent / "joint"
TOLD = json.loads((FOLDER / "sbc.json").read_text())
SEED = TOLD["seed"]
# Calibrations made anew, and those to which a wrong likelihood is put.
AGAIN, WRONG = 5, 64


@pytest.fixture(scope="module")
def table():
    return ranks.read(FOLDER / "sbc.csv")


@pytest.fixture(scope="module")
def bound():
    return rounds.restored(binding.bind(problems.load(FOLDER / "reduced.toml")), FOLDER / "training.npz")


@pytest.fixture(scope="module")
def truth(bound):
    return sbc.truths(bound, FOLDER / "truths.npz")


@pytest.fixture(scope="module")
def refitted(bound, truth):
    """`ranks.Row` s of the first calibrations, made anew."""
    refit = sbc.Refits(bound, SEED)

    def many(count, **altered):
        each = ((k, truth.u[k], sbc.published(bound, truth, k, SEED)) for k in range(count))
        return [row for k, u, rows in each for row in ranks.told(bound.problem, k, u, refit(rows, u, k, **altered))]

    return many


def test_the_energy_is_the_models(bound, truth):
    rows, values = sbc.published(bound, truth, 0, SEED), parameters(bound.problem, truth.u[0])
    covariances, refit = bound.sampling(values), sbc.Refits(bound, SEED)
    energy = mode.energy(bound, targets.gather(rows, bound.error))
    off = [float(energy(u, covariances)) - refit.energy(u, rows, covariances) for u in truth.u[:3]]
    # the normalisation of the prior
    assert np.allclose(off, len(truth.u[0]) * np.log(2 * np.pi) / 2, atol=1e-6)


def test_the_table_is_of_these_files():
    changed = [name for name, known in TOLD["files"].items() if digest(FOLDER / name) != known]
    assert not changed, f"run scripts/sbc_joint.py again: {changed} changed"
    assert {"reduced.toml", "sbc-a/trial.toml", "sbc-b/published.csv", "training.npz", "truths.npz"} <= set(TOLD["files"])


def test_ranks_and_coverage(table):
    wanted = {*names(problems.load(FOLDER / "reduced.toml")), ranks.LIKELIHOOD}
    assert {r.quantity for r in table} == wanted
    assert len({r.calibration for r in table}) >= 100
    found = ranks.verdicts(table)
    assert not {name: v.faults for name, v in found.items() if v.faults}
    of_parameters = [v.coverage for name, v in found.items() if name != ranks.LIKELIHOOD]
    # over all of them the error is small: the nominal share, or near it
    assert 0.87 < np.mean(of_parameters) < 0.93


def test_an_envelope_is_left_by_ranks_that_are_not_uniform():
    rng = np.random.default_rng(5)
    made = {"too wide": rng.beta(2, 2, 256), "too narrow": rng.beta(0.6, 0.6, 256), "off": rng.beta(1, 1.5, 256)}
    for x in made.values():
        assert ranks.verdicts([ranks.Row(k, "x", 0.5, int(99 * at), 99, 0, 1) for k, at in enumerate(x)])["x"].faults


@pytest.mark.slow
def test_calibrations_made_anew_are_the_committed_ones(refitted, table):
    known = [r for r in table if r.calibration < AGAIN]
    for old, new in zip(known, refitted(AGAIN), strict=True):
        assert (old.calibration, old.quantity, old.draws) == (new.calibration, new.quantity, new.draws)
        width = old.upper - old.lower
        # the ends of an interval by about 200 independent draws, twice: four standard errors
        assert abs(new.lower - old.lower) < 0.4 * width and abs(new.upper - old.upper) < 0.4 * width, old.quantity
        assert abs(new.rank - old.rank) <= 25, old.quantity


@pytest.mark.slow
def test_a_sampling_covariance_that_is_too_small_is_found_out(refitted):
    """One that is too large is not, by so few calibrations: the counts, which it does not touch, tell most."""
    wrong = refitted(WRONG, altered=lambda covariances: {k: v / 4 for k, v in covariances.items()})
    assert any(v.faults for v in ranks.verdicts(wrong).values())
