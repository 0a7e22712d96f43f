"""Dosing objects with mrgsolve's names."""

import polars as pl

from ..errors import bad
from .records import from_frame


def ev(time=0.0, amt=0.0, *, ii=0.0, addl=0, ss=0, rate=0.0, tinf=None, cmt=0, evid=1, until=None, total=None, ID=1, **columns):
    """`Records` of one dosing event, or of several where arguments are lists of one length.

    Parameters
    ----------
    time, amt, ii, addl, ss, rate, cmt, evid : number or list
        As in NONMEM's records; further keywords are further columns.
    tinf : number or list, optional
        Duration of an infusion; sets ``rate = amt / tinf``.
    until : number, optional
        Time of the last possible dose; sets ``addl`` from ``ii``.
    total : int, optional
        Number of doses; sets ``addl = total - 1``.

    Raises
    ------
    InputError
        Where records have no meaning, or two arguments say the same thing twice.
    """
    if tinf is not None and rate:
        raise bad("ev", "tinf", "and rate are both given; one of them says how fast")
    if (until is not None) + (total is not None) + bool(addl) > 1:
        raise bad("ev", "addl", "until and total say the same thing; give one")
    given = {"ID": ID, "TIME": time, "EVID": evid, "AMT": amt, "RATE": rate, "II": ii, "ADDL": addl, "SS": ss, "CMT": cmt}
    given |= columns | {"TINF": tinf}
    length = max((len(v) for v in given.values() if isinstance(v, list)), default=1)
    rows = {k: v if isinstance(v, list) else [v] * length for k, v in given.items()}
    duration = rows.pop("TINF")
    rows["RATE"] = [r if t is None else a / t for r, t, a in zip(rows["RATE"], duration, rows["AMT"], strict=True)]
    if total is not None:
        rows["ADDL"] = [total - 1] * length
    if until is not None:
        rows["ADDL"] = [int((until - t) / i + 1e-9) if i > 0 else 0 for t, i in zip(rows["TIME"], rows["II"], strict=True)]
    return from_frame(pl.DataFrame(rows, strict=False), "ev")
