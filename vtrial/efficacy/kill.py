"""What a treatment does to a tumour: kill in proportion to exposure, which wears off, and a fraction that resists.

``int_0^t KD e exp(-LAMBDA s) ds`` with exposure ``e`` relative to ``CREF``, constant between edges (Claret et al., J Clin Oncol
2009;27:4103); ``FRES`` does not respond at all; ``POST`` multiplies the hazard of death after progression.

Three mechanisms have no equation of their own, and no number on the shelf, but a place where a ``[[covariate]]`` of a card puts
them: efflux of the payload lowers ``KD`` (``EFFLUX``); loss of antigen raises ``LAMBDA`` or lowers ``KD`` (``HER2LOSS``); cells
without antigen are part of ``FRES``, the fewer the more the payload passes on to neighbours (``HER2HET``: the bystander effect
is the difference between two drugs' coefficients). Where a population does not describe them everyone is at the reference.
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
