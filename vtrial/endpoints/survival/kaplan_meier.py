"""The survival curve of Kaplan and Meier with Greenwood's variance: survival, intervals, quantiles, restricted mean."""

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import ndtri

from . import order as orders

SLACK = 128  # machine epsilons by which a product of n factors may miss a round number


class Curve(NamedTuple):
    """By sorted ``time``, (..., subject) each: ``survival`` after that time, ``at_risk`` just before it, ``events`` at it, and
    the ``greenwood`` sum of d / (n (n - d)) up to it, infinite from where survival is 0. Tied subjects share one value;
    subjects of no weight come last, at time infinity."""

    time: jnp.ndarray
    survival: jnp.ndarray
    at_risk: jnp.ndarray
    events: jnp.ndarray
    greenwood: jnp.ndarray


def curve(time, event, weight=None) -> Curve:
    """The Kaplan-Meier curve of each replicate.

    Parameters
    ----------
    time : (..., subject)
        To event or censoring; those censored at the time of an event are at risk of it.
    event : (..., subject)
        Truth: an event, or else censored.
    weight : (..., subject), optional
        Truth: whether the subject counts. With none that counts survival is 1.
    """
    time, event, weight = orders.align(time, event, weight)
    order = orders.order(time, weight)
    counts = jnp.ones_like(event, bool) if weight is None else weight.astype(bool)
    time, counts, event = (orders.take(v, order.index) for v in (jnp.where(counts, time, jnp.inf), counts, event))
    n = orders.at_risk(order, counts.astype(time.dtype))
    d = orders.among(order, (counts & event.astype(bool)).astype(time.dtype))
    new = orders.first(order) & (d > 0)
    some = jnp.maximum(n, 1)
    survival = jnp.cumprod(jnp.where(new, (n - d) / some, 1), -1)
    return Curve(time, survival, n, d, jnp.cumsum(jnp.where(new, d / (some * (n - d)), 0), -1))


def at(curve: Curve, t):
    """Survival at ``t``, a scalar or (k,): (...) or (..., k). After the last time the last value holds."""
    return _reached(curve, t, curve.survival, 1.0, jnp.min)


def interval(curve: Curve, t, level=0.95):
    """The limits (lower, upper) of survival at ``t``, on the scale log(-log S) (exponential Greenwood); shapes as `at`.

    Both are 1 before the first event. Where survival is 0 its variance is infinite and the limits are 0 and 1; R has none
    there and lifelines puts both at 0.
    """
    return _limits(at(curve, t), _reached(curve, t, curve.greenwood, 0.0, jnp.max), level)


def quantile(curve: Curve, q):
    """The first time at which survival is ``q`` (scalar) or less, (...); infinity: not reached.

    As lifelines, but that a product may miss ``q`` by rounding. R's survfit and SAS agree but where the curve is flat at
    exactly ``q``: there they take the mean of the first time and of the next event's.
    """
    return _first(curve, curve.survival, q)


def median(curve: Curve):
    """The first time at which survival is a half or less."""
    return quantile(curve, 0.5)


def median_interval(curve: Curve, level=0.95):
    """Limits (lower, upper) of the median, (...) each: the times of Brookmeyer and Crowley on the scale log(-log S).

    The first times at which the lower and the upper limit of the curve are a half or less; infinity: not reached. The upper
    limit of the curve does not come down where survival falls to 0 (as R; lifelines' does).
    """
    lower, upper = _limits(curve.survival, curve.greenwood, level)
    return _first(curve, lower, 0.5), _first(curve, upper, 0.5)


def rmst(curve: Curve, t):
    """Restricted mean survival time: the area under the curve up to ``t``, a scalar or (k,): (...) or (..., k).

    After the last time the last value holds, also where that is a censored time.
    """
    t = jnp.asarray(t, curve.time.dtype)
    ends = jnp.minimum(curve.time[..., None, :], jnp.atleast_1d(t)[:, None])
    starts = jnp.concatenate([jnp.zeros_like(ends[..., :1]), ends[..., :-1]], -1)
    held = jnp.concatenate([jnp.ones_like(curve.survival[..., :1]), curve.survival[..., :-1]], -1)
    area = jnp.sum((ends - starts) * held[..., None, :], -1)
    area = area + (jnp.atleast_1d(t) - ends[..., -1]) * curve.survival[..., -1:]
    return area if t.ndim else area[..., 0]


def _reached(curve, t, value, none, extreme):
    """A monotone value of the curve at ``t``, without a search: its extreme over the times that are past."""
    t = jnp.asarray(t, curve.time.dtype)
    past = curve.time[..., None, :] <= jnp.atleast_1d(t)[:, None]
    out = extreme(jnp.where(past, value[..., None, :], none), -1)
    return out if t.ndim else out[..., 0]


def _limits(survival, greenwood, level):
    z = ndtri(jnp.asarray(0.5 + level / 2, survival.dtype))
    inside = (survival > 0) & (survival < 1)
    v = jnp.log(jnp.where(inside, survival, 0.5))
    half = z * jnp.sqrt(jnp.where(inside, greenwood, 0)) / -v
    lower, upper = (jnp.where(inside, jnp.exp(v * jnp.exp(side * half)), survival) for side in (1, -1))
    return lower, jnp.where(survival > 0, upper, 1)


def _first(curve, value, q):
    slack = 1 + SLACK * jnp.finfo(value.dtype).eps
    return jnp.min(jnp.where(value <= q * slack, curve.time, jnp.inf), -1)


__all__ = ["Curve", "at", "curve", "interval", "median", "median_interval", "quantile", "rmst"]
