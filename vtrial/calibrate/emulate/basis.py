"""Features of a row's regression: one, every score that reaches it, its square, and the products within the row's own block.

Scores are a trial's own: a parameter's score plus what the trial has of its own.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from ...library.free import AT, BETWEEN
from .. import blocks

# Beyond so many standard deviations of the prior a score counts as this: a parabola must not run away.
HELD = 4.0


@dataclass(frozen=True)
class Basis:
    """``use``: positions of the parameters in the order of the problem's free ones; ``first`` and ``second``: positions, in
    ``use``, of the pairs whose products are features."""

    use: tuple
    first: tuple
    second: tuple

    def __call__(self, scores):
        """Features (..., feature) of a trial's scores (..., parameter)."""
        x = scores[..., np.array(self.use, int)]
        xp = jnp if isinstance(scores, jnp.ndarray) and not isinstance(scores, np.ndarray) else np
        products = x[..., np.array(self.first, int)] * x[..., np.array(self.second, int)]
        return xp.concatenate([xp.ones_like(x[..., :1]), x, products], -1)


def basis(problem, row):
    """The `Basis` of a row."""
    use = [i for i, f in enumerate(problem.free) if blocks.reaches(problem, f, row)]
    own = {k for k, i in enumerate(use) if blocks.of_parameter(problem, problem.free[i]) in blocks.of_row(row)}
    pairs = [(k, m) for k in range(len(use)) for m in range(k, len(use)) if k == m or {k, m} <= own]
    first, second = zip(*pairs, strict=True) if pairs else ((), ())
    return Basis(tuple(use), first, second)


def scores_of(problem, values, trial):
    """A trial's scores (parameter, ...) of the free parameters, from parameter values by name."""
    out = []
    for f in problem.free:
        x = f.score(values[f.name])
        own = f"{BETWEEN}{f.name}", f"{f.name}{AT}{trial}"
        if f.between and all(k in values for k in own):
            x = x + values[own[0]] * values[own[1]] / f.slope
        out.append(HELD * jnp.tanh(x / HELD))
    return jnp.stack(out)


__all__ = ["Basis", "basis", "scores_of"]
