"""What moves the chains: the single-precision pullback, the step size, and the directions of the quasi-random subjects."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from vtrial.calibrate import bound as binding
from vtrial.calibrate import sample
from vtrial.calibrate.single import single
from vtrial.endpoints import cohort, smooth
from vtrial.endpoints.calm import calm
from vtrial.library import problems

CONSTANT = np.linspace(0.0, 1.0, 7)


def curve(x):
    return jnp.sin(x["a"]) * jnp.asarray(CONSTANT) + x["b"] ** 2


def test_the_value_is_unchanged_and_the_pullback_single():
    x = {"a": jnp.float64(0.3), "b": jnp.float64(1.7)}
    slope = jnp.arange(7.0)
    value, pull = jax.vjp(single(curve), x)
    exact, exactly = jax.vjp(curve, x)
    assert np.array_equal(value, exact)
    for name in x:
        (got,), (wanted,) = pull(slope), exactly(slope)
        assert got[name].dtype == jnp.float64
        assert float(got[name]) == pytest.approx(float(wanted[name]), rel=1e-5)
        assert float(got[name]) == float(jnp.float32(got[name]))


def test_no_double_precision_is_left_in_a_problems_pullback():
    """Or the pullback would be as slow as before: between the inputs and the answer there is no array of doubles."""
    bound = binding.bind(problems.load("platelets-tdm1"), subjects=16)
    values = problems.internal(bound.problem.free, {f.name: jnp.float64(f.median) for f in bound.problem.free})
    predict = smooth.predictor(bound.settings, bound.rows, bound.cohort, calm)
    predicted, pull = jax.vjp(single(predict), values)
    program = str(jax.make_jaxpr(pull)(jnp.ones_like(predicted)))
    assert "f32[" in program
    assert not re.findall(r"f64\[[\d,]*16\]", program)
    (got,), (wanted,) = pull(jnp.ones_like(predicted)), jax.vjp(predict, values)[1](jnp.ones_like(predicted))
    for name, slope in wanted.items():
        assert float(got[name]) == pytest.approx(float(slope), rel=1e-3, abs=1e-4 * abs(float(slope)) + 1e-6)


def test_the_step_for_an_acceptance():
    """By the formula itself: a step that accepts 2 Phi(-c h^2) is turned into the one that accepts what is wanted."""
    accepts = lambda h: 2 * norm.cdf(-0.9 * h**2)  # noqa: E731
    for h in (0.3, 0.4, 0.6):
        assert accepts(sample.step_for(0.8, h, accepts(h))) == pytest.approx(0.8)
    assert sample.step_for(0.8, 0.1, 1.0) == 0.2
    assert sample.step_for(0.8, 0.1, 0.0) == 0.05


def test_directions_are_a_rotation_led_by_what_is_most_sensitive():
    rng = np.random.default_rng(2)
    sensitivity = np.outer(rng.normal(size=9), [3.0, 0, 4.0, 0, 0]) + 0.1 * np.outer(rng.normal(size=9), [0, 1.0, 0, 0, 0])
    turn = cohort.directions(sensitivity)
    np.testing.assert_allclose(turn @ turn.T, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(turn[:, 0], [0.6, 0, 0.8, 0, 0], atol=0.01)
    np.testing.assert_allclose(sensitivity @ turn[:, 2:], 0, atol=1e-12)
    size = np.linalg.norm(sensitivity @ turn, axis=0)
    assert (np.diff(size) <= 1e-12).all()


def test_quasi_random_subjects_are_still_standard_normal():
    scores = binding.bind(problems.load("platelets-tdm1"), subjects=512).cohort.scores
    for name, z in scores.items():
        if name != "eta.CIRC0":
            assert abs(z.mean()) < 0.02, name
            assert z.std() == pytest.approx(1, abs=0.03), name
    one, two = scores["eta.SLOPE"], scores["eta.MTT"]
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.05
