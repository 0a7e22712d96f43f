"""What a calibration leaves: posterior.nc (an ArviZ DataTree), summary.csv, manifest.json; and reading them back."""

import json
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import bad
from ..library import cards, digests, drugs, organs, populations
from ..library.files import GRADING, PACKAGE, digest, read_toml, root
from ..output import write_text, write_whole
from ..population import needed

PACKAGES = ("jax", "numpyro", "arviz", "numpy", "scipy")
FILES = ("posterior.nc", "summary.csv", "manifest.json")
JUDGED = ("fit", "holdout")
# What of a published row enters a likelihood or a score.
PUBLISHED = "id arm endpoint statistic relation value lower upper level n unit definition table rounding reading_sd".split()


def folder(problem):
    """Where the committed result of a problem on the shelf lies."""
    return root() / "calibration" / "results" / problem


def tree(groups, coords, dims, attrs):
    """A DataTree of groups of arrays (chain, draw, ...); ``attrs`` go to the posterior."""
    import arviz as az

    data = az.from_dict(groups, coords=coords, dims=dims)
    data["posterior"].attrs.update(attrs, created_at=datetime.now(UTC).isoformat(timespec="seconds"))
    return data


def save(out, data, manifest):
    """Writes the three files, each whole or not at all."""
    out = Path(out)
    write_whole(out / "posterior.nc", lambda path: data.to_netcdf(path))
    write_text(out / "summary.csv", summary(data).to_csv())
    manifest = manifest | {"posterior_sha256": digest(out / "posterior.nc")}
    write_text(out / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def summary(data):
    """ArviZ's summary of the posterior, unrounded; equal-tailed intervals of mass 0.89 (ArviZ's default, named by it)."""
    import arviz as az

    return az.summary(data, group="posterior", round_to="none")


def read(path):
    """The DataTree of a ``posterior.nc``.

    Raises
    ------
    InputError
        If there is none, or it cannot be read.
    """
    import arviz as az

    if not Path(path).is_file():
        raise bad(path, "", "there is no posterior; run `vtrial calibrate` first, or give --posterior FILE.nc")
    try:
        return az.from_netcdf(str(path))
    except (OSError, ValueError) as error:
        raise bad(path, "", f"cannot be read as a posterior: {error}") from None


def draws(data, count):
    """``count`` draws spread evenly over chains and iterations: name -> (count,), and how many there are in all."""
    posterior = data["posterior"]
    flat = {k: np.asarray(v).reshape(-1) for k, v in posterior.data_vars.items()}
    total = len(next(iter(flat.values())))
    # chains lie one behind the other: steps of a fixed length visit all of them
    index = (np.arange(count) * total) // count if count <= total else np.arange(count) % total
    return {k: v[index] for k, v in flat.items()}, total


def inputs(problem):
    """Digest of the content of every file that the problem depends on, by its path below the data root: of a trial what
    the judged arms are given and when they are seen, of its published numbers those fitted and held out."""
    judged = [row for role in JUDGED for row in problem.rows(role)]
    organ = organs.EFFECTS[problem.effect][0]
    of = read_toml(problem.path)
    content = {
        problem.path: of | {"roles": {r: sorted(k for k, (role, _) in problem.roles.items() if role == r) for r in JUDGED}}
    }
    for name, trial in problem.trials.items():
        mine = [r for r in judged if r.trial == name]
        content[trial.path] = _conduct(trial, organ, {r.arm for r in mine})
        content[str(Path(trial.path).parent / "published.csv")] = [[getattr(r, k) for k in PUBLISHED] for r in mine]
        population = populations.load(trial.population).only(needed(*_cards(problem)))
        content[population.path] = [population.marginals, population.correlation]
    for path in [*(c.path for c in _cards(problem)), drugs.load(problem.drug).path]:
        content[path] = read_toml(path)
    versions = {t.grading for t in problem.trials.values()}
    grading = root() / GRADING
    content[str(grading)] = {v: read_toml(grading)[v].get(organ) for v in versions}
    return {_relative(k): digests.of(v) for k, v in sorted(content.items())}


def _conduct(trial, organ, arms):
    """What a trial says of some arms and of what is seen of an organ."""
    lower = trial.lower_limit.get(organ)
    told = [[a.drugs, a.n, asdict(a.treatment)] for a in trial.arms.values() if a.id in arms]
    return [trial.population, trial.grading, lower, asdict(trial.visits[organ]), told]


def _cards(problem):
    return [cards.load(problem.drug, name) for name in ("pk", problem.effect)]


def _relative(path):
    path = Path(path).resolve()
    return str(path.relative_to(root())) if path.is_relative_to(root()) else str(path)


def stale(manifest, problem):
    """Files that have changed, come or gone since a result was made."""
    then, now = manifest.get("inputs", {}), inputs(problem)
    return sorted(k for k in {*then, *now} if then.get(k) != now.get(k))


def manifest(problem, **more):
    """What made a result: digests of every input, versions, commit, and whatever else is given."""
    return {
        "problem": problem.name,
        "inputs": inputs(problem),
        "versions": {"vtrial": __version__} | {p: version(p) for p in PACKAGES},
        "commit": commit(),
        **more,
    }


def commit():
    """The commit of the checkout, with a mark where the tree is dirty; None outside a checkout."""
    git = ["git", "-C", str(PACKAGE.parent)]
    try:
        name = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        dirty = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return name + ("+changes" if dirty.strip() else "")


__all__ = ["FILES", "draws", "folder", "inputs", "manifest", "read", "save", "stale", "summary", "tree"]
