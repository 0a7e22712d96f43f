"""Training: rounds of simulated points, each about the mode of the surrogate that the rounds before gave.

The first points are the prior's, drawn in a little; the last are the posterior's normal approximation, drawn out a little. In
the end the simulator itself, at the mode and at points of that approximation, says what the surrogate is off: its mean is
taken off, its variance is added to the target's.
"""

import io
import pickle
import zipfile
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import norm, qmc

from ...errors import bad
from ...library.free import AT, BETWEEN
from ...output import write_whole
from ...progress import bar, say
from .. import mode as modes
from .. import targets
from ..model import names, parameters
from . import simulate

# Points of each round; the surrogate is fitted to the last two.
ROUNDS = (512, 768, 1024, 1536)
FIRST, STRETCH = 0.7, 1.3
# At so many points, the mode first, the simulator is asked for one batch of replicates each.
PROBES = 10
TRAINING = "training.npz"


@dataclass(frozen=True)
class Place:
    """Where points are drawn: ``center`` (parameter,) and ``root`` (parameter, parameter) of their covariance."""

    center: np.ndarray
    root: np.ndarray


def train(bound, checkpoint, plan):
    """The bound problem with its surrogates; the rounds are kept under ``checkpoint / "rounds"``."""
    size, seed = len(names(bound.problem)), plan["seed"]
    folder, kept = checkpoint / "rounds", []
    place = Place(np.zeros(size), FIRST * np.eye(size))
    for k, count in enumerate(plan.get("rounds") or ROUNDS):
        u = points(place, count, seed + k)
        kept.append((u, simulated(bound, u, k, folder / f"{k}", seed)))
        bound, place = _after(bound, kept[-2:], place, folder / f"{k}")
    near = replace(place, root=place.root / STRETCH)
    probes = np.concatenate([place.center[None], points(near, 16, seed + 99)[: PROBES - 1]])
    again = simulated(bound, np.repeat(probes, simulate.BATCH, 0), len(kept), folder / "probes", seed)
    save(checkpoint / TRAINING, names(bound.problem), kept[-2:], probes, again)
    return restored(bound, checkpoint / TRAINING)


def save(file, order, kept, probes, again):
    """Keeps what a surrogate is made of: points and statistics of the last rounds and of the probes, in single precision, and
    the names of the points' columns."""
    arrays = {"points": np.concatenate([u for u, _ in kept]), "probes": probes}
    arrays |= {f"stats_{i}": np.concatenate(s) for i, s in enumerate(zip(*(s for _, s in kept), strict=True))}
    arrays |= {f"again_{i}": s for i, s in enumerate(again)}
    short = {k: np.asarray(v, np.float32) for k, v in arrays.items()} | {"names": np.array(order)}
    write_whole(file, lambda path: path.write_bytes(_zipped(short)))


def joined(file, out, order, u, stats):
    """Writes the `TRAINING` file ``out``: that of ``file`` and statistics (point, row) of each job at more points, ``u``
    (point, parameter) whose columns are ``order``."""
    with np.load(file) as kept:
        arrays = {k: kept[k] for k in kept.files}
    told = [str(n) for n in arrays.pop("names", order)]
    arrays |= {k: _placed(arrays[k], told, order).astype(np.float32) for k in ("points", "probes")}
    more = {"points": u} | {f"stats_{i}": s for i, s in enumerate(stats)}
    both = arrays | {k: np.concatenate([arrays[k], np.asarray(v, np.float32)]) for k, v in more.items()}
    write_whole(out, lambda path: path.write_bytes(_zipped(both | {"names": np.array(order)})))


def _zipped(arrays):
    held = io.BytesIO()
    np.savez_compressed(held, **arrays)
    return held.getvalue()


def restored(bound, file):
    """The bound problem with the surrogates that a `TRAINING` file holds: fitted, then corrected by the probes; raises
    `InputError` for a file that cannot be read or is of another problem."""
    known, jobs = _read(bound, file), range(len(bound.work))
    bound = bound.trained(values_at(bound.problem, known["points"]), [known[f"stats_{i}"] for i in jobs])
    values = values_at(bound.problem, known["probes"])
    told = zip(bound.work, bound.parts, (known[f"again_{i}"] for i in jobs), strict=True)
    return bound.with_parts([_corrected(p, np.asarray(bound.scores(job, values)), y) for job, p, y in told], values)


