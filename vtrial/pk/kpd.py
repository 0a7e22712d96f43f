"""K-PD driver: a virtual compartment where nothing was measured; exposure is the rate at which it empties.

``dA/dt = R - KDE A``, ``IR = KDE A`` (amount per time; Jacqmin et al., J Pharmacokinet Pharmacodyn 2007;34:57). It has no
concentration and says nothing of one.
"""

from .compartments import matrix
from .modes import lumped

PARAMETERS = ("KDE",)
COMPARTMENTS = ("virtual",)


def flows(p):
    """Rate constants, (1, 1, subject), 1/time."""
    return matrix(1, {(None, 0): p["KDE"]})


def outputs(p, amounts):
    """The virtual dose rate of ``amounts`` (1, subject)."""
    return {"IR": p["KDE"] * amounts[0]}


def modes(p):
    """The emptying rate as an exposure: over a nominal clearance of 1 L/day, so that 1 mg/day reads 1 mg/L."""
    return lumped(p["KDE"] / p["KDE"], 1 / p["KDE"])
