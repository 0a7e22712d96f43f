"""Simulation-based calibration of the reduced joint problem: ``python scripts/sbc_joint.py`` (about five minutes on one core).

Simulates what the surrogate is trained on and one pair of trials at each of ``--fits`` prior draws (``--kept``: takes those in
the folder as they are), calibrates to each, and writes ``training.npz``, ``truths.npz``, ``sbc.csv`` and ``sbc.json`` beside
the problem. Prints coverage and rank histograms; exit 1 if one is out of its envelope.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

from vtrial.calibrate import bound as binding  # noqa: E402
from vtrial.calibrate.check import ranks, sbc  # noqa: E402
from vtrial.calibrate.emulate import rounds  # noqa: E402
from vtrial.library import problems  # noqa: E402
from vtrial.library.files import digest, root  # noqa: E402
from vtrial.output import write_text  # noqa: E402

FOLDER = root() / "tests" / "statistical" / "joint"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the problem, reduced.toml, and of the results")
    parser.add_argument("--fits", type=int, default=256)
    parser.add_argument("--points", type=int, default=2048, help="training points of the surrogate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kept", action="store_true", help="take training.npz and truths.npz as they are")
    args = parser.parse_args()
    folder, begun = args.folder, time.perf_counter()
    bound = binding.bind(problems.load(folder / "reduced.toml"))
    training, drawn = folder / "training.npz", folder / "truths.npz"
    with tempfile.TemporaryDirectory() as scratch:
        if not args.kept:
            sbc.learn(bound, training, Path(scratch), args.points, args.seed)
            sbc.draw(bound, drawn, Path(scratch), args.fits, args.seed)
    bound = rounds.restored(bound, training)
    truth, refit, rows = sbc.truths(bound, drawn), sbc.Refits(bound, args.seed), []
    for k, u in enumerate(truth.u[: args.fits]):
        rows += ranks.told(bound.problem, k, u, refit(sbc.published(bound, truth, k, args.seed), u, k))
    ranks.write(folder / "sbc.csv", rows)
    files = [p for p in sorted(folder.rglob("*")) if p.suffix in (".toml", ".csv", ".npz")]
    told = {"seed": args.seed, "files": {str(p.relative_to(folder)): digest(p) for p in files}}
    write_text(folder / "sbc.json", json.dumps(told, indent=1) + "\n")
    found = ranks.verdicts(rows)
    for name, v in found.items():
        print(f"{name:16} covered {v.coverage:.3f}  ranks {v.histogram}  {'; '.join(v.faults)}")
    print(f"{len(truth.u[: args.fits])} calibrations, {time.perf_counter() - begun:.0f} s")
    return any(v.faults for v in found.values())


sys.exit(main())
