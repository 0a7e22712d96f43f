"""Modes of intravenous dispositions against the matrix exponential, over four orders of magnitude of every parameter."""

import numpy as np
import pytest
from scipy.linalg import expm

from vtrial import pk


@pytest.mark.parametrize("name", ["one_cmt_iv", "two_cmt_iv", "three_cmt_iv"])
def test_modes_are_the_bolus_response(name):
    structure, rng = pk.STRUCTURES[name], np.random.default_rng(1)
    p = {k: 10 ** rng.uniform(-2, 2, 200) for k in structure.PARAMETERS}
    modes, rates = structure.modes(p), np.asarray(structure.flows(p))
    weight, rate = np.asarray(modes.weight), np.asarray(modes.rate)
    assert (np.diff(rate, axis=0) <= 0).all() and (rate > 0).all()
    for i in range(200):
        for t in (0.01, 0.5, 7.0):
            amount = expm(rates[..., i] * t)[0, 0]
            mine = p["V1"][i] * (weight[:, i] * np.exp(-rate[:, i] * t)).sum()
            assert mine == pytest.approx(amount, rel=1e-7, abs=1e-10)


def test_a_kpd_driver_s_exposure_is_its_emptying_rate():
    structure, kde = pk.STRUCTURES["kpd"], np.array([0.1, 3.0])
    modes = structure.modes({"KDE": kde})
    # the whole of a dose leaves, over a nominal clearance of 1 L/day
    assert (modes.weight / modes.rate).sum(0) == pytest.approx(1.0)
    assert modes.rate[0] == pytest.approx(kde)
