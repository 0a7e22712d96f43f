"""Endpoints by the names ``published.csv`` uses. To add one: an `Endpoint` in a file here, and one line below."""

from . import course, grades
from .base import Endpoint, Look, share
from .drift import drift

TABLE = {
    "platelets_lab_any": grades.at_least(1),
    "platelets_lab_grade3": grades.exactly(3),
    "platelets_lab_grade4": grades.at_least(4),
    "platelets_lab_grade3plus": grades.at_least(3),
    # scored with P(reported | laboratory grade >= 3) = 1 until a model of reporting exists
    "platelets_ae_grade3plus": grades.at_least(3),
    "platelets_dlt_grade4": grades.at_least(4),
    "platelets_dlt_grade3plus": grades.at_least(3),
    "platelets_nadir_fraction": course.nadir_fraction,
    "platelets_fraction_of_baseline": course.day_fraction,
    "platelets_drift_stability": course.predose_ratio,
    "platelets_drift": drift,
}

__all__ = ["TABLE", "Endpoint", "Look", "share"]
