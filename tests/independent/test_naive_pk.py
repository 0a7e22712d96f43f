"""The naive simulator of dosing records against textbook closed forms, so that what judges the engine is itself anchored."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

CL, V, KA = 1.1, 20.0, 1.5
K = CL / V
IV, ORAL = {"CL": CL, "V1": V}, {"CL": CL, "V1": V, "KA": KA}
TIMES = np.array([0.0, 0.5, 1.37, 2.9, 6.0, 11.83, 23.5, 24.0, 25.1, 30.7, 48.0, 50.25, 72.0, 96.4])
PAST = np.arange(600)  # doses enough for any sum below: exp(-K * 600 * 8) is nothing


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NAIVE = load("naive_pk")
SCENARIOS = load("scenarios").SCENARIOS


def course(*doses, times=TIMES):
    """Doses first, then observations, by time."""
    return sorted([*doses, *({"TIME": float(t), "EVID": 0} for t in times)], key=lambda r: r["TIME"])


def dose(time, amount=100, evid=1, **items):
    return {"TIME": time, "EVID": evid, "AMT": amount, **items}


def simulated(structure, parameters, *doses, times=TIMES):
    """Concentrations at the observations."""
    records = course(*doses, times=times)
    values = NAIVE.simulate(structure, records, parameters)
    return np.array([v for v, r in zip(values, records, strict=True) if r["EVID"] == 0])


def agree(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


# --- closed forms: concentration at time t after one dose, 0 before it -------------------------------------------------


def bolus(t, amount=100.0):
    return np.where(t >= 0, amount / V * np.exp(-K * np.maximum(t, 0)), 0.0)


def infusion(t, rate, duration):
    t = np.maximum(t, 0)
    return rate / CL * (1 - np.exp(-K * np.minimum(t, duration))) * np.exp(-K * np.maximum(t - duration, 0))


def bateman(t, amount=100.0, ka=KA):
    t = np.maximum(t, 0)
    return amount * ka / (V * (ka - K)) * (np.exp(-K * t) - np.exp(-ka * t))


# --- single and repeated doses ---------------------------------------------------------------------------------------


def test_bolus_multiple_dosing():
    expected = sum(bolus(TIMES - 24 * k) for k in range(4))
    agree(simulated("one_cmt_iv", IV, dose(0, ADDL=3, II=24)), expected)
    agree(simulated("one_cmt_iv", IV, *(dose(24 * k) for k in range(4))), expected)


def test_infusion():
    expected = sum(infusion(TIMES - 24 * k, 10, 10) for k in range(3))
    agree(simulated("one_cmt_iv", IV, dose(0, RATE=10, ADDL=2, II=24)), expected)


def test_what_f_scales():
    agree(simulated("one_cmt_iv", IV | {"F1": 0.6}, dose(0)), bolus(TIMES, 60))
    agree(simulated("one_cmt_iv", IV | {"F1": 0.6}, dose(0, RATE=10)), infusion(TIMES, 10, 6))
    agree(simulated("one_cmt_iv", IV | {"F1": 0.6, "R1": 8}, dose(0, RATE=-1)), infusion(TIMES, 8, 7.5))
    agree(simulated("one_cmt_iv", IV | {"F1": 0.6, "D1": 5}, dose(0, RATE=-2)), infusion(TIMES, 12, 5))


def test_bateman_with_lag_and_f():
    expected = sum(bateman(TIMES - 24 * k - 1.37, 70) for k in range(4))
    agree(simulated("one_cmt_oral", ORAL | {"ALAG1": 1.37, "F1": 0.7}, dose(0, ADDL=3, II=24)), expected)


def test_confluent_bateman():
    expected = 100 / V * K * TIMES * np.exp(-K * TIMES)
    agree(simulated("one_cmt_oral", IV | {"KA": K}, dose(0)), expected)


def test_dose_into_central_of_the_oral_model():
    expected = bolus(TIMES - 6, 40) + bateman(TIMES - 6)
    agree(simulated("one_cmt_oral", ORAL, dose(6), dose(6, 40, CMT=2)), expected)


def test_two_compartments():
    k10, k12, k21 = 1.1 / 20, 2.3 / 20, 2.3 / 31
    b, c = k10 + k12 + k21, k10 * k21
    fast, slow = (b + np.sqrt(b * b - 4 * c)) / 2, (b - np.sqrt(b * b - 4 * c)) / 2
    coefficients = ((fast - k21) / (fast - slow), fast), ((k21 - slow) / (fast - slow), slow)
    parameters = IV | {"Q": 2.3, "V2": 31.0}
    agree(simulated("two_cmt_iv", parameters, dose(0)), 100 / V * sum(a * np.exp(-s * TIMES) for a, s in coefficients))
    oral = sum(a * KA / (KA - s) * (np.exp(-s * TIMES) - np.exp(-KA * TIMES)) for a, s in coefficients)
    agree(simulated("two_cmt_oral", parameters | {"KA": KA}, dose(0)), 100 / V * oral)


def test_three_compartments_with_equal_peripherals_are_two():
    """Two equal peripherals are one of twice the volume and twice the clearance; and a third that nothing enters is none."""
    two = simulated("two_cmt_oral", ORAL | {"Q": 4.6, "V2": 62.0}, dose(0, RATE=20, ADDL=2, II=24))
    three = ORAL | {"Q": 2.3, "V2": 31.0, "Q3": 2.3, "V3": 31.0}
    agree(simulated("three_cmt_oral", three, dose(0, RATE=20, ADDL=2, II=24)), two)
    agree(
        simulated("three_cmt_oral", ORAL | {"Q": 4.6, "V2": 62.0, "Q3": 0.0, "V3": 1.0}, dose(0, RATE=20, ADDL=2, II=24)), two
    )


def test_three_compartments_by_laplace():
    """Residues of the transfer function: C(t) = D/V sum of (s + k21)(s + k31) / P'(s) exp(s t) over the roots s of P."""
    p = IV | {"Q": 2.3, "V2": 31.0, "Q3": 0.35, "V3": 64.0}
    k10, k12, k21, k13, k31 = CL / V, 2.3 / V, 2.3 / 31, 0.35 / V, 0.35 / 64
    with_2, with_3 = np.polymul([1, k12 + k10 + k13], [1, k21]), [1, k31]
    bottom = np.polymul(with_2, with_3)
    bottom = np.polysub(bottom, k12 * k21 * np.array(with_3))
    bottom = np.polysub(bottom, k13 * k31 * np.array([1, k21]))
    roots = np.roots(bottom)
    weights = np.polyval(np.polymul([1, k21], [1, k31]), roots) / np.polyval(np.polyder(bottom), roots)
    agree(simulated("three_cmt_iv", p, dose(0)), 100 / V * np.exp(np.outer(TIMES, roots)) @ weights)


