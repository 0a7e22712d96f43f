"""Three compartments with first-order absorption (NONMEM ADVAN12 TRANS4).

The depot empties into the central compartment of ``three_cmt_iv``: ``dA1/dt = R - KA A1``, ``C = A2/V1``; V1, V2, V3, Q
and Q3 are NONMEM's V2, V3, V4, Q3 and Q4.
"""

from .compartments import mammillary, matrix

PARAMETERS = ("CL", "V1", "Q", "V2", "Q3", "V3", "KA")
COMPARTMENTS = ("depot", "central", "peripheral", "deep")
ADVAN = 12


def flows(p):
    """Rate constants between compartments, (compartment, compartment, subject), 1/time."""
    return matrix(4, {(1, 0): p["KA"]} | mammillary({k: p[k] for k in PARAMETERS if k != "KA"}, 1))


def outputs(p, amounts):
    """Concentrations by analyte, amount over volume, of ``amounts`` (compartment, subject)."""
    return {"CP": amounts[1] / p["V1"]}
