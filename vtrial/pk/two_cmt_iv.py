"""Two-compartment disposition after intravenous input (NONMEM ADVAN3 TRANS4).

``dA1/dt = R - (CL/V1) A1 - (Q/V1) A1 + (Q/V2) A2``, ``dA2/dt = (Q/V1) A1 - (Q/V2) A2``, ``C = A1/V1``.
Its exact solution is the sum of two modes (Gibaldi and Perrier 1982, eq. 2.15 to 2.22).
"""

import jax.numpy as jnp

from .compartments import mammillary, matrix
from .modes import Modes

PARAMETERS = ("CL", "V1", "Q", "V2")
COMPARTMENTS = ("central", "peripheral")
ADVAN = 3


def flows(p):
    """Rate constants between compartments, (compartment, compartment, subject), 1/time."""
    return matrix(2, mammillary({k: p[k] for k in PARAMETERS}))


def outputs(p, amounts):
    """Concentrations by analyte, amount over volume, of ``amounts`` (compartment, subject)."""
    return {"CP": amounts[0] / p["V1"]}


def modes(p) -> Modes:
    """The two modes of a cohort.

    ``p`` maps CL and Q (L/day), V1 and V2 (L) to arrays over subjects. Rates come fast mode first.
    """
    k10, k12, k21 = p["CL"] / p["V1"], p["Q"] / p["V1"], p["Q"] / p["V2"]
    total = k10 + k12 + k21
    # (k10+k12-k21)^2 + 4 k12 k21 is the discriminant written as a sum of positives: no cancellation, no kink
    root = jnp.sqrt((k10 + k12 - k21) ** 2 + 4 * k12 * k21)
    fast = (total + root) / 2
    slow = k10 * k21 / fast
    share = (fast - k21) / root
    return Modes(jnp.stack([fast, slow]), jnp.stack([share, 1 - share]) / p["V1"])
