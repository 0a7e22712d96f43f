"""The smooth look at an arm: expected curves of progression-free survival, survival and response, differentiable.

Subjects and all measurement errors but the last are quasi-random. At each scan the probability that it shows no progression is
a normal tail given the errors so far; the error kept for later scans is drawn from those that show none, and the subject
weighs as much as that was likely, so that expectations are exact. Where two assessors read, scans end when the one who treats
sees progression, and the primary one's patients are censored: his curve is that of Kaplan and Meier on those still watched.
Where the trial's scans go on until his own, neither hangs on the other; deaths in between are taken at the hazard before
progression.
Responses are followed by scan: none, one, one and a scan of stable disease since; they and progression are taken as independent
given the tumour and the baseline's error. New lesions and deaths are integrated.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from scipy.stats import norm

from . import setting as settings

STEP = 7.0  # days between points of a curve, a part of every interval between scans
COARSE = 2  # points between those at which survival after progression is summed
TAIL = 6.0
# Floors: numbers below the normal ones of single precision take a hundred times as long.
TINY = 1e-12


class Curves(NamedTuple):
    """By ``days`` (point,): shares progression-free, as Kaplan and Meier see them, and alive; ``events``: the share whose
    progression or death has been seen, ``watched``: still at risk of it, were nobody's data cut; ``orr``: the share with a
    confirmed response; ``dor``: of these, still in response so many days after its first documentation."""

    days: np.ndarray
    pfs: jnp.ndarray
    os: jnp.ndarray
    events: jnp.ndarray
    watched: jnp.ndarray
    orr: jnp.ndarray
    dor: jnp.ndarray


class _Watch(NamedTuple):
    """Those whom scans watch: ``weight`` (edge, subject): P(neither assessor has seen progression up to it, or where scans go
    on the primary one has not, and the scan after it is not missed by leaving); ``seen`` (scan, subject): P(the primary one
    sees it there, given none before); ``response``: P(he measures a response there). ``treated`` (edge, subject): P(the one who
    treats has seen none up to it)."""

    weight: jnp.ndarray
    seen: jnp.ndarray
    response: jnp.ndarray
    treated: jnp.ndarray


def noise_names(count):
    """Names of the measurement scores of the baseline and of ``count`` scans, of two assessors."""
    return [f"{who}.{k}" for k in range(count + 1) for who in ("scan", "other")]


def marked(scores, count):
    """The measurements' numbers, `curves`' ``marks``, from scores by `noise_names` (NumPy)."""
    dealt = np.stack([np.stack([scores[f"{who}.{k}"] for k in range(count + 1)]) for who in ("scan", "other")])
    return dealt[:, 0], norm.cdf(dealt[:, 1:])


def curves(arms, looks, values, horizon) -> list:
    """The `Curves` of a trial's arms.

    Parameters
    ----------
    arms : list of setting.Setting
        Of one trial: scanned on the same days by the same assessors.
    looks : list of (scores, marks, exposure)
        Of each arm: quasi-random scores of the subjects; of the measurements by the primary and the other assessor scores of
        the baseline (assessor, subject) and uniform numbers of the scans (assessor, scan, subject); exposure (interval,
        subject).
    values : dict
        Card path -> replacements of its numbers.
    horizon : float
        Days until which the curves go.
    """
    covs = [settings.covariates(s, scores) for s, (scores, _, _) in zip(arms, looks, strict=True)]
    paths = [
        _bounded(settings.paths(s, exposure, scores, c, values))
        for s, (scores, _, exposure), c in zip(arms, looks, covs, strict=True)
    ]
    # side by side: a step of all arms costs little more than one of a single arm
    firsts, uniforms = zip(*(marks for _, marks, _ in looks), strict=True)
    wide = [[p.log_size for p in paths], [p.lesions for p in paths], [c["SLD"] for c in covs], firsts, uniforms]
    watch = _watched(arms[0], settings.assessors(arms[0], values), *(jnp.concatenate(parts, -1) for parts in wide))
    ends = np.cumsum([len(c["SLD"]) for c in covs])[:-1]
    parts = zip(*(jnp.split(part, ends, -1) for part in watch), strict=True)
    watches = [_staying(s, settings.assessors(s, values), _Watch(*mine)) for s, mine in zip(arms, parts, strict=True)]
    days = np.arange(0.0, horizon + STEP, STEP)
    return [_curves(s, path, watch, days) for s, path, watch in zip(arms, paths, watches, strict=True)]


def _bounded(path):
    """Hazards no larger than certainty: what is beyond would be lost below the smallest number."""
    return path._replace(death=jnp.minimum(path.death, 30.0), lesions=jnp.minimum(path.lesions, 30.0))


def _curves(s, path, watch, days):
    alive, shown, passed = jnp.exp(-path.death), _shown(s, days), _passed(s.edges, days)
    scanned, died, left, lost = _flows(watch, alive)
    orr, dor = _response(s, watch, alive, days)
    return Curves(
        days=days,
        pfs=1 - passed @ lost[0] - shown @ lost[1],
        os=_survival(s, path, watch.treated, days),
        events=passed @ died + shown @ scanned,
        watched=watch.weight[0].mean() - passed @ died - shown @ left,
        orr=orr,
        dor=dor,
    )


def _watched(s, known, *rest):
    """The `_Watch` of the primary assessor, of whom nobody leaves scans."""
    who, treats = s.design.response.assessor, s.design.treating
    if not s.design.scans.beyond or who == treats:
        return _read(s, known, who, treats, *rest)
    # neither takes scans away from the other
    return _read(s, known, who, who, *rest)._replace(treated=_read(s, known, treats, treats, *rest).treated)


def _read(s, known, who, treats, log_size, lesions, baseline, first, uniform):
    """The `_Watch` of an assessor beside the one who treats, whose errors come first: what he sees does not hang on the
    other."""
    y, error, other = log_size[1:], known[settings.ERROR + who], known[settings.ERROR + treats]
    # of one assessor alone the other is himself
    rho = known[settings.ALIKE] if treats != who else 1.0
    own = jnp.sqrt(jnp.maximum(1 - rho**2, 1e-12))
    start = error * (rho * first[1] + own * first[0]), other * first[1]
    floor = jnp.log(s.rules.cr_below / baseline)

    def scan(nadirs, x):
        size, u, v = x
        mine, theirs = ((_bar(s.rules, n, baseline, floor) - size) / e for n, e in zip(nadirs, (error, other), strict=True))
        go_on, off = _kept(theirs, v)
        alike, also = _kept((mine - rho * off) / own, u) if treats != who else (jnp.ones_like(go_on), 0.0)
        lows = jnp.minimum(nadirs[0], size + error * (rho * off + own * also)), jnp.minimum(nadirs[1], size + other * off)
        return lows, (ndtr(jnp.clip(mine, -TAIL, TAIL)), go_on, go_on * alike)

    _, (stay, go_on, both) = jax.lax.scan(scan, start, (y, *uniform))
    clear = jnp.exp(-jnp.diff(lesions, axis=0))
    response = jnp.maximum(ndtr((jnp.log(1 - s.rules.pr_relative) + start[0] - y) / error), TINY)
    return _Watch(_left(both * clear), 1 - stay * clear, response, _left(go_on * clear))


def _staying(s, known, watch):
    """A `_Watch` without those of the arm who leave scans: who has left by the next edge is censored at this one."""
    until = np.append(s.edges[1:], 2 * s.edges[-1] - s.edges[-2])[:, None]
    stay = (1 - s.design.dropout.of(s.arm)[0]) * jnp.exp(-known[settings.LEAVING] * until)
    return watch._replace(weight=watch.weight * stay)


def _left(kept):
    """What is left at each edge, of what each scan keeps."""
    return jnp.maximum(jnp.concatenate([jnp.ones_like(kept[:1]), jnp.cumprod(kept, 0)]), TINY)


def _kept(room, uniform):
    """P(a standard normal error is below ``room``), and one that is."""
    room = jnp.clip(room, -TAIL, TAIL)
    below = ndtr(room)
    return below, ndtri(jnp.clip(uniform * below, 1e-9, 1 - 1e-7))


def _bar(rules, nadir, baseline, floor):
    """Log over baseline of the smallest sum that is progression; a sum below ``floor`` is not seen."""
    grown = jnp.exp(nadir) + rules.pd_absolute / baseline
    return jnp.maximum(jnp.maximum(nadir + jnp.log1p(rules.pd_relative), jnp.log(grown)), floor)


def _shown(s, days):
    """Share of what a scan shows that has been dated by a day, (point, scan)."""
    return jnp.asarray(norm.cdf((days[:, None] - s.edges[1:]) / max(s.design.scans.scatter, 1e-3)))


def _passed(edges, days):
    """Share of each interval between scans that has passed by a day, (point, interval)."""
    return jnp.asarray(np.clip((days[:, None] - edges[:-1]) / np.diff(edges), 0.0, 1.0))


def _flows(watch, alive):
    """By interval, shares of the arm: progressions seen at its end, deaths seen within it, and all who leave at its end; and
    what the curve of Kaplan and Meier loses by deaths and by progressions."""
    before = (watch.weight[:-1] * alive[:-1]).mean(1)
    later = (watch.weight[:-1] * alive[1:]).mean(1)
    scanned = (watch.weight[:-1] * alive[1:] * watch.seen).mean(1)
    left = later - (watch.weight[1:] * alive[1:]).mean(1)
    lives, stays = later / before, _mingled(scanned, left, later)
    curve = jnp.concatenate([jnp.ones(1), jnp.cumprod(lives * stays)])[:-1]
    return scanned, before - later, left, (curve * (1 - lives), curve * lives * (1 - stays))


def _mingled(events, leave, risk):
    """What Kaplan and Meier's curve keeps at a scan whose actual days scatter: those who leave, by an event or censored, go one
    after the other in any order, ``exp(-int events du / (risk - leave u))`` over the share u that has gone."""
    gone = jnp.maximum(leave, TINY)
    return jnp.exp(events / gone * jnp.log1p(-jnp.minimum(gone / jnp.maximum(risk, TINY), 1 - 1e-6)))


def _survival(s, path, treated, days):
    """Share alive, (point,): before the progression that ends treatment, and after it."""
    coarse = days[::COARSE]
    alive, shown = jnp.exp(-_between(path.death, s.edges, coarse)), _shown(s, coarse)
    seen = treated[:-1] - treated[1:]
    free = jnp.maximum(1 - shown @ seen, 0.0)
    both = (free * alive).mean(1) + _progressed(s, path, seen, shown).mean(1)
    return jnp.interp(days, coarse, both)


def _between(hazard, edges, days):
    """A cumulative hazard (edge, subject) at days, (point, subject): straight between edges, and on after the last."""
    at = np.clip(np.searchsorted(edges, days, side="right") - 1, 0, len(edges) - 2)
    share = ((days - edges[at]) / np.diff(edges)[at])[:, None]
    return hazard[at] + share * (hazard[at + 1] - hazard[at])


def _progressed(s, path, seen, shown):
    """Alive after progression, (point, subject): those whom a scan shows to have progressed die at their own hazard, from the
    middle of the step on in which it is dated."""
    moved = seen * jnp.exp(-path.death[1:])
    half = jnp.exp(-jnp.minimum(path.after[1:] * STEP * COARSE / 2, 30.0))

    def step(alive, dated):
        alive = alive * half**2 + moved * half * dated[:, None]
        return alive, alive.sum(0)

    return jax.lax.scan(step, moved * shown[0][:, None], jnp.diff(shown, axis=0, prepend=shown[:1]))[1]


def _response(s, watch, alive, days):
    """The response rate, and duration of response (point,) as Kaplan and Meier see it, by the lattice of scans: deaths between
    two count as of the later one."""
    count, size = len(watch.seen), alive.shape[1]
    there = watch.weight * alive
    ends = watch.weight[:-1] * (alive[:-1] - alive[1:] * (1 - watch.seen))
    first, responders = np.arange(count)[:, None], 0.0
    at_risk, ended, gone = jnp.zeros(count), jnp.zeros(count), jnp.zeros(count)
    for lag, share in enumerate(_responses(watch.response), 1):
        # by the scan of first documentation: watched at each edge from the confirmation on, and ending thereafter
        share = jnp.concatenate([share[lag:], jnp.zeros_like(share[:lag])])
        at = first + lag + 1 + np.arange(count - lag)
        inside = at < count
        still, over = share @ there.T, share @ ends.T
        here, next_ = (still[first, np.minimum(at + k, count)] * inside for k in (0, 1))
        ended = ended.at[lag:].add((over[first, np.minimum(at, count - 1)] * inside).sum(0))
        gone = gone.at[lag:].add((here - next_).sum(0))
        confirmed = still[first[:, 0], np.minimum(first[:, 0] + lag + 1, count)].sum()
        at_risk = at_risk.at[lag:].add(here.sum(0)).at[:lag].add(confirmed)
        responders = responders + confirmed
    line = jnp.concatenate([jnp.ones(1), jnp.cumprod(_mingled(ended, gone, at_risk))])
    over = norm.cdf((days[:, None] - s.edges[1:]) / max(np.sqrt(2) * s.design.scans.scatter, 1e-3))
    return responders / size, 1 - jnp.asarray(over) @ (line[:-1] - line[1:])


def _responses(r):
    """P that a scan confirms a response first documented one and two scans before, (scan, subject) each, as if no
    progression came between."""

    def scan(carry, r):
        one, two, none = carry
        return (none * r, one * (1 - r), (none + two) * (1 - r)), (one * r, two * r)

    zero = jnp.zeros_like(r[0])
    return jax.lax.scan(scan, (zero, zero, zero + 1), r)[1]


__all__ = ["STEP", "Curves", "curves", "marked", "noise_names"]
