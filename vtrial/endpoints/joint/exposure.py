"""Exposure and prognosis: survival in the lowest against the highest quarter of the trough of the first cycle, of patients as
they are, and of the same patients whose clearance is another's: exposure then says nothing of prognosis, and still kills.

Of another are the random effects of the first drug's kinetics and all of its covariates but those that doses go by
(`CLEARANCE`). Of these only what the tumour's or the kill's card has too ties exposure to prognosis (`links`): re-dealing those
alone (`LINKS`) has the same law where nothing else is correlated, and leaves most patients in their quarter, so that the
difference from patients as they are is far less of chance.
"""

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ... import pk, population
from .. import survival
from ..hard import arm_key
from ..outcome import hard
from ..outcome import setting as settings
from ..people import flat
from . import lanes
from .replicate import CHUNK
from .subjects import patients

# Doses go by these, and stay the patient's own.
BY = ("WT", "BSA")
DEALINGS = AS_THEY_ARE, CLEARANCE, LINKS = "as_they_are", "clearance", "links"


class Survival(NamedTuple):
    """Of subjects: ``trough`` mg/L just before the second dose; ``day`` and ``event`` of survival at a cut; ``counts``: had
    joined by then, and the course is finite."""

    trough: jnp.ndarray
    day: jnp.ndarray
    event: jnp.ndarray
    counts: jnp.ndarray


class Contrasts(NamedTuple):
    """By dealing, of `DEALINGS`: ``log_hr`` (draw,), lowest against highest quarter of the trough; ``without`` (draw, part),
    the same without a part of the cohort; ``bounds`` (draw, 2), quartiles of the trough, mg/L; ``deaths`` (draw,) in both
    quarters. ``patients``: how many counted in the first draw."""

    log_hr: dict
    without: dict
    bounds: dict
    deaths: dict
    patients: int


def links(s):
    """Covariates that both the kinetics and the tumour, or the kill, depend on; without those that doses go by."""
    prognostic = {e.of for card in (s.tumour, s.kill) for e in card.effects}
    return sorted({e.of for e in s.pk.effects} & prognostic - set(BY))


def every_dose(plan):
    """The `plan.Plan` of an arm without organs, that its patients get every dose until they progress."""
    return replace(plan, course=replace(plan.course, effects=()))


def redealt(s, scores, covs, whose, linked):
    """Scores and covariates that each subject's drug is cleared by, when it is cleared as in subject ``whose`` (subject,), and
    `links` are those of ``linked`` (subject,)."""
    both = set(links(s))
    taken = {c: covs[c][linked if c in both else whose] for c in sorted({e.of for e in s.pk.effects} - set(BY))}
    return {f"eta.{n}": scores[f"eta.{n}"][whose] for n in s.pk.etas} | taken


def trough(plan, scores, covs):
    """Concentration just before the second dose (subject,), mg/L, of the arm's first drug at its first dose."""
    s = plan.setting
    modes = pk.STRUCTURES[s.pk.structure].modes(population.individuals(s.pk, scores, covs))
    mg = s.amount * population.per_unit(s.unit, covs)
    return mg * pk.modes.infused(modes, s.every, plan.course.parts[0].infusion).sum(0)


def followed(plan, cut, numbers, values, places, keys, ids, others) -> Survival:
    """The `Survival` at a cut (day of the trial) of subjects; ``others``: ``whose`` and ``linked`` of `redealt`. Other
    arguments as of `subjects.patients`."""
    s = plan.setting
    scores = hard.dealt(s, places, keys, ids)
    covs = settings.covariates(s, scores)
    own = redealt(s, scores, covs, *others)
    of = patients(plan, numbers, values, places, keys, ids, kinetics=own)
    outcome, joined = hard.at_cut(s, of.tumour, of.known, s.design.response.assessor, cut)
    sound = jnp.isfinite(of.tumour.size).all(0) & ~jnp.isnan(of.tumour.death)
    return Survival(trough(plan, scores | own, covs | own), outcome.os_day, outcome.os_event, joined & sound)


def turned(size):
    """Each subject's other one (subject,): one fixed round through all of them."""
    round_ = np.random.default_rng(0).permutation(size)
    whose = np.empty(size, int)
    whose[round_] = np.roll(round_, 1)
    return whose


@lru_cache(maxsize=8)
def _compiled(plan, cut):
    """``run(numbers, values, places, key, replicates, others)``: `Survival` of the arm in some replicates of the trial."""

    def run(numbers, values, places, key, index, others):
        keys, ids = flat(arm_key(key, plan.setting), index, plan.setting.n)
        where = flat(places, index, plan.setting.n)[0]
        return followed(plan, cut, numbers, values, where, keys, ids, others)

    return jax.jit(run)


