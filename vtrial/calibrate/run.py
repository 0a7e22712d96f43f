"""A calibration from problem to posterior: covariance, mode, covariance again, mode, chains, results."""

import hashlib
import json
import pickle
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import bad
from ..library.files import digest
from ..library.problems import JOINT
from ..output import write_text, write_whole
from ..progress import bar, say
from . import bound as binding
from . import diagnose, results, sample, stacked, targets, warp
from . import mode as modes
from .emulate.rounds import TRAINING
from .model import names, parameters

# Pilot chains shape the coordinates and tune the step, in two stages.
# They accept less than the chains: a divergence there costs nothing.
_PILOT = {"spread": 1.0, "target_accept": 0.8}
PILOTS = {"pilot-0": {"warmup": 50, "draws": 80} | _PILOT, "pilot-1": {"warmup": 20, "draws": 200} | _PILOT}
# Chains start dispersed: one and a half standard deviations of the warp's normal.
SPREAD = 1.5
# Doublings of a trajectory, at most.
DEPTH = 6


def calibrate(
    problem,
    *,
    chains=4,
    warmup=40,
    draws=450,
    seed=1,
    out=None,
    resume=False,
    subjects=None,
    target_accept=0.9,
    check=True,
    thin=1,
    training=None,
):
    """Samples a problem's posterior and writes posterior.nc, summary.csv and manifest.json into ``out``.

    Mode; pilot chains in coordinates stretched by the mode's Laplace covariance, and again in coordinates fitted to their
    draws; then the chains themselves, in coordinates and with a step that the pilots found. All are checkpointed under
    ``out/checkpoint`` after every block, which stays where the posterior misses an acceptance criterion; ``resume`` continues
    them, to more draws if more are asked for, and gives the same draws. ``check`` weighs the draws of a
    joint problem by a second surrogate; of each chain every ``thin``-th draw is kept; ``training``: a file of an earlier
    result whose points a joint problem's surrogates are fitted to, instead of new ones. Returns the DataTree, what
    `diagnose.criteria` finds of it, and the seconds each part took.
    """
    out = Path(out or results.folder(problem.name))
    plan = {"chains": chains, "warmup": warmup, "draws": draws, "seed": seed, "subjects": subjects or problem.subjects}
    plan |= {"thin": thin} if thin > 1 else {}
    plan |= {"training": _digest(training, problem)} if training else {}
    plan |= {"target_accept": target_accept, "inputs": results.inputs(problem)}
    checkpoint = _checkpoint(out / "checkpoint", plan, resume)
    begun = results.manifest(problem, **_sampler(plan))  # before the run: the commit that ran
    seconds, bound = {}, binding.bind(problem, subjects)
    with _timed(seconds, "training"):
        bound = bound.prepared(checkpoint, plan, training)
    fitted = targets.gather(bound.rows, bound.error)
    with _timed(seconds, "mode"):
        mode, covariances = _start(checkpoint, bound, modes.energy(bound, fitted), seed)
    with _timed(seconds, "pilot"):
        shape, step = _pilots(bound, plan, mode, covariances, checkpoint)
    with _timed(seconds, "chains"):
        u, stats = _chains("sampling", bound, shape, covariances, checkpoint / "chains", plan, step)
    u, stats = u[:, ::thin], {k: v[:, ::thin] for k, v in stats.items()}
    with _timed(seconds, "check"):
        begun |= {"importance": bound.checked(u.reshape(-1, u.shape[-1]), covariances, checkpoint, plan) if check else {}}
    with _timed(seconds, "results"):
        data = _tree(bound, fitted, mode, covariances, u, stats, plan)
        results.keep(out, checkpoint / TRAINING)
        results.save(out, data, begun | {"seconds": {k: round(v, 1) for k, v in seconds.items()}})
    found = diagnose.criteria(data)
    if not found.failed:
        shutil.rmtree(checkpoint)
    return data, found, seconds


def _digest(training, problem):
    """Of a file of training points, which only a joint problem has a use for."""
    if problem.effect != JOINT:
        raise bad(training, "--training", f"is for joint problems; {problem.name} is predicted without a surrogate")
    if not Path(training).is_file():
        raise bad(training, "--training", "there is no such file; a joint problem's result keeps one, training.npz")
    return digest(training)


def _sampler(plan):
    kept = {k: v for k, v in plan.items() if k != "inputs"}
    return {"sampler": kept, "dtype": str(jnp.result_type(float))}


@contextmanager
def _timed(seconds, name):
    begun = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - begun


def _checkpoint(folder, plan, resume):
    """The checkpoint folder, made empty unless it is resumed; what is resumed must be the same run, or a shorter one."""
    file = folder / "plan.json"
    if resume and not file.exists():
        raise bad(file, "--resume", "there is no run to resume; run without --resume")
    begun = json.loads(file.read_text()) if resume else plan
    if not _continues(begun, plan):
        raise bad(file, "--resume", "the run there had other settings or inputs, or more draws; run without --resume")
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
        for part in (*PILOTS, "chains"):
            (folder / part).mkdir(parents=True)
    if begun != plan:  # the check's fresh trials were at draws of the shorter run
        shutil.rmtree(folder / "importance", ignore_errors=True)
    write_text(file, json.dumps(plan, indent=1))
    return folder


def _continues(begun, plan):
    return begun | {"draws": plan["draws"]} == plan and begun["draws"] <= plan["draws"]


