"""Linear compartments: amounts under constant inputs, by the matrix exponential of nonnegative terms.

A linear structure is ``dA/dt = K A + R`` with flows between compartments: off the diagonal K is never negative. Shifted
by its largest loss m, ``exp(K t) = exp(-m t) exp((K + m I) t)`` sums and squares only nonnegative numbers: every entry
keeps its relative accuracy, however small (Xue and Ye, Numer Math 2013;124:543), equal rates need no special case, and
derivatives are those of a polynomial. Scaled and squared Taylor terms, subjects on the last axis.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

# After scaling no entry of a row adds up to more than one: the first term left out is below 1e-16.
TERMS = 18


def squarings(largest):
    """How many squarings serve a largest column sum times interval of ``largest``, in steps of four (each compiles anew)."""
    need = max(0, math.ceil(math.log2(largest))) if np.isfinite(largest) and largest > 1 else 0
    return -(-need // 4) * 4


def largest(flows):
    """The largest sum of absolute flows out of or into a compartment, over everything: what `squarings` asks for."""
    return float(jnp.max(jnp.abs(flows).sum(0))) if flows.size else 0.0


def advance(flows, amounts, rates, dt, squared):
    """Amounts after ``dt`` under constant input ``rates``. Exact.

    Parameters
    ----------
    flows : array (compartment, compartment, subject)
        K, per time: ``flows[i, j]`` from j to i, losses on the diagonal.
    amounts, rates : array (compartment, subject)
    dt : array (subject,)
    squared : int
        Squarings, of `squarings`.
    """
    # the input is one more compartment that never empties, of a size that keeps the matrix small
    pool = jnp.sum(rates, 0) * dt
    pool = jnp.where(pool > 0, pool, 1.0)
    wide = jnp.concatenate([flows * dt, (rates * dt / pool)[:, None]], 1)
    move = exponential(jnp.concatenate([wide, jnp.zeros_like(wide[:1])]), squared)
    state = jnp.concatenate([amounts, pool[None]])
    return (move * state[None]).sum(1)[:-1]


def exponential(matrix, squared):
    """exp of (n, n, subject) matrices with nonnegative entries off the diagonal."""
    scaled = matrix / 2.0**squared
    eye = jnp.eye(len(matrix))[:, :, None]
    shift = jnp.max(-jnp.diagonal(scaled).T, 0)
    terms = _taylor(scaled + shift * eye, eye) * jnp.exp(-shift)
    return jax.lax.fori_loop(0, squared, lambda _, e: _product(e, e), terms)


def _taylor(a, eye):
    total = eye * jnp.ones_like(a)
    for k in range(TERMS, 0, -1):
        total = eye + _product(a, total) / k
    return total


def _product(a, b):
    return (a[:, :, None] * b[None]).sum(1)


def matrix(size, flows):
    """(size, size, ...) from ``flows``, (to, from) -> rate constant; ``to`` None leaves the body."""
    zero = 0.0 * sum(flows.values())
    k = [[zero] * size for _ in range(size)]
    for (to, source), rate in flows.items():
        k[source][source] = k[source][source] - rate
        if to is not None:
            k[to][source] = k[to][source] + rate
    return jnp.stack([jnp.stack(row) for row in k])


def mammillary(p, first=0):
    """Flows of a central compartment, number ``first``, with as many peripheral ones as ``p`` has volumes.

    CL, V1; Q, V2; Q3, V3 (NONMEM's TRANS4).
    """
    flows = {(None, first): p["CL"] / p["V1"]}
    for at, (q, v) in enumerate((("Q", "V2"), ("Q3", "V3")), first + 1):
        if q in p:
            flows |= {(at, first): p[q] / p["V1"], (first, at): p[q] / p[v]}
    return flows
