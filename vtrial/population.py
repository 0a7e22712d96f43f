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

from .library.cards import ANY_SIGN


def stream(key, name):
    """The key of a named stream."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def deal(key, subjects, names):
    """Pseudo-random scores: name -> (subject,). ``subjects`` are identities, integers."""
    return _dealt(key, subjects, names, None)


def deal_each(keys, subjects, names):
    """`deal` of subjects each of whom has a key of its own, (subject,)."""
    return _dealt(keys, subjects, names, 0)


def _dealt(key, subjects, names, axis):
    codes = np.array([zlib.crc32(name.encode()) for name in names], np.uint32)

    def one(key, code, subject):
        return jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, code), subject))

    # all streams in one call: one compiled generator, whatever the number of names
    dealt = jax.vmap(jax.vmap(one, (axis, None, 0)), (None, 0, None))(key, codes, subjects)
    return dict(zip(names, dealt, strict=True))


def keys_each(keys, subjects, name):
    """Keys of subjects in a named stream, (subject,), each of whom has a key of its own."""
    return jax.vmap(lambda key, subject: jax.random.fold_in(stream(key, name), subject))(keys, subjects)


def quasi(names, n, seed):
    """Quasi-random scores: name -> (n,). The first names get Sobol's best dimensions; n is a power of two."""
    from scipy.stats import norm, qmc

    points = qmc.Sobol(len(names), scramble=True, rng=np.random.default_rng(seed)).random(n)
    # scrambled points may touch 0 in the last bit
    scores = norm.ppf(np.clip(points, 2**-33, 1 - 2**-33))
    return {name: scores[:, i] for i, name in enumerate(names)}


def needed(*cards):
    """Covariates that subjects of some cards need: those of their effects, and the weight that a dose may go by."""
    return {"WT", *(e.of for card in cards for e in card.effects)}


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


def with_surface(covs):
    """With BSA by weight alone where the population has none: Livingston and Lee, Am J Physiol 2001;281:G586."""
    return {"BSA": 0.1173 * covs["WT"] ** 0.6466} | covs


def per_unit(unit, covs):
    """Milligrams of one unit of a dose (mg, mg/kg, mg/m2), (subject,)."""
    if unit == "mg":
        return jnp.ones_like(covs["WT"])
    return with_surface(covs)["WT" if unit == "mg/kg" else "BSA"]


def _quantile(m, z):
    if m.distribution == "lognormal":
        return jnp.exp(m.a + m.b * z)
    if m.distribution == "normal":
        return m.a + m.b * z
    if m.distribution == "exponential":
        return -m.a * log_ndtr(-z)
    return (ndtr(z) < m.a).astype(jnp.result_type(float))


def individuals(card, scores, covs, values=None):
    """Parameters of subjects, name -> (..., subject): theta times covariate effects, spread by a random effect.

    ``covs`` are (subject,), or (record, subject) where they change with time. ``values`` replaces numbers of the card:
    ``theta.SLOPE``, ``omega.SLOPE`` (the standard deviation of an eta; the card's correlations stay),
    ``coefficient.SLOPE.ASIAN`` (of a covariate's effect), each a scalar or (subject,).
    """
    values = values or {}
    typical = {k: values.get(f"theta.{k}", v) for k, v in card.theta.items()}
    signed = {k: v for k, v in typical.items() if k in ANY_SIGN}
    logs = {k: jnp.log(v) for k, v in typical.items() if k not in signed}
    for e in card.effects:
        logs[e.on] = logs[e.on] + _effect(e, covs[e.of], values.get(f"coefficient.{e.on}.{e.of}", e.coefficient))
    etas = _etas(card, scores, values)
    some = next(iter(scores.values())) if scores else jnp.zeros(1)
    out = {k: _spread(card.kinds.get(k), v, etas.get(k, 0.0)) * jnp.ones_like(some) for k, v in logs.items()}
    return out | {k: (v + etas.get(k, 0.0)) * jnp.ones_like(some) for k, v in signed.items()}


def _spread(eta, log, score):
    """A subject's parameter from the logarithm of its typical value and the random effect."""
    kind = eta.kind if eta else "lognormal"
    if kind == "normal":
        return jnp.exp(log) + score
    if kind == "logitnormal":
        share = jnp.exp(log) / eta.upper
        return eta.upper / (1 + (1 - share) / share * jnp.exp(-score))
    if kind == "boxcox" and eta.shape:
        score = jnp.expm1(eta.shape * score) / eta.shape
    return jnp.exp(log + score)


