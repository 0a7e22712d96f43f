"""Log-likelihoods of many count targets at once: one computation for all that have as many categories, padded to one size.

A hundred small targets one by one are a program that takes a minute to compile; side by side they take seconds.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from scipy.special import gammaln

from .targets import LOG_WEIGHTS, NODES, TINY, Counts, expit, logit


class Stack(NamedTuple):
    """``index`` (target,): positions in the list of targets; ``at`` (target, level); ``mix`` (target, level, level): what
    levels are of predictions; ``tables`` (target, table, category) with ``ways`` (target, table), minus infinity where padded;
    ``error`` (target,)."""

    index: tuple
    at: np.ndarray
    mix: np.ndarray
    tables: np.ndarray
    ways: np.ndarray
    error: np.ndarray


def stacks(fitted):
    """The `Stack` s of the count targets among ``fitted``; one alone stays by itself."""
    sizes = {}
    for i, t in enumerate(fitted):
        if isinstance(t, Counts):
            sizes.setdefault(len(t.at), []).append(i)
    return [_stack(fitted, index) for index in sizes.values() if len(index) > 1]


def _stack(fitted, index):
    mine = [fitted[i] for i in index]
    most = max(len(t.tables) for t in mine)
    tables = np.stack([np.pad(t.tables, ((0, most - len(t.tables)), (0, 0))) for t in mine]).astype(float)
    ways = gammaln(tables.sum(-1) + 1.0) - gammaln(tables + 1.0).sum(-1)
    there = np.arange(most) < np.array([len(t.tables) for t in mine])[:, None]
    mix = np.stack([t.mix for t in mine])
    error = np.array([t.error for t in mine])
    return Stack(tuple(index), np.array([t.at for t in mine]), mix, tables, np.where(there, ways, -np.inf), error)


def logliks(fitted, known, predicted, tau, covariances):
    """Log-likelihood of each target, a list; ``known``: the `stacks` of ``fitted``."""
    out = [None] * len(fitted)
    for stack in known:
        for i, value in zip(stack.index, jnp.unstack(_together(stack, predicted, tau)), strict=True):
            out[i] = value
    return [t.loglik(predicted, tau, covariances) if v is None else v for t, v in zip(fitted, out, strict=True)]


def _together(s, predicted, tau):
    """(target,) log-likelihoods, the discrepancy integrated out of each."""
    levels = logit(jnp.einsum("tlm,tm->tl", s.mix, predicted[s.at]))
    p = expit(levels[..., None] + jnp.hypot(tau, s.error)[:, None, None] * NODES)
    ones, zeros = jnp.ones_like(p[:, :1]), jnp.zeros_like(p[:, :1])
    cells = jnp.clip(jnp.concatenate([ones, p], 1) - jnp.concatenate([p, zeros], 1), TINY, 1.0)
    each = s.ways[..., None] + jnp.einsum("tkc,tcn->tkn", s.tables, jnp.log(cells))
    return logsumexp(logsumexp(each, 1) + LOG_WEIGHTS, -1)


__all__ = ["Stack", "logliks", "stacks"]
