"""Virtual patients: covariates from a population, parameters from a card, both from standard-normal scores.

A score is one number a subject, known by its name. Pseudo-random scores are keyed by identity
(``fold_in(fold_in(key, name), subject)``), so that adding an eta, a chunk or a worker re-deals nobody; quasi-random
ones are scrambled Sobol points through the inverse normal, the same for every parameter value.
"""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, ndtr


def stream(key, name):
    """The key of a named stream."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def deal(key, subjects, names):
    """Pseudo-random scores: name -> (subject,). ``subjects`` are identities, integers."""

    codes = np.array([zlib.crc32(name.encode()) for name in names], np.uint32)

    def one(code, subject):
        return jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, code), subject))

    # all streams in one call: one compiled generator, whatever the number of names
    dealt = jax.vmap(jax.vmap(one, (None, 0)), (0, None))(codes, subjects)
    return dict(zip(names, dealt, strict=True))


def quasi(names, n, seed):
    """Quasi-random scores: name -> (n,). The first names get Sobol's best dimensions; n is a power of two."""
    from scipy.stats import norm, qmc

    points = qmc.Sobol(len(names), scramble=True, rng=np.random.default_rng(seed)).random(n)
    # scrambled points may touch 0 in the last bit
    scores = norm.ppf(np.clip(points, 2**-33, 1 - 2**-33))
    return {name: scores[:, i] for i, name in enumerate(names)}


def score_names(population, *cards):
    """Names of the scores that subjects need, the random effects of the last card (the most influential) first."""
    etas = [f"eta.{name}" for card in reversed(cards) for name in card.etas]
    return [*etas, *population.marginals]


def covariates(population, scores):
    """Covariates of subjects in internal units, name -> (subject,), from correlated normal scores (Gaussian copula)."""
    names = list(population.marginals)
    lower = np.linalg.cholesky(population.correlation)
    mixed = {a: sum(lower[i, j] * scores[b] for j, b in enumerate(names[: i + 1])) for i, a in enumerate(names)}
    return {name: _quantile(m, mixed[name]) for name, m in population.marginals.items()}


def _quantile(m, z):
    if m.distribution == "lognormal":
        return jnp.exp(m.a + m.b * z)
    if m.distribution == "normal":
        return m.a + m.b * z
    if m.distribution == "exponential":
        return -m.a * log_ndtr(-z)
    return (ndtr(z) < m.a).astype(jnp.result_type(float))


def individuals(card, scores, covs, values=None):
    """Parameters of subjects, name -> (subject,): ``theta x covariate effects x exp(eta)``.

    ``values`` replaces numbers of the card: ``theta.SLOPE``, ``omega.SLOPE`` (the standard deviation of an eta; the
    card's correlations stay), each a scalar or (subject,).
    """
    values = values or {}
    logs = {k: jnp.log(values.get(f"theta.{k}", v)) for k, v in card.theta.items()}
    for e in card.effects:
        logs[e.on] = logs[e.on] + _effect(e, covs[e.of])
    for name, eta in _etas(card, scores, values).items():
        logs[name] = logs[name] + eta
    some = next(iter(scores.values()))
    return {k: jnp.exp(v) * jnp.ones_like(some) for k, v in logs.items()}


def _effect(e, x):
    if e.form == "power":
        return e.coefficient * jnp.log(x / e.reference)
    return e.coefficient * (x - e.reference)


def _etas(card, scores, values):
    sd = np.sqrt(np.diag(card.omega))
    lower = np.linalg.cholesky(card.omega / np.outer(sd, sd)) if len(sd) else np.zeros((0, 0))
    # structural zeros are skipped: an eta without covariance depends on its own score alone
    mixed = [
        sum(lower[i, j] * scores[f"eta.{b}"] for j, b in enumerate(card.etas) if lower[i, j]) for i in range(len(sd))
    ]
    return {a: values.get(f"omega.{a}", sd[i]) * mixed[i] for i, a in enumerate(card.etas)}
