"""Pharmacokinetic structures. To add one: a file, and one line here.

A file gives ``PARAMETERS``, ``COMPARTMENTS``, ``flows(p)`` (rate constants of its linear part), ``outputs(p, amounts)``, and
where it is not linear ``slope(p, amounts)``; with ``modes(p)`` a cohort's course can carry it day by day.
"""

from . import (
    adc_linked,
    adc_payload,
    kpd,
    metabolite_chain,
    one_cmt_iv,
    one_cmt_iv_mm,
    one_cmt_oral,
    three_cmt_iv,
    three_cmt_oral,
    two_cmt_iv,
    two_cmt_iv_mm,
    two_cmt_oral,
)

STRUCTURES = {
    "one_cmt_iv": one_cmt_iv,
    "one_cmt_oral": one_cmt_oral,
    "two_cmt_iv": two_cmt_iv,
    "two_cmt_oral": two_cmt_oral,
    "three_cmt_iv": three_cmt_iv,
    "three_cmt_oral": three_cmt_oral,
    "one_cmt_iv_mm": one_cmt_iv_mm,
    "two_cmt_iv_mm": two_cmt_iv_mm,
    "adc_linked": adc_linked,
    "adc_payload": adc_payload,
    "kpd": kpd,
    "metabolite_chain": metabolite_chain,
}


def linear(structure):
    """Whether a structure has an exact solution."""
    return not hasattr(structure, "slope")