def _read(bound, file):
    """Arrays of a `TRAINING` file by name, in double precision; points and probes in the order of the problem's parameters."""
    try:
        with np.load(file) as kept:
            known = {k: kept[k] for k in kept.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise bad(file, "", f"cannot be read as training points: {error}") from None
    wanted = names(bound.problem)
    told = [str(n) for n in known.pop("names", wanted)]
    known = {k: np.asarray(v, float) for k, v in known.items()}
    sizes = {f"stats_{i}": len(job.rows) for i, job in enumerate(bound.work)}
    found = {k: v.shape[1] for k, v in known.items() if k in sizes}
    # what a trial has of its own may be added: simulated were trials that had none
    other = set(told) - set(wanted) | {n for n in set(wanted) - set(told) if not (n.startswith(BETWEEN) or AT in n)}
    if found != sizes or other or len(told) != known["points"].shape[1]:
        text = f"is of another problem: rows by trial {list(found.values())}, {bound.problem.name} has {list(sizes.values())}"
        raise bad(file, "", f"{text}; parameters in one of them alone: {', '.join(sorted(other)[:5]) or 'none'}")
    return known | {k: _placed(known[k], told, wanted) for k in ("points", "probes")}


def _placed(points, told, wanted):
    """Points (point, parameter) with their columns in another order, and zeros where there is none."""
    out = np.zeros((len(points), len(wanted)))
    out[:, [wanted.index(n) for n in told]] = points
    return out


def points(place, count, seed):
    """Quasi-random scores (point, parameter) about a place."""
    # the next power of two, which balances; its first points are the same whatever the count
    all_ = 1 << (count - 1).bit_length()
    z = qmc.Sobol(len(place.center), scramble=True, rng=np.random.default_rng(seed)).random(all_)[:count]
    return place.center + norm.ppf(np.clip(z, 1e-9, 1 - 1e-9)) @ place.root.T


def values_at(problem, u):
    """Parameter values by name, each (point,), of scores (point, parameter)."""
    return {k: np.asarray(v) for k, v in parameters(problem, jnp.asarray(u).T).items()}


def simulated(bound, u, number, folder, seed):
    """Statistics, (point, row) a job, of round ``number`` at scores (point, parameter)."""
    folder.mkdir(parents=True, exist_ok=True)
    key = jax.random.fold_in(jax.random.key(seed), 1000 + number)
    total = -(-len(u) // simulate.BATCH) * len(bound.work)
    with bar(f"simulating {len(u)} points, round {number + 1}", total) as tick:
        say(f"simulating {len(u)} points, round {number + 1}")
        return simulate.simulated(bound.problem, bound.work, values_at(bound.problem, u), key, folder, tick)


def _after(bound, kept, place, folder):
    """The bound problem fitted to what is kept, and where the next points are drawn."""
    u = np.concatenate([u for u, _ in kept])
    stats = [np.concatenate(each) for each in zip(*(s for _, s in kept), strict=True)]
    bound = bound.trained(values_at(bound.problem, u), stats)
    file = folder / "place.pkl"
    if not file.exists():
        found = moved(bound, place.center)
        write_whole(file, lambda path: path.write_bytes(pickle.dumps(found)))
    return bound, pickle.loads(file.read_bytes())


def moved(bound, start):
    """The `Place` about the mode of a bound problem's posterior: its Laplace covariance, no wider than the prior, stretched."""
    found = mode(bound, start)
    size, vectors = np.linalg.eigh(found.covariance)
    return Place(found.position, STRETCH * vectors * np.sqrt(np.clip(size, 0.0, 1.0)))


def mode(bound, start):
    """The posterior's `mode.Mode`, sampling covariances taken at ``start`` and once more at the mode."""
    fitted = targets.gather(bound.rows, bound.error)
    fun, at = jax.jit(jax.value_and_grad(modes.energy(bound, fitted))), np.asarray(start)
    for _ in range(2):
        covariances = bound.sampling(parameters(bound.problem, jnp.asarray(at)))
        found = modes.find(lambda u, c=covariances: fun(u, c), at)
        at = found.position
    say(f"mode: energy {found.potential:.1f}")
    return found


def _corrected(part, scores, stats):
    """A surrogate moved by the mean of what it is off at some scores (point, parameter), the variance of that kept as spare."""
    batch = stats.reshape(len(scores), -1, stats.shape[1])
    off, noise = zip(*(_off(part, i, scores, batch[..., i]) for i in range(len(part.rows))), strict=True)
    off, noise = np.stack(off, 1), np.array(noise)
    return replace(part, offset=part.offset + off.mean(0), spare=np.maximum(off.var(0, ddof=1) - noise, 0.0))


def _off(part, i, scores, y):
    """What simulated means (point,) are from the predicted linear predictor, and the noise's own variance of that."""
    at = np.asarray(part.linear(scores))[:, i]
    if part.fits[i].share:
        row = part.rows[i]
        mean = np.clip((y / (row.n if row.unit == "count" else 1)).mean(1), 1e-4, 1 - 1e-4)
        noise = (y / (row.n if row.unit == "count" else 1)).var(1, ddof=1) / y.shape[1] / (mean * (1 - mean)) ** 2
        return np.log(mean / (1 - mean)) - at, noise.mean()
    x = np.log(np.maximum(y, 1e-6)) if part.logs[i] else y
    return np.median(x, 1) - at, (1.57 * x.var(1, ddof=1) / y.shape[1]).mean()


__all__ = ["ROUNDS", "TRAINING", "Place", "joined", "mode", "moved", "points", "restored", "simulated", "train", "values_at"]
