"""A second implementation of the toxicity structures and of an arm under dose rules: one patient at a time, plain loops.

Written from the specification (docstrings of vtrial/toxicity, conduct/rules, conduct/protocol), not from vtrial's code,
which it does not import: ordinary differential equations go to scipy, everything else is counted day by day. Times are
days, amounts mg, concentrations mg/L. A dose is infused from the start of its day.
"""

import importlib.util
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
from scipy.integrate import solve_ivp

_SPEC = importlib.util.spec_from_file_location("naive", Path(__file__).with_name("naive.py"))
NAIVE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(NAIVE)

MARKERS = ("ALT", "AST", "BIL")
PHI = NormalDist().cdf
DEATH = 5
# CTCAE version 3: grade 1 of a count starts below the laboratory's lower limit of normal; enzymes in multiples of ULN.
BELOW = {"platelets": (None, 75, 50, 25), "neutrophils": (None, 1.5, 1.0, 0.5), "lvef": (60, 50, 40, 20)}
ABOVE = {"alt": (1, 2.5, 5, 20), "ast": (1, 2.5, 5, 20), "bilirubin": (1, 1.5, 3, 10)}
BLOOD = ("platelets", "neutrophils", "alt", "ast", "bilirubin")


# --- one patient's body ----------------------------------------------------------------------------------------------


class Body:
    """A patient's amounts and organs, solved from one day to another. ``rows``: the state at the start of each day, before
    its dose. An effect is a dict of ``structure``, ``organs``, ``p`` (name -> number) and ``luck``."""

    def __init__(self, pk, effects, infusion):
        self.pk, self.effects, self.infusion = pk, effects, infusion
        self.rows, self.rate = [np.array([0.0, 0.0, *(v for e in effects for v in UNTREATED[e["structure"]])])], 0.0

    def dose(self, mg):
        """A dose at the start of the present day."""
        self.rate = mg / self.infusion

    def live(self, until):
        """On to the start of a later day."""
        day, state = float(len(self.rows) - 1), self.rows[-1]
        if until <= day:
            return
        if self.rate:
            state = self._solved(state, [day, day + self.infusion], self.rate)[-1]
            day, self.rate = day + self.infusion, 0.0
        self.rows += self._solved(state, [day, *range(len(self.rows), until + 1)], 0.0)[1:]

    def _solved(self, state, times, rate):
        span = times[0], times[-1]
        solved = solve_ivp(self._rates, span, state, "LSODA", times, args=(rate,), rtol=1e-9, atol=1e-11)
        assert solved.success, solved.message
        return list(solved.y.T)

    def _rates(self, t, y, rate):
        pk, c = self.pk, y[0] / self.pk["V1"]
        back = pk["Q"] * y[1] / pk["V2"]
        out, at = [rate - pk["CL"] * c - pk["Q"] * c + back, pk["Q"] * c - back], 2
        for e in self.effects:
            p, size = e["p"], len(UNTREATED[e["structure"]])
            own = y[at : at + size]
            if e["structure"] == "friberg":
                out += list(NAIVE.rates(t, np.array([y[0], y[1], *own]), pk, p, rate)[2:])
            else:
                out.append(p["KE0"] * (c - own[0]))
            if e["structure"] == "turnover":
                out += [p[f"KOUT_{m}"] * (1 + p[f"SLOPE_{m}"] * own[0] - v) for m, v in zip(MARKERS, own[1:], strict=True)]
            at += size
        return out

    def truths(self, day):
        """True readings at the start of each day up to one, organ -> list."""
        self.live(day)
        out, at = {}, 2
        for e in self.effects:
            size = len(UNTREATED[e["structure"]])
            course = [row[at : at + size] for row in self.rows[: day + 1]]
            out |= dict(zip(e["organs"], READ[e["structure"]](e, course), strict=True))
            at += size
        return out


# State of an untreated patient: P, X1..X4, S; Ce and the markers; Ce.
UNTREATED = {"friberg": (1.0,) * 6, "turnover": (0.0, 1.0, 1.0, 1.0), "decline": (0.0,), "hazard": (0.0,), "ordinal": (0.0,)}


def _friberg(e, course):
    return [[e["p"]["CIRC0"] * y[4] for y in course]]


def _turnover(e, course):
    return [[e["p"][f"BASE_{m}"] * y[i] for y in course] for i, m in enumerate(MARKERS, 1)]


def _decline(e, course):
    return [[e["p"]["BASE"] - e["p"]["SLOPE"] * y[0] for y in course]]


