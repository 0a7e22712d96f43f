"""One compartment with first-order absorption (NONMEM ADVAN2 TRANS4).

``dA1/dt = R - KA A1``, ``dA2/dt = KA A1 - (CL/V1) A2``, ``C = A2/V1``; V1 is NONMEM's V or V2.
"""

from .compartments import mammillary, matrix
from .modes import lumped

PARAMETERS = ("CL", "V1", "KA")
COMPARTMENTS = ("depot", "central")
ADVAN = 2


def flows(p):
    """Rate constants between compartments, (compartment, compartment, subject), 1/time."""
    return matrix(2, {(1, 0): p["KA"]} | mammillary({k: p[k] for k in PARAMETERS if k != "KA"}, 1))


def outputs(p, amounts):
    """Concentrations by analyte, amount over volume, of ``amounts`` (compartment, subject)."""
    return {"CP": amounts[1] / p["V1"]}


def modes(p):
    """Absorption and disposition as one mode of the same area and mean residence time, for courses of days."""
    return lumped(p["CL"], 1 / p["KA"] + p["V1"] / p["CL"])
