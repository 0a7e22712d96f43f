"""Parameter cards: typical values, covariate effects and random effects, each with unit and source.

A card holds numbers as they were printed (a CV stays a CV, hours stay hours); the loader converts to internal units
and to variances of the normal eta.
"""

import math
import re
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from .files import (
    digest,
    locate,
)
from .schema import SOURCED, Sheet, _join

# Parameters of doses, by compartment.
DOSING = re.compile(r"(F|ALAG|D|R)([1-9])")

# Internal unit of each parameter of each structure.
_ONE = {"CL": "L/day", "V1": "L"}
_TWO = _ONE | {"Q": "L/day", "V2": "L"}
_THREE = _TWO | {"Q3": "L/day", "V3": "L"}
_KA, _MM = {"KA": "1/day"}, {"VMAX": "mg/day", "KM": "mg/L"}
_HEARD = {"KE0": "1/day"}
_MARKER = {"BASE": "1", "KOUT": "1/day", "SLOPE": "L/mg"}
_RELEASE = {"KREL": "1/day", "KRELX": "1", "KRELF": "1", "YIELD": "1", "CLD": "L/day", "VD": "L"}
UNITS = {
    "one_cmt_iv": _ONE,
    "one_cmt_oral": _ONE | _KA,
    "two_cmt_iv": _TWO,
    "two_cmt_oral": _TWO | _KA,
    "three_cmt_iv": _THREE,
    "three_cmt_oral": _THREE | _KA,
    "one_cmt_iv_mm": _ONE | _MM,
    "two_cmt_iv_mm": _TWO | _MM,
    "adc_linked": {"CLP": "L/day", "CLDEC": "L/day", "V1": "L", "Q": "L/day", "V2": "L"},
    "adc_payload": _TWO | _RELEASE,
    "kpd": {"KDE": "1/day"},
    "metabolite_chain": _KA | {f"{k}{i}": u for i in (1, 2, 3) for k, u in (("CL", "L/day"), ("V", "L"))},
    "friberg": {"CIRC0": "1e9/L", "MTT": "day", "GAM": "1", "SLOPE": "L/mg", "KS": "1/day", "KD": "L/mg/day"},
    "turnover": _HEARD | {f"{k}_{m}": unit for m in ("ALT", "AST", "BIL") for k, unit in _MARKER.items()},
    "decline": _HEARD | {"BASE": "1", "SLOPE": "L/mg"},
    "hazard": _HEARD
    | {"HAZ": "1", "SHAPE": "1", "SCALE": "day", "CREF": "mg/L", "POWER": "1"}
    | {"P2": "1", "P3": "1", "P4": "1", "P5": "1", "WORSEN": "1/day", "RECOVERY": "day"},
    "ordinal": _HEARD
    | {"CREF": "mg/L", "POWER": "1", "SHIFT": "1", "BLOCK": "day", "LENGTH": "day"}
    | {"B1": "1", "B2": "1", "B3": "1", "B4": "1"},
    "tumour": {"KG": "1/day", "HNL": "1/day", "BNL": "1", "H0": "1/day", "BOS": "1"}
    | {"HPP": "1/day", "BPP": "1", "FRAILTY": "1", "CROSS": "1"},
    "kill": {"KD": "1/day", "LAMBDA": "1/day", "FRES": "1", "POST": "1", "CREF": "mg/L"},
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
    "JAPAN": "1",
    "MALE": "1",
    "BSA": "m^2",
    "CRCL": "mL/min",
    "ALP": "U/L",
    "BILI": "umol/L",
    "LUNGCOMORB": "1",
    "TSD": "year",
    "VISC": "1",
    "CNS": "1",
    "NSITES": "1",
    "PRIORLINES": "1",
    "HR": "1",
    "PERTUZUMAB": "1",
    "PIK3CA": "1",
    "HER2MRNA": "1",
    # Of resistance, for a card that has a number: efflux over the typical one, antigen lost since it was found (0 or 1), and
    # the share of tumour cells without antigen, which only a payload that passes on reaches.
    "EFFLUX": "1",
    "HER2LOSS": "1",
    "HER2HET": "1",
    "REGION_US": "1",
    "REGION_WEST": "1",
}
FORMS = ("cv%", "sd", "variance")
# How a covariate x enters: (x/reference)^c, exp(c (x - reference)), 1 + c (x - reference), c where x is one, or c where x is
# below or above the reference.
EFFECTS = ("power", "exponential", "linear", "categorical", "below", "above")
# Parameters that may be negative or zero; their random effects add.
ANY_SIGN = ("KRELX", "POWER", "SHIFT", "B1", "B2", "B3", "B4", "P2", "P3", "P4", "P5", "WORSEN", "BNL", "BOS", "BPP")
# Where a random effect acts: on the logarithm, on the logit between 0 and ``upper``, on the parameter itself (its spread
# then in the parameter's unit), or on the logarithm through a Box-Cox of shape ``shape``.
ETAS = ("lognormal", "logitnormal", "normal", "boxcox")


