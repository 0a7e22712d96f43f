"""Names of parameters: the structures' own, NONMEM's TRANS4 ones, and those of doses by compartment (F1, ALAG1, D1, R1)."""

from ..library.cards import DOSING
from . import STRUCTURES

# NONMEM numbers volumes and flows by compartment, and the depot is its compartment 1.
NONMEM = {
    "one_cmt_oral": {"V2": "V1"},
    "two_cmt_oral": {"V2": "V1", "V3": "V2"},
    "three_cmt_iv": {"Q2": "Q"},
    "three_cmt_oral": {"V2": "V1", "V3": "V2", "V4": "V3", "Q3": "Q", "Q4": "Q3"},
}


def resolve(structure, given):
    """name in ``given`` -> the structure's own name, of those names that are parameters.

    V is V1. NONMEM's numbering of a structure is understood where all its volumes are given and V1 (or V) is not: for
    ``two_cmt_oral`` V2 and V3 are then V1 and V2.
    """
    own = STRUCTURES[structure].PARAMETERS
    theirs = NONMEM.get(structure, {})
    volumes = {name for name in theirs if name[0] == "V"} or {*theirs}
    numbered = not ({"V", "V1"} & {*given} and "V2" in theirs) and volumes <= {*given}
    to = {"V": "V1"} | (theirs if numbered else {})
    return {name: to.get(name, name) for name in given if to.get(name, name) in own}


def dosing(names):
    """Name -> (kind, compartment index) of the dosing parameters among some names."""
    found = ((name, DOSING.fullmatch(name)) for name in names)
    return {name: (m[1], int(m[2]) - 1) for name, m in found if m}
