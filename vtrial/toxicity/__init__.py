"""Toxicity structures. To add one: a file, and one line here.

A file gives ``PARAMETERS``, ``prepare``, ``start``, ``advance`` and ``readings(p, state)``, the true values of its organs;
where events are a matter of luck ``luck(days, theta)`` names the normal scores they need, found in ``p["luck"]``.
"""

from . import decline, friberg, hazard, ordinal, turnover

STRUCTURES = {"friberg": friberg, "turnover": turnover, "decline": decline, "hazard": hazard, "ordinal": ordinal}
