"""The smooth predictions of tumours, progression and survival against the hard simulator: how far apart they are.

What is left between them is added to the likelihood as a shift; this is a check that it is small. Here the data cut comes
long after the last patient joined and nobody is lost, so that most of what is compared is the two looks themselves.
"""

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest

from vtrial.calibrate import outcome as binding
from vtrial.calibrate import targets
from vtrial.calibrate.model import names, parameters
from vtrial.library import problems

REPLICATES, LATE = 200, 962 + 1100
# Of the sampling deviation of one trial of the published size.
PART = 0.6


@cache
def late():
    """The problem with one cut, late, no dropout, and no assessor but the central one; its counts of events, which are the
    cut's, and the investigator's ratio are left out."""
    problem, trials = problems.load("efficacy-emilia"), {}
    for name, trial in problem.trials.items():
        d = trial.design
        cuts, errors = tuple(replace(c, day=float(LATE)) for c in d.cuts), (("central", d.error("central")),)
        design = replace(d, cuts=cuts, errors=errors, dropout=replace(d.dropout, hazard=0.0))
        trials[name] = replace(trial, design=design)
    kept = {k: v for k, v in problem.roles.items() if not k.endswith(("-events", "-inv"))}
    return replace(problem, trials=trials, roles=kept)


@cache
def bound():
    return binding.bind(late())


def places():
    """The prior's medians, which are the cards' numbers, and two draws of the prior's middle."""
    scores = np.zeros((3, len(names(late()))))
    scores[1:] = 0.7 * np.random.default_rng(1).standard_normal(scores[1:].shape)
    for name, at in zip(("card", "draw 1", "draw 2"), scores, strict=True):
        yield name, {k: float(v) for k, v in parameters(late(), at).items()}


def hard(values):
    """(replicate, row) in the units of the prediction."""
    rows = bound().rows
    run = binding.replicates(late(), "emilia", rows, values, jax.random.key(3), REPLICATES, lambda n: None)
    assert run["failed"] == 0
    return run["rows"] / np.array([r.n if r.unit == "count" else 1 for r in rows])


@pytest.mark.slow
def test_smooth_predictions_agree_with_hard_trials():
    predict, faults = jax.jit(bound().predict), []
    for place, values in places():
        smooth, sampled = np.asarray(predict(values)), hard(values)
        for i, row in enumerate(bound().rows):
            scale = targets.scale(row)
            there = np.asarray(targets.to_scale(scale, sampled[:, i]))
            found, sd = float(targets.to_scale(scale, smooth[i])), there.std(ddof=1)
            off, error = np.median(there) - found, 1.2533 * sd / np.sqrt(REPLICATES)
            fine = abs(off) < max(4 * error, PART * sd)
            print(f"{place:7} {row.id:20} smooth {smooth[i]:8.4f} hard {np.median(sampled[:, i]):8.4f} {off / sd:+.2f} sd" + "*" * (not fine))
            if not fine:
                faults.append((place, row.id, smooth[i], np.median(sampled[:, i]), off / sd))
    assert not faults
