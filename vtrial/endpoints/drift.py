"""Share of subjects whose platelets drift down: the mean log of the pre-dose counts of some cycles lies below a
threshold of the measured baseline."""

import jax.numpy as jnp
from jax.scipy.special import ndtr

from .base import Endpoint


def _smooth(look, threshold, first, last):
    level = look.log_x[first - 2 : last - 1, -1].mean(0)
    spread = look.sigma * jnp.sqrt(1 / (last - first + 1) + 1)
    return ndtr((jnp.log(threshold) - level) / spread), look.on_treatment(last)


def _hard(look, threshold, first, last):
    day = look.watch[-1]
    level = sum(look.measured(k - 1, day) for k in range(first, last + 1)) / (last - first + 1)
    below = level - look.sigma * look.noise0 < jnp.log(threshold)
    return below.astype(level.dtype), look.on_treatment(last)


drift = Endpoint(_smooth, _hard, "logit")
