"""The effect compartment: what an organ hears of the concentration, late and smoothed.

``dCe/dt = KE0 (C - Ce)`` (Sheiner et al., Clin Pharmacol Ther 1979;25:358). The concentration is a sum of exponential modes, so
that a step has weights: on ``Ce``, on the modes, and what a milligram infused at its start adds. They come by quadrature and
are exact to 1e-6 or better for steps of a day.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..pk.modes import infused


class Step(NamedTuple):
    """Weights over a step: of ``Ce`` on itself, of each mode, and of 1 mg."""

    keep: jnp.ndarray
    hear: tuple
    dose: jnp.ndarray


def prepare(ke0, modes, dt, duration) -> Step:
    """Constants of steps of ``dt`` days whose dose, if any, is infused over the first ``duration`` days of the step."""
    rate = ke0 * dt
    return Step(jnp.exp(-rate), *heard(modes, dt, duration, lambda s: rate * jnp.exp(-rate * s)))


def advance(k: Step, ce, c, dose=None):
    """``Ce`` a step later. ``c`` [mode]: mode concentrations at its start, mg/L; ``dose``: mg given at its start."""
    return k.keep * ce + mix(k.hear, c) + k.dose * (0.0 if dose is None else dose)


def heard(modes, dt, duration, kernel):
    """``int_0^1 kernel(1 - s) c(s) ds`` of modes that start at one, [mode], and of 1 mg infused over ``duration``.

    By Gauss and Legendre on the infusion and on the rest of the step: rates of a few a day leave errors below 1e-12.
    """
    width = min(duration / dt, 1.0)
    pieces = [_points(8, 0.0, width), _points(12, width, 1.0)] if width < 1 else [_points(20, 0.0, 1.0)]
    s, w = np.concatenate(pieces, 1)
    weight = [w_i * kernel(1 - s_i) for s_i, w_i in zip(s, w, strict=True)]
    decays = sum(a * jnp.exp(-modes.rate * (s_i * dt)) for s_i, a in zip(s, weight, strict=True))
    dose = sum(a * infused(modes, s_i * dt, duration).sum(0) for s_i, a in zip(s, weight, strict=True))
    return tuple(decays), dose


def mix(weights, c):
    """The sum of what is heard of each mode."""
    return sum(w * x for w, x in zip(weights, c, strict=True))


def _points(count, low, high):
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return np.stack([low + (high - low) * (nodes + 1) / 2, (high - low) * weights / 2])
