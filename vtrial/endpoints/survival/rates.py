"""Shares of counts with exact limits."""

import numpy as np
from scipy.stats import beta


def clopper_pearson(k, n, level=0.95):
    """Exact limits (lower, upper) of the share ``k`` of ``n``, arrays that broadcast; NumPy, outside any compiled program.

    Limits are 0 for none and 1 for all; those of 0 of 0 are 0 and 1.
    """
    k, n = np.broadcast_arrays(np.asarray(k, float), np.asarray(n, float))
    tail = (1 - level) / 2
    lower = np.where(k > 0, beta.ppf(tail, np.maximum(k, 1), n - k + 1), 0.0)
    return lower, np.where(k < n, beta.ppf(1 - tail, k + 1, np.maximum(n - k, 1)), 1.0)


__all__ = ["clopper_pearson"]