def occasions(card, scores, occasion):
    """What changes from cycle to cycle, name -> factor (record, subject); ``occasion`` (record, subject) counts from 1.

    Scores are named ``iov.CL.3``; `occasion_names` lists them.
    """
    index = jnp.asarray(occasion, int) - 1
    out = {}
    for name, sd in card.iov.items():
        dealt = jnp.stack([scores[n] for n in occasion_names(card, int(jnp.max(index)) + 1) if n.split(".")[1] == name])
        out[name] = jnp.exp(sd * jnp.take_along_axis(dealt, index, 0))
    return out


def occasion_names(card, count):
    """Names of the scores of ``count`` occasions."""
    return [f"iov.{name}.{k}" for name in card.iov for k in range(1, count + 1)]


def measured(card, true, scores, lloq=None):
    """Concentrations as measured, and whether each is below quantification.

    Parameters
    ----------
    card : Card
        Its ``sigma``: ``proportional`` and ``additive`` (together: combined), or ``log`` (on the logarithm).
    true : array
    scores : pair of arrays
        Normal scores of the relative and the additive error, each like ``true``.
    lloq : number, optional
        What is below is NaN in the first array, and true in the second.
    """
    one, two = scores
    seen = true * jnp.exp(card.sigma.get("log", 0.0) * one)
    seen = seen * (1 + card.sigma.get("proportional", 0.0) * one) + card.sigma.get("additive", 0.0) * two
    low = seen < (0.0 if lloq is None else lloq)
    return jnp.where(low, jnp.nan if lloq is not None else 0.0, seen), low


def uncertain(card, key, count):
    """Draws of the typical values within their standard errors, ``theta.CL`` -> (draw,): log-normal, by the covariance of
    the card's estimates where it has one, else by the relative standard errors.

    Parameters printed without an error stay as they are.
    """
    names, covariance = card.joint
    values, vectors = np.linalg.eigh(covariance) if names else (np.zeros(0), np.zeros((0, 0)))
    root = vectors * np.sqrt(np.maximum(values, 0))
    scores = jnp.stack([_score(key, name, count) for name in names]) if names else jnp.zeros((0, count))
    logs = dict(zip(names, root @ scores, strict=True))
    alone = {n: jnp.sqrt(jnp.log1p(rse**2)) * _score(key, n, count) for n, rse in card.rse.items() if n not in names}
    return {f"theta.{name}": card.theta[name] * jnp.exp(log) for name, log in (logs | alone).items()}


def _score(key, name, count):
    return jax.random.normal(stream(key, f"theta.{name}"), (count,))


def resampled(table, n, key):
    """Covariates of ``n`` subjects drawn with replacement from a user's own ones, name -> (subject,); rows stay whole."""
    size = len(next(iter(table.values())))

    def one(subject):
        return jax.random.randint(jax.random.fold_in(key, subject), (), 0, size)

    rows = jax.vmap(one)(jnp.arange(n))
    return {name: jnp.asarray(column)[rows] for name, column in table.items()}


def _effect(e, x, coefficient):
    if e.form == "power":
        return coefficient * jnp.log(x / e.reference)
    if e.form == "categorical":
        return jnp.log(coefficient) * x
    if e.form in ("below", "above"):
        return jnp.log(coefficient) * (x < e.reference if e.form == "below" else x > e.reference)
    if e.form == "linear":
        return jnp.log1p(coefficient * (x - e.reference))
    return coefficient * (x - e.reference)


def _etas(card, scores, values):
    sd = np.sqrt(np.diag(card.omega))
    lower = np.linalg.cholesky(card.omega / np.outer(sd, sd)) if len(sd) else np.zeros((0, 0))
    # structural zeros are skipped: an eta without covariance depends on its own score alone
    mixed = [sum(lower[i, j] * scores[f"eta.{b}"] for j, b in enumerate(card.etas) if lower[i, j]) for i in range(len(sd))]
    return {a: values.get(f"omega.{a}", sd[i]) * mixed[i] for i, a in enumerate(card.etas)}
