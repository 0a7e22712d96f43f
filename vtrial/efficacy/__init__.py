"""Tumour models: the disease's own card (`tumour`), and what a treatment does to it (`kill`)."""

from . import kill, tumour

STRUCTURES = {"tumour": tumour, "kill": kill}

__all__ = ["STRUCTURES", "kill", "tumour"]
