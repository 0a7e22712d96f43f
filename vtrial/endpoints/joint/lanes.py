"""Jobs side by side, one lane a device, in single precision: a cohort needs no more, and takes half the time."""

from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np


def spread(costs, run):
    """``[run(0), run(1), ...]``, one a cost; the dearest go first, to the lane that has the least to do."""
    devices = jax.local_devices()
    lanes = shared(costs, max(1, min(len(devices), len(costs))))

    def lane(d):
        with jax.default_device(devices[d]), jax.enable_x64(False):
            return {i: run(i) for i in lanes[d]}

    with ThreadPoolExecutor(len(lanes)) as pool:
        found = {i: out for part in pool.map(lane, range(len(lanes))) for i, out in part.items()}
    return [found[i] for i in range(len(costs))]


def shared(costs, count):
    """Jobs by lane."""
    lanes, load = [[] for _ in range(count)], np.zeros(count)
    for i in sorted(range(len(costs)), key=lambda i: -costs[i]):
        d = int(load.argmin())
        lanes[d].append(i)
        load[d] += costs[i]
    return lanes


__all__ = ["shared", "spread"]