# --- steady state ----------------------------------------------------------------------------------------------------


def test_steady_state_bolus():
    at = simulated("one_cmt_iv", IV, dose(0, SS=1, II=24), times=TIMES)
    agree(at, 100 / V * np.exp(-K * TIMES) / (1 - np.exp(-K * 24)))


def test_steady_state_oral():
    """The accumulated Bateman function (any pharmacokinetics textbook), within and after the interval."""
    expected = (
        100 * KA / (V * (KA - K)) * (np.exp(-K * TIMES) / (1 - np.exp(-24 * K)) - np.exp(-KA * TIMES) / (1 - np.exp(-24 * KA)))
    )
    agree(simulated("one_cmt_oral", ORAL, dose(0, SS=1, II=24)), expected)


def test_steady_state_infusion():
    """10 h of 24: the trough is rate/CL (exp(K T) - 1) exp(-K tau) / (1 - exp(-K tau))."""
    trough = 10 / CL * (np.exp(K * 10) - 1) * np.exp(-K * 24) / (1 - np.exp(-K * 24))
    expected = infusion(TIMES, 10, 10) + trough * np.exp(-K * TIMES)
    agree(simulated("one_cmt_iv", IV, dose(0, RATE=10, SS=1, II=24)), expected)


@pytest.mark.parametrize("lag", [0.0, 7.1, 12.0])
@pytest.mark.parametrize("rate", [20.0, 3.0, 100 / 24, 100 / 36, 1.3])
def test_steady_state_infusion_of_any_length(rate, lag):
    """By hand: every dose of the past, whatever its length; those still running at the record run on."""
    t = TIMES[:, None] - lag + 12 * PAST  # the dose of the record (0) and those before it
    expected = infusion(t, rate, 100 / rate).sum(axis=1)
    agree(simulated("one_cmt_iv", IV | {"ALAG1": lag}, dose(0, RATE=rate, SS=1, II=12)), expected)


