"""Michaelis-Menten elimination from the central compartment, beside what a linear structure already takes out.

``VMAX C / (KM + C)``, ``C = A1/V1`` (Gibaldi and Perrier, Pharmacokinetics, 2nd ed. 1982, ch. 7). KM is a concentration,
VMAX an amount per time.
"""

import jax.numpy as jnp

PARAMETERS = ("VMAX", "KM")


def slope(p, amounts):
    """What the saturable part adds to dA/dt, (compartment, subject)."""
    c = amounts[0] / p["V1"]
    return jnp.zeros_like(amounts).at[0].add(-p["VMAX"] * c / (p["KM"] + c))
