"""Laws of every pharmacokinetic structure, found by its place in the table."""

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from vtrial.events import from_frame
from vtrial.library.cards import UNITS
from vtrial.pk import STRUCTURES, engine, linear, ode
from vtrial.pk.simulate import lines, parameters, simulate

TIMES = (0.0, 0.3, 1.0, 2.7, 6.0, 11.5, 24.0, 30.0, 47.9)
LINEAR = [n for n, s in STRUCTURES.items() if linear(s)]
EVERY = list(STRUCTURES)
EXAMPLES, FEW = settings(max_examples=6), settings(max_examples=2)


def values(name, seed):
    """Parameters over two decades, by name."""
    rng = np.random.default_rng(seed)
    middle = {"CL": 1.1, "V": 20.0, "Q": 2.0, "K": 0.8, "VMAX": 4.0, "KRELX": -0.137, "KRELF": 0.83, "YIELD": 0.026}
    known = {p: middle.get(p) or middle.get(p[:2]) or middle[p[0]] for p in STRUCTURES[name].PARAMETERS}
    return {p: v if p.startswith("KREL") else v * 10 ** rng.uniform(-0.7, 0.7) for p, v in known.items()}


def records(doses, times=TIMES, **more):
    """Doses (time, amount, rate) and observations of one subject; at one time the observation comes last."""
    rows = [{"TIME": t, "EVID": 1, "AMT": a, "RATE": r} for t, a, r in doses] + [{"TIME": t, "EVID": 0} for t in times]
    frame = pl.DataFrame({k: [float(r.get(k, 0)) for r in rows] for k in ("TIME", "EVID", "AMT", "RATE")} | more)
    return from_frame(frame.sort("TIME", maintain_order=True))


def shown(name, doses, p, times=TIMES):
    """Outputs at the observations, (observation, analyte)."""
    frame = simulate(name, records(doses, times), p).filter(pl.col("EVID") == 0)
    return frame.drop("ID", "TIME", "EVID").to_numpy()


def amounts(name, doses, p):
    r = records(doses)
    own, dosing = parameters(name, r, p)
    found = engine.amounts(name, lines(name, r, dosing), own)
    return np.asarray(found)[:, :, 0], r.frame["TIME"].to_numpy()


# By which amounts leave the body; in the chain CL1 and CL2 lead to the next metabolite.
ELIMINATION = {False: ("CL", "CLP", "CLD", "KDE"), True: ("CL3",)}
DOSES = [(0.0, 100.0, 0.0), (6.0, 40.0, 20.0)]


def near(name, got, wanted):
    """Equal: exactly where the structure is linear, to the solver's tolerance of the peak where it is not."""
    rtol, atol = (1e-9, 1e-12) if name in LINEAR else (1e-6, 1e-8)
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=atol * np.abs(wanted).max())


@pytest.mark.parametrize("name", EVERY)
def test_the_shelf_and_the_structures_agree(name):
    assert tuple(UNITS[name]) == STRUCTURES[name].PARAMETERS or {*UNITS[name]} == {*STRUCTURES[name].PARAMETERS}


@pytest.mark.parametrize("name", EVERY)
@EXAMPLES
@given(seed=st.integers(0, 10**6))
def test_mass_is_conserved_or_the_structure_says_so(name, seed):
    """What leaves a compartment arrives in another; nothing is lost but by elimination, and nothing comes from nowhere."""
    structure = STRUCTURES[name]
    p = {k: np.array([v]) for k, v in values(name, seed).items()} | {"CYCLE": np.ones(1)}
    without = p | {k: np.zeros(1) for k in p if k in ELIMINATION[name == "metabolite_chain"]}
    k, kept = (np.asarray(structure.flows(q))[:, :, 0] for q in (p, without))
    balance = kept.sum(0) / np.abs(kept).max() if kept.any() else kept.sum(0)
    if getattr(structure, "CONSERVES", True):
        np.testing.assert_allclose(balance, 0, atol=1e-12)
        assert (k.sum(0) <= 1e-12 * np.abs(k).max()).all() and k.sum() < 0
    else:
        assert balance.max() > 1e-9
    assert (k - np.diag(np.diag(k)) >= 0).all()
    if not linear(structure):
        assert float(structure.slope(p, jnp.full((len(k), 1), 30.0)).sum()) < 0


