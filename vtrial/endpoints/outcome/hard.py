"""The hard look at an arm: subjects sampled one by one, scanned, assessed and followed until a data cut.

A subject's scores are keyed by the replicate, the arm and the subject, so that an arm's subjects are the same whatever other
arms a trial has. When each joins, and what patients are stratified by, is dealt by the place in the trial instead: place k of
every arm belongs to one block, whose patients have one stratum. That is what permuted blocks and minimisation aim at; a design
may have them `played` instead, patient by patient.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import ndtr

from ... import population
from ...conduct import enrolment, recist
from ...efficacy import tumour
from . import played
from . import setting as settings

# Of the days about a scan's planned one, in standard deviations: scans never change places.
SLIP = 2.5


class Subjects(NamedTuple):
    """Sampled subjects: ``joined`` (subject,) days after the first, ``death`` days after joining, ``gone``: lost to follow-up,
    ``leaves``: scans and treatment alone, for other reasons than progression;
    ``days``, ``new`` and ``made`` (scan, subject): when a scan is made, whether it shows a new lesion, and whether it is
    made at all; ``size`` (scan, subject): true sum, mm; ``baseline`` (subject,). ``progressed`` (subject,): day on which the
    investigator, who treats, sees progression: there are no later scans, but where the trial's scans go beyond it."""

    joined: jnp.ndarray
    death: jnp.ndarray
    gone: jnp.ndarray
    leaves: jnp.ndarray
    days: jnp.ndarray
    new: jnp.ndarray
    made: jnp.ndarray
    size: jnp.ndarray
    baseline: jnp.ndarray
    progressed: jnp.ndarray


def subjects(s, values, places, keys, ids, taken=1.0, kinetics=None) -> tuple:
    """The `Subjects` of an arm.

    Parameters
    ----------
    s : setting.Setting
    values : dict
        Card path -> replacements, scalars or (subject,).
    places, keys : (subject,) PRNG keys
        Of the subject's replicate of the trial, and of the arm in it.
    ids : (subject,) int
        Identities within the replicate, from 0.
    taken : (interval, subject), optional
        Share of the planned doses that is given between scans: a dose left out takes its part of the exposure with it.
    kinetics : dict, optional
        Scores and covariates, (subject,) each, that the drug is cleared by in place of the subject's own.

    Returns
    -------
    Subjects
    dict
        Their scores and covariates by name, (subject,) each, with `setting.assessors`.
    """
    scores = dealt(s, places, keys, ids)
    scores |= {k: jnp.full_like(scores["death"], v) for k, v in settings.assessors(s, values).items()}
    covs = settings.covariates(s, scores)
    cleared = settings.kinetics(s, scores | (kinetics or {}), covs | (kinetics or {}))
    path = settings.paths(s, taken * cleared, scores, covs, values)
    days = s.edges[1:, None] + s.design.scans.scatter * jnp.clip(_each(scores, "slip", s), -SLIP, SLIP)
    out = Subjects(
        joined=enrolment.day(s.design.enrolment, ndtr(scores["joins"])),
        death=_passed(path.death, s.edges, _threshold(scores["death"])),
        gone=_threshold(scores["gone"]) / jnp.maximum(s.design.dropout.hazard, 1e-12),
        leaves=_leaves(s, scores),
        days=days,
        new=path.lesions[1:] >= _threshold(scores["lesion"]),
        made=ndtr(_each(scores, "made", s)) >= s.design.scans.missed,
        # nobody lives to see more, which single precision could not hold
        size=covs["SLD"] * jnp.exp(jnp.minimum(path.log_size[1:], tumour.MOST)),
        baseline=covs["SLD"],
        progressed=jnp.full_like(covs["SLD"], jnp.inf),
    )
    progressed = assessed(s, out, scores, s.design.treating, jnp.inf)[0].progressed
    hazard = (path.after[1:] * (days == progressed)).sum(0)
    after = progressed + _survived(s, jnp.maximum(hazard, 1e-12), path.cross, out.joined, progressed, scores)
    return out._replace(death=jnp.where(progressed < out.death, after, out.death), progressed=progressed), scores | covs


def _leaves(s, scores):
    """Day on which scans and treatment end for other reasons than progression: 0 of those who have none at all."""
    scanned = jnp.log1p(-s.design.dropout.of(s.arm)[0])
    return jnp.maximum(_threshold(scores["leaves"]) + scanned, 0.0) / jnp.maximum(scores[settings.LEAVING], 1e-12)


def _survived(s, hazard, cross, joined, progressed, scores):
    """Days from progression to death, at a hazard (subject,) that changes for those who cross over."""
    threshold = _threshold(scores["after"])
    days = threshold / hazard
    for c in s.design.crossovers:
        if c.leaves == s.arm:
            wait = jnp.maximum(c.opens - joined - jnp.where(jnp.isfinite(progressed), progressed, 0.0), 0.0)
            later = wait + (threshold - hazard * wait) / (hazard * cross)
            days = jnp.where((ndtr(scores["crosses"]) < c.share) & (days > wait), later, days)
    return days


