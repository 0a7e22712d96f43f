"""What a treatment does to a tumour: kill in proportion to exposure, which wears off, and a fraction that resists.

``int_0^t KD e exp(-LAMBDA s) ds`` with exposure ``e`` relative to ``CREF``, constant between edges (Claret et al., J Clin Oncol
2009;27:4103); ``FRES`` does not respond at all; ``POST`` multiplies the hazard of death after progression.
"""

import jax.numpy as jnp

from ..pk.modes import unit_moments

PARAMETERS = ("KD", "LAMBDA", "FRES", "POST", "CREF")


def cumulative(p, exposure, edges):
    """The kill up to each edge (edge, subject), of ``exposure`` (interval, subject) and ``edges`` (edge,), days."""
    width = jnp.diff(edges)[:, None]
    # the share of an interval's kill that is left of the effect
    left = jnp.exp(-p["LAMBDA"] * edges[:-1, None]) * unit_moments(p["LAMBDA"] * width, 1)[0]
    killed = p["KD"] * exposure * left * width
    return jnp.concatenate([jnp.zeros_like(killed[:1]), jnp.cumsum(killed, 0)])


def survived(p, killed):
    """Log of the share of a tumour that a cumulative kill leaves."""
    return jnp.log(p["FRES"] + (1 - p["FRES"]) * jnp.exp(-killed))


__all__ = ["PARAMETERS", "cumulative", "survived"]
