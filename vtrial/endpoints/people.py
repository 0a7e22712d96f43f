"""Sampled subjects of a whole arm: every drug's kinetics, every organ's parameters, luck and measurement, by identity."""

import jax
import jax.numpy as jnp

from .. import pk, population, toxicity
from ..conduct.measure import Frame, People, Spec
from ..conduct.treatment import cycles_given
from ..library import organs, reporting
from ..pk import modes as pkmodes


def frame(arm):
    """The `Frame` of an `arm.Arm`."""
    effects = tuple(Spec(e.card.structure, e.part, e.organs) for e in arm.effects)
    return Frame(effects, tuple(p.pack for p in arm.parts), arm.every, arm.scale)


def people(arm, frame, shares, values, keys, subjects, days, known=None, kinetics=None):
    """The `People` of an arm.

    Parameters
    ----------
    arm : conduct.arm.Arm
    frame : Frame
    shares : (cycle,) or None
        P(a subject gets exactly that many cycles); None: as many as fit.
    values : dict
        Card path -> replacements of its numbers (``theta.SLOPE``), scalars or (subject,).
    keys : (subject,) PRNG keys
        Of the subject's replicate of the arm.
    subjects : (subject,) int
        Identities within the replicate; the same ones as of `hard.look`, who get the same scores.
    days : int
        Length of the course.
    known : dict, optional
        Scores of covariates, (subject,) each, that are dealt elsewhere.
    kinetics : dict, optional
        Scores and covariates, (subject,) each, that the first drug is cleared by in place of the subject's own.
    """
    scores = _scores(arm, keys, subjects, days)
    scores |= {name: score for name, score in (known or {}).items() if name in arm.population.marginals}
    covs = population.with_surface(at_reference(arm) | population.covariates(arm.population, scores))
    own = [kinetics or {}, *({} for _ in arm.parts[1:])]
    modes = [_modes(p, scores | k, covs | k, _prefix(arm, i)) for i, (p, k) in enumerate(zip(arm.parts, own, strict=True))]
    paces = tuple(pkmodes.pace(m, 1.0, p.infusion) for m, p in zip(modes, arm.parts, strict=True))
    effects = [_effect(e, scores, covs, values.get(e.card.path, {}), _prefix(arm, e.part)) for e in arm.effects]
    steps, starts = [], []
    for e, q in zip(arm.effects, effects, strict=True):
        fx = toxicity.STRUCTURES[e.card.structure]
        steps.append(fx.prepare(q, modes[e.part], 1.0, arm.parts[e.part].infusion))
        starts.append(fx.start(q))
    sigma, noise, baseline = _measured(arm, effects, values, keys, subjects)
    mg = tuple(population.per_unit(p.unit, covs) for p in arm.parts)
    tells = {o: scores[f"report.{o}"] for o in _told(arm)}
    cycles = jnp.full_like(scores["treatment"], jnp.inf) if shares is None else cycles_given(shares, scores["treatment"])
    return People(paces, mg, tuple(effects), tuple(steps), tuple(starts), sigma, noise, baseline, tells, cycles)


def _told(arm):
    """Organs whose laboratory grades are known to be reported or not."""
    return [o for o in arm.organs if o in reporting.shares()]


def at_reference(arm):
    """Covariates of the arm's cards that its population does not describe: name -> the card's reference, everyone's value."""
    cards = [*(p.pk for p in arm.parts), *(e.card for e in arm.effects)]
    known = {*arm.population.marginals, "BSA"}
    return {e.of: e.reference for card in cards for e in card.effects if e.of not in known}


def _prefix(arm, part):
    """What the scores of a part's own effects begin with: nothing for the first drug's."""
    return f"{arm.parts[part].drug}." if part else ""


def _own(name, prefix):
    """What the scores of an effect begin with: platelets are dealt as in a calibration, by the bare name."""
    return prefix if name == "thrombocytopenia" else f"{prefix}{name}."


def _scores(arm, keys, subjects, days):
    names = [*arm.population.marginals, "treatment", *(f"report.{o}" for o in _told(arm))]
    for i, p in enumerate(arm.parts):
        names += [f"{_prefix(arm, i)}eta.{n}" for n in p.pk.etas]
    for e in arm.effects:
        own = _own(e.name, _prefix(arm, e.part))
        names += [f"{own}eta.{n}" for n in e.card.etas] + [f"{own}luck.{n}" for n in _luck(e, days)]
    return population.deal_each(keys, subjects, names)


def _luck(effect, days):
    fx = toxicity.STRUCTURES[effect.card.structure]
    return fx.luck(days, effect.card.theta) if hasattr(fx, "luck") else ()


def _under(scores, prefix):
    """Scores without their prefix."""
    return {k.removeprefix(prefix): v for k, v in scores.items() if k.startswith(prefix)}


def _modes(part, scores, covs, prefix):
    p = population.individuals(part.pk, _under(scores, prefix), covs)
    return pk.STRUCTURES[part.pk.structure].modes(p)


def _effect(e, scores, covs, values, prefix):
    """Parameters of an effect, with its luck."""
    mine = _under(scores, _own(e.name, prefix))
    q = population.individuals(e.card, mine, covs, values)
    luck = _under(mine, "luck.")
    if e.card.structure == "ordinal":
        return q | {"blocks": toxicity.ordinal.blocks(luck)}
    return q | ({"luck": luck} if luck else {})


def _measured(arm, effects, values, keys, subjects):
    """By organ with values: the standard deviation of its measurement, its keys, and the baseline as measured."""
    sigma, noise, baseline = {}, {}, {}
    for e, q in zip(arm.effects, effects, strict=True):
        fx = toxicity.STRUCTURES[e.card.structure]
        truth = dict(zip(e.organs, fx.readings(q, fx.start(q)), strict=True))
        error = "additive" if e.organs[0] in organs.POINTS else "log"
        for o in e.organs:
            if o not in (*organs.BLOOD, *organs.POINTS):
                continue
            sigma[o] = values.get(e.card.path, {}).get(f"sigma.{error}", e.card.sigma[error])
            noise[o] = population.keys_each(keys, subjects, f"noise.{o}")
            score = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, 0)))(noise[o])
            off = sigma[o] * score
            baseline[o] = truth[o] + off if error == "additive" else truth[o] * jnp.exp(off)
    return sigma, noise, baseline


def flat(key, replicates, size):
    """Keys and identities of ``size`` subjects in each of some replicates, (subject,) each, one replicate after the other."""
    keys = jax.vmap(lambda index: jax.random.fold_in(key, index))(replicates)
    return jnp.repeat(keys, size), jnp.tile(jnp.arange(size), len(replicates))


__all__ = ["at_reference", "flat", "frame", "people"]
