"""Pharmacokinetic structures. To add one: a file with ``PARAMETERS`` and ``modes(p)``, and one line here."""

from . import two_cmt_iv

STRUCTURES = {"two_cmt_iv": two_cmt_iv}
