"""Dose-modification rules as data: rows a clinician can read, of a drug's label or of a trial.

A row: when an organ's laboratory value or grade meets its ``trigger``, the dose is held until ``resume`` is met, checked
again every ``recheck_days``, and given again at the ``level`` said; or treatment is stopped.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import unknown
from .files import locate, names
from .schema import SOURCED, Sheet, _join

ORGANS = (
    "platelets",
    "neutrophils",
    "febrile_neutropenia",
    "alt",
    "ast",
    "bilirubin",
    "lvef",
    "ild",
    "neuropathy",
    "diarrhoea",
    "hand_foot",
    "other",
)
ACTIONS = ("hold", "stop", "reduce")
LEVELS = ("same", "down", "stop")
VISITS = ("any", "dose")
# What a condition looks at, and how: key -> (feature, lowest, highest, whether the bounds themselves are left out).
_INF = float("inf")
_TESTS = {
    "grade": lambda v: ("grade", v, v, False),
    "grade_at_least": lambda v: ("grade", v, _INF, False),
    "grade_at_most": lambda v: ("grade", -_INF, v, False),
    "below": lambda v: ("value", -_INF, v, True),
    "at_least": lambda v: ("value", v, _INF, False),
    "above": lambda v: ("value", v, _INF, True),
    "at_most": lambda v: ("value", -_INF, v, False),
    "drop_at_least": lambda v: ("drop", v, _INF, False),
    "drop_below": lambda v: ("drop", -_INF, v, True),
    "drop_above": lambda v: ("drop", v, _INF, True),
    "drop_at_most": lambda v: ("drop", -_INF, v, False),
}
# A dose is given again at a grade or a better one.
_RESUMES = _TESTS | {"grade": _TESTS["grade_at_most"]}
_REQUIRED = ("id", "organ", "trigger", "action")
_OPTIONAL = ("resume", "recheck_days", "level", "max_hold_days", "late", "seen", "also", "title")


@dataclass(frozen=True)
class Condition:
    """``low <= x <= high`` of an organ's ``value``, ``grade`` or ``drop`` from baseline; ``open``: without the bounds."""

    organ: str
    feature: str
    low: float
    high: float
    open: bool

    def holds(self, x):
        return self.low < x < self.high if self.open else self.low <= x <= self.high


@dataclass(frozen=True)
class Rule:
    """``trigger`` and ``resume``: conditions that all must hold. ``levels``: what the dose becomes at the first episode, the
    second, ... (the last one for all that follow): ``same``, ``down``, ``stop`` or one of the drug's doses.

    ``max_hold_days`` and ``late``, (days, level) of a resumption later than that, count from the day the rule fired.
    ``for_days``: how long the trigger must have been seen. ``seen``: at ``any`` visit since the last dose, or only when a
    ``dose`` is due.
    """

    id: str
    action: str
    trigger: tuple
    resume: tuple = ()
    recheck_days: float = 7.0
    levels: tuple = ("same",)
    max_hold_days: float = _INF
    late: tuple | None = None
    for_days: float = 0.0
    seen: str = "any"


@dataclass(frozen=True)
class Rules:
    """The rules of one drug in a protocol, its dose ``levels`` (highest first), the longest ``delay`` of a dose (days), and
    whether missed doses are made up."""

    drug: str
    levels: tuple
    rules: tuple
    delay: float = _INF
    made_up: bool = True

    def changed(self, settings, file="--set"):
        """A copy with fields replaced, ``{"platelets-grade3.resume": {...}}``; raises `InputError` naming what is known."""
        rows = {r.id: r for r in self.rules}
        for key, value in settings.items():
            name, _, field = key.rpartition(".")
            if name not in rows:
                raise unknown(file, f"rules.{key}", name or field, rows)
            if field not in _FIELDS:
                raise unknown(file, f"rules.{key}", field, _FIELDS)
            rows[name] = _FIELDS[field](rows[name], value, self, f"{file} rules.{key}")
        return replace(self, rules=tuple(rows.values()))


def load(drug):
    """The label's `Rules` of a drug on the shelf or of a user's own folder."""
    return read(locate("drugs", drug).parent / "rules.toml")


def read(path):
    """`Rules` of a file.

    Raises
    ------
    InputError
        With every fault: unknown keys, missing sources, contradictions (two levels for one grade, a grade to resume at that
        is worse than the one to hold at, a level that is not in the list).
    """
    sheet = Sheet(path)
    data = sheet.data
    sheet.keys(data, "", ("drug", "levels", "rule"), ("title", "made_up", "recheck", "longest_delay"))
    frame, recheck = _frame(sheet, data, "", Rules(data.get("drug", ""), (), ()))
    rules = [_rule(sheet, row, f"rule[{i}]", frame.levels, recheck) for i, row in enumerate(data.get("rule", []))]
    _contradictions(sheet, [(f"rule[{i}]", r) for i, r in enumerate(rules) if r])
    sheet.done()
    return replace(frame, rules=tuple(rules))