def test_steady_state_lag():
    t = TIMES[:, None] - 2.2 + 24 * PAST
    expected = bateman(t).sum(axis=1) + bateman(TIMES - 26.2)
    agree(simulated("one_cmt_oral", ORAL | {"ALAG1": 2.2}, dose(0, SS=1, II=24, ADDL=1)), expected)


def test_steady_state_with_f_and_modelled_duration():
    t = TIMES[:, None] + 12 * PAST
    expected = infusion(t, 90 / 31, 31).sum(axis=1)
    agree(simulated("one_cmt_iv", IV | {"F1": 0.9, "D1": 31}, dose(0, RATE=-2, SS=1, II=12)), expected)


def test_steady_state_1_replaces_and_2_adds():
    first = dose(0, 300, RATE=5, ADDL=2, II=40)
    before = sum(infusion(TIMES - 40 * k, 5, 60) for k in range(3))
    steady = 100 / V * np.exp(-K * (TIMES - 6)) / (1 - np.exp(-K * 24))
    late = TIMES >= 6
    agree(simulated("one_cmt_iv", IV, first, dose(6, SS=1, II=24)), np.where(late, steady, before))
    agree(simulated("one_cmt_iv", IV, first, dose(6, SS=2, II=24)), np.where(late, before + steady, before))


def test_constant_infusion_ends_at_its_record():
    expected = np.where(TIMES >= 6, 10 / CL * np.exp(-K * (TIMES - 6)), bolus(TIMES))
    agree(simulated("one_cmt_iv", IV, dose(0), dose(6, 0, RATE=10, SS=1)), expected)
    agree(simulated("one_cmt_iv", IV | {"R1": 10}, dose(0), dose(6, 0, RATE=-1, SS=1)), expected)


@pytest.mark.parametrize(
    "structure", ["one_cmt_iv", "one_cmt_oral", "two_cmt_iv", "two_cmt_oral", "three_cmt_iv", "three_cmt_oral"]
)
def test_average_steady_state_is_rate_over_clearance(structure):
    parameters = ORAL | {"Q": 2.3, "V2": 31.0, "Q3": 0.35, "V3": 64.0}
    agree(simulated(structure, parameters, dose(0, 0, RATE=10, SS=1), times=[0.0]), [10 / CL])


# --- resets, order, parameters that change ---------------------------------------------------------------------------


def test_resets():
    first = dose(0, 300, RATE=5, ADDL=4, II=40)
    before = sum(infusion(TIMES - 40 * k, 5, 60) for k in range(5))
    late = TIMES >= 30
    agree(simulated("one_cmt_iv", IV, first, {"TIME": 30, "EVID": 3}), np.where(late, 0, before))
    expected = np.where(late, bolus(TIMES - 30) + bolus(TIMES - 54), before)
    agree(simulated("one_cmt_iv", IV, first, dose(30, evid=4, ADDL=1, II=24)), expected)
    steady = 100 / V * np.exp(-K * (TIMES - 30)) / (1 - np.exp(-K * 24))
    agree(simulated("one_cmt_iv", IV, first, dose(30, evid=4, SS=1, II=24)), np.where(late, steady, before))


