"""An arm under its protocol, day by day in one scan: visits, measurements, dose rules, doses, the state after them.

What a protocol says is numbers (`Protocol`): rule tables of one size share one compiled program. Decisions fall on the days on
which anyone has a visit or a dose due; the other days only carry the states on.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import toxicity
from . import measure, rules, tally
from .course import start_of
from .measure import People

CODES = (rules.GIVEN, rules.HELD, rules.STOPPED)
DEATH = 5


class Drug(NamedTuple):
    """What a protocol says of one drug: its rules, the ``doses`` (level,) of a dosing day, and its calendar by day of its
    period: whether it is taken, days to the next decision."""

    table: rules.Table
    doses: np.ndarray
    on: np.ndarray
    gap: np.ndarray


class Protocol(NamedTuple):
    """``visits``: ``blood`` and ``lvef`` -> (first cycle (day,), later cycles (day,), every so many cycles)."""

    drugs: tuple
    visits: dict


class Course(NamedTuple):
    """``organs`` (organ -> `tally.Organ`), ``doses`` (a `tally.Doses` a drug), ``hys_law`` (subject,), ``reported`` (organ ->
    worst grade (subject,) of the adverse event), ``onset`` (organ -> day (subject,) of an event that comes once, infinity:
    not yet), ``taken`` (window, subject) mg of the first drug by window, where windows are asked for; and of a course kept
    whole, by day: ``ledger`` (a `rules.Entry` a drug), ``mg`` (drug, subject), ``features`` as the rules saw them, ``truth``
    (organ -> true reading before the day's dose)."""

    organs: dict
    doses: tuple
    hys_law: jnp.ndarray
    reported: dict
    onset: dict
    taken: jnp.ndarray
    ledger: tuple | None = None
    mg: jnp.ndarray | None = None
    features: jnp.ndarray | None = None
    truth: dict | None = None


class _Carry(NamedTuple):
    amounts: tuple  # mode concentrations, a tuple a drug
    states: tuple  # of the effects
    memory: tuple  # of the rules, a drug each
    x: jnp.ndarray  # features as last measured
    drawn: jnp.ndarray  # day of the last blood
    organs: dict
    doses: tuple
    hys_law: jnp.ndarray
    taken: jnp.ndarray


def protocol(of, known, size=None):
    """The `Protocol` of an `arm.Arm` under a tuple of `library.rules.Rules`, one a drug; ``size`` is `rules.table`'s."""
    rows = [measure.rows(of, part) for part in range(len(of.parts))]
    tables = [rules.table(k, size, r) for k, r in zip(known, rows, strict=True)]
    doses = [p.amount * np.array(k.levels) / k.levels[0] for p, k in zip(of.parts, known, strict=True)]
    calendar = [(np.array(p.on), np.array(p.gap, float)) for p in of.parts]
    return Protocol(tuple(Drug(t, d, *c) for t, d, c in zip(tables, doses, calendar, strict=True)), of.visits)


def follow(frame, protocol, who: People, days, keep=False, windows=None):
    """The `Course` of a cohort under a protocol.

    Parameters
    ----------
    frame : measure.Frame
        What shapes the program: effects, packs, cycle.
    protocol : Protocol
    who : People
    days : int
        Length of the course.
    keep : bool
        Keep it whole, day by day.
    windows : (day,) int NumPy, optional
        Window of each day, from 0, by which the first drug's doses are summed.
    """
    window = np.zeros(days, int) if windows is None else windows

    def day(carry, now):
        d, w = now
        truth = _truth(frame, who, carry.states)
        nothing = tuple(_nothing(m) for m in carry.memory)
        ripe, decide = _anyone(frame, protocol, carry, d), lambda c: _decided(frame, protocol, who, c, truth, d)
        carry, entries = jax.lax.cond(ripe, decide, lambda c: (c, nothing), carry)
        carry, mg = _dosed(frame, protocol, who, carry, truth, d)
        carry = carry._replace(taken=carry.taken.at[w].add(mg[0]))
        return carry, (entries, mg, carry.x, truth) if keep else None

    begin = _begin(frame, protocol, who, int(window.max()) + 1)
    end, kept = jax.lax.scan(day, begin, (jnp.arange(float(days)), jnp.asarray(window)))
    truth = _truth(frame, who, end.states)
    worst = {o: _lived(frame, who, t, truth, o, days) for o, t in end.organs.items()}
    if "ild" in worst:
        # a death is known without a visit
        fatal = worst["ild"].true >= DEATH
        worst["ild"] = worst["ild"]._replace(worst=jnp.where(fatal, DEATH, worst["ild"].worst).astype(jnp.int8))
    told = {o: measure.reported(o, worst[o].worst, score) for o, score in who.tells.items()}
    return Course(worst, end.doses, end.hys_law, told, _onsets(frame, end.states), end.taken, *(kept or ()))


def _onsets(frame, states):
    """Organ -> day of onset (subject,), of those whose state knows one."""
    pairs = zip(frame.effects, states, strict=True)
    return {e.organs[0]: state.onset for e, state in pairs if hasattr(state, "onset")}


def _begin(frame, protocol, who, windows):
    truth = _truth(frame, who, who.starts)
    subjects = len(who.cycles)
    return _Carry(
        amounts=tuple(start_of(pace, ())[0] for pace in who.paces),
        states=who.starts,
        memory=tuple(rules.begin(d.table, subjects) for d in protocol.drugs),
        x=jnp.full((1 + len(frame.features), subjects), jnp.nan),
        drawn=jnp.zeros(subjects),
        organs={o: tally.organ(truth[o], frame.sides[o]) for o in frame.organs},
        doses=tuple(tally.doses(mg) for mg in who.mg),
        hys_law=jnp.zeros(subjects, bool),
        taken=jnp.zeros((windows, subjects), who.mg[0].dtype),
    )


def _lived(frame, who, kept, truth, organ, d):
    """A `tally.Organ` after a day of true values, unless the count is closed."""
    after = tally.lived(kept, truth[organ], frame.sides[organ])
    return after._replace(true=jnp.where(_open(frame, who, organ, d), after.true, kept.true))


def _open(frame, who, organ, d):
    """Whether an organ is still counted on a day; what comes once is known by its day, and counted to the end."""
    return (d <= who.until) | (organ in frame.lasting)


def _truth(frame, who, states):
    """True readings by organ, (subject,) each."""
    out = {}
    for e, q, state in zip(frame.effects, who.effects, states, strict=True):
        out |= dict(zip(e.organs, toxicity.STRUCTURES[e.structure].readings(q, state), strict=True))
    return out


def _nothing(memory):
    none = jnp.zeros_like(memory.level)
    return rules.Entry(none, memory.level, none - 1, memory.planned)


def _anyone(frame, protocol, carry, d):
    """Whether anyone has a visit or a dose due."""
    due = [((m.check <= d) & ~m.ended).any() for m in carry.memory]
    visits = [m.any() for m in _planned_visits(frame, protocol, carry, d).values()]
    return jnp.stack([*due, *visits]).any()


def _planned_visits(frame, protocol, carry, d):
    """Whether each subject has a planned visit today, by kind, (subject,) each; the last is a cycle after the last dose."""
    first = carry.doses[0]
    last = jnp.stack([t.last for t in carry.doses]).max(0)
    # an infusion begins a cycle; tablets are taken by the calendar
    if frame.packs[0] == 1:
        begun, number = first.last, first.given
    else:
        begun = jnp.broadcast_to(frame.every * jnp.floor((d - 1) / frame.every), last.shape)
        number = (begun / frame.every + 1).astype(int)
    since = jnp.where(jnp.isfinite(begun), d - begun, -1.0)
    inside = (since >= 0) & (since <= frame.every) & (d - last <= frame.every) & (d > 0)
    at = jnp.clip(since, 0, frame.every).astype(int)
    out = {}
    for kind, (early, late, every) in protocol.visits.items():
        row = jnp.where(number == 1, jnp.asarray(early)[at], jnp.asarray(late)[at])
        out[kind] = inside & row & (number % every == 0)
    return out


def _decided(frame, protocol, who, carry, truth, d):
    """The carry after a day's visits and decisions, and the ledger's entries."""
    dead = _dead(truth, who)
    memory = tuple(
        _finished(frame, who, m, t, i, d, dead) for i, (m, t) in enumerate(zip(carry.memory, carry.doses, strict=True))
    )
    due = [(m.check <= d) & ~m.ended for m in memory]
    held = jnp.stack([x & jnp.isfinite(m.fired).any(0) for x, m in zip(due, memory, strict=True)]).any(0)
    visits = _planned_visits(frame, protocol, carry, d)
    begun = jnp.stack([t.given for t in carry.doses]).any(0)
    infused = [x for x, pack in zip(due, frame.packs, strict=True) if pack == 1]
    heart = _fired_by(frame, protocol, memory, "lvef")
    asked = {"blood": jnp.stack([held, *infused]).any(0) & begun, "lvef": held & heart & begun}
    drawn = {kind: planned | asked.get(kind, held) for kind, planned in visits.items()}
    contact = jnp.stack([*due, *drawn.values()]).any(0) & begun
    seen = measure.seen(frame, who, truth, d)
    looked = {o: drawn.get(frame.kinds[o], contact) for o in frame.organs}
    x = measure.updated(frame, who, carry.x, seen, looked)
    after, entries = _by_drug(protocol, memory, x, contact, d)
    counted = {o: looked[o] & _open(frame, who, o, d) for o in frame.organs}
    graded = {o: tally.seen(t, seen[o].grade, counted[o], d, carry.drawn) for o, t in carry.organs.items()}
    told = tuple(
        tally.decided(t, e.action, e.level, e.reason, d, CODES, d <= who.until)
        for t, e in zip(carry.doses, entries, strict=True)
    )
    carry = carry._replace(memory=after, x=x, organs=graded, doses=told)
    hys_law = carry.hys_law | (measure.hys_law(seen, contact) & drawn.get("blood", contact))
    return carry._replace(hys_law=hys_law, drawn=jnp.where(drawn.get("blood", contact), d, carry.drawn)), entries


def _fired_by(frame, protocol, memory, organ):
    """Whether a rule that looks at an organ has fired, (subject,)."""
    rows = jnp.array([i for i, (o, _) in enumerate(frame.features, 1) if o == organ] or [-2])
    mine = [jnp.isin(jnp.asarray(d.table.trigger.of), rows).any(1)[:, None] for d in protocol.drugs]
    return jnp.stack([(jnp.isfinite(m.fired) & which).any(0) for m, which in zip(memory, mine, strict=True)]).any(0)


def _dead(truth, who):
    return truth["ild"] >= DEATH if "ild" in truth else jnp.zeros(len(who.cycles), bool)


def _finished(frame, who, memory, doses, i, d, dead):
    """Ends treatment of the dead, and when the planned cycles are over: by doses of infusions, by the calendar of tablets."""
    over = doses.given >= who.cycles if frame.packs[i] == 1 else d >= who.cycles * frame.every
    return memory._replace(ended=memory.ended | dead | (d >= who.ends) | ((memory.check <= d) & over))


def _by_drug(protocol, memory, x, contact, d):
    memories, entries = [], []
    for drug, m in zip(protocol.drugs, memory, strict=True):
        gap = jnp.asarray(drug.gap)[(d % len(drug.gap)).astype(int)]
        m, entry = rules.decide(drug.table, m, d, x, contact, gap)
        memories.append(m)
        entries.append(entry)
    return tuple(memories), tuple(entries)


def _dosed(frame, protocol, who, carry, truth, d):
    """A day on, with its doses; and the doses (drug, subject), mg."""
    dead = _dead(truth, who)
    amounts, given, memory, counted = [], [], [], []
    for i, drug in enumerate(protocol.drugs):
        m, t = carry.memory[i], carry.doses[i]
        planned = jnp.asarray(drug.on)[(d % len(drug.on)).astype(int)]
        on = (d - t.last < frame.packs[i]) & ~m.ended & ~dead & (d < who.ends) & planned
        mg = jnp.where(on, jnp.asarray(drug.doses)[m.level], 0.0) * who.mg[i]
        memory.append(m._replace(ended=m.ended | dead))
        counted.append(tally.dosed(t, mg, d))
        given.append(mg)
        pace, c = who.paces[i], carry.amounts[i]
        amounts.append(tuple(a * left + mg * gain for a, left, gain in zip(c, pace.left, pace.gain, strict=True)))
    states = tuple(
        toxicity.STRUCTURES[e.structure].advance(step, state, carry.amounts[e.part], given[e.part])
        for e, step, state in zip(frame.effects, who.steps, carry.states, strict=True)
    )
    worst = {o: _lived(frame, who, t, truth, o, d) for o, t in carry.organs.items()}
    moved = carry._replace(amounts=tuple(amounts), states=states, memory=tuple(memory), organs=worst, doses=tuple(counted))
    return moved, jnp.stack(given)


def frozen(frame, who, mg):
    """True readings (organ -> (day, subject)) and mode amounts (a drug (day, mode, subject)) under fixed doses, ``mg`` (day,
    drug, subject)."""

    def day(carry, doses):
        amounts, states = carry
        truth = _truth(frame, who, states)
        states = tuple(
            toxicity.STRUCTURES[e.structure].advance(step, state, amounts[e.part], doses[e.part])
            for e, step, state in zip(frame.effects, who.steps, states, strict=True)
        )
        after = tuple(
            tuple(a * left + dose * gain for a, left, gain in zip(c, pace.left, pace.gain, strict=True))
            for c, pace, dose in zip(amounts, who.paces, doses, strict=True)
        )
        return (after, states), (truth, tuple(jnp.stack(c) for c in amounts))

    begin = tuple(start_of(pace, ())[0] for pace in who.paces), who.starts
    return jax.lax.scan(day, begin, mg)[1]


__all__ = ["Course", "Drug", "Protocol", "follow", "frozen", "protocol"]
