"""Three compartments after intravenous input (NONMEM ADVAN11 TRANS4).

``dA1/dt = R - (CL/V1 + Q/V1 + Q3/V1) A1 + (Q/V2) A2 + (Q3/V3) A3``, ``dA2/dt = (Q/V1) A1 - (Q/V2) A2``,
``dA3/dt = (Q3/V1) A1 - (Q3/V3) A3``, ``C = A1/V1``.
Its exact solution is the sum of three modes (Gibaldi and Perrier 1982, eq. 2.80 to 2.93), whose rates are the roots of a cubic
with three positive roots, by its trigonometric solution.
"""

import jax.numpy as jnp

from .compartments import mammillary, matrix
from .modes import Modes

PARAMETERS = ("CL", "V1", "Q", "V2", "Q3", "V3")
COMPARTMENTS = ("central", "peripheral", "deep")
ADVAN = 11


def flows(p):
    """Rate constants between compartments, (compartment, compartment, subject), 1/time."""
    return matrix(3, mammillary({k: p[k] for k in PARAMETERS}))


def outputs(p, amounts):
    """Concentrations by analyte, amount over volume, of ``amounts`` (compartment, subject)."""
    return {"CP": amounts[0] / p["V1"]}


def modes(p) -> Modes:
    """The three modes of a cohort, the fastest first; ``p`` in L/day and L, (subject,) each."""
    k10, k12, k13 = p["CL"] / p["V1"], p["Q"] / p["V1"], p["Q3"] / p["V1"]
    k21, k31 = p["Q"] / p["V2"], p["Q3"] / p["V3"]
    # rate^3 - a rate^2 + b rate - c = 0
    a, b, c = k10 + k12 + k13 + k21 + k31, k10 * (k21 + k31) + k12 * k31 + k13 * k21 + k21 * k31, k10 * k21 * k31
    spread = jnp.sqrt(jnp.maximum(a**2 - 3 * b, 0.0))
    angle = jnp.arccos(jnp.clip((2 * a**3 - 9 * a * b + 27 * c) / (2 * spread**3), -1.0, 1.0)) / 3
    fast, middle = (a + 2 * spread * jnp.cos(angle + turn) for turn in (0.0, -2 * jnp.pi / 3))
    fast, middle = fast / 3, middle / 3
    # the smallest root as what is left of the product: no cancellation
    slow = c / (fast * middle)
    turns = (fast, middle, slow), (middle, slow, fast), (slow, fast, middle)
    weight = [(k21 - r) * (k31 - r) / ((s - r) * (t - r)) for r, s, t in turns]
    return Modes(jnp.stack([fast, middle, slow]), jnp.stack(weight) / p["V1"])
