"""What a calibration leaves: posterior.nc (an ArviZ DataTree), summary.csv, manifest.json; and reading them back."""

import json
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import bad
from ..library.files import PACKAGE, digest, root
from ..output import write_text, write_whole
from .inputs import inputs

PACKAGES = ("jax", "numpyro", "arviz", "numpy", "scipy")
FILES = ("posterior.nc", "summary.csv", "manifest.json")


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


def keep(out, file):
    """Puts a file that a surrogate is made of beside the results, where there is one."""
    if file.exists():
        write_whole(Path(out) / file.name, lambda path: path.write_bytes(file.read_bytes()))


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


def covariances(data):
    """What the draws were made with: sampling covariances by trial, and the ``shift`` of the prediction where there is one."""
    kept, prefix = data["constant_data"].data_vars, "sampling_covariance_"
    found = {k.removeprefix(prefix): np.asarray(v) for k, v in kept.items() if k.startswith(prefix)}
    return found | ({"shift": np.asarray(kept["shift"])} if "shift" in kept else {})


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


__all__ = ["FILES", "covariances", "draws", "folder", "inputs", "keep", "manifest", "read", "save", "stale", "summary", "tree"]
