"""The trial-year: what all organs and dose rules cost beside platelets alone, on this machine's cores.

A year (18 cycles of three weeks) of EMILIA's 991 patients, both arms, against the plain platelet course of as many patients
on T-DM1, as a replay samples them, in the same run. Times are of whole replicate trials, dealing of patients included.
"""

import time
from dataclasses import replace

from .timing import repeats

ARMS = {"tdm1": 495, "lapcap": 496}
TRIALS = 8  # replicate trials a call


def run(seconds=5.0, seed=1, progress=None):
    """Seconds of one trial: {"all", "platelets_with_rules", "platelets", "ratio", "patients", "compile_seconds"}.

    ``ratio``: all organs and rules over platelets alone, best of repeats.
    """
    import jax

    from .conduct.arm import arm
    from .endpoints import protocol
    from .library import trials

    key, trial = jax.random.key(seed), trials.load("emilia")
    whole = [replace(arm(trial, name), n=n) for name, n in ARMS.items()]
    patients = sum(ARMS.values())
    alone = replace(whole[0], n=patients, effects=tuple(e for e in whole[0].effects if e.organs == ("platelets",)))
    jobs = {
        "all": lambda: [protocol.statistics(a, None, {}, key, replicates=TRIALS) for a in whole],
        "platelets_with_rules": lambda: protocol.statistics(alone, None, {}, key, replicates=TRIALS),
        "platelets": _plain(trial, patients, key),
    }
    found, compiling = {}, 0.0
    for name, job in jobs.items():
        if progress:
            progress(f"the trial-year, {name}")
        begin = time.perf_counter()
        job()
        compiling += time.perf_counter() - begin
        found[name] = min(repeats(job, seconds=seconds)) / TRIALS
    ratio = {"ratio": found["all"] / found["platelets"], "patients": patients}
    return found | ratio | {"organs": {a.arm: list(a.organs) for a in whole}, "compile_seconds": compiling}


def _plain(trial, patients, key):
    """The platelet course without rules, of as many patients, with the rows that a replay scores."""
    from .conduct.setting import setting
    from .endpoints import TABLE, replicate

    of = setting(trial, "tdm1", "thrombocytopenia")
    rows = [replace(r, n=patients) for r in trial.rows.values() if r.arm == "tdm1" and r.endpoint in TABLE]
    return lambda: replicate.statistics(of, rows, {}, key, replicates=TRIALS)


def notes(found):
    """Lines for under the benchmark's table."""
    ms = {k: f"{1e3 * found[k]:.0f} ms" for k in ("all", "platelets_with_rules", "platelets")}
    yield f"a year of {found['patients']} patients of EMILIA, all organs and dose rules: {ms['all']}"
    yield f"  platelets alone: {ms['platelets']} (with dose rules {ms['platelets_with_rules']}); ratio {found['ratio']:.1f}"
