"""Dose rules inside a compiled course: what a protocol does with the laboratory values of a day.

A rule table is arrays, so that another protocol of the same size needs no new compilation. `decide` is one day of one drug
for all subjects:

1. A rule fires when its trigger is met by what was last measured (at any visit, or only when a dose is due), and stays
   fired until the dose is given again. A rule that stops does so at once.
2. When a dose is due, it is held while a fired rule is not recovered. It is due again when the soonest of these rules
   wants a check. A rule that fired its longest hold ago, or a dose that is late by the protocol's longest delay, ends
   treatment unless recovered.
3. Otherwise it is given, at the lowest level that the fired rules ask for; below the lowest level of the list treatment
   ends. No level is ever raised again.
"""

from dataclasses import replace
from itertools import product
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..library.rules import ACTIONS, LEVELS, ORGANS

FEATURES = ("value", "grade", "drop")
# Actions of a day, as the ledger codes them.
NOTHING, GIVEN, HELD, STOPPED = range(4)
SAME, DOWN, STOP, TO = 0, 1, 2, 3
NEVER = np.inf
# Room that a table has at least, so that most tables have one shape.
EPISODES, CONDITIONS = 4, 2


class Conditions(NamedTuple):
    """Bounds on a feature of a day, (rule, condition) each; what a rule does not use is always true."""

    of: np.ndarray
    low: np.ndarray
    high: np.ndarray
    open: np.ndarray


class Table(NamedTuple):
    """A drug's rules in arrays, (rule,) each; levels (rule, episode) are `SAME`, `DOWN`, `STOP` or `TO` plus a level."""

    trigger: Conditions
    resume: Conditions
    action: np.ndarray
    recheck: np.ndarray
    longest: np.ndarray
    levels: np.ndarray
    late: np.ndarray
    late_level: np.ndarray
    persists: np.ndarray
    any_visit: np.ndarray
    count: np.ndarray  # levels of the drug
    delay: np.ndarray  # longest delay of a dose, days
    made_up: np.ndarray


class Memory(NamedTuple):
    """What a protocol remembers of each subject: days (subject,) of the planned dose and of the next check, level and
    whether treatment has ended; per rule (rule, subject) the day it fired (`NEVER`: it has not since the last dose), episodes
    so far, and since when its trigger is seen."""

    planned: jnp.ndarray
    check: jnp.ndarray
    level: jnp.ndarray
    ended: jnp.ndarray
    fired: jnp.ndarray
    episodes: jnp.ndarray
    since: jnp.ndarray


class Entry(NamedTuple):
    """A day's line of the ledger, (subject,) each: action, level, index of the rule that is its reason (-1: none), and the
    day the dose was planned for."""

    action: jnp.ndarray
    level: jnp.ndarray
    reason: jnp.ndarray
    planned: jnp.ndarray


def table(rules, size=None, rows=None):
    """The `Table` of `library.rules.Rules`, filled up to ``size`` rules so that tables of one size share a program.

    ``rows``: (organ, feature) -> row of the features that `decide` is given, the first of which is for what is not measured;
    default: those of `features`.
    """
    of = {(o, f): i for i, (o, f) in enumerate(product(ORGANS, FEATURES))} if rows is None else rows
    known, count = [_joined(r) for r in rules.rules], max(size or 1, len(rules.rules))
    each = [*known, *[None] * (count - len(known))]
    episodes = max([EPISODES, *(len(r.levels) for r in known)])
    conditions = max([CONDITIONS, *(len(c) for r in known for c in (r.trigger, r.resume))])

    def column(get, empty):
        return np.array([empty if r is None else get(r) for r in each])

    def level(name):
        return TO + rules.levels.index(name) if name in rules.levels else LEVELS.index(name)

    def by_episode(r):
        return [level(r.levels[min(i, len(r.levels) - 1)]) for i in range(episodes)]

    return Table(
        trigger=_stacked([r.trigger if r else None for r in each], conditions, of),
        resume=_stacked([r.resume if r else () for r in each], conditions, of),
        action=column(lambda r: ("none", *ACTIONS).index(r.action), 0),
        recheck=column(lambda r: r.recheck_days, 7.0),
        longest=column(lambda r: r.max_hold_days, NEVER),
        levels=column(by_episode, [SAME] * episodes),
        late=column(lambda r: r.late[0] if r.late else NEVER, NEVER),
        late_level=column(lambda r: level(r.late[1]) if r.late else SAME, SAME),
        persists=column(lambda r: r.for_days, 0.0),
        any_visit=column(lambda r: r.seen == "any", False),
        count=np.array(len(rules.levels)),
        delay=np.array(rules.delay),
        made_up=np.array(rules.made_up),
    )