# Estimates whose joint covariance was not published.
_APART = (), np.zeros((0, 0))


@dataclass(frozen=True)
class Eta:
    """The distribution of a random effect, with the ``upper`` bound or the ``shape`` it needs."""

    kind: str = "lognormal"
    upper: float | None = None
    shape: float | None = None


@dataclass(frozen=True)
class Effect:
    """A covariate's effect on a parameter, of one of the forms of `EFFECTS`."""

    on: str
    of: str
    form: str
    reference: float
    coefficient: float


@dataclass(frozen=True, eq=False)
class Card:
    """A structure with its numbers in internal units: ``theta`` (name -> value), ``effects``, ``etas`` (names in order)
    with covariance ``omega`` and distributions ``kinds`` of the random effects, ``iov`` (name -> standard deviation from
    cycle to cycle, log-normal), ``sigma`` (name -> standard deviation), ``rse`` (name -> relative standard error of theta),
    ``joint`` (names and the covariance of their logarithms: the estimation's, where it was published), ``doses`` (F1, ALAG1,
    ... -> value)."""

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
    kinds: dict = field(default_factory=dict)
    iov: dict = field(default_factory=dict)
    rse: dict = field(default_factory=dict)
    joint: tuple = _APART
    doses: dict = field(default_factory=dict)

    def sd(self, eta):
        """Standard deviation of a random effect."""
        i = self.etas.index(eta)
        return math.sqrt(self.omega[i, i])


def load(drug, name):
    """The card ``name`` (``pk``, ``thrombocytopenia``, ...) of a drug on the shelf or of a user's own folder."""
    path = locate("drugs", drug).parent / f"{name}.toml"
    return _read(path, digest(path) if path.is_file() else "")


def tumour(name):
    """The card of a tumour on the shelf (``her2-breast``), or a user's own file."""
    path = locate("tumours", name)
    return _read(path, digest(path))


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
    top = ("analyte", "driver", "title", "omega", "covariance", "covariate", "sigma", "iov", "doses", "estimates", "conflict")
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
        kinds=_kinds(sheet, data.get("omega", {})),
        iov=_iov(sheet, data.get("iov", {}), known),
        rse={k: v["rse"] / 100 for k, v in data["theta"].items() if isinstance(v, dict) and "rse" in v},
        joint=_joint(sheet, data["estimates"], data["theta"], known) if "estimates" in data else _APART,
        doses=_doses(sheet, data.get("doses", {})),
    )
    if card.structure == "ordinal" and card.theta.get("LENGTH", 0) > card.theta.get("BLOCK", 0):
        sheet.fault("theta.LENGTH", f"is {card.theta['LENGTH']:g} days; a spell may not outlast its block of BLOCK days")
    sheet.done()
    return card


def _theta(sheet, table, known):
    sheet.keys(table, "theta", known)
    low = {k: None if k in ANY_SIGN else 0 for k in known}
    for k, v in table.items():
        if isinstance(v, dict) and "rse" in v:
            sheet.real(v["rse"], f"theta.{k}.rse", 0)
    return {k: sheet.number(table[k], f"theta.{k}", unit, ("rse",), low=low[k]) for k, unit in known.items() if k in table}


