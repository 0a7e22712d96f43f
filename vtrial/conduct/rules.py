"""Dose rules inside a compiled course: what a protocol does with the laboratory values of a day.

A rule table is arrays, so that another protocol of the same size needs no new compilation. `decide` is one day of one drug
for all subjects:

1. A rule fires when its trigger is measured (at any visit, or only when a dose is due), and stays fired until the dose is
   given again. A rule that stops does so at once.
2. When a dose is due, it is held while a fired rule is not recovered. It is due again when the soonest of these rules
   wants a check. A rule that fired its longest hold ago, or a dose that is late by the protocol's longest delay, ends
   treatment unless recovered.
3. Otherwise it is given, at the lowest level that the fired rules ask for; below the lowest level of the list treatment
   ends. No level is ever raised again.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..library.rules import ACTIONS, LEVELS, ORGANS

FEATURES = ("value", "grade", "drop")
# Actions of a day, as the ledger codes them.
NOTHING, GIVEN, HELD, STOPPED = range(4)
SAME, DOWN, STOP, TO = 0, 1, 2, 3
NEVER = np.inf
# Room that a table has at least, so that most tables have one shape.
EPISODES, CONDITIONS = 4, 3


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


def table(rules, size=None):
    """The `Table` of `library.rules.Rules`, filled up to ``size`` rules so that tables of one size share a program."""
    rows, count = rules.rules, max(size or 1, len(rules.rules))
    each = [*rows, *[None] * (count - len(rows))]
    episodes = max([EPISODES, *(len(r.levels) for r in rows)])
    conditions = max([CONDITIONS, *(len(c) for r in rows for c in (r.trigger, r.resume))])

    def column(get, empty):
        return np.array([empty if r is None else get(r) for r in each])

    def level(name):
        return TO + rules.levels.index(name) if name in rules.levels else LEVELS.index(name)

    def by_episode(r):
        return [level(r.levels[min(i, len(r.levels) - 1)]) for i in range(episodes)]

    return Table(
        trigger=_stacked([r.trigger if r else None for r in each], conditions),
        resume=_stacked([r.resume if r else () for r in each], conditions),
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


def _stacked(rows, width):
    """``None``: never true; missing conditions: always."""
    cells = [[*(row or ()), *[None] * (width - len(row or ()))] for row in rows]
    never = [row is None for row in rows]

    def column(get, empty):
        return np.array([[empty if c is None else get(c) for c in row] for row in cells])

    of = column(lambda c: len(FEATURES) * ORGANS.index(c.organ) + FEATURES.index(c.feature), -1)
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


def decide(table, memory, day, x, looked, every):
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
    every : number
        Days between planned doses.

    Returns
    -------
    memory : Memory
    entry : Entry
    """
    due = (memory.check <= day) & ~memory.ended
    fired, since = _fire(table, memory, day, x, looked | due, due)
    on = jnp.isfinite(fired) & ~memory.ended
    stopping = on & _acts(table, "stop")
    holding = on & _acts(table, "hold") & ~_hold(table.resume, x, missing=True) & due
    spent = holding & ((day - fired >= table.longest[:, None]) | (day - memory.planned >= table.delay))
    clear = due & ~holding.any(0) & ~stopping.any(0)
    level, lowered = _level(table, memory, on & clear, day - fired)
    out = clear & (level >= table.count)
    ends = stopping.any(0) | spent.any(0) | out
    holds, gives = holding.any(0) & ~ends, clear & ~out
    reason = jnp.where(ends, _first(stopping | spent | (lowered & out)), jnp.where(holds, _first(holding), _first(lowered)))
    after = Memory(
        planned=jnp.where(gives, day + every, memory.planned),
        check=jnp.where(gives, day + every, jnp.where(holds, _again(table, memory, holding, day, every), memory.check)),
        level=jnp.where(gives, level, memory.level).astype(jnp.int8),
        ended=memory.ended | ends,
        fired=jnp.where(gives, NEVER, fired),
        episodes=memory.episodes + (on & gives).astype(jnp.int8),
        since=since,
    )
    action = jnp.where(ends, STOPPED, jnp.where(holds, HELD, jnp.where(gives, GIVEN, NOTHING)))
    shown = jnp.where(action == NOTHING, -1, reason)
    return after, Entry(action.astype(jnp.int8), after.level, shown.astype(jnp.int8), memory.planned)


def _fire(table, memory, day, x, seen, due):
    """Days the rules fired and days since when their triggers are seen, (rule, subject) each."""
    hit = _hold(table.trigger, x, missing=False)
    since = jnp.where(seen, jnp.where(hit, jnp.minimum(memory.since, day), NEVER), memory.since)
    lasting = hit & seen & (day - since >= table.persists[:, None])
    fires = lasting & (table.action > 0)[:, None] & (table.any_visit[:, None] | due)
    return jnp.where(fires, jnp.minimum(memory.fired, day), memory.fired), since


def _acts(table, action):
    return (table.action == 1 + ACTIONS.index(action))[:, None]


def _again(table, memory, holding, day, every):
    """The day a held dose is due again: by its rules' checks, or with the next planned dose where it is not made up."""
    checked = day + jnp.min(jnp.where(holding, table.recheck[:, None], NEVER), 0)
    return jnp.where(table.made_up, checked, memory.planned + every * (jnp.floor((day - memory.planned) / every) + 1))


def _hold(conditions, x, missing):
    """Whether all conditions of each rule hold, (rule, subject); a feature that was not measured counts as ``missing``."""
    value = x[jnp.maximum(conditions.of, 0)]
    low, high, open_ = (a[..., None] for a in (conditions.low, conditions.high, conditions.open))
    true = jnp.where(open_, (value > low) & (value < high), (value >= low) & (value <= high))
    true = jnp.where(jnp.isnan(value), missing, true)
    unused = (conditions.of < 0)[..., None]
    return jnp.where(unused, low <= high, true).all(1)


def _level(table, memory, resolved, since):
    """The level each subject is given at, and which rules lower it, (rule, subject)."""
    episode = jnp.minimum(memory.episodes, table.levels.shape[1] - 1).astype(int)
    said = jnp.take_along_axis(jnp.asarray(table.levels), episode, 1)
    said = jnp.where(since > table.late[:, None], table.late_level[:, None], said)
    now = memory.level.astype(int)
    wanted = jnp.where(said >= TO, jnp.maximum(said - TO, now), jnp.where(said == STOP, table.count, now + (said == DOWN)))
    wanted = jnp.where(resolved, wanted, now)
    return wanted.max(0), resolved & (wanted > now)


def _first(rules):
    """Index of the first rule that is true, -1 for none."""
    return jnp.where(rules.any(0), jnp.argmax(rules, 0), -1)


__all__ = ["GIVEN", "HELD", "NOTHING", "STOPPED", "Entry", "Memory", "Table", "begin", "decide", "features", "table"]