def cohort(plan, cut, values, key, count, dealing):
    """`Survival` of ``count`` patients, or the fewest above that fill chunks, (chunk, subject) each, NumPy: the same ones for
    any values and any of `DEALINGS`. ``values``: card path -> name -> number."""
    s, run = plan.setting, _compiled(plan, cut)
    per = max(1, CHUNK // s.n)
    size = per * s.n
    me, other = np.arange(size), turned(size)
    others = {AS_THEY_ARE: (me, me), CLEARANCE: (other, other), LINKS: (me, other)}[dealing]
    places, numbers, parts = population.stream(key, s.trial), plan.numbers, []
    for start in range(0, -(-count // size) * per, per):
        parts.append(jax.tree.map(np.asarray, run(numbers, values, places, key, np.arange(start, start + per), others)))
    return jax.tree.map(lambda *x: np.stack(x), *parts)


def contrast(of: Survival):
    """(log hazard ratio, the same without each chunk (chunk,), quartiles of the trough, deaths), of (chunk, subject)."""
    low, high = np.quantile(of.trough[of.counts], (0.25, 0.75))
    last = of.trough >= high
    among = of.counts & ((of.trough <= low) | last)
    chunks = len(among)
    # everyone, then everyone but those of a chunk
    weight = np.concatenate([among[None], among & ~np.eye(chunks, dtype=bool)[:, :, None]]).reshape(chunks + 1, -1)
    day, event, first = (np.broadcast_to(x.reshape(-1), weight.shape) for x in (of.day, of.event, ~last))
    log_hr = np.asarray(_cox(day, event, first, weight))
    return log_hr[0], log_hr[1:], (low, high), (of.event & among).sum()


@jax.jit
def _cox(day, event, first, weight):
    return survival.cox(day, event, first, weight=weight).log_hr


def contrasts(plan, cut, values, key, count, tick=lambda n: None) -> Contrasts:
    """The `Contrasts` of an arm's patients under parameter values.

    Parameters
    ----------
    plan : plan.Plan
    cut : float
        Day of the trial at which survival is read.
    values : dict
        Card path -> name -> (draw,).
    key : PRNG key
        One for all draws: the same patients, with the same luck.
    count : int
        Patients of each draw.
    """
    draws = len(next(iter(next(iter(values.values())).values())))

    def one(i):
        mine = {path: {k: jnp.asarray(v[i]) for k, v in row.items()} for path, row in values.items()}
        made = [cohort(plan, cut, mine, key, count, dealing) for dealing in DEALINGS]
        tick(1)
        return [*zip(*map(contrast, made), strict=True), int(made[0].counts.sum())]

    *told, known = zip(*lanes.spread([1] * draws, one), strict=True)
    return Contrasts(*(dict(zip(DEALINGS, np.moveaxis(np.array(x, float), 1, 0), strict=True)) for x in told), known[0])


def summary(found: Contrasts):
    """What the contrasts say, as JSON: by dealing the hazard ratio and the share of draws with one above 1; of those re-dealt
    what it ``shrinks`` by: the part of the log hazard ratio that is gone once exposure says nothing of prognosis.

    Intervals hold 90 % of draws. ``cohort_error`` is the standard error of the median (of a hazard ratio's logarithm) for the
    cohort's being finite: its parts are left out in turn; null where there is one part only.
    """
    out = {d: {"hazard_ratio": _told(found, lambda x, d=d: x[d], np.exp)} for d in DEALINGS}
    for d in DEALINGS:
        out[d]["share_above_1"] = float((found.log_hr[d] > 0).mean())
        out[d]["deaths"] = float(np.median(found.deaths[d]))
    for d in (CLEARANCE, LINKS):
        out[d]["shrinks"] = _told(found, lambda x, d=d: shrinks(x, d))
    quartiles = np.median(found.bounds[AS_THEY_ARE], 0).tolist()
    return out | {"quartiles": quartiles, "patients": found.patients, "draws": len(found.log_hr[AS_THEY_ARE])}


def shrinks(log_hr, dealing):
    """The part of a log hazard ratio that a dealing takes away; ``log_hr``: by dealing."""
    return 1 - log_hr[dealing] / log_hr[AS_THEY_ARE]


def _told(found, of, shown=np.asarray):
    low, middle, high = shown(np.quantile(of(found.log_hr), (0.05, 0.5, 0.95))).tolist()
    parts = np.median(of(found.without), 0)
    error = ((len(parts) - 1) / len(parts) * ((parts - parts.mean()) ** 2).sum()) ** 0.5
    return {"median": middle, "low": low, "high": high, "cohort_error": float(error) if len(parts) > 1 else None}


__all__ = [
    "AS_THEY_ARE",
    "CLEARANCE",
    "DEALINGS",
    "LINKS",
    "Contrasts",
    "Survival",
    "cohort",
    "contrast",
    "contrasts",
    "every_dose",
    "followed",
    "links",
    "redealt",
    "shrinks",
    "summary",
    "trough",
    "turned",
]
