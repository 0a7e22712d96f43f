"""Replaying trials: fresh trials of the published size from posterior draws, arm by arm."""

import zlib
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from .calibrate import outcome, targets
from .conduct.course import course
from .conduct.schedule import dose
from .conduct.setting import setting
from .endpoints import TABLE, replicate
from .endpoints.joint import lanes, plan
from .endpoints.joint import replicate as joint
from .endpoints.outcome.rows import unmodelled
from .errors import InputError
from .library import problems
from .library.free import AT
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
    if problem.effect == problems.JOINT:
        costs = [sum(a.n for a in problem.trials[name].arms.values()) for name in names]
        if len(names) == 1:
            parts = [_joint(problem, names[0], values, key, replicates, tick, _shared)]
        else:
            parts = lanes.spread(costs, lambda i: _joint(problem, names[i], values, key, replicates, tick))
    else:
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


def _joint(problem, name, values, key, replicates, tick, statistics=joint.statistics):
    """Rows that the joint look models, and platelet counts of trials that tell neither scans nor other organs."""
    trial, mine = problem.trials[name], by_trial(problem, values, name, replicates)
    plans = plan.plans(trial, trial.arms, trial.design.horizon())[0] if trial.design else {}
    why = {r: joint.unmodelled(r, trial, plans) if plans else "the trial has no design" for r in trial.rows.values()}
    known = [r for r, text in why.items() if not text]
    found = {"rows": np.zeros((replicates, 0)), "widths": np.zeros((replicates, 0)), "failed": 0}
    if known:
        used = {a: p for a, p in plans.items() if any(a in r.arms for r in known)}
        found = statistics(trial, used, known, mine, key, replicates=replicates, tick=tick)
    out = {(name, r.id): found["rows"][:, i] for i, r in enumerate(known)}
    widths = {(name, r.id): float(w) for r, w in zip(known, np.median(found["widths"], 0), strict=True) if np.isfinite(w)}
    counts, failed = _counts(trial, [r for r, text in why.items() if text and r.endpoint in TABLE], mine, key, replicates)
    reasons = {(name, r.id): text for r, text in why.items() if text and (name, r.id) not in counts}
    return out | counts, reasons, widths, found["failed"] + failed


def _shared(trial, plans, known, values, key, *, replicates, tick):
    """`joint.statistics`, the replicates shared between the lanes."""
    parts = np.array_split(np.arange(replicates), min(len(jax.local_devices()), replicates))

    def run(i):
        mine = {path: {k: np.broadcast_to(v, replicates)[parts[i]] for k, v in row.items()} for path, row in values.items()}
        sizes = {"replicates": len(parts[i]), "first": int(parts[i][0])}
        return joint.statistics(trial, plans, known, mine, key, **sizes, tick=tick)

    found = lanes.spread([len(p) for p in parts], run)
    rows, widths = (np.concatenate([f[k] for f in found]) for k in ("rows", "widths"))
    return {"rows": rows, "widths": widths, "failed": sum(f["failed"] for f in found)}


def by_trial(problem, values, name, replicates):
    """`problems.by_card` of a trial; one that was not fitted has scores of its own drawn afresh."""
    rng, own = np.random.default_rng(zlib.crc32(name.encode())), {}
    for f in problem.free:
        score = f"{f.name}{AT}{name}"
        if f.between and score not in values:
            own[score] = rng.normal(size=replicates)
    cards = problems.by_card(problem, values | own, name)
    return {path: {k: np.asarray(v) for k, v in row.items()} for path, row in cards.items()}


def _counts(trial, rows, values, key, replicates):
    """Platelet counts under full doses, by arm."""
    out, failed = {}, 0
    for arm in dict.fromkeys(r.arm for r in rows):
        try:
            made = setting(trial, arm, "thrombocytopenia")
        except InputError:
            continue
        mine = [r for r in rows if r.arm == arm]
        result = replicate.statistics(made, mine, values.get(made.fx.path, {}), key, replicates=replicates)
        out |= {(trial.name, r.id): result["rows"][:, i] for i, r in enumerate(mine)}
        failed += result["failed"]
    return out, failed


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
    if problem.effect in (problems.EFFICACY, problems.JOINT):
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


__all__ = ["Replay", "alternatives", "arms", "by_trial", "daily", "replay", "with_discrepancy"]
