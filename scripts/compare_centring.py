"""Effects between trials, centred or not: ``python scripts/compare_centring.py [PROBLEM] [--draws 300]``.

Samples a committed joint posterior by its surrogates twice: a trial's own value as a score times the spread (as `model` does),
and as the deviation itself, whose prior has that spread. Each moves in the straight map of the committed draws in its own
coordinates. Prints the smallest effective sample size of the spreads and of the trials' own values, in all and per thousand
gradients.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from vtrial.verbs import session

session.start_jax(devices=2)
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from vtrial.calibrate import mode, results, sample, warp  # noqa: E402
from vtrial.calibrate.check import refit  # noqa: E402
from vtrial.calibrate.emulate.rounds import TRAINING  # noqa: E402
from vtrial.calibrate.model import names, parameters  # noqa: E402
from vtrial.library import problems  # noqa: E402
from vtrial.library.free import AT, BETWEEN  # noqa: E402


def pairs(problem):
    """(position of a trial's own score, name of its spread) of every one."""
    return [(i, BETWEEN + n.split(AT)[0]) for i, n in enumerate(names(problem)) if AT in n]


def spreads(problem, u):
    """Spread that goes with each own score, (own, ...), at scores (parameter, ...)."""
    values = parameters(problem, u)
    return jnp.stack([values[name] for _, name in pairs(problem)])


def main():
    import arviz as az

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problem", nargs="?", default="her2-adc")
    parser.add_argument("--draws", type=session.positive, default=300)
    args = parser.parse_args()
    problem, folder = problems.load(args.problem), results.folder(args.problem)
    known = refit.whole(problem, results.read(folder / "posterior.nc"), folder / TRAINING)
    fixed, energy = {k: jnp.asarray(v) for k, v in known.covariances.items()}, mode.energy(known.bound, known.fitted)
    own = np.array([i for i, _ in pairs(problem)])

    def centred(v):
        """The energy of deviations: their density is that of the scores, over the spread."""
        size = spreads(problem, v)
        return energy(v.at[own].divide(size), fixed) + jnp.log(size).sum()

    deviations = known.draws.copy()
    deviations[:, own] *= np.asarray(spreads(problem, jnp.asarray(known.draws.T))).T
    watched = [*own, *(names(problem).index(n) for n in dict.fromkeys(n for _, n in pairs(problem)))]
    for name, fun, draws in (("scores", lambda u: energy(u, fixed), known.draws), ("deviations", centred, deviations)):
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            shape = warp.straight(draws.mean(0), np.cov(draws.T))
            sizes = {"count": 2, "warmup": 100, "draws": args.draws, "seed": 1, "target_accept": 0.9, "depth": 6}
            u, stats = sample.chains(fun, shape, folder=Path(scratch), **sizes)
        ess = az.ess(az.from_dict({"posterior": {"u": u[..., watched]}}))["u"].values
        gradients = float(stats["num_steps"].sum())
        told = {"between": name, "ess": float(ess.min()), "per_thousand_gradients": float(1000 * ess.min() / gradients)}
        told |= {"steps": float(stats["num_steps"].mean()), "divergences": int(stats["diverging"].sum())}
        print(json.dumps(told | {"seconds": round(time.perf_counter() - begun, 1)}), flush=True)


if __name__ == "__main__":
    main()
