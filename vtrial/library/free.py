"""Free parameters of a problem: which number of which cards, under what prior; a trial's own value about it.

Every parameter is a function of a standard-normal score, so that all have the same prior and no boundary.
"""

from dataclasses import dataclass

import jax.numpy as jnp

from . import cards
from .schema import SOURCED

BETWEEN = "TAU_"
AT = "@"


@dataclass(frozen=True)
class Free:
    """A free parameter in the problem's ``unit``; ``factor`` converts to the internal unit of ``of``.

    Log-normal by ``median`` and ``log_sd``; with the same median and spread there logit-normal where it has an ``upper`` bound
    and log-normal above a ``lower`` one; or, ``normal``, with that median and standard deviation ``log_sd``. ``cards``: names
    of the cards whose number it is. ``between``: (median, log standard deviation) of the spread of a trial's own value on the
    scale on which the score is linear, or None.
    """

    name: str
    of: str
    median: float
    log_sd: float
    unit: str
    factor: float
    upper: float | None = None
    lower: float = 0.0
    cards: tuple = ("",)
    normal: bool = False
    between: tuple | None = None

    @property
    def card(self):
        return self.cards[0]

    @property
    def slope(self):
        """Change of the parameter on its own scale (identity, logit or log) by one score."""
        if self.normal:
            return self.log_sd
        if self.upper is not None:
            return self.log_sd / (1 - self.median / self.upper)
        # the spread of what is above the bound that gives ``log_sd`` at the median
        return self.log_sd * self.median / (self.median - self.lower)

    def value(self, score):
        """The parameter at a score."""
        return self._back(self._scaled(self.median) + self.slope * score)

    def score(self, value):
        """The score of a value."""
        return (self._scaled(value) - self._scaled(self.median)) / self.slope

    def moved(self, value, shift):
        """A value moved by ``shift`` on its own scale: that of a trial."""
        return self._back(self._scaled(value) + shift)

    def _scaled(self, value):
        if self.normal:
            return value
        if self.upper is not None:
            return jnp.log(value / self.upper) - jnp.log1p(-value / self.upper)
        return jnp.log(value - self.lower)

    def _back(self, x):
        if self.normal:
            return x
        return self.upper / (1 + jnp.exp(-x)) if self.upper is not None else self.lower + jnp.exp(x)


def read(sheet, name, table, of):
    """A `Free` of a problem's table, or None after a recorded fault; ``of``: name -> card, the empty name of one alone."""
    where, several = f"free.{name}", "" not in of
    kind = ("mean", "sd") if "mean" in table else ("median", "log_sd")
    needed = ("of", *kind, "unit", *(["card"] if several else []))
    if not sheet.keys(table, where, needed, {*SOURCED, "upper", "lower", "between"}):
        return None
    sheet.source(table, where)
    named = _listed(table.get("card", ""))
    if several and not all([sheet.choice(c, f"{where}.card", of) for c in named]):
        return None
    known = numbers(of[named[0]])
    low = (None, 0) if "mean" in table else (0, 0)
    fine = [sheet.real(table[k], f"{where}.{k}", bound) for k, bound in zip(kind, low, strict=True)]
    if not sheet.choice(table["of"], f"{where}.of", known) or not all(fine):
        return None
    factor = sheet.factor(table["unit"], f"{where}.unit", known[table["of"]])
    if not _bounded(sheet, table, where, kind[0]):
        return None
    bounds = table.get("upper"), table.get("lower", 0.0)
    center, spread = (table[k] for k in kind)
    between = _between(sheet, table["between"], f"{where}.between") if "between" in table else None
    return Free(name, table["of"], center, spread, table["unit"], factor, *bounds, named, "mean" in table, between)


def numbers(card):
    """What may be free of a card, with its internal unit: typical values, spreads, errors, coefficients of covariates."""
    if isinstance(card, Loose):
        return dict(card.names)
    out = {f"theta.{k}": cards.UNITS[card.structure][k] for k in card.theta}
    out |= {f"coefficient.{e.on}.{e.of}": "1" for e in card.effects if e.form == "categorical"}
    return out | dict.fromkeys([*(f"omega.{k}" for k in card.etas), *(f"sigma.{k}" for k in card.sigma)], "1")


@dataclass(frozen=True)
class Loose:
    """Numbers that are on no card, name -> unit; ``path`` stands for one where values replace them. Of reporting:
    P(reported | grade) by organ, ``low`` for grades 1 and 2, ``high`` for 3 and 4. Of reading: assessors' agreement and errors,
    and the hazard of leaving scans, in place of what trials say."""

    names: dict
    path: str


def _listed(value):
    return tuple(value) if isinstance(value, list) else (value,)


def _bounded(sheet, table, where, center):
    if "upper" in table and not sheet.real(table["upper"], f"{where}.upper", table[center]):
        return False
    lower = table.get("lower", 0.0)
    if not sheet.real(lower, f"{where}.lower", -1e-300):
        return False
    if center == "median" and (not lower < table["median"] or (lower and "upper" in table)):
        sheet.fault(f"{where}.lower", f"is {lower}; must be below the median {table['median']}, and not beside an upper bound")
        return False
    return True


def _between(sheet, table, where):
    if not sheet.keys(table, where, ("median", "log_sd"), SOURCED):
        return None
    sheet.source(table, where)
    fine = all([sheet.real(table[k], f"{where}.{k}", 0) for k in ("median", "log_sd")])
    return (table["median"], table["log_sd"]) if fine else None


__all__ = ["AT", "BETWEEN", "Free", "Loose", "numbers", "read"]
