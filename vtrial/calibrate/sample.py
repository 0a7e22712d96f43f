"""NUTS chains in blocks of draws: a thread and a device a chain, a checkpoint after every block.

A checkpoint holds the sampler's whole state, random key included, so that a resumed chain gives the same draws.
"""

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer import NUTS
from numpyro.infer.util import ParamInfo
from scipy.special import ndtri

BLOCK = 50
# of the compiler, where the processor has such vectors: a quarter off a gradient
WIDE = {"xla_cpu_prefer_vector_width": 512}
KEPT = ("diverging", "num_steps", "potential_energy", "accept_prob", "energy", "step_size")
_TRACING = Lock()  # NumPyro's handlers are a global stack: one thread traces at a time, compiling runs in parallel


def kernel(energy, target_accept, step=None, depth=8):
    """NUTS on an energy over (parameter,) coordinates that a warp has made nearly standard normal.

    The mass matrix stays the identity: adapted from a short warm-up it was worse, four times the steps a draw. The step size,
    ``step`` at first, is adapted to ``target_accept`` while a chain warms up.
    """
    return NUTS(
        potential_fn=energy,
        dense_mass=False,
        adapt_mass_matrix=False,
        target_accept_prob=target_accept,
        max_tree_depth=depth,
        **({} if step is None else {"step_size": step}),
    )


def step_for(wanted, step, accepted):
    """The step size that accepts ``wanted`` where ``step`` accepts ``accepted``, at most twice or half of it.

    A leapfrog's energy error is normal with a deviation as the square of the step, so that acceptance is
    ``2 Phi(-c step^2)`` (Beskos et al., Bernoulli 2013;19:1501).
    """
    errors = [-ndtri(min(max(a, 1e-3), 1 - 1e-3) / 2) for a in (wanted, accepted)]
    return step * float(np.clip(np.sqrt(errors[0] / errors[1]), 0.5, 2.0))


def chains(
    energy,
    warp,
    *,
    count,
    warmup,
    draws,
    seed,
    folder,
    target_accept=0.8,
    step=None,
    depth=8,
    spread=1.5,
    tick=lambda n, note: None,
):
    """Runs or resumes ``count`` chains of ``warmup`` and ``draws`` transitions on ``energy(scores)``, moving in the
    coordinates of ``warp``, from starts ``spread`` standard deviations wide; draws take steps of ``step``, where it is given.

    ``folder`` holds the checkpoints, one file a chain, with the blocks already drawn. Returns the scores
    (chain, draw, parameter) and the sampler's statistics, name -> (chain, draw), ``step_size`` among them.
    """
    devices = jax.local_devices()
    lanes = min(len(devices), count)
    begin = list(_starts(energy, warp, count, seed, spread))

    def lane(d):
        with jax.default_device(devices[d]):
            nuts = kernel(lambda z: energy(warp(z)), target_accept, step, depth)
            job = _Job(nuts, begin, warmup, step)
            return [job.run(c, draws, Path(folder) / f"chain-{c}.pkl", tick) for c in range(d, count, lanes)]

    with ThreadPoolExecutor(lanes) as pool:
        done = list(pool.map(lane, range(lanes)))
    ordered = [done[c % lanes][c // lanes] for c in range(count)]
    stats = {k: np.stack([o[1][k] for o in ordered]) for k in KEPT}
    return np.asarray(jax.jit(jax.vmap(jax.vmap(warp)))(np.stack([o[0] for o in ordered]))), stats


def _starts(energy, warp, count, seed, spread):
    """Where chains begin, ``spread`` standard deviations wide: of each its key, and coordinates, energy and gradient.

    Left to NumPyro, the energy would run operation by operation and compile hundreds of programs. Taken of the scores it is
    one, the same whatever the warp, so that the next chains of a problem find it on the disk.
    """
    slope, there = jax.jit(jax.value_and_grad(energy)), jax.jit(lambda z: warp(z))
    back = jax.jit(lambda z, g: jax.vjp(warp, z)[1](g)[0])
    for c in range(count):
        key = jax.random.fold_in(jax.random.PRNGKey(seed), c)
        z = spread * jax.random.normal(jax.random.fold_in(key, 1), (len(warp.m),))
        potential, gradient = slope(there(z))
        yield key, jax.tree.map(np.asarray, ParamInfo(z, potential, back(z, gradient)))


class _Job:
    """One device's compiled block of transitions, and the running of its chains, which ``begin`` with (key, `ParamInfo`)."""

    def __init__(self, nuts, begin, warmup, step):
        self.nuts, self.begin, self.warmup, self.step = nuts, begin, warmup, step
        with _TRACING:
            lowered = jax.jit(self._many).lower(self._fresh(0), 0)
        self.block = lowered.compile(compiler_options=WIDE)

    def run(self, chain, draws, path, tick):
        state, blocks, done = self._resume(chain, path)
        total = self.warmup + draws
        tick(done, f"chain {chain}")
        while done < total:
            # a block does not straddle the end of the warm-up
            size = min(BLOCK, (self.warmup if done < self.warmup else total) - done)
            state, out = self.block(state if done < self.warmup else self._settled(state), size)
            if done >= self.warmup:
                blocks.append(jax.tree.map(lambda a, n=size: np.asarray(a)[:n], out))
            done += size
            _write(path, ([np.asarray(x) for x in jax.tree.leaves(state)], blocks, done))
            tick(size, f"chain {chain}: {float(np.mean(out[1]['num_steps'][:size])):.0f} steps a draw")
        return jax.tree.map(lambda *a: np.concatenate(a), *blocks)

    def _settled(self, state):
        """The state after the warm-up, whose own steps only bring a chain in from where it started: with the draws' step, one
        that began in a steep place never left it."""
        if self.step is None:
            return state
        return state._replace(adapt_state=state.adapt_state._replace(step_size=jnp.asarray(self.step)))

    def _fresh(self, chain):
        key, start = self.begin[chain]
        return self.nuts.init(key, self.warmup, start, (), {})

    def _resume(self, chain, path):
        with _TRACING:
            state = self._fresh(chain)
        if not path.exists():
            return state, [], 0
        leaves, blocks, done = pickle.loads(path.read_bytes())
        return jax.tree.unflatten(jax.tree.structure(state), [jnp.asarray(x) for x in leaves]), blocks, done

    def _many(self, state, steps):
        """``steps`` transitions, at most `BLOCK`, and what is kept of each."""

        def one(i, carry):
            state, out = carry
            state = self.nuts.sample(state, (), {})
            return state, jax.tree.map(lambda o, n: o.at[i].set(n), out, _kept(state))

        out = jax.tree.map(lambda a: jnp.zeros((BLOCK, *jnp.shape(a)), jnp.asarray(a).dtype), _kept(state))
        return jax.lax.fori_loop(0, steps, one, (state, out))


def _kept(state):
    kept = {k: getattr(state, k) for k in KEPT if k != "step_size"}
    return state.z, kept | {"step_size": state.adapt_state.step_size}


def _write(path, value):
    """Whole or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(pickle.dumps(value))
    os.replace(temporary, path)
