"""Trials' own effects centred or not: ``python scripts/compare_centring.py [--draws 300] [--out FOLDER]``.

Both parametrisations of her2-adc's posterior, by its committed surrogates, in coordinates that the committed draws are standard
normal in: what a gradient is worth in either. Writes centring.csv.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from vtrial.verbs import session

session.start_jax(session.cores())

import numpy as np  # noqa: E402

from vtrial.calibrate import mode, results, sample, warp  # noqa: E402
from vtrial.calibrate.check import centred, refit  # noqa: E402
from vtrial.calibrate.emulate import rounds  # noqa: E402
from vtrial.calibrate.model import names  # noqa: E402
from vtrial.library import problems  # noqa: E402
from vtrial.output import write_text  # noqa: E402

SETTINGS = {"count": 2, "warmup": 60, "seed": 1, "target_accept": 0.8, "depth": 6, "spread": 1.0}


def main():
    import polars as pl

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=session.positive, default=300, help="a chain, of two")
    parser.add_argument("--out", type=Path, default=Path("out/centring"))
    args = parser.parse_args()
    problem = problems.load("her2-adc")
    folder = results.folder(problem.name)
    known = refit.whole(problem, results.read(folder / "posterior.nc"), folder / rounds.TRAINING)
    told = [compared(known, name, args.draws) for name in ("not centred", "centred")]
    for row in told:
        print("  ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))
    write_text(args.out / "centring.csv", pl.DataFrame(told).write_csv())


def compared(known, name, draws):
    """Chains in one parametrisation, and what they found."""
    problem, energy = known.problem, mode.energy(known.bound, known.fitted)

    def moved(w):
        u, log = centred.back(problem, w)
        return energy(u, known.covariances) - log

    here = centred.to(problem, known.draws) if name == "centred" else known.draws
    shape = warp.straight(here.mean(0), np.cov(here.T))
    fun = moved if name == "centred" else lambda u: energy(u, known.covariances)
    with TemporaryDirectory() as folder:
        w, stats = sample.chains(fun, shape, draws=draws, folder=folder, **SETTINGS)
    return {"parametrisation": name} | judged(problem, w, stats)


def judged(problem, w, stats):
    """Of draws (chain, draw, parameter): effective draws a thousand gradients, of all coordinates and of the spreads."""
    import arviz as az

    order, gradients = names(problem), stats["num_steps"].sum()
    data = az.from_dict({"posterior": {n: w[..., i] for i, n in enumerate(order)}})
    found = {kind: az.ess(data, method=kind) for kind in ("bulk", "tail")}
    worth = {kind: 1e3 / gradients * np.array([float(v[n]) for n in order]) for kind, v in found.items()}
    spread = np.array([n.startswith("TAU_") for n in order])
    return {
        "gradients": int(gradients),
        "steps": float(stats["num_steps"].mean()),
        "step_size": float(stats["step_size"][:, -1].mean()),
        "divergences": int(stats["diverging"].sum()),
        "rhat": max(float(az.rhat(data)[n]) for n in order),
        **{f"{kind}_least": float(v.min()) for kind, v in worth.items()},
        **{f"{kind}_median": float(np.median(v)) for kind, v in worth.items()},
        **{f"{kind}_spreads": float(v[spread].min()) for kind, v in worth.items()},
    }


if __name__ == "__main__":
    main()
