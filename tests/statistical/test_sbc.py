"""Simulation-based calibration of a three-parameter platelet problem (Talts et al. 2018, arXiv:1804.06788).

Parameters are drawn from the prior, the grades of a study of 300 patients from the model, and the posterior is sampled:
ranks of the truth among the draws are uniform only if prior, prediction, likelihood and sampler agree. A likelihood with
another lower limit of normal must be found out. The prediction itself is compared with patients simulated one by one in
test_smooth_hard.py: the 32 quasi-random subjects here would be too few for that.
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
from vtrial.library import problems

FITS, WARMUP, DRAWS, THIN = 128, 80, 84, 2
PROBLEM = problems.load(Path(__file__).parent / "sbc" / "problem.toml")


def studies(bound):
    """Scores of prior draws (fit, parameter), and the grade counts of one study each (fit, category)."""
    rng = np.random.default_rng(20)
    z = rng.normal(size=(FITS, len(PROBLEM.free)))
    any_, g3, g4 = np.asarray(jax.jit(jax.vmap(lambda u: bound.predict(parameters(PROBLEM, u))))(z)).T
    cells = np.stack([1 - any_, any_ - g3 - g4, g3, g4], 1)
    return z, np.stack([rng.multinomial(300, p / p.sum()) for p in cells])


@pytest.fixture(scope="module")
def refit():
    """``(counts, keys) -> draws`` (fit, draw, parameter): all refits in one vmapped run."""
    bound = binding.bind(PROBLEM)
    (target,) = targets.gather(bound.rows)

    def fit(counts, key):
        energy = mode.energy(bound, [dataclasses.replace(target, tables=counts[None])])
        nuts = NUTS(potential_fn=lambda v: energy(v, {}), dense_mass=True, max_tree_depth=4)
        state = nuts.init(key, WARMUP, jnp.zeros(len(PROBLEM.free)), (), {})
        state = jax.lax.fori_loop(0, WARMUP, lambda _, s: nuts.sample(s, (), {}), state)
        _, draws = jax.lax.scan(lambda s, _: ((s := nuts.sample(s, (), {})), s.z), state, length=DRAWS)
        return draws[::THIN]

    return jax.jit(jax.vmap(fit))


def ranks(refit, z, counts):
    """Ranks (fit, parameter) of the truth among ``DRAWS / THIN`` draws."""
    draws = refit(jnp.asarray(counts), jax.random.split(jax.random.PRNGKey(8), FITS))
    return np.asarray((draws < z[:, None]).sum(1))


def worst(found):
    """Smallest p value, over parameters, of the ranks being uniform; half a step of jitter makes them continuous."""
    jitter = np.random.default_rng(1).uniform(size=found.shape)
    return min(kstest(r, "uniform").pvalue for r in ((found + jitter) / (DRAWS // THIN + 1)).T)


@pytest.mark.slow
def test_ranks_are_uniform_and_a_wrong_likelihood_is_found_out(refit):
    bound = binding.bind(PROBLEM)
    # 99 % simultaneously over the three parameters
    envelope = 0.01 / len(PROBLEM.free)
    assert worst(ranks(refit, *studies(bound))) > envelope
    # studies graded by another lower limit of normal than the likelihood's
    setting = dataclasses.replace(bound.settings["sbc", "tdm1"], limits=limits("v5", "platelets", 120.0))
    other = dataclasses.replace(bound, settings={("sbc", "tdm1"): setting})
    assert worst(ranks(refit, *studies(other))) < envelope
