"""Simulating a trial, with or without published numbers: its arms under its dose rules, from a posterior or from cards."""

import tomllib
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
import polars as pl

from . import adam, ledger, population, units
from .calibrate import results
from .compare import quantiles
from .conduct.arm import arm
from .endpoints import protocol
from .endpoints.joint import plan
from .endpoints.joint import summary as joint
from .endpoints.outcome import summary
from .endpoints.people import at_reference
from .errors import InputError, bad, unknown
from .library import files, problems, trials
from .progress import bar
from .trial import by_trial

# Of the contract: null where a trial has no design or an arm no card of a tumour's.
NULL = ("pfs_months", "os_months", "orr", "dor_months")
EVENTS = ("thrombocytopenia", "ast", "alt", "neutropenia", "ild")
DOSES = ("dose_intensity", "dose_reduced", "dose_delayed", "discontinued_ae")


@dataclass(frozen=True)
class Simulated:
    """``found``: the object of the contract; ``changed``: what differs from the protocol, (arm, drug, rule, field, from, to);
    ``tables``, where asked for: of the first replicate's patients, ``adex`` (`ledger.COLUMNS`) and the other ADaM tables
    (`adam.schema`) by name; ``about``: what is written beside them."""

    found: dict
    changed: list
    tables: dict
    about: dict


def simulate(name, wanted=None, changes=(), seed=1, replicates=200, draws=200, tables=False):
    """Simulates a trial; returns `Simulated`.

    Parameters
    ----------
    name : str
        A trial on the shelf, or a file.
    wanted : list of str, optional
        Its arms; default: all whose drugs have the cards.
    changes : list of str
        ``rules.ID.FIELD=VALUE``, or ``rules.DRUG.ID.FIELD=VALUE`` where several drugs have a rule of that name.
    tables : bool
        Whether the first replicate's patients are told one by one.

    Raises
    ------
    InputError
        For an unknown arm, rule or field, with the known ones.
    """
    trial = trials.load(name)
    made, left_out = _arms(trial, wanted)
    known = _changed(made, [_change(c) for c in changes])
    values, draws = _values(trial, replicates, draws)
    key, plans = jax.random.key(seed), _plans(trial, made)
    # a cohort needs no more than single precision, and takes half the time
    with jax.enable_x64(False) if plans else nullcontext():
        run = partial(_joint, trial, plans) if plans else partial(_apart, trial, made)
        told, contrasts, failed = run(known, values, key, replicates)
        one, about = _tables(trial, made, plans, known, values, key) if tables else ({}, {})
    found = {"trial": trial.name, "seed": seed, "replicates": replicates, "draws": draws, "arms": told, "contrasts": contrasts}
    assumed = {i: sorted(at_reference(of)) for i, of in made.items()}
    found |= {"not_modelled": left_out, "failed_subjects": failed, "covariates_at_reference": assumed}
    return Simulated(found, list(_differences(made, known)), one, about | {"seed": str(seed), "replicate": "0"})


def _arms(trial, wanted):
    """The arms that can be simulated, and why others cannot."""
    for i in wanted or ():
        if i not in trial.arms:
            raise unknown(trial.path, "arm", i, trial.arms)
    made, left_out = {}, {}
    for i in wanted or trial.arms:
        try:
            of = arm(trial, i)
        except InputError as error:
            left_out[i] = error.faults[0].message
            continue
        if of.effects:
            made[i] = of
        else:
            left_out[i] = f"no organ of {trial.arms[i].drug} has a card"
    if not made:
        raise bad(trial.path, "arm", f"no arm can be simulated: {left_out}")
    return made, left_out


def _changed(made, changes):
    """arm -> its drugs' rules with the changes applied wherever the rule is; a rule that is nowhere is refused."""
    rules = {i: of.rules for i, of in made.items()}
    everyone = [r for of in made.values() for r in of.rules]
    for drug, rule, field, value in changes:
        if drug and drug not in {r.drug for r in everyone}:
            raise unknown("--set", "rules", drug, sorted({r.drug for r in everyone}))
        mine = [r for r in everyone if drug in (None, r.drug)]
        known = sorted({one.id for r in mine for one in r.rules})
        if rule not in known:
            raise unknown("--set", "rules", rule, known)
        rules = {i: tuple(_with(r, drug, rule, field, value) for r in of) for i, of in rules.items()}
    return rules


def _with(rules, drug, rule, field, value):
    if drug not in (None, rules.drug) or rule not in [r.id for r in rules.rules]:
        return rules
    return rules.changed({f"{rule}.{field}": value})


def _change(text):
    """(drug or None, rule, field, value) of ``rules.ID.FIELD=VALUE``, the value TOML or a bare word."""
    key, found, value = text.partition("=")
    parts = key.split(".")
    if not found or len(parts) not in (3, 4) or parts[0] != "rules":
        raise bad("--set", key, "is not understood; allowed: rules.ID.FIELD=VALUE")
    drug, rule, field = [None, *parts[1:]][-3:]
    try:
        return drug, rule, field, tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        return drug, rule, field, value


def _values(trial, replicates, draws):
    """Card replacements by card, each (replicate,), from the posteriors of the trial's default problems, or of those on the
    shelf that are of its tumour with everything else: of the first that is of everything, else of all of them."""
    known = [p for p in map(problems.load, trial.default_problems or _of_everything(trial)) if _has_posterior(p.name)]
    known = [p for p in known if p.effect == problems.JOINT][:1] or known
    out = {}
    for problem in known:
        drawn, _ = results.draws(results.read(results.folder(problem.name) / "posterior.nc"), draws)
        out |= by_trial(problem, {k: v[np.arange(replicates) % draws] for k, v in drawn.items()}, trial.name, replicates)
    return out, draws if known else 0


