"""Survival by exposure: an arm's patients in the lowest against the highest quarter of the trough of cycle 1, as they are and
with clearance re-dealt independently of prognosis.

``python scripts/exposure_prognosis.py emilia --arm tdm1 --problem efficacy-emilia --draws 200`` prints a table, then JSON;
without ``--problem`` by the cards' numbers.
"""

import argparse
import json

from vtrial.verbs import session

session.start_jax(devices=1)
import jax  # noqa: E402
import numpy as np  # noqa: E402

from vtrial import trial as replays  # noqa: E402
from vtrial.calibrate import results  # noqa: E402
from vtrial.endpoints.joint import exposure, plan  # noqa: E402
from vtrial.library import problems, trials  # noqa: E402
from vtrial.library.files import digest  # noqa: E402
from vtrial.progress import bar  # noqa: E402


def values(args, of):
    """Card path -> name -> (draw,), and the digest of the posterior."""
    if not args.problem:
        return {of.setting.kill.path: {"theta.KD": np.array([of.setting.kill.theta["KD"]])}}, None
    problem = problems.load(args.problem)
    path = args.posterior or results.folder(problem.name) / "posterior.nc"
    drawn, _ = results.draws(results.read(path), args.draws)
    return replays.by_trial(problem, drawn, args.trial, args.draws), digest(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trial")
    parser.add_argument("--arm", default="tdm1")
    parser.add_argument("--problem", help="a problem with a posterior (default: the cards' numbers)")
    parser.add_argument("--posterior", help="another posterior.nc than the problem's own")
    parser.add_argument("--draws", type=session.positive, default=200)
    parser.add_argument("--patients", type=session.positive, default=4096, help="of each draw, the same ones (default 4096)")
    parser.add_argument("--cut", default="2012-07-31", help="data cut at which survival is read")
    parser.add_argument("--every-dose", action="store_true", help="organs left out: every dose is given (ten times as quick)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    trial = trials.load(args.trial)
    cut = trial.design.horizon(args.cut)
    of = plan.plan(trial, args.arm, cut)
    of = exposure.every_dose(of) if args.every_dose else of
    drawn, sha256 = values(args, of)
    with bar("following patients", args.draws if args.problem else 1) as tick:
        found = exposure.summary(exposure.contrasts(of, cut, drawn, jax.random.key(args.seed), args.patients, tick))
    told = vars(args) | {"posterior_sha256": sha256, "linked_by": exposure.links(of.setting)}
    table(found, told)
    print(json.dumps(told | found))


def table(found, told):
    """One line a dealing."""
    low, high = found["quartiles"]
    print(f"{found['patients']} patients, {found['draws']} draws; trough of cycle 1: quartiles {low:.2f} and {high:.2f} mg/L")
    print(f"clearance and prognosis both depend on: {', '.join(told['linked_by']) or 'nothing'}")
    print(f"{'':24}{'hazard ratio (90 %)':26}{'above 1':10}shrinks by (90 %)")
    words = {"as_they_are": "as they are", "clearance": "clearance re-dealt", "links": "only its links re-dealt"}
    for dealing, name in words.items():
        row = found[dealing]
        print(f"{name:24}{_interval(row['hazard_ratio']):26}{row['share_above_1']:<10.3f}", end="")
        print(_shrinks(row["shrinks"]) if "shrinks" in row else "")


def _shrinks(of):
    error = of["cohort_error"]
    return _interval(of) + ("" if error is None else f", cohort's error {error:.2f}")


def _interval(of):
    return f"{of['median']:.2f} ({of['low']:.2f} to {of['high']:.2f})"


main()
