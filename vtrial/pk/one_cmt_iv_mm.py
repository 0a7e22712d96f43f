"""One compartment after intravenous input, with linear and Michaelis-Menten elimination side by side.

``dA1/dt = R - (CL/V1) A1 - VMAX C / (KM + C)``, ``C = A1/V1``
(Gibaldi and Perrier, Pharmacokinetics, 2nd ed. 1982, ch. 7). KM is a concentration, VMAX an amount per time.
"""

import jax.numpy as jnp

from . import one_cmt_iv

PARAMETERS = (*one_cmt_iv.PARAMETERS, "VMAX", "KM")
COMPARTMENTS = one_cmt_iv.COMPARTMENTS
flows, outputs = one_cmt_iv.flows, one_cmt_iv.outputs


def slope(p, amounts):
    """What the saturable part adds to dA/dt, (compartment, subject)."""
    c = amounts[0] / p["V1"]
    return jnp.zeros_like(amounts).at[0].add(-p["VMAX"] * c / (p["KM"] + c))