@pytest.mark.parametrize("name", LINEAR)
@EXAMPLES
@given(seed=st.integers(0, 10**6))
def test_amounts_are_those_of_the_matrix_exponential(name, seed):
    p = values(name, seed)
    k = np.asarray(STRUCTURES[name].flows({a: np.array([v]) for a, v in p.items()} | {"CYCLE": np.ones(1)}))[:, :, 0]
    found, times = amounts(name, DOSES[:1], p)
    for t, a in zip(times[1:], found[1:], strict=True):
        np.testing.assert_allclose(a, expm(k * t)[:, 0] * 100.0, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", [n for n in EVERY if n not in LINEAR])
@EXAMPLES
@given(seed=st.integers(0, 10**6))
def test_amounts_are_those_of_a_reference_solver(name, seed):
    p, structure = values(name, seed), STRUCTURES[name]
    one = {a: jnp.array([v]) for a, v in p.items()}
    k = np.asarray(structure.flows(one))[:, :, 0]

    def field(t, a):
        return k @ a + np.asarray(structure.slope(one, jnp.asarray(a)[:, None]))[:, 0]

    found, times = amounts(name, DOSES[:1], p)
    start = np.eye(len(k))[0] * 100.0
    exact = solve_ivp(field, (0, times[-1]), start, "LSODA", times[1:], rtol=1e-10, atol=1e-12).y
    np.testing.assert_allclose(found[1:].T, exact, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", LINEAR)
@FEW
@given(seed=st.integers(0, 10**6))
def test_closed_form_and_solver_agree(name, seed):
    p = values(name, seed)
    found, times = amounts(name, DOSES[:1], p)
    one = {a: jnp.asarray(v) for a, v in p.items()} | {"CYCLE": jnp.asarray(1.0)}
    start = jnp.zeros(found.shape[1]).at[0].set(100.0)
    solve = jax.jit(lambda dt: ode.advance(STRUCTURES[name], one, one, start, jnp.zeros_like(start), dt))
    for t, a in zip(times[1:], found[1:], strict=True):
        np.testing.assert_allclose(a, solve(t), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", [n for n in LINEAR if n != "adc_payload"])
@EXAMPLES
@given(seed=st.integers(0, 10**6), share=st.floats(0.1, 10))
def test_superposition_and_dose_linearity(name, seed, share):
    p = values(name, seed)
    one, two = DOSES
    both = shown(name, DOSES, p)
    np.testing.assert_allclose(both, shown(name, [one], p) + shown(name, [two], p), rtol=1e-9, atol=1e-12)
    scaled = [(t, a * share, r * share) for t, a, r in DOSES]
    np.testing.assert_allclose(shown(name, scaled, p), both * share, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", EVERY)
@EXAMPLES
@given(seed=st.integers(0, 10**6), cut=st.floats(0.31, 47.0))
def test_a_record_in_between_changes_nothing(name, seed, cut):
    p, times = values(name, seed), sorted([*TIMES, cut])
    # The one more is left out again; where it falls on a record, either of the two equal ones.
    without = np.delete(shown(name, DOSES, p, times), times.index(cut), axis=0)
    near(name, without, shown(name, DOSES, p))


@pytest.mark.parametrize("name", EVERY)
def test_order_of_subjects_and_of_observations_at_one_time_changes_nothing(name):
    p = values(name, 1)
    a, b = records(DOSES).frame, records(DOSES[:1]).frame
    pair = [pl.concat([x.with_columns(ID=pl.lit(1.0)), y.with_columns(ID=pl.lit(2.0))]) for x, y in ((a, b), (b, a))]
    first, second = (simulate(name, from_frame(f), p).drop("TIME", "EVID") for f in pair)
    one = first.filter(pl.col("ID") == 1).drop("ID").to_numpy()
    np.testing.assert_allclose(second.filter(pl.col("ID") == 2).drop("ID").to_numpy(), one, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", EVERY)
def test_units_do_not_matter(name):
    """Hours or days, milligrams or grams: concentrations differ by the factor of the amounts alone."""
    p = values(name, 2)
    flows = {"L/day": 24.0, "1/day": 24.0, "mg/day": 24.0}
    hours = shown(name, DOSES, p)
    days = {k: v * flows.get(UNITS[name][k], 1.0) for k, v in p.items()}
    doses, times = [(t / 24, a, r * 24) for t, a, r in DOSES], [t / 24 for t in TIMES]
    ratio = 24.0 if name == "kpd" else 1.0  # its output is a rate
    near(name, shown(name, doses, days, times), hours * ratio)
    grams = {k: v / 1000 if UNITS[name][k] in ("mg/day", "mg/L") else v for k, v in p.items()}
    small = [(t, a / 1000, r / 1000) for t, a, r in DOSES]
    near(name, shown(name, small, grams) * 1000, hours)


@pytest.mark.parametrize("name", EVERY)
def test_gradients_are_finite_differences(name):
    r, p = records(DOSES), values(name, 3)
    own, dosing = parameters(name, r, p)
    table, names = lines(name, r, dosing), list(p)
    wide = {k: jnp.ones(own[k].shape) for k in names}

    @jax.jit
    def last(logs):
        moved = {k: wide[k] * (p[k] * jnp.exp(x)) for k, x in zip(names, logs, strict=True)}
        return engine.amounts(name, table, moved, squared=12).sum()

    at, step = jnp.zeros(len(names)), 1e-4
    exact = np.asarray(jax.jit(jax.grad(last))(at))
    rough = [(last(at.at[i].add(step)) - last(at.at[i].add(-step))) / (2 * step) for i in range(len(names))]
    np.testing.assert_allclose(exact, rough, rtol=1e-5, atol=1e-5 * np.abs(exact).max())
