"""Chains come in from where they start, and then all take the draws' step."""

import jax.numpy as jnp
import numpy as np
from scipy.integrate import quad

from vtrial.calibrate import sample, warp

STEEP, SIZE, STEP = 50.0, 6, 0.2


def energy(u):
    """A well whose walls are steep: at three deviations a step above 0.03 is unstable, near the bottom 0.2 is fine."""
    return jnp.sum(u**2 / 2 + STEEP * u**4)


def variance():
    weight = lambda x: np.exp(-(x**2) / 2 - STEEP * x**4)  # noqa: E731
    return quad(lambda x: x**2 * weight(x), -3, 3)[0] / quad(weight, -3, 3)[0]


def run(folder):
    flat = warp.straight(np.zeros(SIZE), np.eye(SIZE))
    return sample.chains(energy, flat, count=4, warmup=40, draws=400, seed=1, folder=folder, step=STEP, spread=3.0)


def test_no_chain_stays_where_it_started_and_draws_share_a_step(tmp_path):
    u, stats = run(tmp_path)
    assert (stats["step_size"] == STEP).all()
    moments = (u**2).mean((1, 2))  # by chain, of 2400 numbers: within five of their errors
    np.testing.assert_allclose(moments, variance(), rtol=5 * np.sqrt(2 / 2400))
    again, known = run(tmp_path)  # from the checkpoints
    assert np.array_equal(again, u) and all(np.array_equal(known[k], stats[k]) for k in stats)
