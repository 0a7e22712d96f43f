"""Two compartments with first-order absorption (NONMEM ADVAN4 TRANS4).

``dA1/dt = R - KA A1``, ``dA2/dt = KA A1 - (CL/V1 + Q/V1) A2 + (Q/V2) A3``, ``dA3/dt = (Q/V1) A2 - (Q/V2) A3``,
``C = A2/V1``; V1 and V2 are NONMEM's V2 and V3.
"""

from .compartments import mammillary, matrix

PARAMETERS = ("CL", "V1", "Q", "V2", "KA")
COMPARTMENTS = ("depot", "central", "peripheral")
ADVAN = 4


def flows(p):
    """Rate constants between compartments, (compartment, compartment, subject), 1/time."""
    return matrix(3, {(1, 0): p["KA"]} | mammillary({k: p[k] for k in PARAMETERS if k != "KA"}, 1))


def outputs(p, amounts):
    """Concentrations by analyte, amount over volume, of ``amounts`` (compartment, subject)."""
    return {"CP": amounts[1] / p["V1"]}
