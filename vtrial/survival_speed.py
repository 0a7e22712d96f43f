"""What the statistics of a replicate trial cost here and by lifelines, on this machine: survival curves of both arms with
medians and landmark rates, the log-rank test, and the hazard ratio of a stratified Cox regression (Efron).
"""

import time
import warnings

import numpy as np

PATIENTS, STRATA = 991, 12  # EMILIA's: three regions, prior lines and visceral disease of two levels each
MEDIAN, RATIO = (195, 0.65)  # days, and hazard of the second arm to the first
CUT = (300, 900)  # days of follow-up at the cut, uniform
LANDMARKS = (182.0, 365.0)


def run(replicates=1000, rival=20, seed=1):
    """Seconds of all replicates here and of the first ``rival`` by lifelines.

    Returns
    -------
    dict
        ``ours`` (best of three, once compiled), ``compile_seconds``, ``lifelines``, ``replicates``, ``rival``, ``patients``,
        and ``difference``: the largest between the two in log hazard ratio, median over its size, or rate.
    """
    import jax

    trials = _deal(replicates, seed)
    program = jax.jit(_ours)
    spent = [_timed(lambda: jax.block_until_ready(program(*trials))) for _ in range(4)]
    begin = time.perf_counter()
    theirs = [_lifelines(*(v[i] for v in trials)) for i in range(rival)]
    lifelines = time.perf_counter() - begin
    found = np.asarray(program(*trials))[:rival]
    away = np.abs(found / np.array(theirs) - 1).max() if rival else 0.0
    facts = {"replicates": replicates, "rival": rival, "patients": PATIENTS, "difference": float(away)}
    return {"ours": min(spent[1:]), "compile_seconds": spent[0] - min(spent[1:]), "lifelines": lifelines, **facts}


def _deal(replicates, seed):
    """Times rounded up to days, events, strata: (replicate, patient) each; the first half is the first arm."""
    rng = np.random.default_rng(seed)
    stratum = rng.integers(0, STRATA, (replicates, PATIENTS))
    scale = MEDIAN / np.log(2) * np.exp(0.1 * (stratum - STRATA / 2))
    scale[:, PATIENTS // 2 :] /= RATIO
    event = np.ceil(rng.exponential(scale))
    cut = np.ceil(rng.uniform(*CUT, event.shape))
    return np.minimum(event, cut), event <= cut, stratum.astype(np.int32)


def _ours(days, event, stratum):
    """(replicate, statistic), in the order of `_lifelines`."""
    import jax.numpy as jnp

    from .endpoints import survival

    half = PATIENTS // 2
    curves = [survival.curve(days[:, part], event[:, part]) for part in (slice(half), slice(half, None))]
    second = jnp.arange(PATIENTS) >= half
    fit = survival.cox(days, event, second, stratum, strata=STRATA)
    stats = [survival.logrank(days, event, second)[0], fit.log_hr, fit.se]
    for curve in curves:
        stats += [survival.median(curve), *survival.at(curve, LANDMARKS).T]
        stats += [limit[:, k] for limit in survival.interval(curve, LANDMARKS) for k in range(2)]
    return jnp.stack(stats, -1)


def _lifelines(days, event, stratum):
    from lifelines import CoxPHFitter, KaplanMeierFitter
    from lifelines.statistics import logrank_test
    from pandas import DataFrame

    half = PATIENTS // 2
    parts = [slice(half), slice(half, None)]
    (a, b), (da, db) = ([v[part] for part in parts] for v in (days, event))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        curves = [KaplanMeierFitter().fit(days[part], event[part]) for part in parts]
        frame = DataFrame({"days": days, "event": event, "arm": np.arange(PATIENTS) >= half, "stratum": stratum})
        fit = CoxPHFitter().fit(frame.astype(float), "days", "event", strata=["stratum"])
        stats = [logrank_test(a, b, da, db).test_statistic, fit.params_["arm"], fit.standard_errors_["arm"]]
        for curve in curves:
            limits = curve.confidence_interval_.asof(LANDMARKS).to_numpy()
            stats += [curve.median_survival_time_, *curve.predict(LANDMARKS), *limits.T.ravel()]
    return stats


def _timed(job):
    begin = time.perf_counter()
    job()
    return time.perf_counter() - begin


def notes(found):
    """Lines for under the benchmark's table."""
    each = {"ours": found["ours"] / found["replicates"], "lifelines": found["lifelines"] / max(found["rival"], 1)}
    ours = f"{found['replicates']} trials of {found['patients']} patients: {found['ours']:.2f} s"
    yield f"curves, log-rank and stratified Cox of {ours} ({1e3 * each['ours']:.2f} ms each)"
    if found["rival"]:
        yield f"  lifelines: {1e3 * each['lifelines']:.0f} ms each; ratio {each['lifelines'] / each['ours']:.0f}"
    else:
        yield "  lifelines is not installed: no comparison"