def _hazard(e, course):
    return [event(e["p"], e["luck"], [y[0] for y in course])]


def _ordinal(e, course):
    return [[spell(e["p"], e["luck"], y[0], t) for t, y in enumerate(course)]]


READ = {"friberg": _friberg, "turnover": _turnover, "decline": _decline, "hazard": _hazard, "ordinal": _ordinal}


def event(p, luck, ce):
    """Grade at the start of each day of a time to event, from the effect compartment at the start of each day."""
    due = -math.log(PHI(luck["onset"]))
    at_onset = 1 + sum(PHI(luck["grade"]) < p[f"P{g}"] for g in (2, 3, 4, 5))
    steps = np.cumsum([-math.log(PHI(luck[f"worse.{k}"])) for k in (1, 2, 3, 4)])
    h, w, onset, grades = 0.0, 0.0, None, [0]
    for t in range(1, len(ce)):
        middle = (ce[t - 1] + ce[t]) / 2
        felt = (middle / p["CREF"]) ** p["POWER"] if middle > 0 else 0.0
        if onset is None:
            h += p["HAZ"] * felt * (_share(p, t) - _share(p, t - 1))
            onset = t if h >= due else None
        elif t <= onset + p["RECOVERY"]:
            w += p["WORSEN"] * felt
        grade = 0
        if onset is not None:
            grade = min(at_onset + sum(w >= step for step in steps), DEATH)
            if t > onset + p["RECOVERY"] and grade < DEATH:
                grade = 0
        grades.append(grade)
    return grades


def _share(p, t):
    """Share of a log-logistic time that is over by ``t``."""
    return 1 / (1 + (p["SCALE"] / t) ** p["SHAPE"]) if t else 0.0


def spell(p, luck, ce, t):
    """Grade of an event that comes once in each block of days, at time ``t``."""
    worst = 0
    for k, (onset, strength) in enumerate(zip(luck["onset"], luck["strength"], strict=True)):
        begins = (k + PHI(onset)) * p["BLOCK"]
        if begins <= t < begins + p["LENGTH"] and ce > 0:
            latent = p["SHIFT"] + strength + p["POWER"] * math.log(ce / p["CREF"])
            worst = max(worst, sum(p[b] < latent for b in ("B1", "B2", "B3", "B4")))
    return worst


# --- what is measured ------------------------------------------------------------------------------------------------


def grade(organ, value, lower_limit):
    """CTCAE version 3 grade of a value, 0 to 4."""
    found = 0
    for g, limit in enumerate(BELOW.get(organ) or ABOVE[organ], 1):
        limit = lower_limit[organ] if limit is None else limit
        if (value > limit) if organ in ABOVE else (value < limit):
            found = g
    return found


def measure(patient, organ, truth, day, lower_limit):
    """What a rule can look at after an organ was looked at, (organ, feature) -> number; and its grade."""
    if organ not in patient["sigma"]:
        return {(organ, "grade"): truth}, truth
    error = patient["sigma"][organ] * patient["scores"][organ][day]
    if organ == "lvef":
        value = truth + error
        features = {(organ, "value"): value, (organ, "drop"): patient["baseline"][organ] - value}
        return features, grade(organ, value, lower_limit)
    value = truth * math.exp(error)
    found = grade(organ, value, lower_limit)
    return {(organ, "value"): value, (organ, "grade"): found}, found


# --- dose rules ------------------------------------------------------------------------------------------------------


class Memory:
    """What a protocol remembers of a patient; ``fired``, ``episodes`` and ``since`` by index of the rule."""

    def __init__(self):
        self.check = self.planned = self.level = 0
        self.ended = False
        self.fired, self.episodes, self.since = {}, {}, {}


def decide(rules, m, seen, day, due, gap):
    """One day with a visit: (action, level, reason), the reason an index into the rules or None."""
    listen(rules, m, seen, day, due)
    on = sorted(m.fired)
    enders = [i for i in on if rules.rules[i].action == "stop"]
    holders = [i for i in on if due and rules.rules[i].action == "hold" and not recovered(rules.rules[i], seen)]
    for i in holders:
        if day - m.fired[i] >= rules.rules[i].max_hold_days or day - m.planned >= rules.delay:
            enders.append(i)
    if enders:
        m.ended = True
        return "stopped", m.level, min(enders)
    if holders:
        again = day + min(rules.rules[i].recheck_days for i in holders)
        m.check = again if rules.made_up else day + gap
        return "held", m.level, holders[0]
    if not due:
        return "nothing", m.level, None
    wanted = {i: asked(rules, m, i, day) for i in on}
    lower = [i for i in on if wanted[i] > m.level]
    level = max([m.level, *wanted.values()])
    if level >= len(rules.levels):
        m.ended = True
        return "stopped", m.level, lower[0]
    for i in on:
        m.episodes[i] = m.episodes.get(i, 0) + 1
    m.fired, m.level, m.check, m.planned = {}, level, day + gap, day + gap
    return "given", level, lower[0] if lower else None


