"""The smooth look at an arm: expected curves of progression-free survival, survival and response, differentiable.

Subjects and all measurement errors but the last are quasi-random. At each scan the probability of progression is a normal
tail given the errors so far; the error drawn for later scans is drawn from those that show no progression, so that their
expectation is exact. Responses are followed by scan: none, one, one and a scan of stable disease since; they and progression
are taken as independent given the tumour and the baseline's error. New lesions and deaths are integrated.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from scipy.stats import norm

from . import setting as settings

STEP = 14.0  # days between points of a curve: a part of every interval between scans
TAIL = 6.0
TINY = 1e-12


class Curves(NamedTuple):
    """By ``days`` (point,): shares progression-free and alive; ``orr``: the share with a confirmed response; ``dor`` (point,):
    of these, still in response so many days after its first documentation."""

    days: np.ndarray
    pfs: jnp.ndarray
    os: jnp.ndarray
    orr: jnp.ndarray
    dor: jnp.ndarray


class _Scans(NamedTuple):
    """By scan (scan, subject): P(progression is seen, none before), P(a response is measured); ``free`` (edge, subject): P(no
    progression seen up to it)."""

    seen: jnp.ndarray
    response: jnp.ndarray
    free: jnp.ndarray


def noise_names(count):
    """Names of the measurement scores of the baseline and of ``count`` scans."""
    return [f"scan.{k}" for k in range(count + 1)]


def marked(scores, count):
    """The measurements' numbers, `curves`' ``marks``, from scores by `noise_names` (NumPy)."""
    first, *rest = (np.asarray(scores[name]) for name in noise_names(count))
    return first, norm.cdf(np.stack(rest))


def curves(s, scores, marks, exposure, values, horizon) -> Curves:
    """The `Curves` of an arm.

    Parameters
    ----------
    s : setting.Setting
    scores : dict
        Quasi-random scores of the subjects.
    marks : pair of arrays
        Of the measurements: scores of the baseline (subject,), uniform numbers of the scans (scan, subject).
    exposure : (interval, subject)
    values : dict
        Card path -> replacements of its numbers.
    horizon : float
        Days until which the curves go.
    """
    covs = settings.covariates(s, scores)
    path = _bounded(settings.paths(s, exposure, scores, covs, values))
    scans = _scanned(s, path, covs["SLD"], marks)
    days = np.arange(0.0, horizon + STEP, STEP)
    alive = jnp.exp(-_between(path.death, s.edges, days))
    shown = _shown(s, days)
    free = jnp.maximum(1 - shown @ scans.seen, 0.0)
    dor, orr = _duration(s, path, scans, days)
    survival = free * alive + _progressed(s, path, scans, days, shown)
    return Curves(days, (free * alive).mean(1), survival.mean(1), orr, dor)


def _bounded(path):
    """Hazards no larger than certainty: what is beyond would be lost below the smallest number."""
    return path._replace(death=jnp.minimum(path.death, 30.0))


def _scanned(s, path, baseline, marks):
    y, first, uniform = path.log_size[1:], s.error * jnp.asarray(marks[0]), jnp.asarray(marks[1])
    floor = jnp.log(s.rules.cr_below / baseline)

    def scan(nadir, x):
        size, u = x
        bar = _bar(s.rules, nadir, baseline, floor)
        room = jnp.clip((bar - size) / s.error, -TAIL, TAIL)
        off = ndtri(jnp.clip(u * ndtr(room), 1e-9, 1 - 1e-7))
        return jnp.minimum(nadir, size + s.error * off), ndtr(-room)

    _, target = jax.lax.scan(scan, first, (y, uniform))
    stay = (1 - target) * jnp.exp(-jnp.minimum(jnp.diff(path.lesions, axis=0), 30.0))
    # floors: numbers below the normal ones of single precision take a hundred times as long
    free = jnp.maximum(jnp.concatenate([jnp.ones_like(stay[:1]), jnp.cumprod(stay, 0)]), TINY)
    response = jnp.maximum(ndtr((jnp.log(1 - s.rules.pr_relative) + first - y) / s.error), TINY)
    return _Scans(free[:-1] - free[1:], response, free)


def _bar(rules, nadir, baseline, floor):
    """Log over baseline of the smallest sum that is progression; a sum below ``floor`` is not seen."""
    grown = jnp.exp(nadir) + rules.pd_absolute / baseline
    return jnp.maximum(jnp.maximum(nadir + jnp.log1p(rules.pd_relative), jnp.log(grown)), floor)


def _shown(s, days):
    """Share of the progressions of each scan that have been dated by a day, (point, scan)."""
    return jnp.asarray(ndtr((days[:, None] - s.edges[1:]) / max(s.design.scans.scatter, 1e-3)))


def _between(hazard, edges, days):
    """A cumulative hazard (edge, subject) at days, (point, subject): straight between edges, and on after the last."""
    at = np.clip(np.searchsorted(edges, days, side="right") - 1, 0, len(edges) - 2)
    share = ((days - edges[at]) / np.diff(edges)[at])[:, None]
    return hazard[at] + share * (hazard[at + 1] - hazard[at])


def _progressed(s, path, scans, days, shown):
    """Alive after progression, (point, subject): those whom a scan shows to have progressed die at their own hazard."""
    moved = scans.seen * jnp.exp(-path.death[1:])
    left = jnp.exp(-jnp.minimum(path.after[1:] * STEP, 60.0))

    def step(alive, dated):
        alive = alive * left + moved * dated[:, None]
        return alive, alive.sum(0)

    return jax.lax.scan(step, moved * shown[0][:, None], jnp.diff(shown, axis=0, prepend=shown[:1]))[1]


def _duration(s, path, scans, days):
    """Duration of response (point,), and the response rate: by pairs of scans, that of the first documentation and that by
    which it has ended. Deaths between scans count as of the next one."""
    held, count = scans.free * jnp.exp(-path.death), len(scans.seen)
    first, lost, weight = np.arange(count)[:, None], 0.0, 0.0
    for lag, share in enumerate(_responses(scans.response), 1):
        # by the scan of first documentation: in response at each edge from the confirmation on
        share = jnp.concatenate([share[lag:], jnp.zeros_like(share[:lag])])
        at = np.minimum(first + lag + 1 + np.arange(count), count)
        still = (share @ held.T)[first, at]
        length = s.edges[at[:, 1:]] - s.edges[first + 1]
        over = jnp.asarray(ndtr((days[:, None, None] - length) / max(np.sqrt(2) * s.design.scans.scatter, 1e-3)))
        lost = lost + ((still[:, :-1] - still[:, 1:]) * over).sum((1, 2))
        weight = weight + still[:, 0].sum()
    return 1 - lost / jnp.maximum(weight, 1e-12), weight / held.shape[1]


def _responses(r):
    """P that a scan confirms a response first documented one and two scans before, (scan, subject) each, as if no
    progression came between."""

    def scan(carry, r):
        one, two, none = carry
        return (none * r, one * (1 - r), (none + two) * (1 - r)), (one * r, two * r)

    zero = jnp.zeros_like(r[0])
    return jax.lax.scan(scan, (zero, zero, zero + 1), r)[1]


__all__ = ["STEP", "Curves", "curves", "marked", "noise_names"]
