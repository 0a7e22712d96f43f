"""Proportional hazards (Cox): the maximum of the partial likelihood by Newton's method, tied times by Efron or Breslow.

The step is cut so that no two subjects' log hazards part by more than 1 in it: the likelihood of one covariate is concave
with a third derivative below that range times the second, so that such steps come nearer each time, from anywhere.
"""

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from . import order as orders

STEPS = 40  # at most; five or six are usual


class Cox(NamedTuple):
    """``log_hr`` and its standard error ``se``, (...) or (..., p) each; ``loglik`` (...): partial log-likelihood there."""

    log_hr: jnp.ndarray
    se: jnp.ndarray
    loglik: jnp.ndarray


def cox(time, event, x, stratum=None, weight=None, strata=1, ties="efron") -> Cox:
    """Cox regression of each replicate.

    Parameters
    ----------
    time : (..., subject)
    event, weight : (..., subject)
        Truth: an event, counts.
    x : (..., subject) or (..., p, subject)
        Covariate, or several. One of type bool (two arms, the hazard ratio is of True to False) is quickest.
    stratum : (..., subject), optional
        Codes 0 to ``strata`` - 1; each has its own hazard.
    strata : int
        Static.
    ties : str
        ``efron`` or ``breslow``.

    Returns
    -------
    Cox
        Of one covariate whose likelihood rises without end ``log_hr`` is plus or minus infinity, ``se`` infinity, and
        ``loglik`` the limit for arms, else the last step's; of one whose likelihood is flat (no events, or never both arms at
        risk) ``log_hr`` is NaN and ``se`` infinity. Of several covariates neither is looked for.
    """
    if ties not in ("efron", "breslow"):
        raise ValueError(f"ties is {ties!r}; allowed: efron, breslow")
    time, x = jnp.asarray(time), jnp.asarray(x)
    several = x.ndim > time.ndim
    x = jnp.moveaxis(x, -2, 0) if several else x[None]
    time, event, stratum, weight, *x = orders.align(time, event, stratum, weight, *x)
    order = orders.order(time, weight, stratum, strata)
    counts = jnp.ones_like(event, bool) if weight is None else weight.astype(bool)
    counts, died, *x = (orders.take(v, order.index) for v in (counts, event.astype(bool) & counts, *x))
    share = _share(order, died.astype(time.dtype)) if ties == "efron" else jnp.zeros_like(time)
    if not several and x[0].dtype == bool:
        return _arms(order, counts, died, x[0], share)
    x = jnp.stack([v.astype(time.dtype) for v in x])
    found = _covariates(order, counts, died, x, share)
    if several:
        return found._replace(log_hr=jnp.moveaxis(found.log_hr, 0, -1), se=jnp.moveaxis(found.se, 0, -1))
    rank = None if stratum is None else orders.take(stratum, order.index)
    up, down = (_extreme(order, counts, died, side * x[0], rank, strata) for side in (1, -1))
    return _unbounded(found._replace(log_hr=found.log_hr[0], se=found.se[0]), up, down)


def _share(order, died):
    """Of the events of its tied group, the share before each: Efron takes so much of the group's events out of the sums."""
    return orders.before(order, died) / jnp.maximum(orders.among(order, died), 1)


def _arms(order, counts, died, arm, share):
    """Of two arms all sums are counts, once for all steps: an event's risk is a0 + a1 exp(b)."""
    dtype = share.dtype

    def risk(of):
        whole = orders.at_risk(order, (counts & of).astype(dtype))
        return whole - share * orders.among(order, (died & of).astype(dtype))

    a0, a1 = risk(~arm), risk(arm)
    observed = jnp.sum(died & arm, -1, dtype=dtype)
    # where the slope at plus or minus infinity is 0 the likelihood does not come down on that side
    up = observed == jnp.sum(died & (a1 > 0), -1, dtype=dtype)
    down = observed == jnp.sum(died & (a0 <= 0), -1, dtype=dtype)
    ends = up | down

    def slope(b):
        p = jnp.where(died, a1 / jnp.where(died, a1 + a0 * jnp.exp(-b)[..., None], 1), 0)
        return observed - p.sum(-1), (p * (1 - p)).sum(-1)

    def step(b):
        score, information = slope(b)
        return jnp.where(ends, 0, jnp.clip(score / jnp.where(ends, 1, information), -1, 1))

    b = _newton(step, jnp.zeros_like(observed))
    height = _height(b, a0, a1, died, observed)
    limit = -jnp.sum(jnp.where(died, jnp.log(jnp.where(died, _left(a0, a1, up), 1)), 0), -1)
    found = Cox(b, 1 / jnp.sqrt(jnp.where(ends, 1, slope(b)[1])), jnp.where(ends, limit, height))
    return _unbounded(found, up, down)


