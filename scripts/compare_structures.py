"""Structures beside each other: ``python scripts/compare_structures.py [--out FOLDER] [platelets] [tumours] [ild]``.

Platelets with and without a drift of the stem pool (platelets-tdm1); tumours that lose the drug's effect with time, by a part
that never shrinks, by both or by neither (efficacy-emilia); ILD's hazard by a power of exposure, in proportion to it, or
by its square (her2-adc's surrogates, which do not reach a hazard without exposure). Writes structures.csv and rows.csv.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

from vtrial.calibrate import bound as binding  # noqa: E402
from vtrial.calibrate import results  # noqa: E402
from vtrial.calibrate.check import structures  # noqa: E402
from vtrial.calibrate.emulate import rounds  # noqa: E402
from vtrial.calibrate.model import names  # noqa: E402
from vtrial.library import problems  # noqa: E402
from vtrial.output import write_text  # noqa: E402

NONE = 1e-9


def platelets():
    problem = problems.load("platelets-tdm1")
    yield problem, "platelets: with drift", problem
    yield problem, "platelets: without drift", structures.held(problem, KD=NONE)


def tumours():
    problem, joint = problems.load("efficacy-emilia"), problems.load("her2-adc")
    # a resistant part's prior, which efficacy-emilia does not free, is her2-adc's
    (part,) = (f for f in joint.free if f.name == "FRES_TDM1")
    parts = tuple(replace(part, name=f"FRES_{arm}", cards=(card,)) for arm, card in (("TDM1", "tdm1"), ("LAPCAP", "lapatinib")))
    lost = {f.name: NONE for f in problem.free if f.name.startswith("LAMBDA_")}
    both = replace(problem, free=problem.free + parts)
    yield problem, "tumours: effect lost with time", problem
    yield problem, "tumours: a part that never shrinks", structures.held(both, **lost)
    yield problem, "tumours: both", both
    yield problem, "tumours: neither", structures.held(problem, **lost)


def ild():
    problem = problems.load("her2-adc")
    yield problem, "ild: power of exposure", problem
    yield problem, "ild: in proportion to exposure", structures.held(problem, POWER_ILD=1.0)
    yield problem, "ild: by its square", structures.held(problem, POWER_ILD=2.0)


GROUPS = {"platelets": platelets, "tumours": tumours, "ild": ild}


def bound_of(problem, base):
    """The problem bound; of a joint one with the surrogates of its result."""
    training = results.folder(base.name) / rounds.TRAINING
    if not training.is_file():
        return binding.bind(problem)
    return replace(rounds.restored(binding.bind(base), training), problem=problem, made_for=base)


def known_of(base):
    """Sampling covariances of the committed result, and its mode by name."""
    data = results.read(results.folder(base.name) / "posterior.nc")
    return results.covariances(data), dict(zip(names(base), np.asarray(data["constant_data"]["mode"]), strict=True))


def main():
    import polars as pl

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], help="which to compare (default: all)")
    parser.add_argument("--out", type=Path, default=Path("out/structures"))
    args = parser.parse_args()
    found, rows = [], []
    for group in args.groups or GROUPS:
        for base, name, problem in GROUPS[group]():
            covariances, mode = known_of(base)
            # a number that is held starts where it is
            start = [0.0 if f not in mode or _moved(base, problem, f) else mode[f] for f in names(problem)]
            told, scores = structures.evidence(name, bound_of(problem, base), covariances, np.array(start))
            print("  ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{v}" for k, v in told._asdict().items()), flush=True)
            found.append(told._asdict())
            rows += [{"structure": name, "target": target, "score": s} for target, s in scores.items()]
    write_text(args.out / "structures.csv", pl.DataFrame(found).write_csv())
    write_text(args.out / "rows.csv", pl.DataFrame(rows).write_csv())


def _moved(base, problem, name):
    """Whether a parameter has another prior than in the base problem."""
    by = {f.name: f for f in base.free}
    return any(f.name == name and f != by.get(name) for f in problem.free)


if __name__ == "__main__":
    main()
