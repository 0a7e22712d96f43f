"""An arm of one replicate trial at a data cut, subject by subject, with what each assessor has read."""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..conduct import recist
from ..endpoints import protocol
from ..endpoints.hard import arm_key
from ..endpoints.joint.subjects import patients
from ..endpoints.outcome import hard
from ..endpoints.outcome.setting import Setting
from ..endpoints.people import flat
from ..library.trials import Trial
from . import schema


class Look(NamedTuple):
    """An assessor's readings until the cut: ``overall`` responses, whether a scan was ``due`` and the ``sums`` as read, mm, 0
    where too small to see, (scan, subject) each; ``baseline`` (subject,)."""

    outcome: recist.Outcome
    overall: np.ndarray
    due: np.ndarray
    sums: np.ndarray
    baseline: np.ndarray


class Arm(NamedTuple):
    """``known``: covariates by name; ``looks``: `Look` by assessor; ``left``: days from joining to the cut; ``there``: who had
    joined; ``sound``: of them, whose course is finite; ``start``: RANDDT; ``ids``: USUBJID; (subject,) each, NumPy."""

    trial: Trial
    s: Setting
    of: hard.Subjects
    known: dict
    looks: dict
    left: np.ndarray
    there: np.ndarray
    sound: np.ndarray
    start: np.ndarray
    ids: np.ndarray


def arm(trial, s, values, places, key, replicate, cut, plan=None, rules=None):
    """The `Arm` of a setting; ``values``: card path -> name -> number; ``places`` and ``key`` as of the trial's replicates;
    ``plan`` and ``rules``: where the doses that organs allow reach the tumour."""
    numbers = protocol.numbers(plan.course, rules) if plan else None
    found = _compiled(plan.setting if plan else s, plan)(
        values, places, arm_key(key, s), jnp.array([replicate]), float(cut), numbers
    )
    of, known, looks = jax.tree.map(np.asarray, found)
    sound = np.isfinite(of.size).all(0) & ~np.isnan(of.death)
    start = schema.dates(np.full(s.n, schema.origin(trial), "datetime64[D]"), of.joined)
    there = of.joined < cut
    return Arm(trial, s, of, known, looks, cut - of.joined, there, there & sound, start, schema.usubjid(s, s.n))


@lru_cache(maxsize=16)
def _compiled(s, plan):
    def run(values, places, key, index, cut, numbers):
        keys, ids = flat(key, index, s.n)
        of_place = flat(places, index, s.n)[0]
        if plan is None:
            of, known = hard.subjects(s, values, of_place, keys, ids)
        else:
            made = patients(plan, numbers, values, of_place, keys, ids)
            of, known = made.tumour, made.known
        looks = {who: _look(s, of, known, who, cut) for who, _ in s.design.errors}
        return of, {k: known[k] for k in s.population.marginals}, looks

    return jax.jit(run)


def _look(s, of, known, who, cut):
    """What `hard.at_cut` knows, and the readings that it rests upon."""
    until = hard.scanned(s, of, who, cut)
    baseline, sums = hard.readings(s, of, known, who)
    state, overall = hard.assessed(s, of, known, who, until)
    due = (of.days < of.death) & (of.days <= until) & (of.days <= state.progressed)
    seen = jnp.where(sums < s.rules.cr_below, 0.0, sums)
    return Look(hard.at_cut(s, of, known, who, cut)[0], overall, due, seen, baseline)


__all__ = ["Arm", "Look", "arm"]
