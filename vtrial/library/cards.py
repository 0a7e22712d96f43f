"""Parameter cards: typical values, covariate effects and random effects, each with unit and source.

A card holds numbers as they were printed (a CV stays a CV, hours stay hours); the loader converts to internal units
and to variances of the normal eta.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from .files import (
    digest,
    locate,
)
from .schema import Sheet, _join

# Internal unit of each parameter of each structure.
UNITS = {
    "two_cmt_iv": {"CL": "L/day", "V1": "L", "Q": "L/day", "V2": "L"},
    "friberg": {"CIRC0": "1e9/L", "MTT": "day", "GAM": "1", "SLOPE": "L/mg", "KS": "1/day", "KD": "L/mg/day"},
}
COVARIATES = {
    "WT": "kg",
    "ALB": "g/L",
    "AST": "U/L",
    "SLD": "mm",
    "ECD": "ng/mL",
    "TBL": "ug/mL",
    "AGE": "year",
    "ECOG": "1",
    "ASIAN": "1",
}
FORMS = ("cv%", "sd", "variance")


@dataclass(frozen=True)
class Effect:
    """A covariate's effect on a parameter: ``(x/reference)^coefficient`` or ``exp(coefficient (x - reference))``."""

    on: str
    of: str
    form: str
    reference: float
    coefficient: float


@dataclass(frozen=True, eq=False)
class Card:
    """A structure with its numbers in internal units: ``theta`` (name -> value), ``effects``, ``etas`` (names in order)
    with covariance ``omega`` of the log-normal random effects, ``sigma`` (name -> standard deviation)."""

    path: str
    digest: str
    structure: str
    driver: str | None
    theta: dict
    effects: tuple
    etas: tuple
    omega: np.ndarray
    sigma: dict
    conflicts: tuple

    def sd(self, eta):
        """Standard deviation of a random effect."""
        i = self.etas.index(eta)
        return math.sqrt(self.omega[i, i])


def load(drug, name):
    """The card ``name`` (``pk``, ``thrombocytopenia``, ...) of a drug on the shelf or of a user's own folder."""
    path = locate("drugs", drug).parent / f"{name}.toml"
    return _read(path, digest(path) if path.is_file() else "")


@cache
def _read(path, _digest):
    return read(path)


def read(path):
    """A card from its file.

    Raises
    ------
    InputError
        With every fault of the file: unknown key, missing source, wrong unit, omega not positive definite, ...
    """
    sheet = Sheet(path)
    data = sheet.data
    top = ("analyte", "driver", "title", "omega", "covariance", "covariate", "sigma", "conflict")
    if not sheet.keys(data, "", ("structure", "theta"), top) or not sheet.choice(data["structure"], "structure", UNITS):
        sheet.done()
    known = UNITS[data["structure"]]
    card = Card(
        path=str(path),
        digest=digest(path),
        structure=data["structure"],
        driver=data.get("driver"),
        theta=_theta(sheet, data["theta"], known),
        effects=tuple(_effects(sheet, data.get("covariate", []), known)),
        etas=tuple(data.get("omega", {})),
        omega=_omega(sheet, data.get("omega", {}), data.get("covariance", []), known),
        sigma={k: _spread(sheet, v, f"sigma.{k}") for k, v in data.get("sigma", {}).items()},
        conflicts=tuple((c.get("text", ""), c.get("decision", "")) for c in data.get("conflict", [])),
    )
    sheet.done()
    return card


def _theta(sheet, table, known):
    sheet.keys(table, "theta", known)
    return {k: sheet.number(table[k], f"theta.{k}", unit, ("rse",), low=0) for k, unit in known.items() if k in table}


def _effects(sheet, rows, known):
    for i, row in enumerate(rows):
        where = f"covariate[{i}]"
        if not sheet.keys(row, where, ("on", "of", "form", "reference", "coefficient")):
            continue
        fine = sheet.choice(row["on"], f"{where}.on", known) & sheet.choice(row["of"], f"{where}.of", COVARIATES)
        if fine & sheet.choice(row["form"], f"{where}.form", ("power", "exponential")):
            unit = COVARIATES[row["of"]]
            slope = "1" if row["form"] == "power" else f"1/({unit})"
            low = 0 if row["form"] == "power" else None
            reference = sheet.number(row["reference"], f"{where}.reference", unit, sourced=False, low=low)
            coefficient = sheet.number(row["coefficient"], f"{where}.coefficient", slope)
            yield Effect(row["on"], row["of"], row["form"], reference, coefficient)


def _omega(sheet, table, covariances, known):
    names = list(table)
    for name in names:
        sheet.choice(name, f"omega.{name}", known)
    omega = np.diag([_spread(sheet, table[k], f"omega.{k}") ** 2 for k in names])
    for i, row in enumerate(covariances):
        _covariance(sheet, row, f"covariance[{i}]", names, omega)
    # Cholesky is the definition of what can be drawn from
    if names and np.isfinite(omega).all() and np.linalg.eigvalsh(omega).min() <= 0:
        sheet.fault("omega", f"is not positive definite; smallest eigenvalue {np.linalg.eigvalsh(omega).min():.3g}")
    return omega


def _covariance(sheet, row, where, names, omega):
    if not sheet.keys(row, where, ("between", "value", "form", "source"), ("at", "why")):
        return
    sheet.source(row, where)
    if not sheet.real(row["value"], f"{where}.value"):
        return
    if pair := sheet.pair(row["between"], f"{where}.between", names):
        i, j = map(names.index, pair)
        if sheet.choice(row["form"], f"{where}.form", ("covariance", "correlation")):
            scale = math.sqrt(omega[i, i] * omega[j, j]) if row["form"] == "correlation" else 1.0
            omega[i, j] = omega[j, i] = row["value"] * scale


def _spread(sheet, table, where):
    """Standard deviation of the normal eta from its printed form: omega^2 = ln(1 + CV^2) for a CV."""
    if not isinstance(table, dict):
        sheet.fault(where, f"is {table!r}; a spread is a table {{ value, form, source }}")
        return float("nan")
    if not sheet.keys(table, where, ("value", "form"), ("source", "at", "why", "shrinkage")):
        return float("nan")
    sheet.source(table, where)
    if not sheet.choice(table["form"], _join(where, "form"), FORMS) or not sheet.real(table["value"], where, 0):
        return float("nan")
    value, shrinkage = table["value"], table.get("shrinkage", 0.0)
    if not sheet.real(shrinkage, f"{where}.shrinkage") or not 0 <= shrinkage < 1:
        sheet.fault(f"{where}.shrinkage", f"is {shrinkage!r}; must be from 0 to below 1")
    sd = {"cv%": math.sqrt(math.log1p((value / 100) ** 2)), "sd": value, "variance": math.sqrt(value)}[table["form"]]
    return sd * (1 - shrinkage)
