"""A prodrug by mouth and two metabolites in line, one compartment each: capecitabine as Blesch et al. 2003 model it.

``dA1/dt = R - KA A1``, ``dA2/dt = KA A1 - (CL1/V1) A2``, ``dA3/dt = (CL1/V1) A2 - (CL2/V2) A3``,
``dA4/dt = (CL2/V2) A3 - (CL3/V3) A4`` (5'-DFUR, 5-FU, FBAL; Invest New Drugs 2003;21:195). Amounts are those of the dose,
molar ratios being left to the volumes, which are apparent.
"""

from .compartments import matrix
from .modes import lumped

PARAMETERS = ("KA", "CL1", "V1", "CL2", "V2", "CL3", "V3")
COMPARTMENTS = ("depot", "first", "second", "third")


def flows(p):
    """Rate constants between compartments, (compartment, compartment, subject), 1/time."""
    k1, k2, k3 = (p[f"CL{i}"] / p[f"V{i}"] for i in (1, 2, 3))
    return matrix(4, {(1, 0): p["KA"], (2, 1): k1, (3, 2): k2, (None, 3): k3})


def outputs(p, amounts):
    """Concentrations of the three metabolites of ``amounts`` (compartment, subject)."""
    return {f"M{i}": amounts[i] / p[f"V{i}"] for i in (1, 2, 3)}


def modes(p):
    """The second metabolite as one mode of the same area and mean residence time, for courses of days."""
    return lumped(p["CL2"], 1 / p["KA"] + p["V1"] / p["CL1"] + p["V2"] / p["CL2"])
