"""Forms of covariate effects, random effects, occasions, measurement, uncertainty, resampling; dosing objects and words."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

from vtrial import events, exposure, population
from vtrial.errors import InputError
from vtrial.library import cards, drugs
from vtrial.library.cards import Card, Effect, Eta

N = 40_000


def card(**more):
    base = Card("card", "", "one_cmt_iv", None, {"CL": 2.0, "V1": 10.0}, (), ("CL",), np.array([[0.09]]), {}, ())
    return dataclasses.replace(base, **more)


def individuals(c, covs=None):
    scores = population.deal(jax.random.key(1), np.arange(N), ["eta.CL"])
    return np.asarray(population.individuals(c, scores, covs or {})["CL"])


@pytest.mark.parametrize(
    ("form", "x", "factor"),
    [("power", 140.0, 2**0.75), ("exponential", 71.0, np.exp(0.75)), ("linear", 72.0, 2.5), ("categorical", 1.0, 0.75)],
)
def test_covariate_effects(form, x, factor):
    c = card(effects=(Effect("CL", "WT", form, 70.0, 0.75),), omega=np.array([[1e-12]]))
    assert individuals(c, {"WT": jnp.full(N, x)})[0] == pytest.approx(2.0 * factor, rel=1e-4)
    at = 70.0 if form != "categorical" else 0.0
    assert individuals(c, {"WT": jnp.full(N, at)})[0] == pytest.approx(2.0, rel=1e-4)


def test_random_effects_have_their_distributions():
    """Medians are the typical value; spreads are 0.3 where each form is additive, to Monte-Carlo error."""
    four = 4 * 0.3 / np.sqrt(2 * N)
    forms = {"lognormal": np.log, "logitnormal": lambda x: np.log(x / (5 - x)), "normal": lambda x: x}
    for kind, additive in forms.items():
        x = individuals(card(kinds={"CL": Eta(kind, upper=5.0)}))
        assert additive(x).std() == pytest.approx(0.3, abs=four)
        assert np.median(x) == pytest.approx(2.0, abs=0.02)
    x = individuals(card(kinds={"CL": Eta("boxcox", shape=0.5)}))
    assert np.log1p(0.5 * np.log(x / 2.0)).std() / 0.5 == pytest.approx(0.3, abs=four)
    np.testing.assert_allclose(individuals(card(kinds={"CL": Eta("boxcox", shape=0.0)})), individuals(card()))


def test_occasions_change_a_parameter_from_cycle_to_cycle():
    c = card(iov={"CL": 0.2})
    names = population.occasion_names(c, 3)
    scores = population.deal(jax.random.key(2), np.arange(N), names)
    factor = np.asarray(population.occasions(c, scores, np.repeat([[1], [1], [3]], N, 1))["CL"])
    np.testing.assert_array_equal(factor[0], factor[1])
    assert np.log(factor).std(1) == pytest.approx(0.2, abs=4 * 0.2 / np.sqrt(2 * N))
    assert abs(np.corrcoef(factor[0], factor[2])[0, 1]) < 4 / np.sqrt(N)


@pytest.mark.parametrize(
    ("sigma", "sd"),
    [({"proportional": 0.1}, 1.0), ({"additive": 0.5}, 0.5), ({"proportional": 0.1, "additive": 0.5}, np.hypot(1.0, 0.5))],
)
def test_measured_concentrations_spread_as_the_card_says(sigma, sd):
    scores = tuple(jax.random.normal(jax.random.key(k), (N,)) for k in (3, 4))
    seen, low = population.measured(card(sigma=sigma), jnp.full(N, 10.0), scores)
    assert np.std(seen) == pytest.approx(sd, abs=4 * sd / np.sqrt(2 * N))
    assert not np.any(low)
    seen, low = population.measured(card(sigma=sigma), jnp.full(N, 10.0), scores, lloq=10.0)
    assert np.mean(low) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(N))
    assert np.array_equal(np.isnan(seen), low)


def test_uncertainty_is_the_printed_error_and_leaves_the_rest():
    drawn = population.uncertain(card(rse={"CL": 0.08}), jax.random.key(5), N)
    assert set(drawn) == {"theta.CL"}
    x = np.asarray(drawn["theta.CL"])
    assert x.std() / x.mean() == pytest.approx(0.08, rel=0.03)
    assert np.median(x) == pytest.approx(2.0, rel=0.005)


def test_a_users_own_patients_are_resampled_whole_and_by_identity():
    table = {"WT": np.array([50.0, 70.0, 90.0]), "ALB": np.array([5.0, 7.0, 9.0])}
    some, more = (population.resampled(table, n, jax.random.key(6)) for n in (300, 600))
    np.testing.assert_allclose(some["WT"], some["ALB"] * 10)
    np.testing.assert_array_equal(more["WT"][:300], some["WT"])
    assert {50.0, 70.0, 90.0} == set(np.asarray(some["WT"]).tolist())


def test_dosing_objects():
    one = events.ev(amt=100, ii=24, total=4, tinf=2).frame.row(0, named=True)
    assert (one["ADDL"], one["RATE"], one["EVID"]) == (3, 50, 1)
    assert events.ev(amt=100, ii=24, until=96).frame["ADDL"][0] == 4
    assert events.ev(time=[0, 24], amt=[100, 50]).frame["AMT"].to_list() == [100, 50]
    for wrong in ({"amt": 100, "rate": 5, "tinf": 2}, {"amt": 100, "ii": 24, "until": 48, "addl": 2}, {"amt": 0}):
        with pytest.raises(InputError):
            events.ev(**wrong)


@pytest.mark.parametrize(
    ("words", "until", "days"),
    [
        ("3.6 mg/kg q3w x 3", 100, [0, 21, 42]),
        ("1250 mg qd", 3, [0, 1, 2]),
        ("1000 mg/m2 bid d1-2 q3w", 30, [0, 0.5, 1, 1.5, 21, 21.5, 22, 22.5]),
    ],
)
def test_regimens_in_words(words, until, days):
    (phase,) = events.schedule(words)
    assert phase.doses(until) == days


def test_a_loading_dose_and_words_that_cannot_be_read():
    first, second = events.schedule("8 mg/kg over 90 min q3w x 1 then 6 mg/kg over 30 min q3w")
    assert (first.amount, first.span, first.over) == (8, 21, 90 / 1440)
    assert (second.amount, second.times) == (6, None)
    for wrong in ("8 mg/kg q3w then 6 mg/kg q3w", "8 stones q3w", "8 mg/kg q5w", "100 mg qd d5-30 q3w", ""):
        with pytest.raises(InputError, match="regimen"):
            events.schedule(wrong)


def test_a_drugs_parameters_change_with_the_cycle_and_only_then(tmp_path):
    """Capecitabine's KA has a spread between occasions: the same answer as with the subject's own KA in a column."""
    table = tmp_path / "patients.csv"
    table.write_text("BSA,ALP,CRCL,WT\n1.7,100,80,65\n1.9,140,95,80\n")
    model = cards.load("capecitabine", "pk")
    patients = exposure.resampled(model, table, 3, jax.random.key(5))
    phases, drug = events.schedule("1000 mg/m2 bid d1-2 q3w x 3"), drugs.load("capecitabine")
    records = exposure.given(phases, drug, patients)
    found = exposure.concentrations("capecitabine", records, patients)
    factor = np.asarray(exposure.occasions(records, model, patients)["KA"])
    frame = records.frame.with_columns(CYCLE=pl.col("TIME") // 21 + 1)
    for j in range(3):
        mine = frame.filter(pl.col("ID") == j + 1)
        # a trough stands at the next cycle's first dose, and is still the cycle before's
        inner = (mine["TIME"] % 21 > 0).to_numpy()
        for cycle in (1, 2, 3):
            assert np.ptp(factor[: len(mine), j][inner & (mine["CYCLE"] == cycle).to_numpy()]) == 0
    assert len(np.unique(factor)) == 9
    ka = np.asarray(population.individuals(model, patients.scores, patients.covariates)["KA"]) * factor
    columned = dataclasses.replace(records, frame=records.frame.with_columns(KA=pl.Series(records.rows(ka))))
    plain = exposure.concentrations("capecitabine", columned, dataclasses.replace(patients, key=None))
    for name in set(found.columns) - {"ID", "TIME", "EVID"}:
        np.testing.assert_allclose(found[name].to_numpy(), plain[name].to_numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", ["log", "natural"])
def test_uncertainty_by_the_covariance_of_the_estimates(tmp_path, scale):
    """Printed on either scale: the logarithms' spread and correlation are those printed."""
    sd, rho = np.array([0.1, 0.2]), -0.6
    cov = np.outer(sd, sd) * np.array([[1, rho], [rho, 1]])
    cov = cov * np.outer([2.0, 10.0], [2.0, 10.0]) if scale == "natural" else cov
    why = 'source = "assumed", why = "a test of the form"'
    file = tmp_path / "pk.toml"
    file.write_text(
        f'structure = "one_cmt_iv"\n[theta]\nCL = {{ value = 2.0, unit = "L/day", {why} }}\n'
        f'V1 = {{ value = 10.0, unit = "L", rse = 50, {why} }}\n'
        f'[estimates]\nof = ["CL", "V1"]\nscale = "{scale}"\ncovariance = {cov.tolist()}\n{why.replace(", ", chr(10))}\n'
    )
    drawn = population.uncertain(cards.read(file), jax.random.key(6), N)
    logs = np.log(np.stack([drawn["theta.CL"] / 2.0, drawn["theta.V1"] / 10.0]))
    assert logs.std(1) == pytest.approx(sd, rel=4 / np.sqrt(2 * N))
    assert np.corrcoef(logs)[0, 1] == pytest.approx(rho, abs=4 / np.sqrt(N))
    file.write_text(file.read_text().replace('"CL", "V1"]', '"CL"]'))
    with pytest.raises(InputError, match="estimates.covariance: is .2, 2.; a symmetric matrix of 1"):
        cards.read(file)
