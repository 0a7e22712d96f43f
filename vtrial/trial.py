"""Replaying trials: fresh trials of the published size from posterior draws, arm by arm."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from .calibrate import outcome, targets
from .conduct.course import course
from .conduct.schedule import dose
from .conduct.setting import setting
from .endpoints import TABLE, replicate
from .endpoints.outcome.rows import unmodelled
from .errors import InputError
from .library import problems
from .population import covariates, deal, individuals, score_names


@dataclass(frozen=True)
class Replay:
    """``replicates`` maps (trial, row id) to (replicate,) statistics, where the row is modelled; ``reasons`` says why a
    row is not. ``failed`` counts subjects whose course was not finite. ``widths``: of a median, how wide its own 90 %
    interval is in one trial."""

    replicates: dict
    reasons: dict
    failed: int
    widths: dict = field(default_factory=dict)


def replay(problem, names, values, seed, replicates, tick=lambda n: None):
    """Replays trials under parameter values, one draw and one fresh trial of the published n a replicate.

    Parameters
    ----------
    problem : Problem
    names : list of str
        Trials of the problem.
    values : dict
        Posterior draws by parameter name, each (replicate,).
    seed, replicates : int
    """
    key = jax.random.key(seed)
    of = _outcomes if problem.effect == problems.EFFICACY else _toxicity
    parts = [of(problem, name, values, key, replicates, tick) for name in names]
    out, reasons, widths = ({k: v for part in parts for k, v in part[i].items()} for i in range(3))
    return Replay(out, reasons, sum(part[3] for part in parts), widths)


def _toxicity(problem, name, values, key, replicates, tick):
    out, reasons, failed = {}, {}, 0
    wanted = problems.internal(problem.free, values)
    for _, arm, rows in arms(problem, [name]):
        known = [r for r in rows if r.endpoint in TABLE]
        made, why = _setting(problem, name, arm)
        reasons |= {(name, r.id): why or f"{r.endpoint} is not modelled" for r in rows if why or r not in known}
        if made and known:
            result = replicate.statistics(made, known, wanted, key, replicates=replicates, tick=tick)
            out |= {(name, r.id): result["rows"][:, i] for i, r in enumerate(known)}
            failed += result["failed"]
    others = [r for r in problem.trials[name].rows.values() if len(r.arms) > 1]
    return out, reasons | {(name, r.id): f"{r.endpoint} is not modelled" for r in others}, {}, failed


def _outcomes(problem, name, values, key, replicates, tick):
    trial = problem.trials[name]
    reasons = {(name, r.id): why for r in trial.rows.values() if (why := unmodelled(r, trial))}
    known = [r for r in trial.rows.values() if (name, r.id) not in reasons]
    found = outcome.replicates(problem, name, known, values, key, replicates, tick)
    by = {(name, r.id): found["rows"][:, i] for i, r in enumerate(known)}
    widths = {(name, r.id): w for r, w in zip(known, found["widths"], strict=True) if np.isfinite(w)}
    return by, reasons, widths, found["failed"]


def arms(problem, names):
    """(trial, arm, rows) of every arm with published rows."""
    for name in names:
        trial = problem.trials[name]
        for arm in trial.arms:
            if rows := [r for r in trial.rows.values() if r.arm == arm]:
                yield name, arm, rows


def _setting(problem, name, arm, **alternative):
    try:
        return setting(problem.trials[name], arm, problem.effect, **alternative), ""
    except InputError as error:
        return None, f"no card: {error.faults[0].message}"


def with_discrepancy(replayed, problem, tau, seed):
    """The replicates with model discrepancy, normal with sd TAU (replicate,) on each row's natural scale."""
    rng, out = np.random.default_rng(seed), {}
    for (name, row_id), stats in replayed.replicates.items():
        row = problem.trials[name].rows[row_id]
        n = row.n if row.unit == "count" else 1
        moved = np.asarray(targets.to_scale(targets.scale(row), stats / n)) + tau * rng.normal(size=len(tau))
        back = targets.from_scale(targets.scale(row), moved)
        # none and all of the patients have no logit: they stay none and all
        edge = (targets.scale(row) == "logit") & np.isin(stats / n, (0.0, 1.0))
        out[name, row_id] = np.where(edge, stats, n * np.asarray(back))
    return out


def alternatives(problem, names, values, seed, replicates):
    """Rows of the protocol's assumed parts replayed under their alternatives: visits, lower limits, treatment time.

    Yields (row, assumption, (replicate,) statistics) for rows the problem fits or holds out; nothing for tumours.
    """
    if problem.effect == problems.EFFICACY:
        return
    key = jax.random.key(seed)
    wanted = problems.internal(problem.free, values)
    for name, arm, rows in arms(problem, names):
        rows = [r for r in rows if r.endpoint in TABLE and problem.role(r)[0] != "context" and not TABLE[r.endpoint].noisy]
        for words, change in _changes(problem.trials[name], arm) if rows else ():
            made, _ = _setting(problem, name, arm, **change)
            stats = replicate.statistics(made, rows, wanted, key, replicates=replicates)["rows"]
            yield from ((r, words, stats[:, i]) for i, r in enumerate(rows))


def _changes(trial, arm):
    others = trial.alternatives
    yield from ((f"visits: {k}", {"visits": v}) for k, v in others["visits"].get("platelets", {}).items())
    yield from ((f"lower limit of normal: {v:g}", {"lower_limit": v}) for v in others["lower_limit"].get("platelets", ()))
    yield from ((f"time on treatment: {k}", {"treatment": v}) for k, v in trial.arms[arm].alternatives.items())


def daily(problem, name, arm, values, seed, cycles=8):
    """True daily platelets of one subject a draw, as if all stayed on treatment: (day, subject), from day 1."""
    s = setting(problem.trials[name], arm, problem.effect)
    wanted = {k: jnp.asarray(v) for k, v in problems.internal(problem.free, values).items()}
    size = len(next(iter(wanted.values())))
    scores = deal(jax.random.key(seed), jnp.arange(size), score_names(s.population, s.pk, s.fx))
    covs = covariates(s.population, scores)
    p, q = individuals(s.pk, scores, covs), individuals(s.fx, scores, covs, wanted)
    every, watch = s.plan.every, tuple(range(2, s.plan.every + 2))
    x = course(s.pk.structure, s.fx.structure, p, q, dose(s.plan, covs), every, min(cycles, s.plan.cycles), s.infusion, watch)
    return np.concatenate([q["CIRC0"][None], (x * q["CIRC0"]).reshape(-1, size)])


__all__ = ["Replay", "alternatives", "arms", "daily", "replay", "with_discrepancy"]
