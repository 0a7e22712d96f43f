"""An antibody-drug conjugate of two compartments and the payload it releases, at a rate that falls with the cycle.

Intact conjugate as ``two_cmt_iv``; payload (Yin et al., Clin Pharmacol Ther 2021;109:1314)::

    dA3/dt = KREL(cycle) YIELD A1 - (CLD/VD) A3      KREL(cycle) = KREL cycle^KRELX (KRELF if cycle > 1)

``YIELD`` is the payload's mass per mass of conjugate (DAR times the ratio of molecular weights). ``ADC = A1/V1``,
``PAYLOAD = A3/VD``. Fitted one after the other, the release takes nothing from the intact conjugate: mass is not conserved
(`CONSERVES`).
"""

import jax.numpy as jnp

from . import two_cmt_iv
from .compartments import mammillary, matrix

PARAMETERS = (*two_cmt_iv.PARAMETERS, "KREL", "KRELX", "KRELF", "YIELD", "CLD", "VD")
COMPARTMENTS = ("central", "peripheral", "payload")
CONSERVES = False


def flows(p):
    """Rate constants between compartments, (compartment, compartment, subject), 1/time; ``p["CYCLE"]`` counts doses."""
    intact = mammillary({k: p[k] for k in two_cmt_iv.PARAMETERS})
    release = p["KREL"] * p["CYCLE"] ** p["KRELX"] * jnp.where(p["CYCLE"] > 1, p["KRELF"], 1.0)
    k = matrix(3, intact | {(None, 2): p["CLD"] / p["VD"]})
    return k.at[2, 0].add(release * p["YIELD"])


def modes(p):
    """Modes of the intact conjugate."""
    return two_cmt_iv.modes(p)


def outputs(p, amounts):
    """Concentrations of intact conjugate and payload of ``amounts`` (compartment, subject)."""
    return {"ADC": amounts[0] / p["V1"], "PAYLOAD": amounts[2] / p["VD"]}
