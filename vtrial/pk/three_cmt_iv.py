"""Three compartments after intravenous input (NONMEM ADVAN11 TRANS4).

``dA1/dt = R - (CL/V1 + Q/V1 + Q3/V1) A1 + (Q/V2) A2 + (Q3/V3) A3``, ``dA2/dt = (Q/V1) A1 - (Q/V2) A2``,
``dA3/dt = (Q3/V1) A1 - (Q3/V3) A3``, ``C = A1/V1``.
"""

from .compartments import mammillary, matrix

PARAMETERS = ("CL", "V1", "Q", "V2", "Q3", "V3")
COMPARTMENTS = ("central", "peripheral", "deep")
ADVAN = 11


def flows(p):
    """Rate constants between compartments, (compartment, compartment, subject), 1/time."""
    return matrix(3, mammillary({k: p[k] for k in PARAMETERS}))


def outputs(p, amounts):
    """Concentrations by analyte, amount over volume, of ``amounts`` (compartment, subject)."""
    return {"CP": amounts[0] / p["V1"]}