def _start(checkpoint, bound, energy, seed):
    """Mode and sampling covariances: first at the priors' medians, then once more at the mode."""
    file = checkpoint / "mode.pkl"
    if file.exists():
        return pickle.loads(file.read_bytes())
    fun = jax.jit(jax.value_and_grad(energy))
    at = np.zeros(len(names(bound.problem)))
    for _ in range(2):
        key = jax.random.fold_in(jax.random.key(seed), 1)
        values = parameters(bound.problem, jnp.asarray(at))
        covariances = bound.sampling(values, key)
        say("finding the mode")
        mode = modes.find(lambda u, c=covariances: fun(u, c), at)
        at = mode.position
    write_whole(file, lambda p: p.write_bytes(pickle.dumps((mode, covariances))))
    return mode, covariances


def _pilots(bound, plan, mode, covariances, checkpoint):
    """The warp of the chains and their step size."""
    shape, kept, step = warp.straight(mode.position, mode.covariance), [], None
    for name, lengths in PILOTS.items():
        u, stats = _chains(name, bound, shape, covariances, checkpoint / name, plan | lengths, step)
        kept.append(u.reshape(-1, u.shape[-1]))
        shape = warp.after(np.concatenate(kept), mode.covariance)
        # the median: one chain of four may have met a rough place while its step was adapted
        step = float(np.median(stats["step_size"][:, -1]))
    return shape, sample.step_for(plan["target_accept"], step, stats["accept_prob"].mean())


def _chains(title, bound, shape, covariances, folder, plan, step=None):
    fixed = {k: jnp.asarray(v) for k, v in covariances.items()}
    energy = modes.energy(bound, targets.gather(bound.rows, bound.error))
    total = plan["chains"] * (plan["warmup"] + plan["draws"])
    with bar(title, total) as tick:
        u, stats = sample.chains(
            lambda u: energy(u, fixed),
            shape,
            count=plan["chains"],
            warmup=plan["warmup"],
            draws=plan["draws"],
            seed=plan["seed"],
            folder=folder,
            target_accept=plan["target_accept"],
            spread=plan.get("spread", SPREAD),
            step=step,
            depth=DEPTH,
            tick=tick,
        )
    steps = ", ".join(f"{size:.2f}" for size in stats["step_size"][:, -1])
    say(f"{title}: {stats['num_steps'].mean():.0f} steps a draw, of size {steps}; acceptance {stats['accept_prob'].mean():.2f}")
    return u, stats


def _tree(bound, fitted, mode, covariances, u, stats, plan):
    order, problem = names(bound.problem), bound.problem
    posterior = {k: np.asarray(v) for k, v in parameters(problem, jnp.moveaxis(u, -1, 0)).items()}
    predicted, loglik = _evaluate(bound, fitted, covariances, posterior)
    groups = {
        "posterior": posterior,
        "prior": _prior(problem, plan["seed"]),
        "sample_stats": {_ARVIZ.get(k, k): v for k, v in stats.items()},
        "log_likelihood": loglik,
        "posterior_predictive": {"expected": predicted},
        "observed_data": {"published": np.array([targets.printed(r) for r in bound.rows])},
        "constant_data": {"mode": mode.position, "laplace": mode.covariance}
        | {t if t == "shift" else f"sampling_covariance_{t}": c for t, c in covariances.items()},
    }
    coords = {"row": [f"{r.trial}/{r.id}" for r in bound.rows], "parameter": order, "parameter_": order}
    dims = {"expected": ["row"], "published": ["row"], "mode": ["parameter"], "laplace": ["parameter", "parameter_"]}
    attrs = {
        "inference_library": "numpyro",
        "problem": problem.name,
        "problem_sha256": problem.digest,
        "seed": plan["seed"],
    }
    attrs["targets_sha256"] = hashlib.sha256(json.dumps(plan["inputs"], sort_keys=True).encode()).hexdigest()
    return results.tree(groups, coords, dims, attrs)


_ARVIZ = {"num_steps": "n_steps", "potential_energy": "lp", "accept_prob": "acceptance_rate"}


def _evaluate(bound, fitted, covariances, posterior):
    """Expected statistics (chain, draw, row) and log-likelihood by target, at every draw, discrepancy integrated out."""
    fixed = {k: jnp.asarray(v) for k, v in covariances.items()}
    tau, known = bound.problem.discrepancy[0], stacked.stacks(fitted)

    def one(values):
        predicted = targets.shifted(bound.rows, bound.predict(values), fixed.get("shift"))
        found = stacked.logliks(fitted, known, predicted, values.get(tau, 0.0), fixed)
        return predicted, {t.name: v for t, v in zip(fitted, found, strict=True)}

    many = jax.jit(lambda values: jax.lax.map(one, values))
    chains = len(next(iter(posterior.values())))
    with bar("log-likelihood", chains) as tick:
        out = [(many({k: v[c] for k, v in posterior.items()}), tick())[0] for c in range(chains)]
    predicted, loglik = jax.tree.map(lambda *a: np.stack(a), *out)
    return predicted, {k.replace("/", "|"): v for k, v in loglik.items()}


def prior_scores(problem, seed, size=2000):
    """Scores of prior draws, (parameter, 1, draw)."""
    return np.random.default_rng(seed).normal(size=(len(names(problem)), 1, size))


def _prior(problem, seed):
    return {k: np.asarray(v) for k, v in parameters(problem, prior_scores(problem, seed)).items()}


__all__ = ["calibrate", "prior_scores"]
