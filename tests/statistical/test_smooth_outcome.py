"""The smooth predictions of tumours, progression and survival against the hard simulator: how far apart they are.

What is left between them is added to the likelihood as a shift. Here the two looks are compared by themselves: the data cut
comes long after the last patient joined, and nobody is lost or crosses over, but some are never scanned and some leave
scans; once with central review alone, once with the investigator, upon whose reading scans end, and once where they go on until
central review's; the last two with free parameters of how the two read. Rows are the problem's, and numbers at risk between
scans.
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
from vtrial.library.design import READING

REPLICATES, SUBJECTS, LATE = 200, 8192, 962 + 1100
# Of the sampling deviation of one trial of the published size.
PART = 0.6


@cache
def late(how):
    """The problem so run; its counts of events, which are the cut's, and the investigator's ratio are left out."""
    both = how != "central"
    problem, trials = problems.load("efficacy-emilia"), {}
    for name, trial in problem.trials.items():
        d = trial.design
        cuts, errors = tuple(replace(c, day=float(LATE)) for c in d.cuts), (("central", dict(d.errors)["central"]),)
        errors = d.errors if both else errors
        dropout = replace(d.dropout, hazard=0.0, unscanned=0.03, leaving=0.0003)
        scans = replace(d.scans, beyond=how == "scans-go-on")
        design = replace(d, cuts=cuts, errors=errors, dropout=dropout, scans=scans, crossovers=())
        trials[name] = replace(trial, design=design, rows=trial.rows | at_risk(trial))
    kept = {k: v for k, v in problem.roles.items() if not k.endswith(("-events", "-inv"))}
    kept |= {f"{name}/{i}": ("fit", "") for name, trial in trials.items() for i in at_risk(trial)}
    read = [f for f in problems.load("her2-adc").free if f.card == READING] if both else []
    return replace(problem, trials=trials, roles=kept, free=(*problem.free, *read))


def at_risk(trial):
    """Id -> row: how many of each arm are at risk at three months between two scans, half of them as printed."""
    like, found = next(r for r in trial.rows.values() if (r.endpoint, r.statistic) == ("pfs", "events")), {}
    for arm in trial.arms.values():
        for month in (2, 5, 8):
            told = {"arm": arm.id, "n": arm.randomised, "value": arm.randomised // 2, "definition": (("month", month),)}
            row = replace(like, id=f"{arm.id}-risk-{month}", statistic="at risk", lower=None, upper=None, **told)
            found[row.id] = row
    return found


@cache
def bound(how):
    # the 512 of the problem alone are off by up to 0.8 of a deviation in a row, which its shift takes in
    return binding.bind(late(how), subjects=SUBJECTS)


def places(how):
    """The prior's medians, which are the cards' numbers, and two draws of the prior's middle."""
    scores = np.zeros((3, len(names(late(how)))))
    scores[1:] = 0.7 * np.random.default_rng(1).standard_normal(scores[1:].shape)
    for name, at in zip(("card", "draw 1", "draw 2"), scores, strict=True):
        yield name, {k: float(v) for k, v in parameters(late(how), at).items()}


def hard(values, how):
    """(replicate, row) in the units of the prediction."""
    rows = bound(how).rows
    run = binding.replicates(late(how), "emilia", rows, values, jax.random.key(3), REPLICATES, lambda n: None)
    assert run["failed"] == 0
    return run["rows"] / np.array([r.n if r.unit == "count" else 1 for r in rows])


def compared(smooth, sampled, how):
    """By row: its id, both statistics (medians and ratios as logarithms), how far the hard one is off in deviations of one
    trial, and whether that is fine."""
    for row, one, many in zip(bound(how).rows, smooth, sampled.T, strict=True):
        one, many = (np.log(x) if targets.scale(row) == "log" else x for x in (one, many))
        sd = many.std(ddof=1)
        off = (many.mean() - one) / sd
        yield row.id, one, many.mean(), off, abs(off) < max(4 / np.sqrt(REPLICATES), PART)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["central", "investigator-ends", "scans-go-on"])
def test_smooth_predictions_agree_with_hard_trials(how):
    predict, faults = jax.jit(bound(how).predict), []
    for place, values in places(how):
        for name, one, other, off, fine in compared(np.asarray(predict(values)), hard(values, how), how):
            print(f"{place:7} {name:20} smooth {one:8.4f} hard {other:8.4f} {off:+.2f} sd{'' if fine else ' *'}")
            faults += [] if fine else [(place, name, one, other, off)]
    assert not faults
