"""The tumour of a patient: growth, kill by exposure that wears off, new lesions, and death.

With ``y`` the logarithm of the sum of longest diameters over its baseline and ``e`` the exposure relative to the card's
reference (Claret et al., J Clin Oncol 2009;27:4103, for the sum; the hazards are those of `models/tumours`)::

    y = KG t + log(FRES + (1 - FRES) exp(-int KD e exp(-LAMBDA t) dt))         new lesions: HNL FRAILTY exp(BNL y)
    death before progression: H0 FRAILTY exp(BOS y)
    after it: HPP POST FRAILTY exp(BPP y), y of the scan that shows it; times CROSS once crossed over

A fraction ``FRES`` is resistant from the start, the effect on the rest wears off at a rate ``LAMBDA``. ``e`` is constant
between edges, which are the planned scans; ``y`` is then exact at the edges, and taken as straight between them where hazards
are summed.
"""

from typing import NamedTuple

import jax.numpy as jnp

from ..pk.modes import unit_moments
from . import kill as kills

PARAMETERS = ("KG", "HNL", "BNL", "H0", "BOS", "HPP", "BPP", "FRAILTY", "CROSS")


# Of an exponent: a tumour this many times e smaller or larger is gone, or fatal.
MOST = 40.0


class Path(NamedTuple):
    """A tumour at the edges: ``log_size`` (edge, subject) over baseline; cumulative hazards (edge, subject) of new lesions and
    of death before progression; ``after`` (edge, subject): hazard of death after a progression that is seen then, 1/day;
    ``cross`` (subject,): what it is multiplied by once crossed over."""

    log_size: jnp.ndarray
    lesions: jnp.ndarray
    death: jnp.ndarray
    after: jnp.ndarray
    cross: jnp.ndarray


def path(p, kill, exposure, edges) -> Path:
    """The `Path` of subjects.

    Parameters
    ----------
    p, kill : dict
        Parameters of the tumour and of the treatment's effect on it, in internal units, each (subject,).
    exposure : (interval, subject)
        Average exposure over the reference, between edges.
    edges : (edge,) NumPy
        Days since the first dose, from 0.
    """
    edges = jnp.asarray(edges)
    width = jnp.diff(edges)[:, None]
    killed = jnp.minimum(kills.cumulative(kill, exposure, edges), MOST)
    y = p["KG"] * edges[:, None] + kills.survived(kill, killed)
    zero = jnp.zeros_like(y[:1])
    lesions = p["HNL"] * p["FRAILTY"] * burden(y, p["BNL"], width)
    death = p["H0"] * p["FRAILTY"] * burden(y, p["BOS"], width)
    sums = (jnp.concatenate([zero, jnp.cumsum(h, 0)]) for h in (lesions, death))
    after = p["HPP"] * kill["POST"] * p["FRAILTY"] * jnp.exp(jnp.minimum(p["BPP"] * y, MOST))
    return Path(y, *sums, after, p["CROSS"])


def burden(y, power, width):
    """``int exp(power y) dt`` over each interval, ``y`` straight within it, (interval, subject)."""
    high = power * jnp.maximum(y[1:], y[:-1])
    fall = jnp.abs(power * (y[1:] - y[:-1]))
    # the larger end, times the mean of a decay: no overflow, no cancellation
    rising = power * jnp.minimum(y[1:], y[:-1])
    top = jnp.where(power >= 0, high, rising)
    return width * jnp.exp(jnp.minimum(top, 50.0)) * unit_moments(fall, 1)[0]


__all__ = ["PARAMETERS", "Path", "burden", "path"]
