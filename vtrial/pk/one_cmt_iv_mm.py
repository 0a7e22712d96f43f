"""One compartment after intravenous input, with linear and Michaelis-Menten elimination side by side.

``dA1/dt = R - (CL/V1) A1 - VMAX C / (KM + C)``, ``C = A1/V1``.
"""

from . import one_cmt_iv, saturable

PARAMETERS = (*one_cmt_iv.PARAMETERS, *saturable.PARAMETERS)
COMPARTMENTS = one_cmt_iv.COMPARTMENTS
flows, outputs, slope = one_cmt_iv.flows, one_cmt_iv.outputs, saturable.slope