def _joined(rule):
    """A rule whose conditions on one feature are one interval, where they can be."""
    return replace(rule, trigger=_intervals(rule.trigger), resume=_intervals(rule.resume))


def _intervals(conditions):
    out = []
    for c in conditions:
        same = [i for i, o in enumerate(out) if (o.organ, o.feature, o.open) == (c.organ, c.feature, c.open)]
        if same:
            other = out[same[0]]
            out[same[0]] = replace(c, low=max(c.low, other.low), high=min(c.high, other.high))
        else:
            out.append(c)
    return tuple(out)


def _stacked(rows, width, index):
    """``None``: never true; missing conditions: always."""
    cells = [[*(row or ()), *[None] * (width - len(row or ()))] for row in rows]
    never = [row is None for row in rows]

    def column(get, empty):
        return np.array([[empty if c is None else get(c) for c in row] for row in cells])

    of = column(lambda c: index.get((c.organ, c.feature), 0), -1)
    low, high = column(lambda c: c.low, -np.inf), column(lambda c: c.high, np.inf)
    low[never], high[never] = np.inf, -np.inf
    return Conditions(of, low, high, column(lambda c: c.open, False))


def begin(table, subjects, first=0.0):
    """The `Memory` before the first dose, due on day ``first``."""
    rules = len(table.action)
    day, wide = jnp.full(subjects, first), (rules, subjects)
    none = jnp.zeros(subjects, jnp.int8)
    return Memory(day, day, none, none > 0, jnp.full(wide, NEVER), jnp.zeros(wide, jnp.int8), jnp.full(wide, NEVER))


def features(values, grades, baselines):
    """(feature, subject) of a day from organ -> (subject,) values, grades and baselines; what is not modelled is NaN."""
    some = next(iter([*values.values(), *grades.values()]))
    missing = jnp.full(some.shape, jnp.nan)
    rows = []
    for organ in ORGANS:
        value = values.get(organ, missing)
        grade = grades[organ].astype(missing.dtype) if organ in grades else missing
        rows += [value, grade, baselines.get(organ, missing) - value]
    return jnp.stack(rows)


def decide(table, memory, day, x, looked, gap):
    """One day of one drug.

    Parameters
    ----------
    table, memory : Table, Memory
    day : number
        Days since the first dose was due.
    x : (feature, subject)
        Of the day's measurements, `features`.
    looked : (subject,) bool
        Whether they are taken; they always are where a dose is due.
    gap : number
        Days from this one to the next planned dose.

    Returns
    -------
    memory : Memory
    entry : Entry
    """
    due = (memory.check <= day) & ~memory.ended
    fired, since, all_ = _each_rule(table, memory, day, x, looked | due, due)
    clear = due & ~all_.holds & ~all_.stops
    out = clear & (all_.level >= table.count)
    ends = all_.stops | all_.spent | out
    holds, gives = all_.holds & ~ends, clear & ~out
    level, lowered = jnp.where(clear, all_.level, memory.level), jnp.where(clear, all_.lowers, NONE)
    first = jnp.minimum(all_.ender, jnp.where(out, lowered, NONE))
    reason = jnp.where(ends, first, jnp.where(holds, all_.holder, lowered))
    again = jnp.where(table.made_up, day + all_.recheck, day + gap)
    on = jnp.isfinite(fired) & ~memory.ended
    after = Memory(
        planned=jnp.where(gives, day + gap, memory.planned),
        check=jnp.where(gives, day + gap, jnp.where(holds, again, memory.check)),
        level=jnp.where(gives, level, memory.level).astype(jnp.int8),
        ended=memory.ended | ends,
        fired=jnp.where(gives, NEVER, fired),
        episodes=memory.episodes + (on & gives).astype(jnp.int8),
        since=since,
    )
    action = jnp.where(ends, STOPPED, jnp.where(holds, HELD, jnp.where(gives, GIVEN, NOTHING)))
    shown = jnp.where((action == NOTHING) | (reason == NONE), -1, reason)
    return after, Entry(action.astype(jnp.int8), after.level, shown.astype(jnp.int8), memory.planned)


class _All(NamedTuple):
    """What all rules say together, (subject,) each: whether one stops, one holds, one held too long; the soonest re-check; the
    lowest level; and the first rule that ends treatment, holds, lowers the level (`NONE`)."""

    stops: jnp.ndarray
    holds: jnp.ndarray
    spent: jnp.ndarray
    recheck: jnp.ndarray
    level: jnp.ndarray
    ender: jnp.ndarray
    holder: jnp.ndarray
    lowers: jnp.ndarray


