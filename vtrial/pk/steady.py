"""Steady states of repeated doses: the amounts that a dosing cycle brings back."""

import jax
import jax.numpy as jnp

# Newton steps: a linear cycle needs one and a second for rounding; saturable ones converge quadratically.
LINEAR, SATURABLE = 2, 12


def settle(advance, cycle, newtons):
    """Amounts in steady state at a phase of the dosing cycle.

    Parameters
    ----------
    advance : callable
        ``advance(amounts, rates, dt)``, (compartment, state).
    cycle : dict
        ``ii``, ``phase``, ``width`` (state,), ``bolus``, ``first``, ``second`` (compartment, state), as in
        `timeline.Steady`.
    newtons : int
        `LINEAR` or `SATURABLE`.

    Returns
    -------
    array (compartment, state)
        NaN where no steady state is reached.
    """

    def until(a, time):
        """From just before a dose to ``time`` after it."""
        width = jnp.minimum(cycle["width"], time)
        return advance(advance(a + cycle["bolus"], cycle["first"], width), cycle["second"], time - width)

    def newton(a, _):
        return a + _correction(lambda x: until(x, cycle["ii"]), a), None

    start = until(jnp.zeros_like(cycle["bolus"]), cycle["ii"])
    a, _ = jax.lax.scan(newton, start, length=newtons)
    # one more, so that derivatives are those of the fixed point
    trough = newton(jax.lax.stop_gradient(a), None)[0]
    return jnp.where(cycle["phase"] < cycle["ii"], until(trough, cycle["phase"]), trough)


def _correction(cycle, a):
    """The Newton step of ``cycle(a) = a``, its slope by differences: exact where the cycle is linear."""
    base = cycle(a)
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(base), 0)) * 1e-4 + 1e-12
    bumps = [cycle(a + size * unit[:, None]) for unit in jnp.eye(len(a))]
    slope = jax.lax.stop_gradient(jnp.stack([(b - base) / size for b in bumps], 1))
    left = jnp.eye(len(a))[:, :, None] - slope
    return jnp.linalg.solve(left.transpose(2, 0, 1), (base - a).T[..., None])[..., 0].T