def of_trial(sheet, data, drugs):
    """drug -> `Rules` of the drugs of a trial: the labels', unless its ``[dose_rules.DRUG]`` says ``label = false``, with the
    trial's own ``[[rule]]`` rows in place of those of the same ``id`` and after the others.

    Faults are recorded on the `Sheet` of the trial.
    """
    tables = data.get("dose_rules", {})
    for name in tables:
        sheet.choice(name, f"dose_rules.{name}", drugs)
    out = {}
    for drug in drugs:
        label = _label(drug, tables.get(drug, {}))
        frame, recheck = _frame(sheet, tables.get(drug, {}), f"dose_rules.{drug}", label)
        out[drug] = replace(frame, rules=_merged(sheet, data.get("rule", []), drug, frame, recheck, list(drugs)))
    for i, row in enumerate(data.get("rule", [])):
        sheet.choice(row.get("drug", next(iter(drugs), None)), f"rule[{i}].drug", drugs)
    return {drug: rules for drug, rules in out.items() if rules.levels}


def _label(drug, table):
    known = names("drugs")
    path = locate("drugs", drug).parent / "rules.toml" if drug in known or Path(drug).exists() else None
    if path is None or not path.is_file():
        return Rules(drug, (), ())
    label = read(path)
    return label if table.get("label", True) else replace(label, rules=())


def _merged(sheet, rows, drug, frame, recheck, drugs):
    own = []
    for i, row in enumerate(rows):
        if row.get("drug", drugs[0] if len(drugs) == 1 else None) == drug:
            body = {k: v for k, v in row.items() if k != "drug"}
            own.append((f"rule[{i}]", _rule(sheet, body, f"rule[{i}]", frame.levels, recheck)))
        elif "drug" not in row and len(drugs) > 1 and drug == drugs[0]:
            sheet.fault(f"rule[{i}].drug", f"is missing; one of {', '.join(drugs)}")
    own = [(where, r) for where, r in own if r]
    mine = {r.id: r for _, r in own}
    kept = [(f"label {r.id}", r) for r in frame.rules if r.id not in mine]
    _contradictions(sheet, [*kept, *own])
    label = [mine.pop(r.id, r) for r in frame.rules]
    return (*label, *mine.values())


def _frame(sheet, data, where, base):
    """A copy of ``base`` with a table's levels, delay and making up, and days between re-checks."""
    if base.levels or where:
        sheet.keys(data, where, (), ("label", "levels", "made_up", "recheck", "longest_delay"))
    recheck = sheet.number(data["recheck"], _join(where, "recheck"), "day", low=0) if "recheck" in data else 7.0
    longest = _join(where, "longest_delay")
    delay = sheet.number(data["longest_delay"], longest, "day", low=0) if "longest_delay" in data else base.delay
    levels, key = base.levels, _join(where, "levels")
    if "levels" in data:
        sheet.keys(data["levels"], key, ("values", "unit"), SOURCED)
        sheet.source(data["levels"], key)
        levels = tuple(float(v) for v in data["levels"].get("values", ()))
        if list(levels) != sorted(set(levels), reverse=True) or not levels:
            sheet.fault(f"{key}.values", f"are {list(levels)}; doses are needed, the highest first, none twice")
    return replace(base, levels=levels, delay=delay, made_up=bool(data.get("made_up", base.made_up))), recheck


def _rule(sheet, row, where, doses, recheck):
    if not sheet.keys(row, where, _REQUIRED, {*_OPTIONAL, *SOURCED}):
        return None
    sheet.source(row, where)
    fine = sheet.choice(row["organ"], f"{where}.organ", ORGANS) & sheet.choice(row["action"], f"{where}.action", ACTIONS)
    fine &= sheet.choice(row.get("seen", "any"), f"{where}.seen", VISITS)
    trigger = _conditions(sheet, row["organ"], row["trigger"], f"{where}.trigger", ("for_days",))
    for i, more in enumerate(row.get("also", [])):
        if sheet.choice(more.get("organ"), f"{where}.also[{i}].organ", ORGANS):
            tests = {k: v for k, v in more.items() if k != "organ"}
            trigger += _conditions(sheet, more["organ"], tests, f"{where}.also[{i}]")
    resume = _conditions(sheet, row["organ"], row.get("resume", {}), f"{where}.resume", known=_RESUMES)
    if row["action"] == "hold" and not resume:
        sheet.fault(f"{where}.resume", "is missing; a hold says when the dose is given again")
    levels = row.get("level", "same")
    levels = tuple(levels) if isinstance(levels, list) else (levels,)
    late = row.get("late")
    named = [*levels, *([late["level"]] if late and sheet.keys(late, f"{where}.late", ("days", "level")) else [])]
    fine &= all([sheet.choice(v, f"{where}.level", (*LEVELS, *doses)) for v in named])
    numbers = {k: row[k] for k in ("recheck_days", "max_hold_days") if k in row}
    fine &= all([sheet.real(v, f"{where}.{k}", 0) for k, v in numbers.items()])
    if not fine or sheet.faults:
        return None
    return Rule(
        id=row["id"],
        action=row["action"],
        trigger=trigger,
        resume=resume,
        levels=levels,
        late=(float(late["days"]), late["level"]) if late else None,
        for_days=float(row["trigger"].get("for_days", 0)),
        seen=row.get("seen", "any"),
        **({"recheck_days": recheck} | {k: float(v) for k, v in numbers.items()}),
    )