def dealt(s, places, keys, ids):
    """Scores by name, (subject,) each, of `subjects`; arguments as there."""
    how, count = s.design.randomisation, len(s.edges) - 1
    # whoever is assigned to an arm is someone before: all that describes him belongs to his place
    known = list(s.population.marginals) if how.played else [x.of for x in how.strata if x.of in s.population.marginals]
    own = [n for n in settings.names(s) if n not in known]
    own += ["death", "gone", "leaves", "lesion", "after", "crosses", "other lesions"]
    own += [f"{what}.{k}" for what in ("slip", "made") for k in range(1, count + 1)]
    own += [f"{who}.{k}" for who in ("image", *dict(s.design.errors)) for k in range(count + 1)]
    shared = ["joins", *known]
    of_place = played.scores(s, places, shared) if how.played else population.deal_each(places, ids, shared)
    return population.deal_each(keys, ids, own) | of_place


def _each(scores, what, s):
    return jnp.stack([scores[f"{what}.{k}"] for k in range(1, len(s.edges))])


def _threshold(score):
    """An exponential of mean one."""
    return -jnp.log(ndtr(score))


def _passed(hazard, edges, threshold):
    """Day on which a cumulative hazard (edge, subject), straight between edges and on after the last, passes a threshold."""
    rise = jnp.maximum(jnp.diff(hazard, axis=0), 1e-30)
    width = jnp.diff(jnp.asarray(edges))[:, None]
    within = (width * jnp.clip((threshold - hazard[:-1]) / rise, 0.0, 1.0)).sum(0)
    return within + jnp.maximum(threshold - hazard[-1], 0.0) * width[-1] / rise[-1]


def readings(s, of: Subjects, scores, assessor):
    """Sums as an assessor measures them, mm: at baseline (subject,), at scans (scan, subject). His errors are in part those of
    every assessor, who reads the same images."""
    alike, error = scores[settings.ALIKE], scores[settings.ERROR + assessor]
    own, common = jnp.sqrt(1 - alike), jnp.sqrt(alike)
    first = own * scores[f"{assessor}.0"] + common * scores["image.0"]
    later = own * _each(scores, assessor, s) + common * _each(scores, "image", s)
    return of.baseline * jnp.exp(error * first), of.size * jnp.exp(error * later)


def assessed(s, of: Subjects, scores, assessor, until):
    """The `recist.State` that an assessor reaches by a day of follow-up, (subject,) or scalar, and the overall responses
    (scan, subject): of the scans until the investigator's progression, so that central review, seeing none by then, is
    censored, but where scans go on until its own. The drug is then taken to go on acting, as nothing tells what follows it."""
    baseline, sums = readings(s, of, scores, assessor)
    known = {"death_day": of.death, "until": jnp.minimum(until, ended(s, of, assessor))}
    state, overall = recist.history(s.rules, baseline, of.days, sums, of.new, of.made, **known)
    if (share := s.design.response.complete) is None:
        return state, overall
    # other lesions that stay make a response partial, whatever becomes of the target lesions
    partly = lambda x: jnp.where((x == recist.CR) & (ndtr(scores["other lesions"]) >= share), recist.PR, x)  # noqa: E731
    return state._replace(bor=partly(state.bor), best=partly(state.best)), partly(overall)


def followed(of: Subjects, cut):
    """Days that each subject has been followed by a data cut, (subject,); negative before joining."""
    return jnp.minimum(cut - of.joined, of.gone)


def ended(s, of: Subjects, assessor):
    """Day after which an assessor is shown no scan, (subject,): the investigator's progression, or never."""
    beyond = s.design.scans.beyond and assessor != s.design.treating
    return jnp.full_like(of.progressed, jnp.inf) if beyond else of.progressed


def scanned(s, of: Subjects, assessor, cut):
    """Days for which an assessor has been shown scans of each subject by a data cut, (subject,): until scans have `ended` or
    the subject leaves."""
    return jnp.minimum(followed(of, cut), jnp.minimum(ended(s, of, assessor), of.leaves))


def quits(of: Subjects):
    """Day on which leaving ends treatment, (subject,): never of those without scans, who are not among the treated."""
    return jnp.where(of.leaves > 0, of.leaves, jnp.inf)


def at_cut(s, of: Subjects, scores, assessor, cut) -> recist.Outcome:
    """What is known at a data cut (days after the first patient); and whether the subject had joined by then.

    A death after scans have `ended`, or after leaving them, is no event of progression-free survival: it was not followed for
    that.
    """
    until, seen = followed(of, cut), scanned(s, of, assessor, cut)
    state, _ = assessed(s, of, scores, assessor, seen)
    until = jnp.maximum(until, 0.0)
    outcome = recist.endpoints(s.rules, state, of.death, jnp.maximum(seen, 0.0))
    return outcome._replace(os_day=jnp.minimum(of.death, until), os_event=of.death <= until), of.joined < cut


__all__ = ["Subjects", "assessed", "at_cut", "dealt", "ended", "followed", "quits", "readings", "scanned", "subjects"]
