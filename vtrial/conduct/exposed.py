"""Average exposure between edges under a plan of equal doses, exactly: what tumours see of a drug."""

import jax.numpy as jnp
import numpy as np


def average(modes, every, mg, edges):
    """Average concentration between edges, (interval, subject), mg/L.

    What has left a mode by a time ``T`` is its rate times its area, so that the area up to ``T`` is what all doses have added
    less what is there, over the rate. Doses are taken as boluses: an infusion of hours shifts an area of weeks by nothing.

    Parameters
    ----------
    modes : pk.modes.Modes
    every : float
        Days between doses, the first at day 0, without end.
    mg : (subject,)
        Each dose.
    edges : (edge,) NumPy
        Days, from 0.
    """
    area = jnp.stack([_area(modes, every, mg, t) for t in edges[1:]])
    return jnp.diff(area, axis=0, prepend=0.0) / np.diff(edges)[:, None]


def _area(modes, every, mg, t):
    given = int(np.ceil(t / every - 1e-9))
    since = t - (given - 1) * every
    left = jnp.exp(-modes.rate * every)
    there = jnp.exp(-modes.rate * since) * (1 - left**given) / (1 - left)
    return mg * (modes.weight / modes.rate * (given - there)).sum(0)


__all__ = ["average"]