def _each_rule(table, memory, day, x, seen, due):
    """Days the rules fired and days since when their triggers are seen, (rule, subject) each; and what they say."""
    no, now = jnp.zeros(due.shape, bool), memory.level.astype(jnp.int32)
    none = jnp.full(due.shape, NONE, jnp.int32)
    rows = {k: jnp.asarray(v) for k, v in table._asdict().items() if k in _BY_RULE}
    rows |= {k: Conditions(*map(jnp.asarray, getattr(table, k))) for k in ("trigger", "resume")}

    begin = _All(no, no, no, jnp.full(due.shape, NEVER, rows["recheck"].dtype), now, none, none, none)

    # rule by rule: what a rule needs of a cohort stays in the cache, and a rule that nobody meets costs little
    def rule(all_, row):
        r, i, fired, since, episodes = row
        hit = _hold(r["trigger"], x, missing=False)
        since = jnp.where(seen, jnp.where(hit, jnp.minimum(since, day), NEVER), since)
        fires = hit & seen & (day - since >= r["persists"]) & (r["action"] > 0) & (r["any_visit"] | due)
        fired = jnp.where(fires, jnp.minimum(fired, day), fired)
        on = jnp.isfinite(fired) & ~memory.ended
        add = lambda said: _with(said, table, memory, day, x, due, (r, i, on, day - fired, episodes))  # noqa: E731
        return jax.lax.cond(on.any(), add, lambda said: said, all_), (fired, since)

    index = jnp.arange(len(table.action), dtype=jnp.int32)
    all_, (fired, since) = jax.lax.scan(rule, begin, (rows, index, memory.fired, memory.since, memory.episodes))
    return fired, since, all_


def _with(all_, table, memory, day, x, due, rule):
    """`_All` with one more rule: (its row, its index, for whom it has fired, days since, episodes before)."""
    r, i, on, since, episodes = rule
    now = memory.level.astype(jnp.int32)
    holding = on & _acts(r, "hold") & ~_hold(r["resume"], x, missing=True) & due
    spent = holding & ((since >= r["longest"]) | (day - memory.planned >= table.delay))
    stopping = on & _acts(r, "stop")
    wanted = jnp.where(on, _wanted(table, r, now, episodes, since), now)
    return _All(
        stops=all_.stops | stopping,
        holds=all_.holds | holding,
        spent=all_.spent | spent,
        recheck=jnp.where(holding, jnp.minimum(all_.recheck, r["recheck"]), all_.recheck),
        level=jnp.maximum(all_.level, wanted),
        ender=jnp.where(stopping | spent, jnp.minimum(all_.ender, i), all_.ender),
        holder=jnp.where(holding, jnp.minimum(all_.holder, i), all_.holder),
        lowers=jnp.where(wanted > now, jnp.minimum(all_.lowers, i), all_.lowers),
    )


_BY_RULE = ("action", "recheck", "longest", "levels", "late", "late_level", "persists", "any_visit")
NONE = 127  # no rule


def _acts(row, action):
    return row["action"] == 1 + ACTIONS.index(action)


def _hold(conditions, x, missing):
    """Whether all conditions of a rule hold, (subject,); a feature that was not measured counts as ``missing``."""
    fine = True
    for of, low, high, open_ in zip(*map(jnp.unstack, conditions), strict=True):
        value = jax.lax.dynamic_index_in_dim(x, jnp.maximum(of, 0), keepdims=False)
        inside = jnp.where(open_, (value > low) & (value < high), (value >= low) & (value <= high))
        inside = inside | (jnp.isnan(value) & missing)
        fine = fine & jnp.where(of < 0, low <= high, inside)
    return fine


def _wanted(table, row, now, episodes, since):
    """The level that a rule asks for, (subject,)."""
    said = jnp.unstack(row["levels"])
    level = said[-1]
    for k in range(len(said) - 2, -1, -1):
        level = jnp.where(episodes <= k, said[k], level)
    level = jnp.where(since > row["late"], row["late_level"], level)
    lowered = jnp.where(level == STOP, table.count, now + (level == DOWN))
    return jnp.where(level >= TO, jnp.maximum(level - TO, now), lowered).astype(now.dtype)


__all__ = ["GIVEN", "HELD", "NOTHING", "STOPPED", "Entry", "Memory", "Table", "begin", "decide", "features", "table"]
