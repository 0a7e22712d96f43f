"""Concentrations along lines of event records: one scan over steps, subjects on the last axis."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import STRUCTURES, compartments, linear, ode
from .steady import LINEAR, SATURABLE, settle


class Table(NamedTuple):
    """Lines of steps side by side, padded with steps that do nothing; what `Step` and `Steady` say, subjects last.

    ``out`` (record, subject) is the step that answers a record. The steady states of all subjects lie in one row.
    """

    dt: np.ndarray  # (step, subject)
    record: np.ndarray
    span: np.ndarray  # (2, step, subject)
    cycle: np.ndarray
    keep: np.ndarray
    steady: np.ndarray
    rates: np.ndarray  # (step, compartment, subject)
    add: np.ndarray
    out: np.ndarray
    settled: dict  # name -> (..., steady state), the first one empty

    @property
    def longest(self):
        return max(float(self.dt.max(initial=0.0)), float(self.settled["ii"].max()))


def table(lines):
    """The `Table` of some `Line` objects, one a subject."""
    length, size = max(len(x.steps) for x in lines), lines[0].size
    # lengths are rounded up, so that few programs are compiled
    length = -(-length // 32) * 32
    column = [_columns(x.steps, length, size) for x in lines]
    arrays = {k: np.stack([c[k] for c in column], -1) for k in column[0]}
    offsets = np.cumsum([1, *(len(x.steadies) for x in lines)])[:-1]
    arrays["steady"] = np.where(arrays["steady"] > 0, arrays["steady"] - 1 + offsets, 0)
    return Table(**arrays, out=_answers(lines), settled=_settled(lines, size))


def _columns(steps, length, size):
    pad = length - len(steps)
    zero, none = np.zeros(size), [0.0] * pad
    last = steps[-1].record
    return {
        "dt": np.array([s.dt for s in steps] + none),
        "record": np.array([s.record for s in steps] + [last] * pad),
        "span": np.array([s.span for s in steps] + [(1.0, 1.0)] * pad).T,
        "cycle": np.array([s.cycle for s in steps] + [steps[-1].cycle] * pad, float),
        "keep": np.array([s.keep for s in steps] + [1.0] * pad),
        "steady": np.array([s.steady for s in steps] + [0] * pad),
        "rates": np.array([s.rates for s in steps] + [zero] * pad),
        "add": np.array([s.add for s in steps] + [zero] * pad),
    }


def _answers(lines):
    count = max(sum(s.out >= 0 for s in x.steps) for x in lines)
    found = [[j for j, s in enumerate(x.steps) if s.out >= 0] for x in lines]
    return np.array([f + [f[-1]] * (count - len(f)) for f in found]).T


def _settled(lines, size):
    every = [(i, s) for i, x in enumerate(lines) for s in x.steadies]
    zero = np.zeros((size, 1))
    rows = {k: [getattr(s, k) for _, s in every] for k in ("bolus", "first", "second")}
    out = {k: np.concatenate([zero, np.array(v).reshape(-1, size).T], 1) for k, v in rows.items()}
    out |= {k: np.array([1.0] + [getattr(s, k) for _, s in every]) for k in ("ii", "phase", "width")}
    out["subject"] = np.array([0] + [i for i, _ in every])
    out["record"] = np.array([0] + [s.record for _, s in every])
    return out


def amounts(name, table, parameters, interpolation="nocb", squared=None):
    """Amounts at the records, (record, compartment, subject).

    Parameters
    ----------
    name : str
        A structure.
    table : Table
    parameters : dict
        The structure's parameters at the records, each (record, subject).
    interpolation : str
        Of parameters between records: ``nocb``, those of the record that ends an interval; ``locf``, of the one that
        begins it; ``linear``.
    squared : int, optional
        Squarings of the matrix exponential; found from the parameters, which must then be numbers and not traced.
    """
    first = {k: v[:1] for k, v in parameters.items()}
    if squared is None:
        flows = STRUCTURES[name].flows(parameters | {"CYCLE": jnp.ones_like(next(iter(parameters.values())))})
        squared = compartments.squarings(compartments.largest(flows) * table.longest)
    before = {k: jnp.concatenate([first[k], v[:-1]]) for k, v in parameters.items()}
    return _amounts(name, squared, interpolation, table, parameters, before)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _amounts(name, squared, interpolation, table, after, before):
    structure = STRUCTURES[name]
    begin, end = _on_steps(table, after, before, interpolation)
    move = partial(_move, structure, squared, interpolation == "linear")
    settled = _steady(structure, squared, table, after)

    def step(a, row):
        begin, end, dt, rates, keep, steady, add = row
        a = move(begin, end, a, rates, dt) * keep + settled[:, steady] + add
        return a, a

    rows = begin, end, table.dt, table.rates, table.keep, table.steady, table.add
    start = jnp.zeros((len(structure.COMPARTMENTS), table.dt.shape[1]))
    _, course = jax.lax.scan(step, start, tuple(jax.tree.map(jnp.asarray, r) for r in rows))
    return jnp.take_along_axis(course, jnp.asarray(table.out)[:, None], 0)


def _on_steps(table, after, before, interpolation):
    """Parameters at the beginning and the end of each step, (step, subject)."""
    at = jnp.asarray(table.record)
    a, b = ({k: jnp.take_along_axis(v, at, 0) for k, v in p.items()} for p in (before, after))
    if interpolation == "linear":
        begin, end = ({k: a[k] + w * (b[k] - a[k]) for k in a} for w in table.span)
    else:
        begin = end = b if interpolation == "nocb" else a
    return begin | {"CYCLE": jnp.asarray(table.cycle)}, end | {"CYCLE": jnp.asarray(table.cycle)}


def _move(structure, squared, bent, begin, end, a, rates, dt):
    if linear(structure) and not bent:
        return compartments.advance(structure.flows(begin), a, rates, dt, squared)
    over = jax.vmap(partial(ode.advance, structure), (-1, -1, -1, -1, -1), -1)
    return over(begin, end, a, rates, dt)


def _steady(structure, squared, table, parameters):
    """Steady states, (compartment, steady state), with the parameters of their records."""
    s = {k: jnp.asarray(v) for k, v in table.settled.items()}
    if len(table.settled["ii"]) == 1:
        return jnp.zeros_like(s["bolus"])
    p = {k: v[s["record"], s["subject"]] for k, v in parameters.items()}
    p["CYCLE"] = jnp.ones_like(s["ii"])
    newtons = LINEAR if linear(structure) else SATURABLE
    found = settle(lambda a, rates, dt: _move(structure, squared, False, p, p, a, rates, dt), s, newtons)
    return found.at[:, 0].set(0.0)
