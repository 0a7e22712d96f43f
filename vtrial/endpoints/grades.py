"""Worst laboratory grade on treatment, of counts measured at visits.

Smooth form: a measured log count is normal about the true one, so no count is below a limit with probability
``prod Phi((log x - log limit) / sigma)`` over the visits made, averaged over the time on treatment and over the
baseline's random effect. That is exactly the expectation of the hard form.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import erfc

from .base import Endpoint


def none_below(look, grade):
    """P(no measured count on treatment below the limit of ``grade`` | subject), (subject,)."""
    scale = (look.scale - jnp.log(look.limits[grade - 1])) / look.sigma

    def earlier(total, cycle):
        log_x, made, share = cycle
        above = jnp.where(made[:, None, None], _cdf(log_x[:, None] / look.sigma + scale), 1.0)
        return (share + total) * above.prod(0), None

    # sum over k of share[k] above[0] ... above[k], by Horner from the last cycle: no logarithm, no cumulative sum
    xs = look.log_x, jnp.asarray(look.looked), jnp.asarray(look.shares)
    total, _ = jax.lax.scan(jax.checkpoint(earlier), jnp.zeros_like(scale), xs, reverse=True)
    return jnp.sum(total * look.scale_weight, 0)


@jax.custom_jvp
def _cdf(x):
    return erfc(-x * 0.5**0.5) / 2


@_cdf.defjvp
def _cdf_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    return _cdf(x), jnp.exp(-(x**2) / 2) * (dx / (2 * jnp.pi) ** 0.5)


def any_below(look, grade):
    """Whether a measured count on treatment is below the limit of ``grade``, (subject,)."""
    counts = look.log_x + look.scale[0] + look.sigma * look.noise
    cycle = jnp.arange(1, len(counts) + 1)[:, None, None]
    made = look.looked[..., None] & (cycle <= look.given)
    return jnp.any(made & (counts < jnp.log(look.limits[grade - 1])), (0, 1)).astype(counts.dtype)


def at_least(grade):
    """Worst grade is ``grade`` or more."""
    return Endpoint(
        smooth=lambda look: _everyone(1 - none_below(look, grade)),
        hard=lambda look: _everyone(any_below(look, grade)),
        scale="logit",
    )


def exactly(grade):
    """Worst grade is ``grade``."""
    return Endpoint(
        smooth=lambda look: _everyone(none_below(look, grade + 1) - none_below(look, grade)),
        hard=lambda look: _everyone(any_below(look, grade) - any_below(look, grade + 1)),
        scale="logit",
    )


def _everyone(value):
    # a share that rounding brought below zero is none
    return jnp.maximum(value, 0.0), jnp.ones_like(value)
