"""Any structure by a stiff solver: what is not linear, and what changes within an interval.

Kvaerno's fifth-order implicit method with adaptive steps (diffrax). An interval has constant inputs, so that every step is
clipped at the events by construction.
"""

import diffrax
import jax.numpy as jnp

RTOL, ATOL, STEPS = 1e-9, 1e-11, 4096


def advance(structure, begin, end, amounts, rates, dt):
    """Amounts after ``dt`` under constant inputs, parameters moving in a straight line from ``begin`` to ``end``.

    Parameters
    ----------
    structure : module
        Of the table of structures.
    begin, end : dict
        Parameters, each a number (one subject).
    amounts, rates : array (compartment,)
    dt : number
    """

    def field(s, a, _):
        p = {k: begin[k] + s * (end[k] - begin[k]) for k in begin}
        change = (structure.flows(p) * a).sum(1) + rates
        if hasattr(structure, "slope"):
            change = change + structure.slope(p, a)
        return change * dt

    size = jnp.maximum(jnp.max(jnp.abs(amounts)), jnp.sum(rates) * dt)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        diffrax.Kvaerno5(),
        t0=0.0,
        t1=1.0,
        dt0=None,
        y0=amounts,
        stepsize_controller=diffrax.PIDController(rtol=RTOL, atol=ATOL * jnp.where(size > 0, size, 1.0)),
        max_steps=STEPS,
        throw=False,
    )
    # a subject that could not be integrated is NaN, and counted by who asks
    return jnp.where(solution.result == diffrax.RESULTS.successful, solution.ys[-1], jnp.nan)