def _iov(sheet, table, known):
    for name in table:
        sheet.choice(name, f"iov.{name}", known)
    return {k: _spread(sheet, v, f"iov.{k}") for k, v in table.items()}


def _joint(sheet, table, theta, known):
    """Names and covariance of the logarithms of typical values, from the printed covariance of the estimates.

    ``scale`` is that of the printed matrix: ``log``, or ``natural`` in the units of theta, carried over to first order.
    """
    if not sheet.keys(table, "estimates", ("of", "covariance", "scale"), SOURCED):
        return _APART
    sheet.source(table, "estimates")
    fine = all([sheet.choice(name, "estimates.of", [k for k in known if k in theta]) for name in table["of"]])
    if not fine & sheet.choice(table["scale"], "estimates.scale", ("log", "natural")):
        return _APART
    matrix, size = np.array(table["covariance"], float), len(table["of"])
    if matrix.shape != (size, size) or not np.array_equal(matrix, matrix.T) or np.linalg.eigvalsh(matrix).min() < 0:
        sheet.fault("estimates.covariance", f"is {matrix.shape}; a symmetric matrix of {size}, not negative, is needed")
        return _APART
    if table["scale"] == "natural":
        values = np.array([theta[name]["value"] for name in table["of"]])
        matrix = matrix / np.outer(values, values)
    return tuple(table["of"]), matrix


def _doses(sheet, table):
    """F1, ALAG1, D1, R1 of compartments."""
    units = {"F": "1", "A": "day", "D": "day", "R": "mg/day"}
    out = {}
    for name, value in table.items():
        if DOSING.fullmatch(name):
            out[name] = sheet.number(value, f"doses.{name}", units[name[0]], ("rse",))
        else:
            sheet.fault(f"doses.{name}", "unknown; allowed: F1, ALAG1, D1, R1 and so on by compartment")
    return out


def _kinds(sheet, table):
    out = {}
    for name, row in table.items():
        row = row if isinstance(row, dict) else {}
        kind = row.get("distribution", "lognormal")
        if not sheet.choice(kind, f"omega.{name}.distribution", ETAS):
            continue
        needs = {"logitnormal": "upper", "boxcox": "shape"}.get(kind)
        if needs and not sheet.real(row.get(needs), f"omega.{name}.{needs}", 0 if needs == "upper" else None):
            continue
        out[name] = Eta(kind, row.get("upper"), row.get("shape"))
    return out


def _effects(sheet, rows, known):
    for i, row in enumerate(rows):
        where = f"covariate[{i}]"
        if not sheet.keys(row, where, ("on", "of", "form", "reference", "coefficient")):
            continue
        fine = sheet.choice(row["on"], f"{where}.on", known) & sheet.choice(row["of"], f"{where}.of", COVARIATES)
        if fine & sheet.choice(row["form"], f"{where}.form", EFFECTS):
            unit = COVARIATES[row["of"]]
            slope = "1" if row["form"] in ("power", "categorical", "below", "above") else f"1/({unit})"
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
    if not sheet.keys(table, where, ("value", "form"), ("source", "at", "why", "shrinkage", "distribution", "upper", "shape")):
        return float("nan")
    sheet.source(table, where)
    if not sheet.choice(table["form"], _join(where, "form"), FORMS) or not sheet.real(table["value"], where, 0):
        return float("nan")
    value, shrinkage = table["value"], table.get("shrinkage", 0.0)
    if not sheet.real(shrinkage, f"{where}.shrinkage") or not 0 <= shrinkage < 1:
        sheet.fault(f"{where}.shrinkage", f"is {shrinkage!r}; must be from 0 to below 1")
    sd = {"cv%": math.sqrt(math.log1p((value / 100) ** 2)), "sd": value, "variance": math.sqrt(value)}[table["form"]]
    return sd * (1 - shrinkage)
