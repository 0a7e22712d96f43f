"""Survival statistics of many replicates at once: leading axes are replicates, the last axis is subjects."""

from .aalen_johansen import incidence
from .cox import Cox, cox
from .kaplan_meier import Curve, at, curve, interval, median, median_interval, quantile, rmst
from .logrank import logrank
from .rates import clopper_pearson

__all__ = [
    "Cox",
    "Curve",
    "at",
    "clopper_pearson",
    "cox",
    "curve",
    "incidence",
    "interval",
    "logrank",
    "median",
    "median_interval",
    "quantile",
    "rmst",
]
