"""Structures beside each other: ``python scripts/compare_structures.py [--out FOLDER] [platelets] [tumours] [ild] [power]``.

Platelets with and without a drift of the stem pool (platelets-tdm1); tumours that lose the drug's effect with time, by a part
that never shrinks, by both or by neither (efficacy-emilia); T-DXd's lung disease by the concentration of the day, that of the
cycle, that of half a year, or by none (the rows of lung disease in her2-adc, simulated anew), and by a power of exposure, in
proportion to it, or by its square (all of her2-adc, by its surrogates). Writes structures.csv (evidence and held-out log score)
and rows.csv.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from vtrial.verbs import session

session.start_jax(session.cores())

import numpy as np  # noqa: E402

from vtrial.calibrate import bound as binding  # noqa: E402
from vtrial.calibrate import results, targets  # noqa: E402
from vtrial.calibrate.check import folds, part, refit, structures  # noqa: E402
from vtrial.calibrate.emulate import rounds  # noqa: E402
from vtrial.calibrate.model import names, parameters  # noqa: E402
from vtrial.library import problems  # noqa: E402
from vtrial.output import write_text  # noqa: E402

NONE = 1e-9
# Trials simulated for each metric of exposure.
ROUNDS = (192, 320)
# Per day: the wash-out of the exposure that is felt, and what of the average concentration it makes at the median onset.
METRICS = {"of the day": (1.0, 1.0), "of the cycle (the card's)": (0.033, 1.0), "of half a year": (0.0038, 0.5)}
# Any of these has a hazard of its own size: as little is known of it as of the metric.
WIDE = 1.5


def platelets():
    problem = problems.load("platelets-tdm1")
    yield "platelets: with drift", _known(problem, problem)
    yield "platelets: without drift", _known(problem, structures.held(problem, KD=NONE))


def tumours():
    problem, joint = problems.load("efficacy-emilia"), problems.load("her2-adc")
    # a resistant part's prior, which efficacy-emilia does not free, is her2-adc's
    (one,) = (f for f in joint.free if f.name == "FRES_TDM1")
    parts = tuple(replace(one, name=f"FRES_{arm}", cards=(card,)) for arm, card in (("TDM1", "tdm1"), ("LAPCAP", "lapatinib")))
    lost = {f.name: NONE for f in problem.free if f.name.startswith("LAMBDA_")}
    both = replace(problem, free=problem.free + parts)
    yield "tumours: effect lost with time", _known(problem, problem)
    yield "tumours: a part that never shrinks", _known(problem, structures.held(both, **lost))
    yield "tumours: both", _known(problem, both)
    yield "tumours: neither", _known(problem, structures.held(problem, **lost))


def ild():
    """All by one sampling covariance, that of the first."""
    problem, first = problems.load("her2-adc"), None
    others = part.means(results.read(results.folder(problem.name) / "posterior.nc"))
    for name, told in _metrics(problem):
        bound = _trained(problem, others, *told)
        at = np.zeros(len(names(bound.problem)))
        first = first or bound.sampling(parameters(bound.problem, at))
        yield f"ild: {name}", refit.Whole(bound, targets.gather(bound.rows, bound.error), first, at, at[None])


def power():
    problem = problems.load("her2-adc")
    bound = rounds.restored(binding.bind(problem), results.folder(problem.name) / rounds.TRAINING)
    for name, fixed in {"a power": {}, "in proportion": {"POWER_ILD": 1.0}, "by its square": {"POWER_ILD": 2.0}}.items():
        told = structures.held(problem, **fixed)
        yield f"ild, exposure: {name}", _known(problem, told, replace(bound, problem=told, made_for=problem))


GROUPS = {"platelets": platelets, "tumours": tumours, "ild": ild, "power": power}


def _known(base, problem, bound=None):
    """A problem, bound anew or as given, with the sampling covariances of the committed result of ``base``, and its mode."""
    data = results.read(results.folder(base.name) / "posterior.nc")
    mode = dict(zip(names(base), np.asarray(data["constant_data"]["mode"]), strict=True))
    # a number that is held starts where it is
    at = np.array([0.0 if f not in mode or _moved(base, problem, f) else mode[f] for f in names(problem)])
    bound = bound or binding.bind(problem)
    return refit.Whole(bound, targets.gather(bound.rows, bound.error), results.covariances(data), at, at[None])


def _moved(base, problem, name):
    """Whether a parameter has another prior than in the base problem."""
    by = {f.name: f for f in base.free}
    return any(f.name == name and f != by.get(name) for f in problem.free)


def _metrics(problem):
    """Name, and (free parameters, numbers of the card) of each metric."""
    mine = [f for f in problem.free if "tdxd/ild" in f.cards]
    free = [replace(f, log_sd=WIDE) if f.name == "HAZ_TDXD" else f for f in mine]
    average = problem.cards["tdxd/ild"].theta["CREF"]
    for name, (ke0, share) in METRICS.items():
        yield f"concentration {name}", (free, {"theta.KE0": ke0, "theta.CREF": average * share})
    none = [replace(f, median=NONE, log_sd=structures.HELD) if f.name == "POWER_ILD" else f for f in free]
    yield "time since the first dose alone", (none, {})


def _trained(problem, others, free, numbers):
    rows = [r for r in problem.rows("fit") if r.endpoint.startswith("ild_") and set(r.arms) <= _given(problem, r)]
    bound = part.bound(problem, free, rows, others, {"tdxd/ild": numbers})
    with TemporaryDirectory() as folder:
        return rounds.train(bound, Path(folder), {"seed": 1, "rounds": ROUNDS})


def _given(problem, row):
    """Arms of a row's trial that T-DXd is given in."""
    return {a for a, arm in problem.trials[row.trial].arms.items() if "tdxd" in dict(arm.drugs)}


def main():
    import polars as pl

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], help="which to compare (default: all)")
    parser.add_argument("--out", type=Path, default=Path("out/structures"))
    args = parser.parse_args()
    found, rows = [], []
    for group in args.groups or GROUPS:
        for name, known in GROUPS[group]():
            told, scores = structures.evidence(name, known.bound, known.covariances, known.start)
            left = folds.scored(known)
            out = {"held_out": sum(f.score for f in left), "se": float(np.hypot.reduce([f.se for f in left]))}
            found.append(told._asdict() | out)
            print("  ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{v}" for k, v in found[-1].items()), flush=True)
            rows += [{"structure": name, "target": target, "score": s} for target, s in scores.items()]
            rows += [{"structure": name, "target": f"held out: fold {i}", "score": f.score} for i, f in enumerate(left)]
    write_text(args.out / "structures.csv", pl.DataFrame(found).write_csv())
    write_text(args.out / "rows.csv", pl.DataFrame(rows).write_csv())


if __name__ == "__main__":
    main()
