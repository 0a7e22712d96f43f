"""One compartment after intravenous input (NONMEM ADVAN1 TRANS4).

``dA1/dt = R - (CL/V1) A1``, ``C = A1/V1``.
"""

from .compartments import mammillary, matrix
from .modes import Modes

PARAMETERS = ("CL", "V1")
COMPARTMENTS = ("central",)
ADVAN = 1


def flows(p):
    """Rate constants between compartments, (compartment, compartment, subject), 1/time."""
    return matrix(1, mammillary({k: p[k] for k in PARAMETERS}))


def outputs(p, amounts):
    """Concentrations by analyte, amount over volume, of ``amounts`` (compartment, subject)."""
    return {"CP": amounts[0] / p["V1"]}


def modes(p):
    """The one mode of a cohort; ``p`` in L/day and L, (subject,) each."""
    return Modes((p["CL"] / p["V1"])[None], (1 / p["V1"])[None])