def _conditions(sheet, organ, tests, where, extra=(), known=_TESTS):
    """The conditions of a table of tests."""
    if not isinstance(tests, dict) or not sheet.keys(tests, where, (), {*known, *extra}):
        return ()
    found = [(k, v) for k, v in tests.items() if k in known and sheet.real(v, f"{where}.{k}")]
    return tuple(Condition(organ, *known[k](float(v))) for k, v in found)


def _contradictions(sheet, rules):
    """Faults of pairs (where it stands, rule)."""
    for k, (i, rule) in enumerate(rules):
        before = rules[:k]
        if rule.id in [r.id for _, r in before]:
            sheet.fault(_key(i, "id"), f"{rule.id!r} is told twice")
        hit = _hit(rule)
        worse = [g for g in range(1, 6) if _grades(rule.resume, g) and (g in hit or g > max(hit, default=5))]
        if rule.action == "hold" and worse:
            sheet.fault(_key(i, "resume"), f"grade {worse[0]} resumes what {sorted(hit)} holds; it must be a lower grade")
        for j, other in before:
            shared = sorted(hit & _hit(other)) if _alike(rule, other) else []
            if shared and (rule.action, rule.levels) != (other.action, other.levels):
                said = f"{other.action}, level {'/'.join(map(str, other.levels))} ({j})"
                sheet.fault(_key(i, "level"), f"grade {shared[0]} of {rule.trigger[0].organ} has another rule: {said}")


def _key(where, field):
    """The key of a row's field; a rule of the label has no row in the file."""
    return where if where.startswith("label") else f"{where}.{field}"


def _alike(one, other):
    """Whether two rules speak of the same organ alone, seen alike."""
    return {c.organ for c in one.trigger} == {c.organ for c in other.trigger} and len(one.trigger) == len(other.trigger) == 1


def _hit(rule):
    """Grades that trigger a rule that looks at grades."""
    return {g for g in range(1, 6) if _grades(rule.trigger, g)}


def _grades(conditions, g):
    return bool(conditions) and all(c.feature == "grade" and c.holds(g) for c in conditions)


def _changed(name, convert):
    def change(rule, value, rules, where):
        return replace(rule, **{name: convert(value, rules, rule, where)})

    return change


def _number(value, rules, rule, where):
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise unknown(where, "", value, ("a number, 0 or more",))
    return float(value)


def _levels(value, rules, rule, where):
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    for one in values:
        if one not in (*LEVELS, *rules.levels):
            raise unknown(where, "", one, (*LEVELS, *rules.levels))
    return values


def _action(value, rules, rule, where):
    # "none": the rule is switched off
    if value not in (*ACTIONS, "none"):
        raise unknown(where, "", value, (*ACTIONS, "none"))
    return value


def _tests(known, kept):
    """Reads a table of tests of the rule's own organ; what field ``kept`` says of other organs stays."""

    def convert(value, rules, rule, where):
        fine = isinstance(value, dict) and value and not set(value) - set(known)
        if not fine or not all(isinstance(v, int | float) for v in value.values()):
            raise unknown(where, "", value, [f"{{{t} = a number}}" for t in known])
        organ = rule.trigger[0].organ
        others = tuple(c for c in getattr(rule, kept) if c.organ != organ)
        return tuple(Condition(organ, *known[k](float(v))) for k, v in value.items()) + others

    return convert


_FIELDS = {
    "action": _changed("action", _action),
    "recheck_days": _changed("recheck_days", _number),
    "max_hold_days": _changed("max_hold_days", _number),
    "level": _changed("levels", _levels),
    "trigger": _changed("trigger", _tests(_TESTS, "trigger")),
    "resume": _changed("resume", _tests(_RESUMES, "resume")),
}

__all__ = ["ACTIONS", "LEVELS", "ORGANS", "Condition", "Rule", "Rules", "load", "read"]