def listen(rules, m, seen, day, due):
    """Which rules fire today."""
    for i, rule in enumerate(rules.rules):
        if all((c.organ, c.feature) in seen and c.holds(seen[c.organ, c.feature]) for c in rule.trigger):
            m.since.setdefault(i, day)
            lasts = day - m.since[i] >= rule.for_days
            if lasts and rule.action != "none" and (due or rule.seen == "any"):
                m.fired.setdefault(i, day)
        else:
            m.since.pop(i, None)


def recovered(rule, seen):
    """Whether a dose held by a rule may be given; what is not measured says nothing against it."""
    return all((c.organ, c.feature) not in seen or c.holds(seen[c.organ, c.feature]) for c in rule.resume)


def asked(rules, m, i, day):
    """The level a fired rule asks for, as an index into the levels; the one after the last ends treatment."""
    rule = rules.rules[i]
    word = rule.levels[min(m.episodes.get(i, 0), len(rule.levels) - 1)]
    if rule.late and day - m.fired[i] > rule.late[0]:
        word = rule.late[1]
    if word == "same":
        return m.level
    if word == "down":
        return m.level + 1
    return len(rules.levels) if word == "stop" else max(m.level, rules.levels.index(word))


# --- an arm ----------------------------------------------------------------------------------------------------------


def follow(patient, rules, trial, days):
    """A patient's course under a protocol.

    ``patient``: pk, effects, unit (mg of one unit of the dose), cycles, and by organ with values sigma, scores (by day) and
    baseline. ``trial``: every (days), infusion (days), lower_limit, visits (blood, lvef -> (days of the first cycle, of later
    cycles, every so many cycles), day 1 the dose). Returns the ledger (action, level, reason, planned) by day, the dose by
    day, true readings by day, worst grade measured by organ.
    """
    body = Body(patient["pk"], patient["effects"], trial["infusion"])
    organs = [o for e in patient["effects"] for o in e["organs"]]
    m, seen, worst = Memory(), {}, dict.fromkeys(organs, 0)
    ledger, mgs, given, last = [], [], 0, None
    for day in range(days):
        visit = {kind: given > 0 and planned(trial, kind, day - last, given) for kind in trial["visits"]}
        entry, mg = ("nothing", m.level, None, m.planned), 0.0
        if any(visit.values()) or (day >= m.check and not m.ended):
            truth = body.truths(day)
            dead = [g >= DEATH for g in truth.get("ild", [0] * (day + 1))]
            m.ended |= any(dead[:day]) or (day >= m.check and given >= patient["cycles"])
            due = day >= m.check and not m.ended
            if due and given:  # blood is drawn before every dose, the heart looked at again where a rule waits for it
                visit["blood"] = True
                visit["lvef"] |= any(c.organ == "lvef" for i in m.fired for c in rules.rules[i].trigger)
            for organ in organs if given and (due or any(visit.values())) else ():
                if organ not in (*BLOOD, "lvef") or visit["blood" if organ in BLOOD else "lvef"]:
                    features, found = measure(patient, organ, truth[organ][-1], day, trial["lower_limit"])
                    seen |= features
                    worst[organ] = max(worst[organ], found)
            if (due or any(visit.values())) and not m.ended:
                was = m.planned
                said = decide(rules, m, seen, day, due, trial["every"])
                entry = entry if said[0] == "given" and dead[-1] else (*said, was)
            if entry[0] == "given":
                given, last, mg = given + 1, day, rules.levels[entry[1]] * patient["unit"]
                body.dose(mg)
        ledger.append(entry)
        mgs.append(mg)
    return ledger, mgs, body.truths(days - 1), worst


def planned(trial, kind, since, cycle):
    """Whether a visit is planned so many days after the dose of a cycle."""
    first, later, every = trial["visits"][kind]
    return since + 1 in (first if cycle == 1 else later) and cycle % every == 0
