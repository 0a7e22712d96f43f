"""What a gradient of a problem's energy costs beside the prediction of its fit rows, on this machine, in double precision."""

import time

import numpy as np

from .timing import repeats


def run(names=("her2-adc", "efficacy-emilia", "platelets-tdm1"), seconds=3.0, progress=None):
    """`measured` of the committed results of problems, by name."""
    from .library import problems

    found = {}
    for name in names:
        if progress:
            progress(f"the gradient of {name}")
        found[name] = measured(*_result(problems.load(name)), seconds)
    return found


def _result(problem):
    """A bound problem, its covariances and its mode, of its committed result."""
    from .calibrate import bound as binding
    from .calibrate import results
    from .calibrate.emulate import rounds
    from .library.problems import JOINT

    folder, bound = results.folder(problem.name), binding.bind(problem)
    data = results.read(folder / "posterior.nc")
    bound = rounds.restored(bound, folder / rounds.TRAINING) if problem.effect == JOINT else bound
    return bound, results.covariances(data), np.asarray(data["constant_data"]["mode"])


def measured(bound, covariances, at, seconds=3.0):
    """Seconds, the median of repeats, at scores (parameter,): of a ``prediction`` of all fit rows and of that with its
    ``pullback``, of the ``energy`` and of that with its ``gradient``; ``ratio`` of the second to the first, and
    ``compile_seconds`` of all."""
    import jax
    import jax.numpy as jnp

    jobs, u, found, begin = _jobs(bound, covariances), jnp.asarray(at), {}, time.perf_counter()
    for job in jobs.values():
        jax.block_until_ready(job(u))
    compiling = time.perf_counter() - begin
    for name, job in jobs.items():
        found[name] = float(np.median(repeats(job, u, seconds=seconds, least=5)))
    return found | {"ratio": found["pullback"] / found["prediction"], "compile_seconds": compiling}


def _jobs(bound, covariances):
    import jax
    import jax.numpy as jnp

    from .calibrate import mode, targets
    from .calibrate.model import parameters

    fixed = {k: jnp.asarray(v) for k, v in covariances.items()}
    energy = mode.energy(bound, targets.gather(bound.rows, bound.error))

    def predict(u):
        return bound.predict(parameters(bound.problem, u))

    def pulled(u):
        rows, back = jax.vjp(predict, u)
        return rows, back(jnp.ones_like(rows))

    jobs = {"prediction": predict, "pullback": pulled, "energy": lambda u: energy(u, fixed)}
    return {k: jax.jit(job) for k, job in (jobs | {"gradient": jax.value_and_grad(jobs["energy"])}).items()}


def notes(found):
    """Lines for under the benchmark's table."""
    for name, told in found.items():
        ms = {k: f"{1e3 * told[k]:.2f}" for k in ("prediction", "pullback", "energy", "gradient")}
        rows = f"all fit rows {ms['prediction']} ms, with their pullback {ms['pullback']} ms, ratio {told['ratio']:.1f}"
        yield f"{name}: {rows}; energy {ms['energy']} ms, with its gradient {ms['gradient']} ms"
