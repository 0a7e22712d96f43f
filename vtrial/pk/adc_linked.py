"""An antibody-drug conjugate that becomes naked antibody: conjugate and total antibody, linked by deconjugation.

Both are antibodies of two compartments with the same V1, Q, V2 and the same proteolysis CLP; the conjugate also loses its
drug, at CLDEC, and is then naked antibody (one-step form of Lu et al., Clin Pharmacokinet 2013)::

    dA1/dt = R - ((CLP + CLDEC)/V1 + Q/V1) A1 + (Q/V2) A2     dA2/dt = (Q/V1) A1 - (Q/V2) A2
    dA3/dt = (CLDEC/V1) A1 - (CLP/V1 + Q/V1) A3 + (Q/V2) A4    dA4/dt = (Q/V1) A3 - (Q/V2) A4

``ADC = A1/V1``, ``TT = (A1 + A3)/V1`` (total antibody), amounts as antibody.
"""

from .compartments import matrix

PARAMETERS = ("CLP", "CLDEC", "V1", "Q", "V2")
COMPARTMENTS = ("central", "peripheral", "naked", "naked_peripheral")


def flows(p):
    """Rate constants between compartments, (compartment, compartment, subject), 1/time."""
    out, back, lost = p["Q"] / p["V1"], p["Q"] / p["V2"], p["CLP"] / p["V1"]
    both = {(None, at): lost for at in (0, 2)} | {(at + 1, at): out for at in (0, 2)} | {(at, at + 1): back for at in (0, 2)}
    return matrix(4, both | {(2, 0): p["CLDEC"] / p["V1"]})


def outputs(p, amounts):
    """Concentrations of conjugate and of total antibody of ``amounts`` (compartment, subject)."""
    return {"ADC": amounts[0] / p["V1"], "TT": (amounts[0] + amounts[2]) / p["V1"]}
