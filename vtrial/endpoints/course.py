"""Counts as fractions of a measured baseline: nadir of a cycle, a day's count, and the ratio of two cycles."""

import jax.numpy as jnp

from .base import Endpoint


def _nadir(look, cycle):
    low = jnp.stack([look.measured(cycle, d) for d in look.watch]).min(0)
    return jnp.exp(low - look.sigma * look.noise0), look.on_treatment(cycle)


def _day_smooth(look, day):
    # E exp(sigma (e - e0)) = exp(sigma^2)
    return jnp.exp(look.log_x[0, look.watch.index(day)] + look.sigma**2), look.on_treatment(1)


def _day_hard(look, day):
    return jnp.exp(look.measured(1, day) - look.sigma * look.noise0), look.on_treatment(1)


def _ratio_smooth(look, cycle, over):
    change = look.log_x[cycle - 2, -1] - look.log_x[over - 2, -1]
    return jnp.exp(change + look.sigma**2), look.on_treatment(cycle)


def _ratio_hard(look, cycle, over):
    last = look.watch[-1]
    return jnp.exp(look.measured(cycle - 1, last) - look.measured(over - 1, last)), look.on_treatment(cycle)


# Lowest count measured after the dose of a cycle, over the measured baseline.
nadir_fraction = Endpoint(_nadir, _nadir, "log", noisy=True)
# Count measured on a day of the first cycle, over the measured baseline.
day_fraction = Endpoint(_day_smooth, _day_hard, "log")
# Pre-dose count of one cycle over that of another (the count before dose k is the last of cycle k - 1).
predose_ratio = Endpoint(_ratio_smooth, _ratio_hard, "log")
