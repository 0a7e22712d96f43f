"""The course of a cohort: a scan over days carrying PK amounts and effect state, subjects on the last axis."""

import jax
import jax.numpy as jnp

from .. import pk, toxicity
from ..pk import modes as pkmodes


def course(pk_structure, fx_structure, p, q, dose, every, cycles, infusion, watch):
    """Effect on the days ``watch`` of each cycle, as a multiple of baseline: (cycle, watch, subject).

    Parameters
    ----------
    pk_structure, fx_structure : str
        Names of structures.
    p, q : dict
        PK and effect parameters, each (subject,).
    dose : (subject,)
        mg, given at the start of every cycle over ``infusion`` days.
    every, cycles : int
        Days a cycle, number of cycles.
    watch : tuple of int
        Days of a cycle, 2 to ``every + 1``; day ``d`` is the count ``d - 1`` days after the dose.
    """
    fx = toxicity.STRUCTURES[fx_structure]
    modes = pk.STRUCTURES[pk_structure].modes(p)
    step = fx.prepare(q, modes, 1.0, infusion)
    keep = jnp.exp(-modes.rate)
    gain = pkmodes.advance(modes, jnp.zeros_like(modes.rate), 1.0, 1.0 / infusion, 0.0, infusion)

    def day(carry, amount):
        c, state = carry
        state = fx.advance(step, state, c, amount * dose)
        # one day's decay and gain are the same every day
        return (c * keep + gain * (amount * dose), state), fx.circulating(state)

    plan = jnp.tile(jnp.zeros(every).at[0].set(1.0), cycles)
    # the reverse pass recomputes a day instead of storing it: 2.5 times faster, and small
    _, counts = jax.lax.scan(jax.checkpoint(day), (jnp.zeros_like(modes.rate), fx.start(q)), plan)
    return counts.reshape(cycles, every, -1)[:, jnp.array([d - 2 for d in watch])]
