"""Patients whose tumours and organs act on each other: doses left out spare the tumour, its progression ends the doses.

A patient is the same one in both halves: covariates, kinetics and luck are dealt by identity. The doses that organs allow are
found first, as if nobody progressed; by these the tumour is killed, and seen at scans; treatment then ends on the day of
progression (but for those whom the trial treats beyond it), leaving, death or loss, and what was given until then is what the
organs allowed before.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr

from ...conduct import protocol
from ...population import deal_each, with_surface
from ..outcome import hard
from ..people import frame, people


class Patients(NamedTuple):
    """``tumour`` (`outcome.hard.Subjects`), ``course`` (`conduct.protocol.Course`), ``known``: scores and covariates by name,
    ``tells``: scores of what gets reported, and ``baseline``: values as measured, by organ; ``followed`` (subject,): days until
    each is lost or the last data cut comes; ``treated``: of each drug (subject,) days until the end of its treatment, at the
    last cut."""

    tumour: hard.Subjects
    course: protocol.Course
    known: dict
    tells: dict
    baseline: dict
    followed: jnp.ndarray
    treated: tuple


def patients(plan, numbers, values, places, keys, ids, keep=False, kinetics=None) -> Patients:
    """The `Patients` of an arm.

    Parameters
    ----------
    plan : plan.Plan
    numbers : endpoints.protocol.Numbers
        Of the arm's dose rules.
    values : dict
        Card path -> name -> replacements, scalars or (subject,).
    places, keys : (subject,) PRNG keys
        Of the subject's replicate of the trial, and of the arm in it.
    ids : (subject,) int
        Identities within the replicate, from 0.
    keep : bool
        Keep the course whole, day by day.
    kinetics : dict, optional
        Scores and covariates, (subject,) each, that the first drug is cleared by in place of the patient's own.
    """
    s, of = plan.setting, frame(plan.course)
    scores = hard.dealt(s, places, keys, ids)
    everyone = people(plan.course, of, None, values, keys, ids, plan.days, scores, kinetics)

    # who is treated beyond progression is so until death or loss
    beyond = ndtr(deal_each(keys, ids, ["beyond"])["beyond"]) < s.design.dropout.past_progression

    def once(ends, until):
        who = everyone._replace(ends=ends, until=until)
        course = protocol.follow(of, numbers.protocol, who, plan.days, keep, plan.windows)
        tumour, known = hard.subjects(s, values, places, keys, ids, _taken(plan, numbers, who, course), kinetics)
        followed = jnp.maximum(hard.followed(tumour, float(plan.days)), 0.0)
        over = jnp.minimum(jnp.where(beyond, jnp.inf, tumour.progressed), hard.quits(tumour))
        over = jnp.minimum(jnp.minimum(over, tumour.death), followed)
        until = jnp.minimum(hard.followed(tumour, plan.closed), followed)
        made = tumour, course, with_surface(known), who.tells, who.baseline, followed, _treated(plan, course, ends)
        return over, until, Patients(*made)

    def next_(i, now):
        over, until, made = once(*now[:2])
        # the tumour is that of the doses before its progression; what ends with it comes after
        kept = (now[0], now[1], now[2].tumour, now[2].known, now[2].followed)
        mine = (over, until, made.tumour, made.known, made.followed)
        over, until, *seen = jax.tree.map(lambda old, new: jnp.where(i == 0, new, old), kept, mine)
        return over, until, made._replace(tumour=seen[0], known=seen[1], followed=seen[2])

    # a loop, for the one program of both passes
    never = jnp.full(ids.shape, jnp.inf, scores["death"].dtype)
    empty = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(once, never, never)[2])
    return jax.lax.fori_loop(0, 2, next_, (never, never, empty))[2]


def _taken(plan, numbers, who, course):
    """Share of the planned doses given in each interval between scans, (interval, subject)."""
    first = jnp.asarray(numbers.protocol.drugs[0].doses)[0] * who.mg[0]
    planned = jnp.asarray(plan.planned)[:, None] * first
    share = jnp.where(planned > 0, course.taken / jnp.maximum(planned, 1e-9), 1.0)
    return share[: len(plan.setting.edges) - 1]


def _treated(plan, course, ends):
    """Days on each drug: until a cycle after its last dose (a pack after the last day of tablets), or what ended it."""
    pairs = zip(plan.course.parts, course.doses, strict=True)
    return tuple(jnp.clip(d.last + (plan.course.every if p.pack == 1 else p.pack), 0.0, ends) for p, d in pairs)


__all__ = ["Patients", "patients"]
