"""Ranks scrambles of a problem's quasi-random subjects by their error against many subjects, at the posterior mode of the
committed result (the prior's medians before there is one) and at its first prior draws (``--draws``).

``python scripts/rank_scrambles.py platelets-tdm1 --seeds 400`` prints seed, largest and root-mean-square error, in
sampling deviations of the published rows. Nothing published but n and the deviations enters.
"""

import argparse

import jax

jax.config.update("jax_enable_x64", True)
import numpy as np  # noqa: E402

from vtrial.calibrate import bound as binding  # noqa: E402
from vtrial.calibrate import results, targets  # noqa: E402
from vtrial.calibrate.model import names, parameters  # noqa: E402
from vtrial.calibrate.run import prior_scores  # noqa: E402
from vtrial.endpoints import smooth  # noqa: E402
from vtrial.endpoints.cohort import Cohort  # noqa: E402
from vtrial.library import problems  # noqa: E402


def predictions(problem, subjects, seeds, scores):
    """Expected rows (seed, prior draw, row); compiled once."""
    bound = binding.bind(problem, subjects)

    @jax.jit
    def predict(dealt, u):
        values = problems.internal(problem.free, parameters(problem, u))
        return smooth.predictor(bound.settings, bound.rows, Cohort(dealt))(values)

    settings = list(bound.settings.values())
    cohorts = (Cohort.make(settings, bound.rows, subjects, s).scores for s in seeds)
    return np.array([[predict(c, u) for u in scores] for c in cohorts])


def places(problem, draws):
    """Scores (place, parameter): the mode, and the first prior draws as a calibration with seed 1 keeps them."""
    file, size = results.folder(problem.name) / "posterior.nc", len(names(problem))
    mode = results.read(file)["constant_data"]["mode"].values if file.is_file() else np.zeros(size)
    return np.concatenate([mode[None], prior_scores(problem, 1)[:, 0, :draws].T])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problem")
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--draws", type=int, default=24, help="prior draws besides the mode")
    parser.add_argument("--best", type=int, default=5, help="how many to print")
    args = parser.parse_args()
    problem = problems.load(args.problem)
    scores = places(problem, args.draws)
    # a median: a mean of ratios has rare, far outliers
    exact = np.median(predictions(problem, 4096, range(1000, 1005), scores), 0)
    deviation = np.array([targets.deviation(r) for r in problem.rows("fit")])
    off = np.abs(predictions(problem, problem.subjects, range(args.seeds), scores) - exact) / deviation
    ranked = sorted((o.max(), np.sqrt((o**2).mean()), seed) for seed, o in enumerate(off))
    for worst, mean, seed in [*ranked[: args.best], ranked[len(ranked) // 2], ranked[-1]]:
        print(f"scramble {seed:4}: largest {worst:.3f}, root mean square {mean:.3f}")


main()
