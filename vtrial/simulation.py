"""Simulating a trial, with or without published numbers: its arms under its dose rules, from a posterior or from cards."""

import tomllib
from dataclasses import dataclass

import jax
import numpy as np

from .calibrate import results
from .compare import quantiles
from .conduct.setting import setting
from .endpoints import protocol
from .errors import InputError, bad, unknown
from .library import problems, rules, trials
from .library.files import locate
from .progress import bar

# Of the contract: what no model gives yet is null.
NULL = ("pfs_months", "os_months", "orr", "dor_months")
EVENTS = ("thrombocytopenia", "ast", "alt", "neutropenia", "ild")
EFFECT = "thrombocytopenia"


@dataclass(frozen=True)
class Arm:
    """An arm's setting, its dose rules as changed, and those of its protocol."""

    setting: object
    rules: rules.Rules
    protocol: rules.Rules


def simulate(name, wanted=None, changes=(), seed=1, replicates=200, draws=200):
    """Simulates a trial; returns the object of the contract and what was changed of the protocol, (arm, rule, field, from, to).

    Parameters
    ----------
    name : str
        A trial on the shelf, or a file.
    wanted : list of str, optional
        Its arms; default: all whose drug has the cards.
    changes : list of str
        ``rules.ID.FIELD=VALUE``.

    Raises
    ------
    InputError
        For an unknown arm, rule or field, with the known ones.
    """
    trial = trials.load(name)
    arms, left_out = _arms(trial, wanted, [_change(c) for c in changes])
    values, draws = _values(trial, replicates, draws)
    key, told, failed = jax.random.key(seed), {}, 0
    with bar("simulating", len(arms) * replicates) as tick:
        for i, arm in arms.items():
            known = values.get(arm.setting.fx.path, {})
            stats, lost = protocol.statistics(arm.setting, arm.rules, known, key, replicates=replicates, tick=tick)
            told[i], failed = _told(arm.setting.n, stats), failed + lost
    found = {"trial": trial.name, "seed": seed, "replicates": replicates, "draws": draws, "arms": told, "contrasts": []}
    return found | {"not_modelled": left_out, "failed_subjects": failed}, list(_differences(arms))


def _arms(trial, wanted, changes):
    for i in wanted or ():
        if i not in trial.arms:
            raise unknown(trial.path, "arm", i, trial.arms)
    arms, left_out = {}, {}
    for i in wanted or trial.arms:
        try:
            made = setting(trial, i, EFFECT)
        except InputError as error:
            left_out[i] = error.faults[0].message
            continue
        label = _rules(trial.arms[i].drug, made.plan.amount)
        arms[i] = Arm(made, label, label)
    if not arms:
        raise bad(trial.path, "arm", f"no arm can be simulated: {left_out}")
    return _changed(arms, changes), left_out


def _rules(drug, amount):
    """The label's rules, or none at the arm's dose."""
    if (locate("drugs", drug).parent / "rules.toml").is_file():
        return rules.load(drug)
    return rules.Rules(drug, (float(amount),), ())


def _changed(arms, changes):
    """Arms with the changes applied wherever the rule is; a rule that is nowhere is refused."""
    known = sorted({r.id for a in arms.values() for r in a.protocol.rules})
    for rule, field, value in changes:
        if rule not in known:
            raise unknown("--set", "rules", rule, known)
        for i, a in arms.items():
            if rule in [r.id for r in a.rules.rules]:
                arms = arms | {i: Arm(a.setting, a.rules.changed({f"{rule}.{field}": value}), a.protocol)}
    return arms


def _change(text):
    """(rule, field, value) of ``rules.ID.FIELD=VALUE``, the value TOML or a bare word."""
    key, found, value = text.partition("=")
    parts = key.split(".")
    if not found or len(parts) != 3 or parts[0] != "rules":
        raise bad("--set", key, "is not understood; allowed: rules.ID.FIELD=VALUE")
    try:
        return parts[1], parts[2], tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        return parts[1], parts[2], value


def _values(trial, replicates, draws):
    """Card replacements by card, each (replicate,), from the posterior of the trial's default problem where it has one."""
    if not trial.default_problem:
        return {}, 0
    problem = problems.load(trial.default_problem)
    path = results.folder(problem.name) / "posterior.nc"
    if not path.is_file():
        return {}, 0
    drawn, _ = results.draws(results.read(path), draws)
    wanted = problems.internal(problem.free, {k: v[np.arange(replicates) % draws] for k, v in drawn.items()})
    return {str(locate("drugs", problem.drug).parent / f"{problem.effect}.toml"): wanted}, draws


def _told(n, stats):
    q = {name: quantiles(stats[:, i]) for i, name in enumerate(protocol.STATISTICS)}
    rates = {f"{e}_{g}": q.get(f"{e}_{g}") for e in EVENTS for g in ("any", "grade3plus")}
    return {"n": n, **dict.fromkeys(NULL), "rate": rates} | {k: v for k, v in q.items() if k not in rates}


def _differences(arms):
    for i, arm in arms.items():
        for before, after in zip(arm.protocol.rules, arm.rules.rules, strict=True):
            for field in before.__dataclass_fields__:
                was, now = getattr(before, field), getattr(after, field)
                if was != now:
                    yield i, before.id, field, was, now


__all__ = ["simulate"]
