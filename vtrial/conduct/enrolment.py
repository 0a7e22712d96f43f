"""When patients join: at a rate that rises in a straight line until it is full, then stays so until the last one."""

import jax.numpy as jnp


def day(enrolment, share):
    """Day by which a ``share`` (0 to 1) of the patients has joined."""
    ramp, whole = enrolment.ramp, enrolment.duration - enrolment.ramp / 2
    many = share * whole
    return jnp.where(many < ramp / 2, jnp.sqrt(2 * ramp * many), many + ramp / 2)


def joined(enrolment, day):
    """Share of the patients who have joined by a day."""
    ramp, whole = enrolment.ramp, enrolment.duration - enrolment.ramp / 2
    day = jnp.clip(day, 0.0, enrolment.duration)
    return jnp.where(day < ramp, day**2 / (2 * max(ramp, 1e-9)), day - ramp / 2) / whole


def followed(enrolment, dropout, cut, days):
    """Share of those who have joined by a cut who are followed for so many days, were nothing to happen to them."""
    there = joined(enrolment, cut - days) / joined(enrolment, cut)
    return there * jnp.exp(-dropout.hazard * days)


__all__ = ["day", "followed", "joined"]
