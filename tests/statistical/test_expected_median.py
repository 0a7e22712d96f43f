"""The median that the smooth look predicts against medians of sampled trials whose progressions come at scans."""

import jax
import numpy as np
import pytest
from scipy.stats import norm

from vtrial.endpoints import survival
from vtrial.endpoints.outcome import rows

PATIENTS, TRIALS, GAP, SCATTER, JOINED, CUT = 250, 4000, 42.0, 5.0, 400.0, 700.0
DAYS = np.arange(0.0, CUT + 7, 7)
FOLLOWED = PATIENTS * np.clip((CUT - (DAYS[1:] + DAYS[:-1]) / 2) / JOINED, 0.0, 1.0)
# Of the deviation of one trial's median: what a normal curve above and below a half leaves out.
PART = 0.15


def curve(hazard):
    """Share whose progression no scan has shown, by `DAYS`."""
    scans = np.arange(1, 40)
    shares = np.exp(-hazard * GAP * (scans - 1)) * -np.expm1(-hazard * GAP)
    return 1 - norm.cdf((DAYS[:, None] - GAP * scans) / SCATTER) @ shares


def sampled(hazard):
    rng = np.random.default_rng(5)
    size = TRIALS, PATIENTS
    seen = np.ceil(rng.exponential(1 / hazard, size) / GAP) * GAP + SCATTER * rng.normal(size=size)
    left = CUT - JOINED * rng.uniform(size=size)
    found = survival.median(survival.curve(np.minimum(seen, left), seen <= left, np.ones(size, bool)))
    return np.minimum(np.asarray(found), CUT)


def expected(hazard):
    return rows.median(DAYS, curve(hazard), FOLLOWED)


@pytest.mark.parametrize("half", [120.0, 150.0, 168.0, 180.0, 300.0])
def test_the_mean_of_sampled_medians(half):
    hazard, many = np.log(2) / half, sampled(np.log(2) / half)
    assert abs(float(expected(hazard)) - many.mean()) < (4 / np.sqrt(TRIALS) + PART) * many.std()


def test_it_does_not_leap_from_scan_to_scan():
    """Where the curve itself passes a half on the flat between two scans, its own crossing leaps by weeks."""
    hazards = np.log(2) / np.linspace(140.0, 240.0, 400)
    found = np.array([float(expected(h)) for h in hazards])
    assert (np.diff(found) > 0).all() and np.diff(found).max() < 4 * np.diff(found).mean()


def test_its_slope():
    with jax.enable_x64(True):
        one = lambda share: rows.median(DAYS, curve(0.004) ** share, FOLLOWED)  # noqa: E731
        sides = [float(one(1 + s)) for s in (1e-5, -1e-5)]
        np.testing.assert_allclose(float(jax.grad(one)(1.0)), (sides[0] - sides[1]) / 2e-5, rtol=1e-5)


def test_a_curve_that_never_passes_a_half_is_followed_to_its_end():
    assert float(rows.median(DAYS, np.linspace(1.0, 0.9, len(DAYS)), FOLLOWED)) == pytest.approx(DAYS[-1], rel=1e-3)