def _height(b, a0, a1, died, observed):
    risk = jnp.where(died, a0 + a1 * jnp.exp(b)[..., None], 1)
    return b * observed - jnp.sum(jnp.log(risk), -1)


def _left(a0, a1, up):
    """What remains of an event's risk at infinity: that of the arm which all its events are in, if any of it is at risk."""
    up = up[..., None]
    return jnp.where(up & (a1 > 0), a1, jnp.where(~up & (a0 > 0), a0, a0 + a1))


def _unbounded(found, up, down):
    """With infinities where the likelihood rises without end, and NaN where it is flat."""
    end = jnp.where(up & down, jnp.nan, jnp.where(up, jnp.inf, -jnp.inf)).astype(found.log_hr.dtype)
    ends = up | down
    return found._replace(log_hr=jnp.where(ends, end, found.log_hr), se=jnp.where(ends, jnp.inf, found.se))


def _newton(step, b):
    """Steps from ``b`` until all replicates stand still; the last step is of the order of its error's root."""
    still = jnp.finfo(b.dtype).eps ** 0.4

    def more(state):
        return (state[0] < STEPS) & jnp.any(jnp.abs(state[2]) > still)

    def advance(state):
        d = step(state[1])
        return state[0] + 1, state[1] + d, d

    return lax.while_loop(more, advance, (0, b, jnp.full_like(b, jnp.inf)))[1]


def _covariates(order, counts, died, x, share):
    """Of covariates (p, ..., subject): coefficients and errors are (p, ...)."""
    low, high = jnp.where(counts, x, jnp.inf).min(-1), jnp.where(counts, x, -jnp.inf).max(-1)
    middle = jnp.where(counts.any(-1), (low + high) / 2, 0)
    x = jnp.where(counts, x - middle[..., None], 0)
    b = _newton(partial(_step, order, counts, died, x, share), jnp.zeros_like(middle))
    _, information, height = _slope(order, counts, died, x, share, b)
    variance = jnp.linalg.inv(jnp.moveaxis(information, (0, 1), (-2, -1)))
    return Cox(b, jnp.moveaxis(jnp.sqrt(jnp.diagonal(variance, axis1=-2, axis2=-1)), -1, 0), height)


def _step(order, counts, died, x, share, b):
    score, information, _ = _slope(order, counts, died, x, share, b)
    square, side = jnp.moveaxis(information, (0, 1), (-2, -1)), jnp.moveaxis(score, 0, -1)
    step = jnp.moveaxis(jnp.linalg.solve(square, side[..., None])[..., 0], -1, 0)
    part = jnp.sum(step[..., None] * x, 0)
    spread = part.max(-1) - part.min(-1)
    return jnp.nan_to_num(step / jnp.maximum(spread, 1))


def _slope(order, counts, died, x, share, b):
    """Score (p, ...), information (p, p, ...) and partial log-likelihood at ``b``."""
    eta = jnp.sum(b[..., None] * x, 0)
    eta = eta - jnp.where(counts, eta, -jnp.inf).max(-1, keepdims=True)
    theta = jnp.where(counts, jnp.exp(eta), 0)

    def risk(value):
        return orders.at_risk(order, value) - share * orders.among(order, jnp.where(died, value, 0))

    whole = jnp.where(died, risk(theta), 1)
    mean = risk(theta * x) / whole
    score = jnp.sum(jnp.where(died, x - mean, 0), -1)
    square = risk(theta * x[:, None] * x[None]) / whole - mean[:, None] * mean[None]
    height = jnp.sum(jnp.where(died, eta - jnp.log(whole), 0), -1)
    return score, jnp.sum(jnp.where(died, square, 0), -1), height


def _extreme(order, counts, died, x, stratum, strata):
    """Whether every event had the highest ``x`` of those at risk: then the likelihood has no maximum on this side."""
    x = jnp.where(counts, x, -jnp.inf)
    if order.close is not None:  # lift earlier strata over later ones, so that one running maximum serves all
        least, most = jnp.where(counts, x, jnp.inf).min(-1, keepdims=True), x.max(-1, keepdims=True)
        x = x + (strata - stratum) * (most - least + 1)
    highest = orders.take(lax.cummax(x, x.ndim - 1, reverse=True), order.start)
    return jnp.all(~died | (x == highest), -1)


__all__ = ["Cox", "cox"]
