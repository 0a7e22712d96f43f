"""Average exposure between scans against differential equations, a case worked by hand, and the cards' reference levels."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from vtrial import pk
from vtrial.conduct.exposed import average
from vtrial.library import cards
from vtrial.pk.modes import Modes

EDGES = np.array([0.0, 42.0, 84.0, 100.5, 210.0])


def solved(rates, start, every, size, edges=EDGES):
    """Averages between edges of the concentration whose area is the last state; a bolus of 1 mg into the first."""
    state, now, areas = np.zeros(size), 0.0, []
    doses = set(np.arange(0.0, edges[-1] + 1e-9, every))
    for t in sorted(doses | set(edges)):
        if t > now:
            state = solve_ivp(rates, (now, t), state, "LSODA", rtol=1e-10, atol=1e-14).y[:, -1]
            now = t
        if t in edges:
            areas.append(state[-1])
        if t in doses:
            state[0] += start
    return np.diff(areas) / np.diff(edges)


@pytest.mark.parametrize("every", [7.0, 21.0, 10.5])
def test_two_compartments_by_an_equation_solver(every):
    p = {"CL": 0.676, "V1": 3.127, "Q": 1.534, "V2": 0.66}

    def rates(t, x):
        c, back = x[0] / p["V1"], x[1] / p["V2"]
        return [-p["CL"] * c - p["Q"] * (c - back), p["Q"] * (c - back), c]

    modes = pk.STRUCTURES["two_cmt_iv"].modes({k: np.array([v]) for k, v in p.items()})
    got = average(modes, every, np.array([250.0]), EDGES)[:, 0]
    np.testing.assert_allclose(got, solved(rates, 250.0, every, 3), rtol=1e-7)


def test_tablets_lumped_into_one_mode_miss_by_little():
    """Depot and compartment as they are: beside the lumped mode, a hundredth of the first six weeks, then nothing."""
    p = {"CL": 34.5 * 24, "V1": 1195.0, "KA": 0.62 * 24}

    def rates(t, x):
        return [-p["KA"] * x[0], p["KA"] * x[0] - p["CL"] / p["V1"] * x[1], x[1] / p["V1"]]

    edges = np.array([0.0, 42.0, 84.0])
    modes = pk.STRUCTURES["one_cmt_oral"].modes({k: np.array([v]) for k, v in p.items()})
    got, truth = average(modes, 1.0, np.array([1250.0]), edges)[:, 0], solved(rates, 1250.0, 1.0, 3, edges)
    assert abs(got[0] / truth[0] - 1) < 0.01
    assert abs(got[1] / truth[1] - 1) < 1e-6


def test_one_mode_worked_by_hand():
    """A half-life of a day, 8 mg into 2 L every two days. Levels: 4 to 1; 5 to 1.25; 5.25. Areas: the falls over ln 2."""
    modes = Modes(np.array([[np.log(2)]]), np.array([[1 / 2]]))
    got = average(modes, 2.0, np.array([8.0]), np.array([0.0, 1.0, 2.0, 4.0, 5.0]))[:, 0]
    np.testing.assert_allclose(got * np.log(2), [2.0, 1.0, 3.75 / 2, 5.25 / 2], rtol=1e-12)


@pytest.mark.parametrize(
    ("drug", "every", "mg"),
    # 3.6 mg/kg in 70 kg; the label's dose of a day
    [("tdm1", 21.0, 3.6 * 70), ("lapatinib", 1.0, 1250.0)],
)
def test_the_typical_patient_at_steady_state_has_the_reference(drug, every, mg):
    card = cards.load(drug, "pk")
    modes = pk.STRUCTURES[card.structure].modes({k: np.array([v]) for k, v in card.theta.items()})
    got = average(modes, every, np.array([mg]), np.array([0.0, 210.0, 420.0]))[1, 0]
    reference = cards.load(drug, "efficacy").theta["CREF"]
    print(f"{drug}: {got:.3f} mg/L on average, reference {reference:.3f}")
    np.testing.assert_allclose(got, mg / every / card.theta["CL"], rtol=1e-9)
    np.testing.assert_allclose(got, reference, rtol=0.03)