def _of_everything(trial):
    """Names of joint problems on the shelf that have a posterior of a trial's tumour."""
    for name in files.names("problems") if trial.tumour else ():
        data = files.read_toml(files.locate("problems", name))
        if data.get("effect") == problems.JOINT and data.get("tumour") == trial.tumour:
            yield name


def _has_posterior(problem):
    return (results.folder(problem) / "posterior.nc").is_file()


def _told(of, stats):
    """An arm's object: rates by event, doses of all its drugs and of each, and what else the models count."""
    q = {name: _happened(found) if name.endswith(protocol.FIRST) else quantiles(found) for name, found in stats.items()}
    wanted = [f"{e}_{g}" for e in EVENTS for g in ("any", "grade3plus")]
    rates = {n: q.get(n) for n in wanted} | {n: v for n, v in q.items() if n.endswith(("_any", "_grade3plus"))}
    drugs = {p.drug: {n: q[f"{n} {p.drug}"] for n in DOSES} for p in of.parts}
    ends = ("_episodes3plus", "_days3plus", protocol.FIRST, "hys_law")
    counts = {n: v for n, v in q.items() if n.endswith(ends)}
    return {"n": of.n, **dict.fromkeys(NULL), "rate": rates, **{n: q[n] for n in DOSES}, "drugs": drugs, "per_patient": counts}


def _happened(found):
    """Quantiles over the replicates in which anyone had an event, and the share ``p_none`` of those in which nobody had."""
    some = found[~np.isnan(found)]
    told = quantiles(some) if len(some) else dict.fromkeys(("median", "q05", "q95"))
    return told | {"p_none": float(np.isnan(found).mean())}


def _plans(trial, made):
    """Arm -> `Plan`, where all arms can be followed with their tumours; else none."""
    if trial.design is None or trial.tumour is None:
        return {}
    plans, left_out = plan.plans(trial, made, trial.design.horizon())
    return {} if left_out else plans


def _joint(trial, plans, known, values, key, replicates):
    """What is told of arms whose doses and tumours act on each other; their contrasts, and the subjects that failed."""
    with bar("simulating", replicates) as tick:
        organs, found, failed = joint.statistics(trial, plans, known, values, key, replicates=replicates, tick=tick)
    told = {i: _told(p.course, organs[i]) for i, p in plans.items()}
    return told, _add_outcomes(trial, {i: p.setting for i, p in plans.items()}, told, found), failed


def _apart(trial, made, known, values, key, replicates):
    """The same of arms whose doses follow the trial's own time on treatment."""
    told, failed = {}, 0
    with bar("simulating", len(made) * replicates) as tick:
        for i, of in made.items():
            stats, lost = protocol.statistics(of, known[i], values, key, replicates=replicates, tick=tick)
            told[i], failed = _told(of, stats), failed + lost
    settings, _ = summary.settings(trial, list(made))
    if not settings:
        return told, [], failed
    with bar("progression and survival", len(settings) * replicates) as tick:
        stats, lost = summary.statistics(trial, settings, values, key, replicates=replicates, tick=tick)
    return told, _add_outcomes(trial, settings, told, stats), failed + lost


def _add_outcomes(trial, made, told, stats):
    """Adds response and survival to what is told of arms; returns their contrasts."""
    last = trial.design.horizon() / units.DAYS_PER_MONTH
    for i in made:
        for name, _, statistic in summary.OF_ARM:
            told[i][name] = quantiles(stats[i, name])
            if statistic == "median":
                told[i][name]["p_not_reached"] = float(np.mean(stats[i, name] >= last - 1e-9))
    return [_ratios(c) for c in summary.contrasts(made, stats)]


def _course(of, known, values, key, places, plan):
    """Tables of the doses, laboratory values and adverse events of an arm's first replicate."""
    protocol, course, baseline = adam.kept(of, known, values, key, places, plan)
    doses = ledger.table(of, known, protocol, course)
    return {"adex": doses, "adlb": adam.lab(of, course, baseline), "adae": adam.events(of, course, doses)}


def _tables(trial, made, plans, known, values, key):
    """All tables of the first replicate by name, those of tumours at the last data cut; and what is written beside them."""
    places = population.stream(key, trial.name)
    courses = [_course(of, known[i], values, key, places, plans.get(i)) for i, of in made.items()]
    out = {name: pl.concat([c[name] for c in courses]) for name in courses[0]}
    settings, _ = summary.settings(trial, list(made))
    about = adam.about(trial, settings, **({"course": adam.JOINT} if plans else {}))
    if settings:
        cut = trial.design.cuts[-1]
        rules = {i: known[i] for i in plans}
        out |= adam.tables(trial, settings, values, key, 0, trial.design.horizon(), plans, rules)
        about |= {"cut": cut.name, "cut_day": f"{trial.design.horizon():g}"}
    return out, about


def _ratios(contrast):
    return {k: quantiles(v) if isinstance(v, np.ndarray) else v for k, v in contrast.items()}


def _differences(made, known):
    """(arm, drug, rule, field, from, to) of what differs from the protocol."""
    for i, of in made.items():
        for label, here in zip(of.rules, known[i], strict=True):
            for before, after in zip(label.rules, here.rules, strict=True):
                for field in before.__dataclass_fields__:
                    was, now = getattr(before, field), getattr(after, field)
                    if was != now:
                        yield i, label.drug, before.id, field, was, now


__all__ = ["Simulated", "simulate"]
