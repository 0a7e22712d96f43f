"""Exponential modes: the exact solution of any linear disposition, and its moments over a step.

A linear disposition after an intravenous input is a sum of modes, ``C(t) = sum_m c_m(t)``, each obeying
``dc_m/dt = -lambda_m c_m + rate * w_m / V`` (Gibaldi and Perrier, Pharmacokinetics, 2nd ed. 1982, ch. 2).
Modes advance exactly over any interval, and the moments ``int (t/h)^k C dt / h`` that effect models take
as forcing are exact too.
"""

from functools import partial
from math import comb
from typing import NamedTuple

import jax
import jax.numpy as jnp

# Terms of the series of `unit_moments` below SWITCH: the first left out is under 1e-16 of the sum.
SWITCH, TERMS = 4.0, 26


class Modes(NamedTuple):
    """Disposition of a cohort: ``rate`` (mode, subject) in 1/day and ``weight`` (mode, subject) in 1/L, so that a
    bolus of ``D`` mg adds ``D * weight`` mg/L to each mode."""

    rate: jnp.ndarray
    weight: jnp.ndarray


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def unit_moments(z, count):
    """``int_0^1 s^k exp(-z s) ds`` for z >= 0 and k = 0 .. count - 1, a list, to near machine precision.

    The highest moment is summed from positive terms below z = 4 and in closed form above; the others follow
    downwards, ``M(k-1) = (z M(k) + exp(-z)) / k``, which adds positive terms only. Upwards would lose ``z^-(k+1)``.
    """
    e, top = jnp.exp(-z), count - 1
    moments = [jnp.where(z < SWITCH, _series(z, e, top), _closed(z, e, top))]
    for k in range(top, 0, -1):
        moments.append((z * moments[-1] + e) / k)
    return moments[::-1]


@unit_moments.defjvp
def _unit_moments_jvp(count, primals, tangents):
    # dM(k)/dz = -M(k+1)
    moments = unit_moments(*primals, count + 1)
    return moments[:-1], [-m * tangents[0] for m in moments[1:]]


def decay_moment(z, k):
    """``int_0^1 s^k exp(-z s) ds`` for z >= 0, to near machine precision."""
    return unit_moments(z, k + 1)[k]


def _series(z, e, k):
    """``exp(-z) sum_j z^j k! / (k+1+j)!`` for z < SWITCH, by Horner's rule."""
    total = 1.0
    for j in range(TERMS, 0, -1):
        total = 1 + z * (total / (k + 1 + j))
    return e * total / (k + 1)


def _closed(z, e, k):
    """``(1 - e (1 + z)) / z^2`` and its like, for z >= SWITCH."""
    z = jnp.where(z < SWITCH, SWITCH, z)
    moment = (1 - e) / z
    for j in range(1, k + 1):
        moment = (j * moment - e) / z
    return moment


def lumped(clearance, residence) -> Modes:
    """One mode of area ``1/clearance`` and mean residence time ``residence`` (days), each (subject,)."""
    rate = 1 / residence
    return Modes(rate[None], (rate / clearance)[None])


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
    raw = unit_moments(modes.rate * upto, count)
    return jnp.stack([upto * (upto / dt) ** k * m for k, m in enumerate(raw)])


def infusion_moments(modes: Modes, dt, upto, duration, count):
    """Moments over ``[0, upto]`` of the mode concentrations caused by infusing 1 mg over ``[0, duration]``.

    While it runs, ``c = (w / duration) int_0^t exp(-rate s) ds``, whose moments are differences of unit moments (by
    parts); the rest is decay from what it left. Returns (count, mode, subject) in mg/L x day.
    """
    width = jnp.minimum(duration, upto)
    unit = unit_moments(modes.rate * width, count + 1)
    during = [width * (width / dt) ** k * (unit[0] - unit[k + 1]) / (k + 1) for k in range(count)]
    after = _late_moments(modes, dt, width, upto, count)
    weight = modes.weight * (width / duration)
    return weight * (jnp.stack(during) + unit[0] * after)


def infused(modes: Modes, t, duration):
    """Mode concentrations at time ``t`` (days) from the start of an infusion of 1 mg over ``duration``, mg/L."""
    k, on = modes.rate, jnp.minimum(t, duration)
    return modes.weight / duration * -jnp.expm1(-k * on) / k * jnp.exp(-k * (t - on))


def infused_area(modes: Modes, during, after, duration):
    """The integral of `infused` over the first ``during`` days of the infusion and ``after`` days without, mg/L x day."""
    k = modes.rate
    level, slope = unit_moments(k * during, 2)
    return modes.weight / duration * during * (during * (level - slope) + level * -jnp.expm1(-k * after) / k)


class Pace(NamedTuple):
    """What one step does to modes, (mode, subject): ``left`` of a concentration, ``gain`` in mg/L from 1 mg infused."""

    left: jnp.ndarray
    gain: jnp.ndarray


def pace(modes: Modes, dt, duration) -> Pace:
    """Constants of steps of ``dt`` days whose dose is infused over the first ``duration``: ``c left + dose gain``."""
    return Pace(jnp.exp(-modes.rate * dt), infused(modes, dt, duration))


def _late_moments(modes, dt, at, upto, count):
    """As `decay_moments` for modes set to one at time ``at``: the power ``t^k = (at + tau)^k`` is expanded."""
    span = upto - at
    raw = [span ** (j + 1) * m for j, m in enumerate(unit_moments(modes.rate * span, count))]
    return jnp.stack([sum(comb(k, j) * at ** (k - j) * raw[j] for j in range(k + 1)) / dt**k for k in range(count)])
