"""Time on treatment as data of the trial, until a tumour model gives it: how many cycles a subject starts."""

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr


def cycle_shares(treatment, every, cycles):
    """P(a subject gets exactly k cycles), k = 1..cycles, as a NumPy array.

    A cycle is started when treatment has not ended ``every (k - 1)`` days in; whoever reaches ``cycles`` stays there.
    """
    if treatment.kind == "cycles":
        return np.eye(cycles)[-1]
    days = every * np.arange(cycles + 1.0)
    on = _share_on(treatment, days)
    on[-1] = 0.0
    return on[:-1] - on[1:]


def _share_on(treatment, days):
    if treatment.kind == "exponential":
        return np.exp2(-days / treatment.median)
    # straight lines on the log scale: constant hazard between points, and after the last
    logs = np.log(treatment.share)
    slope = (logs[-1] - logs[-2]) / (treatment.days[-1] - treatment.days[-2])
    beyond = logs[-1] + slope * (days - treatment.days[-1])
    return np.exp(np.where(days > treatment.days[-1], beyond, np.interp(days, treatment.days, logs)))


def cycles_given(shares, score):
    """Cycles of each subject, 1..len(shares), from a normal score."""
    return 1 + jnp.searchsorted(jnp.cumsum(shares)[:-1], ndtr(score), side="right")
