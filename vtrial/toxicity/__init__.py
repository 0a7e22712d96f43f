"""Toxicity structures. To add one: a file with ``PARAMETERS``, ``prepare``, ``start``, ``advance`` and one line here."""

from . import friberg

STRUCTURES = {"friberg": friberg}
