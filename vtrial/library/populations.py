"""Population cards: marginals of the covariates and their correlations, each with unit and source."""

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from .cards import COVARIATES
from .files import digest, locate
from .schema import SOURCED, Sheet

# distribution -> the sets of keys that fix it
MARGINALS = {
    "lognormal": ({"median", "log_sd"}, {"p05", "p95"}),
    "normal": ({"mean", "sd"},),
    "exponential": ({"p95"}, {"mean"}),
    "bernoulli": ({"probability"},),
}
_Z95 = 1.6448536269514722


@dataclass(frozen=True)
class Marginal:
    """A distribution with its two numbers in internal units: (ln median, log sd), (mean, sd), (mean, 0), (p, 0)."""

    distribution: str
    a: float
    b: float


@dataclass(frozen=True, eq=False)
class Population:
    """Covariate marginals by name, and the correlation matrix of their normal scores in that order."""

    name: str
    path: str
    digest: str
    marginals: dict
    correlation: np.ndarray

    def only(self, names):
        """The same patients, described by fewer covariates: those of ``names`` that it has."""
        kept = [i for i, name in enumerate(self.marginals) if name in names]
        marginals = {name: m for name, m in self.marginals.items() if name in names}
        return replace(self, digest="", marginals=marginals, correlation=self.correlation[np.ix_(kept, kept)])


def load(name):
    """A population on the shelf, or a user's own file."""
    path = locate("populations", name)
    return _read(path, digest(path))


@cache
def _read(path, _digest):
    return read(path)


def read(path):
    """A population card from its file; raises `InputError` with every fault."""
    sheet = Sheet(path)
    sheet.keys(sheet.data, "", ("name", "covariate"), ("title", "correlation"))
    marginals = {}
    for name, row in sheet.data.get("covariate", {}).items():
        if sheet.choice(name, f"covariate.{name}", COVARIATES):
            marginals[name] = _marginal(sheet, row, f"covariate.{name}", COVARIATES[name])
    correlation = _correlation(sheet, sheet.data.get("correlation", []), list(marginals))
    sheet.done()
    return Population(sheet.data["name"], str(path), digest(path), marginals, correlation)


def _marginal(sheet, row, where, unit):
    kind = row.get("distribution")
    if not sheet.choice(kind, f"{where}.distribution", MARGINALS):
        return None
    given = set(row) - SOURCED - {"distribution", "unit"}
    sheet.source(row, where)
    if given not in MARGINALS[kind]:
        allowed = " or ".join(", ".join(sorted(s)) for s in MARGINALS[kind])
        sheet.fault(where, f"{kind} is fixed by {allowed}; got {', '.join(sorted(given)) or 'nothing'}")
        return None
    if not all([sheet.real(row[k], f"{where}.{k}", 0) for k in given]):
        return None
    if kind == "bernoulli" and not row["probability"] < 1:
        sheet.fault(f"{where}.probability", f"is {row['probability']}; must be between 0 and 1")
    if "p05" in given and not row["p05"] < row["p95"]:
        sheet.fault(where, f"p05 = {row['p05']} must be below p95 = {row['p95']}")
    scale = sheet.factor(row.get("unit", ""), f"{where}.unit", unit)
    return Marginal(kind, *_numbers(kind, row, scale))


def _numbers(kind, row, scale):
    if kind == "lognormal" and "p05" in row:
        low, high = math.log(row["p05"] * scale), math.log(row["p95"] * scale)
        return (low + high) / 2, (high - low) / (2 * _Z95)
    if kind == "lognormal":
        return math.log(row["median"] * scale), row["log_sd"]
    if kind == "normal":
        return row["mean"] * scale, row["sd"] * scale
    if kind == "exponential":
        return (row["mean"] if "mean" in row else row["p95"] / -math.log(0.05)) * scale, 0.0
    return row["probability"], 0.0


def _correlation(sheet, rows, names):
    matrix = np.eye(len(names))
    for i, row in enumerate(rows):
        where = f"correlation[{i}]"
        if sheet.keys(row, where, ("between", "value", "source"), ("at", "why")):
            sheet.source(row, where)
            pair = sheet.pair(row["between"], f"{where}.between", names)
            if sheet.real(row["value"], f"{where}.value") and pair:
                a, b = map(names.index, pair)
                matrix[a, b] = matrix[b, a] = row["value"]
    if names and np.linalg.eigvalsh(matrix).min() <= 0:
        sheet.fault("correlation", "the correlation matrix is not positive definite")
    return matrix
