"""Exponential modes: the exact solution of any linear disposition, and its moments over a step.

A linear disposition after an intravenous input is a sum of modes, ``C(t) = sum_m c_m(t)``, each obeying
``dc_m/dt = -lambda_m c_m + rate * w_m / V`` (Gibaldi and Perrier, Pharmacokinetics, 2nd ed. 1982, ch. 2).
Modes advance exactly over any interval, and the moments ``int (t/h)^k C dt / h`` that effect models take
as forcing are exact too.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp

class Modes(NamedTuple):
    """Disposition of a cohort: ``rate`` (mode, subject) in 1/day and ``weight`` (mode, subject) in 1/L, so that a
    bolus of ``D`` mg adds ``D * weight`` mg/L to each mode."""

    rate: jnp.ndarray
    weight: jnp.ndarray


def decay_moment(z, k):
    """``int_0^1 s^k exp(-z s) ds`` for z >= 0 and k in 0, 1, 2, to near machine precision.

    The closed form loses digits as ``z^-(k+1)``; below one half the power series stands in for it.
    """
    series = sum((-z) ** n / (math.factorial(n) * (n + k + 1)) for n in range(13))
    big = jnp.maximum(z, 0.5)
    gone = jnp.exp(-big)
    closed = (1 - gone, 1 - gone * (1 + big), 2 - gone * (2 + big * (2 + big)))[k] / big ** (k + 1)
    return jnp.where(z < 0.5, series, closed)


def advance(modes: Modes, c, dt, rate=0.0, start=0.0, stop=0.0):
    """Mode concentrations after ``dt`` days, with an infusion of ``rate`` mg/day on ``[start, stop]`` of the interval.

    Exact. ``c`` is (mode, subject) in mg/L; ``dt``, ``rate``, ``start`` and ``stop`` broadcast against a subject row.
    Over ``0 -> a -> b`` the answer is that of ``0 -> b``.
    """
    k = modes.rate
    start, stop = jnp.clip(start, 0, dt), jnp.clip(stop, 0, dt)
    # exp(-k(dt-stop)) - exp(-k(dt-start)) without cancellation for short infusions
    gained = jnp.exp(-k * (dt - stop)) * -jnp.expm1(-k * (stop - start)) / k
    return c * jnp.exp(-k * dt) + rate * modes.weight * gained


def decay_moments(modes: Modes, dt, upto, count):
    """Moments over ``[0, upto]`` of modes that start at one and decay: ``int_0^upto (t/dt)^k exp(-rate t) dt``.

    Returns (count, mode, subject), in days.
    """
    z = modes.rate * upto
    return jnp.stack([upto * (upto / dt) ** k * decay_moment(z, k) for k in range(count)])


def infusion_moments(modes: Modes, dt, upto, duration, count):
    """Moments over ``[0, upto]`` of the mode concentrations caused by infusing 1 mg over ``[0, duration]``.

    While it runs a mode is ``(1 - exp(-rate t)) / (rate duration)`` of its bolus, afterwards it decays.
    Returns (count, mode, subject) in mg/L x day.
    """
    width = jnp.minimum(duration, upto)
    z, rest = modes.rate * width, modes.rate * (upto - width)
    after = [(upto - width) ** (k + 1) * decay_moment(rest, k) for k in range(count)]
    reached = -jnp.expm1(-z)
    binomial = [[1], [1, 1], [1, 2, 1]]
    rows = []
    for k in range(count):
        during = width ** (k + 1) * (1 / (k + 1) - decay_moment(z, k))
        later = sum(b * width ** (k - j) * after[j] for j, b in enumerate(binomial[k]))
        rows.append((during + reached * later) / dt**k)
    return jnp.stack(rows) * modes.weight / (modes.rate * duration)