def test_time_goes_back_at_a_reset():
    twice = [*course(dose(0, ADDL=9, II=24)), *course(dose(0, 60, evid=4))]
    values = NAIVE.simulate("one_cmt_iv", twice, IV)
    agree(values[len(twice) // 2 + 1 :], bolus(TIMES, 60))
    with pytest.raises(ValueError, match="without a reset"):
        NAIVE.simulate("one_cmt_iv", [dose(5), dose(0)], IV)


def test_order_at_one_time():
    """An observation before its dose does not see it; one at an additional or a lagged dose's arrival does."""
    observation = {"TIME": 24, "EVID": 0}
    fresh, old = 100 / V, 100 / V * np.exp(-24 * K)
    agree(
        NAIVE.simulate("one_cmt_iv", [dose(0), observation, dose(24), observation], IV), [fresh, old, old + fresh, old + fresh]
    )
    agree(NAIVE.simulate("one_cmt_iv", [dose(0, ADDL=1, II=24), observation], IV), [fresh, old + fresh])
    agree(NAIVE.simulate("one_cmt_iv", [dose(0), observation], IV | {"ALAG1": 24}), [0, fresh])
    tenths = [dose(0.1), {"TIME": 0.3, "EVID": 0}]  # 0.1 + 0.2 is above 0.3 in floating point
    agree(NAIVE.simulate("one_cmt_iv", tenths, IV | {"ALAG1": 0.2}), [0, fresh])


def test_changing_parameters():
    """Clearance 1, 2, 4 and volume 20, 20, 10 on records at 0, 3, 7; amounts are kept when the volume changes."""
    records = [
        dose(0, CL=1.0, V1=20.0),
        {"TIME": 3, "EVID": 2, "CL": 2.0, "V1": 20.0},
        {"TIME": 7, "EVID": 0, "CL": 4.0, "V1": 10.0},
    ]
    volumes = np.array([20.0, 20.0, 10.0])

    def expected(first, second):
        return 100 * np.exp(-np.array([0, first, first + second])) / volumes

    agree(NAIVE.simulate("one_cmt_iv", records, {}, "nocb"), expected(3 * 2 / 20, 4 * 4 / 10))
    agree(NAIVE.simulate("one_cmt_iv", records, {}, "locf"), expected(3 * 1 / 20, 4 * 2 / 20))
    # linear, from 3 to 7: CL/V = (2 + 2 s) / (20 - 10 s) for s in 0..1, integral 4 (6/10 log 2 - 2/10)
    agree(NAIVE.simulate("one_cmt_iv", records, {}, "linear"), expected(3 * 1.5 / 20, 4 * (0.6 * np.log(2) - 0.2)))


def test_a_dose_keeps_the_f_and_lag_of_its_record():
    records = [dose(0, ADDL=1, II=24, F1=0.5, ALAG1=2.0), *({"TIME": t, "EVID": 0, "F1": 1.0, "ALAG1": 9.0} for t in TIMES)]
    agree(NAIVE.simulate("one_cmt_iv", records, IV)[1:], bolus(TIMES - 2, 50) + bolus(TIMES - 26, 50))


def test_a_steady_state_takes_its_records_parameters():
    records = [{"TIME": 0, "EVID": 0, "CL": 9.0}, dose(6, SS=1, II=24, CL=CL), {"TIME": 9, "EVID": 0, "CL": 3.0}]
    peak = 100 / V / (1 - np.exp(-K * 24))
    agree(NAIVE.simulate("one_cmt_iv", records, IV), [0, peak, peak * np.exp(-3 * 3.0 / V)])


# --- the scenarios ---------------------------------------------------------------------------------------------------


def test_scenarios_have_names_of_their_own():
    assert len({s.name for s in SCENARIOS}) == len(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenarios_run_and_say_something(scenario):
    values = np.array(NAIVE.simulate(scenario.structure, scenario.records, scenario.parameters, scenario.interpolation))
    assert len(values) == len(scenario.records)
    assert np.isfinite(values).all() and values.min() > -1e-12 and values.max() > 1.0
