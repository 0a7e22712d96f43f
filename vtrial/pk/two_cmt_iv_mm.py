"""Two compartments after intravenous input, with linear and Michaelis-Menten elimination side by side.

``dA1/dt = R - (CL/V1 + Q/V1) A1 + (Q/V2) A2 - VMAX C / (KM + C)``, ``dA2/dt = (Q/V1) A1 - (Q/V2) A2``, ``C = A1/V1``.
"""

from . import saturable, two_cmt_iv

PARAMETERS = (*two_cmt_iv.PARAMETERS, *saturable.PARAMETERS)
COMPARTMENTS = two_cmt_iv.COMPARTMENTS
flows, outputs, slope = two_cmt_iv.flows, two_cmt_iv.outputs, saturable.slope
