"""A part of a joint problem: some of its fit rows and of its parameters, all others as a result has them in the mean.

What structures of one organ are tried on whose simulation the whole problem's surrogates do not reach.
"""

from dataclasses import replace

import numpy as np

from ...library.problems import by_card
from .. import joint
from ..emulate import simulate


def bound(problem, free, rows, others, structure):
    """The part bound, without surrogates.

    Parameters
    ----------
    problem : Problem
        The whole.
    free : tuple of Free
        Parameters of the part.
    rows : list of Row
        Fit rows of the part.
    others : dict
        Every parameter of the whole by name, a number each.
    structure : dict
        Numbers of cards that stand for the cards' own, card -> {number: value in internal units}.
    """
    mine = {f"{r.trial}/{r.id}" for r in rows}
    roles = {k: v for k, v in problem.roles.items() if k in mine}
    told = replace(problem, name=f"{problem.name} in part", free=tuple(free), roles=roles)
    own = {problem.cards[card].path: numbers for card, numbers in structure.items()}
    work = [_knowing(job, _merged(by_card(problem, others, job.trial), own)) for job in simulate.jobs(told, rows)]
    return joint.Emulated(told, work)


def means(data):
    """Posterior means of every parameter by name."""
    return {k: float(np.asarray(v).mean()) for k, v in data["posterior"].data_vars.items()}


def _knowing(job, fixed):
    """A job that is told of the part's parameters, and knows all others."""

    def run(values, key, first, count):
        known = {path: {k: np.full(count, v) for k, v in numbers.items()} for path, numbers in fixed.items()}
        return job.run(_merged(known, values), key, first, count)

    return replace(job, run=run)


def _merged(a, b):
    return {path: a.get(path, {}) | b.get(path, {}) for path in {*a, *b}}


__all__ = ["bound", "means"]
