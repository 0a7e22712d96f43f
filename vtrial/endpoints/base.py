"""What an endpoint sees, and what it is: a value and a weight per subject, whose weighted mean is the statistic."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp


class Look(NamedTuple):
    """An arm's counts as an endpoint sees them.

    ``log_x`` (cycle, watch, subject): log of the true count over the subject's baseline; ``scale`` (node, subject) or
    (1, subject): log baseline, with ``scale_weight`` (node,) where the baseline's random effect is integrated out;
    ``sigma``: standard deviation of the log of a measured count. A smooth look has ``shares`` (cycle,), the probability
    of getting exactly that many cycles; a hard one ``given`` (subject,). ``noise`` (cycle, watch, subject) and
    ``noise0`` (subject,) are the measurement scores where they are drawn.
    """

    log_x: jnp.ndarray
    scale: jnp.ndarray
    scale_weight: jnp.ndarray
    sigma: jnp.ndarray
    watch: tuple
    looked: jnp.ndarray  # (cycle, watch) truth
    limits: tuple
    shares: jnp.ndarray | None = None
    given: jnp.ndarray | None = None
    noise: jnp.ndarray | None = None
    noise0: jnp.ndarray | None = None

    def on_treatment(self, cycle):
        """Probability (smooth) or truth (hard) that a subject gets cycle ``cycle`` (1 is the first), (subject,)."""
        if self.given is not None:
            return (self.given >= cycle).astype(self.log_x.dtype)
        return jnp.full(self.log_x.shape[-1], jnp.sum(self.shares[cycle - 1 :]))

    def measured(self, cycle, day):
        """Log of a measured count over the true baseline, (subject,); needs noise."""
        at = cycle - 1, self.watch.index(day)
        return self.log_x[at] + self.sigma * self.noise[at]


class Endpoint(NamedTuple):
    """``smooth(look, **options)`` is the expectation over measurement and time on treatment given the subject,
    ``hard(look, **options)`` one sample of it; both return (value, weight), each (subject,).

    ``noisy`` endpoints need measurement scores in the smooth form too. ``scale`` is the one on which the statistic is
    compared (``logit``, ``log``).
    """

    smooth: Callable
    hard: Callable
    scale: str
    noisy: bool = False


def share(value_weight):
    """The statistic: weighted mean over subjects."""
    value, weight = value_weight
    return jnp.sum(value * weight, -1) / jnp.maximum(jnp.sum(weight, -1), 1e-300)
