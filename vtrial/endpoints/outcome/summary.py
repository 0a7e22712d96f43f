"""What any simulated trial is told of response and survival, with or without published numbers: per arm and per contrast."""

from itertools import combinations

import numpy as np

from ...errors import InputError
from ...library.trials import VERSUS, Row
from ..outcome import replicate, setting

# Of an arm: name in the contract, endpoint, statistic.
OF_ARM = (
    ("pfs_months", "pfs", "median"),
    ("os_months", "os", "median"),
    ("orr", "orr", "share"),
    ("dor_months", "dor", "median"),
)
RATIOS = {"pfs": "hr_pfs", "os": "hr_os"}


def settings(trial, wanted=None):
    """Arm -> `Setting` of the arms that can be simulated, and arm -> why another cannot; both empty without a design."""
    made, left_out = {}, {}
    if trial.design is None or trial.tumour is None:
        return made, left_out
    for arm in wanted or trial.arms:
        try:
            made[arm] = setting.setting(trial, arm, trial.tumour, trial.design.horizon())
        except InputError as error:
            left_out[arm] = error.faults[0].message
    return made, left_out


def statistics(trial, made, values, key, *, replicates, tick=lambda n: None):
    """(arm or contrast, name) -> (replicate,), at the trial's last data cut; a median that is not reached is that day.

    Parameters
    ----------
    made : dict
        Arm -> `Setting`.
    values : dict
        Card path -> replacements, each (replicate,) or scalar.
    """
    names, wanted = zip(*rows(trial, made), strict=True)
    found = replicate.statistics(trial, made, list(wanted), values, key, replicates=replicates, tick=tick)
    return dict(zip(names, found["rows"].T, strict=True)), found["failed"]


def rows(trial, made):
    for arm, s in made.items():
        for name, endpoint, statistic in OF_ARM:
            yield (arm, name), _row(trial, arm, endpoint, statistic, s.n)
    for a, b in combinations(made, 2):
        for endpoint, name in RATIOS.items():
            yield (f"{a}{VERSUS}{b}", name), _row(trial, f"{a}{VERSUS}{b}", endpoint, "hazard ratio", made[a].n + made[b].n)


def _row(trial, arm, endpoint, statistic, n):
    unit = {"share": "fraction", "median": "months"}.get(statistic, "ratio")
    told = (("measurable", True),) if endpoint in ("orr", "dor") else ()
    return Row(
        id=f"{arm}-{endpoint}-{statistic}",
        trial=trial.name,
        arm=arm,
        endpoint=endpoint,
        statistic=statistic,
        relation="=",
        value=None,
        lower=None,
        upper=None,
        level=None,
        n=n,
        unit=unit,
        definition=told,
        table="",
        rounding=0.0,
        reading_sd=0.0,
        source="",
        confidence="",
        cut=trial.design.cuts[-1].name,
    )


def contrasts(made, found):
    """The contract's contrasts: hazard ratios of the first arm over the second, and how often it does better."""
    for a, b in combinations(made, 2):
        ratios = {name: found[f"{a}{VERSUS}{b}", name] for name in RATIOS.values()}
        better = {e: float(np.mean(ratios[name] < 1)) for e, name in RATIOS.items()}
        better["orr"] = float(np.mean(found[a, "orr"] > found[b, "orr"]))
        yield {"a": a, "b": b, **ratios, "p_better": better}


__all__ = ["OF_ARM", "contrasts", "rows", "settings", "statistics"]
