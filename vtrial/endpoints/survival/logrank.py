"""The log-rank test of two arms, stratified or not (Mantel; hypergeometric variance)."""

import jax.numpy as jnp
from jax.scipy.special import erfc

from . import order as orders


def logrank(time, event, arm, stratum=None, weight=None, strata=1):
    """Log-rank test of each replicate.

    Parameters
    ----------
    time : (..., subject)
    event, arm, weight : (..., subject)
        Truth: an event, of the second arm, counts.
    stratum : (..., subject), optional
        Codes 0 to ``strata`` - 1.
    strata : int
        Static.

    Returns
    -------
    (chi2, p)
        (...) each; on one degree of freedom. Where no event had both arms at risk: 0 and 1.
    """
    time, event, arm, stratum, weight = orders.align(time, event, arm, stratum, weight)
    order = orders.order(time, weight, stratum, strata)
    whole = jnp.ones_like(time) if weight is None else weight.astype(bool).astype(time.dtype)
    whole = orders.take(whole, order.index)
    second, died = (orders.take(v, order.index).astype(bool) for v in (arm, event))
    n, n1 = orders.at_risk(order, whole), orders.at_risk(order, jnp.where(second, whole, 0))
    d = jnp.where(orders.first(order), orders.among(order, jnp.where(died, whole, 0)), 0)
    share = n1 / jnp.maximum(n, 1)
    excess = jnp.sum(jnp.where(died & second, whole, 0), -1) - jnp.sum(d * share, -1)
    variance = jnp.sum(d * share * (1 - share) * (n - d) / jnp.maximum(n - 1, 1), -1)
    chi2 = jnp.where(variance > 0, excess**2 / jnp.where(variance > 0, variance, 1), 0)
    return chi2, erfc(jnp.sqrt(chi2 / 2))


__all__ = ["logrank"]
