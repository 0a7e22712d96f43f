"""Simulation-based calibration of a three-parameter platelet problem (Talts et al. 2018, arXiv:1804.06788).

Parameters are drawn from the prior, a study of 300 patients is *hard-simulated* patient by patient, and the posterior is
sampled with the *smooth* likelihood: ranks of the truth among the draws are uniform only if prior, simulator, smooth
expectations, likelihood and sampler agree. A likelihood with another lower limit of normal must be found out.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.infer import NUTS
from scipy.stats import kstest

from vtrial.calibrate import bound as binding
from vtrial.calibrate import mode, targets
from vtrial.calibrate.model import parameters
from vtrial.conduct.grading import limits
from vtrial.endpoints import replicate
from vtrial.library import problems

FITS, WARMUP, DRAWS, THIN = 128, 120, 126, 2
PROBLEM = problems.load(Path(__file__).parent / "sbc" / "problem.toml")


@pytest.fixture(scope="module")
def truth():
    """Scores of prior draws (fit, parameter), and the grade counts of one study each (fit, category)."""
    rng = np.random.default_rng(20)
    z = rng.normal(size=(FITS, len(PROBLEM.free)))
    values = parameters(PROBLEM, z.T)
    bound = binding.bind(PROBLEM)
    setting = bound.settings["sbc", "tdm1"]
    wanted = problems.internal(PROBLEM.free, values)
    stats = replicate.statistics(setting, bound.rows, wanted, jax.random.key(4), replicates=FITS)["rows"]
    any_, g3, g4 = np.round(300 * stats).astype(int).T
    return z, np.stack([300 - any_, any_ - g3 - g4, g3, g4], 1)


def ranks(truth, bound):
    """Ranks (fit, parameter) of the truth among ``DRAWS / THIN`` draws, all refits in one vmapped run."""
    z, counts = truth
    (target,) = targets.gather(bound.rows)

    def fit(counts, key):
        energy = mode.energy(bound, [dataclasses.replace(target, tables=counts[None])])
        nuts = NUTS(potential_fn=lambda v: energy(v, {}), dense_mass=True, max_tree_depth=4)
        state = nuts.init(key, WARMUP, jnp.zeros(len(PROBLEM.free)), (), {})
        state = jax.lax.fori_loop(0, WARMUP, lambda _, s: nuts.sample(s, (), {}), state)
        _, draws = jax.lax.scan(lambda s, _: ((s := nuts.sample(s, (), {})), s.z), state, length=DRAWS)
        return draws[::THIN]

    keys = jax.random.split(jax.random.PRNGKey(8), FITS)
    draws = jax.jit(jax.vmap(fit))(jnp.asarray(counts), keys)
    return np.asarray((draws < z[:, None]).sum(1))


def worst(found):
    """Smallest p value, over parameters, of the ranks being uniform; half a step of jitter makes them continuous."""
    jitter = np.random.default_rng(1).uniform(size=found.shape)
    return min(kstest(r, "uniform").pvalue for r in ((found + jitter) / (DRAWS // THIN + 1)).T)


@pytest.mark.slow
def test_ranks_are_uniform_and_a_wrong_likelihood_is_found_out(truth):
    bound = binding.bind(PROBLEM)
    # 99 % simultaneously over the three parameters
    envelope = 0.01 / len(PROBLEM.free)
    assert worst(ranks(truth, bound)) > envelope
    setting = bound.settings["sbc", "tdm1"]
    wrong = dataclasses.replace(setting, limits=limits("v5", "platelets", 120.0))
    bound = dataclasses.replace(bound, settings={("sbc", "tdm1"): wrong})
    assert worst(ranks(truth, bound)) < envelope
