"""Units, by dimension (pint). Internal units: day, mg, L, hence mg/L; counts in 1e9/L; months of 30.4375 days."""

from functools import cache

DAYS_PER_MONTH = 30.4375


@cache
def registry():
    """The unit registry: pint's own, with the clinic's words. ``U`` and ``cycle`` are dimensions of their own."""
    import pint

    ureg = pint.UnitRegistry(cache_folder=None)
    ureg.define(f"month = {DAYS_PER_MONTH} * day = _ = months")
    ureg.define("enzyme_unit = [enzyme] = U")
    ureg.define("treatment_cycle = [cycle] = _ = cycle")
    return ureg


@cache
def factor(unit, to):
    """What a number in ``unit`` is multiplied by to be in ``to``.

    Raises
    ------
    ValueError
        If the unit cannot be read, or has another dimension.
    """
    import pint

    ureg = registry()
    try:
        return float((ureg.parse_expression(unit) * 1.0 / ureg.parse_expression(to)).to("").magnitude)
    except pint.DimensionalityError:
        raise ValueError(f"unit {unit!r} has not the dimension of {to!r}") from None
    except Exception:
        raise ValueError(f"unit {unit!r} cannot be read; write for example {to!r}") from None
