"""Subjects in order of time within strata, and sums over those at risk and over those tied; what every method here needs.

Positions are of the sorted subjects. Subjects of no weight come last in their stratum, at time infinity.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax


class Order(NamedTuple):
    """``index`` of the subject at each position; ``start`` and ``end``: positions of the first and last of its tied group;
    ``close``: of the last of its stratum (None: there is one stratum). All (..., subject)."""

    index: jnp.ndarray
    start: jnp.ndarray
    end: jnp.ndarray
    close: jnp.ndarray | None


def align(time, *others):
    """``time`` as floating point, the others broadcast to it; None stays None."""
    time = jnp.asarray(time)
    given = [None if o is None else jnp.asarray(o) for o in (time.astype(jnp.result_type(time, float)), *others)]
    shape = jnp.broadcast_shapes(*(o.shape for o in given if o is not None))
    return [None if o is None else jnp.broadcast_to(o, shape) for o in given]


def order(time, weight, stratum=None, strata=1) -> Order:
    """The order by time within strata, and where tied groups and strata begin and end."""
    time = time if weight is None else jnp.where(weight.astype(bool), time, jnp.inf)
    index = _by_time(time)
    if stratum is None or strata == 1:
        return Order(index, *_bounds(_changes(take(time, index))), None)
    place = jnp.arange(time.shape[-1], dtype=jnp.int32)
    # one key a subject, so that a second sort of integers keeps the order of time in each stratum
    key = lax.sort(take(stratum, index).astype(jnp.int32) * len(place) + place, is_stable=False)
    index = take(index, key % len(place))
    new = _changes(key // len(place))
    return Order(index, *_bounds(new | _changes(take(time, index))), _bounds(new)[1])


def _by_time(time):
    # as integers of the same order, which the compiler sorts at twice the speed of floating-point numbers
    kind = jnp.dtype(f"int{8 * time.dtype.itemsize}")
    bits = lax.bitcast_convert_type(time + 0.0, kind)  # + 0.0: no negative zero
    key = jnp.where(bits < 0, bits ^ jnp.iinfo(kind).max, bits)
    place = lax.broadcasted_iota(jnp.int32, time.shape, time.ndim - 1)
    return lax.sort((key, place), num_keys=1)[1]


def _changes(value):
    """Positions where the value is not the one before."""
    first = jnp.ones((*value.shape[:-1], 1), bool)
    return jnp.concatenate([first, value[..., 1:] != value[..., :-1]], -1)


def _bounds(first):
    """Positions of the first and of the last of each position's group."""
    n = first.shape[-1]
    place = jnp.arange(n, dtype=jnp.int32)
    last = jnp.concatenate([first[..., 1:], jnp.ones_like(first[..., :1])], -1)
    start = lax.cummax(jnp.where(first, place, 0), first.ndim - 1)
    return start, lax.cummin(jnp.where(last, place, n - 1), first.ndim - 1, reverse=True)


def take(value, index):
    """Values (..., subject) at positions; the value may have more leading axes."""
    return jnp.take_along_axis(value, index.reshape((1,) * (value.ndim - index.ndim) + index.shape), -1)


def at_risk(order: Order, value):
    """Sum over the subjects of the stratum who are under observation at each position's time, ties included."""
    total = lax.cumsum(value, value.ndim - 1, reverse=True)
    sum_ = take(total, order.start)
    if order.close is None:
        return sum_
    after = jnp.concatenate([total[..., 1:], jnp.zeros_like(total[..., :1])], -1)
    return sum_ - take(after, order.close)


def before(order: Order, value):
    """Sum over those before each position in its tied group."""
    total = lax.cumsum(value, value.ndim - 1) - value
    return total - take(total, order.start)


def among(order: Order, value):
    """Sum over each position's tied group."""
    return take(before(order, value) + value, order.end)


def first(order: Order):
    """Whether each position is the first of its tied group: one a distinct time and stratum."""
    return order.start == jnp.arange(order.start.shape[-1])


__all__ = ["Order", "align", "among", "at_risk", "before", "first", "order", "take"]
