"""Cumulative incidence of competing events (Aalen and Johansen) with the variance of the delta method."""

import jax.numpy as jnp
import numpy as np

from . import order as orders


def incidence(time, cause, t, causes, weight=None):
    """Cumulative incidence of each cause at times.

    Parameters
    ----------
    time : (..., subject)
    cause : (..., subject)
        0: censored; 1 to ``causes``: what ended the observation.
    t : scalar or (k,)
    causes : int
        Static.
    weight : (..., subject), optional
        Truth: whether the subject counts.

    Returns
    -------
    (incidence, variance)
        (..., cause) each, or (..., cause, k); without censoring the share, and share (1 - share) / n.
    """
    time, cause, weight = orders.align(time, cause, weight)
    order = orders.order(time, weight)
    whole = jnp.ones_like(time) if weight is None else weight.astype(bool).astype(time.dtype)
    time, cause, whole = (orders.take(v, order.index) for v in (time, cause, whole))
    first = orders.first(order)
    n = jnp.maximum(orders.at_risk(order, whole), 1)
    d = jnp.where(first, orders.among(order, jnp.where(cause > 0, whole, 0)), 0)
    survival = jnp.cumprod((n - d) / n, -1)
    before = jnp.concatenate([jnp.ones_like(survival[..., :1]), survival[..., :-1]], -1)
    past = _past(time, whole, t)
    each = [jnp.where(first, orders.among(order, jnp.where(cause == c, whole, 0)), 0) for c in range(1, causes + 1)]
    value, variance = zip(*(_one(n, d, dj, before, past) for dj in each), strict=True)
    value, variance = jnp.stack(value, -2), jnp.stack(variance, -2)
    return (value, variance) if np.ndim(t) else (value[..., 0], variance[..., 0])


def _past(time, whole, t):
    """Whether each position is past at each of the times, (..., k, subject)."""
    times = jnp.atleast_1d(jnp.asarray(t, time.dtype))[:, None]
    return (time[..., None, :] <= times) & (whole[..., None, :] > 0)


def _one(n, d, dj, before, past):
    """Incidence of one cause and its variance: (..., k) each; ``before``: survival just before each time."""
    n, d, dj, before = (v[..., None, :] for v in (n, d, dj, before))
    path = jnp.cumsum(before * dj / n, -1)
    end = jnp.max(jnp.where(past, path, 0), -1)
    gain = jnp.where(past, end[..., None] - path, 0)
    # where all at risk had the event nothing is gained after it
    other = jnp.where(n > d, d / (n * jnp.where(n > d, n - d, 1)), 0) * gain**2
    own = jnp.where(past, before**2 * dj * (n - dj) / n**3, 0)
    return end, jnp.sum(other + own - 2 * gain * before * dj / n**2, -1)


__all__ = ["incidence"]
