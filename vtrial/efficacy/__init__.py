"""Tumour models: the disease's own card (`tumour`), and what a treatment does to it (`kill`)."""

from . import tumour

STRUCTURES = {"tumour": tumour}

__all__ = ["STRUCTURES", "tumour"]
