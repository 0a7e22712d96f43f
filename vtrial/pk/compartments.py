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
    """How many squarings serve a largest loss times interval of ``largest``, in steps of four (compiled for each)."""
    need = max(0, math.ceil(math.log2(largest))) if np.isfinite(largest) and largest > 1 else 0
    return -(-need // 4) * 4


def advance(flows, amounts, rates, dt, squared):
    """Amounts after ``dt`` under constant input ``rates``.

    Parameters
    ----------
    flows : array (compartment, compartment, subject)
        K, per time: ``flows[i, j]`` from j to i, losses on the diagonal.
    amounts, rates : array (compartment, subject)
    dt : array (subject,)
    squared : int
        Squarings, of `squarings`.
    """
    move = exponential(_with_input(flows, rates) * dt, squared)
    state = jnp.concatenate([amounts, jnp.ones_like(amounts[:1])])
    return (move * state[None]).sum(1)[:-1]


def _with_input(flows, rates):
    """K with the input as a last column, which a constant one feeds."""
    wide = jnp.concatenate([flows, rates[:, None]], 1)
    return jnp.concatenate([wide, jnp.zeros_like(wide[:1])])


def exponential(matrix, squared):
    """exp of (n, n, subject) matrices with nonnegative entries off the diagonal."""
    n = len(matrix)
    scaled = matrix / 2.0**squared
    shift = jax.lax.stop_gradient(jnp.max(-jnp.diagonal(scaled).T, 0))
    eye = jnp.eye(n)[:, :, None]
    terms = _taylor(scaled + shift * eye, eye) * jnp.exp(-shift)
    return jax.lax.fori_loop(0, squared, lambda _, e: _product(e, e), terms)


def _taylor(a, eye):
    total = eye * jnp.ones_like(a)
    for k in range(TERMS, 0, -1):
        total = eye + _product(a, total) / k
    return total


def _product(a, b):
    return (a[:, :, None] * b[None]).sum(1)


def losses(flows):
    """The largest loss of each subject, (subject,)."""
    return jnp.max(-jnp.diagonal(flows).T, 0)


def matrix(size, flows, like):
    """(size, size, ...) from ``flows``: (to, from) -> rate constant; ``to`` None leaves the body, (to, None) feeds nothing.

    A flow takes from its compartment and gives to another.
    """
    zero = jnp.zeros_like(like)
    k = [[zero] * size for _ in range(size)]
    for (to, source), rate in flows.items():
        k[source][source] = k[source][source] - rate
        if to is not None:
            k[to][source] = k[to][source] + rate
    return jnp.stack([jnp.stack(row) for row in k])
