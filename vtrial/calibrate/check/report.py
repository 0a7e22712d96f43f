"""What is asked of a posterior beyond its chains: tables beside the figures, and a few lines of words."""

from pathlib import Path

from ...errors import bad
from ...library import problems
from ...output import write_text
from ..emulate import importance, rounds
from ..emulate.rounds import TRAINING
from ..model import names
from . import left_out, loo, refit, spread

SHOWN = 8


def influence(data, out):
    """Writes loo.csv into a folder; returns the total and the most influential targets, as for JSON."""
    rows, total = loo.table(data)
    _write(Path(out) / "loo.csv", [r._asdict() for r in rows])
    return total | {"influence": [r._asdict() for r in rows[:SHOWN]]}


def refits(path, data, out, tick=lambda n, note="": None):
    """Leaves out trials and arms, halves and doubles the spread between trials; writes left-out.csv and spread.csv into a
    folder. Returns the summary, as for JSON.

    Raises
    ------
    InputError
        If the posterior is not one of a joint problem with its training points beside it.
    """
    known = _whole(path, data)
    told, groups = [], left_out.groups(known.problem)
    for name, rows in groups.items():
        told += left_out.told(known, name, rows)
        tick(1, name)
    moved = spread.moved(known)
    _write(Path(out) / "left-out.csv", [r._asdict() for r in told])
    _write(Path(out) / "spread.csv", [r._asdict() for r in moved])
    return {
        "normal_approximation": refit.agreement(known),
        "left_out": {name: _summary([r for r in told if r.left_out == name]) for name in groups},
        "spread": [r._asdict() for r in sorted(moved, key=lambda r: -abs(r.shift))[:SHOWN]],
    }


def fresh(path, data, out, seed):
    """Fresh trials at draws: their weights by a second surrogate, and how far the posterior's mode moves once they join the
    training points, whose file is then ``out / training.npz``, to calibrate by. Batches are kept in a folder; raises as
    `refits`.
    """
    known, folder, more = _whole(path, data), Path(out) / "fresh", Path(out) / TRAINING
    weights = importance.weighed(known.bound, known.draws, known.covariances, folder, seed)
    found = importance.fresh(known.bound, known.draws, folder, seed)
    rounds.joined(Path(path).with_name(TRAINING), more, names(known.problem), *found)
    return weights | refit.moved(known, refit.whole(known.problem, data, more))


def _whole(path, data):
    training = Path(path).with_name(TRAINING)
    if not training.is_file():
        raise bad(training, "", "there are no training points, which only a joint problem's result has beside it")
    return refit.whole(problems.load(data["posterior"].attrs["problem"]), data, training)


def _summary(rows):
    told = [r for r in rows if not r.null]
    far = sorted((r for r in told if r.far), key=lambda r: -abs(r.z))
    conflicts = [{"row": r.row, "published": r.published, "predicted": r.median, "z": round(r.z, 1)} for r in far]
    return {"rows": len(rows), "null": len(rows) - len(told), "covered": sum(r.covered for r in told), "conflicts": conflicts}


def words(found):
    """The summary of `refits` as lines of text."""
    a = found["normal_approximation"]
    spread = f"sd {a['least_sd']:.2f} to {a['most_sd']:.2f}-fold"
    yield f"normal approximation of everything: means at most {a['shift']:.2f} sd off, {spread}"
    for name, s in found["left_out"].items():
        informed = s["rows"] - s["null"]
        yield f"without {name}: {s['covered']} of {informed} rows inside 90 %, {s['null']} that nothing else informs"
        for c in s["conflicts"]:
            yield f"    {c['row']}: published {c['published']:.4g}, predicted {c['predicted']:.4g} (z {c['z']})"
    for s in found["spread"]:
        yield f"spread between trials {s['spread']}: {s['parameter']} moves {s['shift']:+.2f} sd, its sd {s['sd']:.2f}-fold"


def _write(path, rows):
    import polars as pl

    write_text(path, pl.DataFrame(rows, infer_schema_length=None).write_csv())


__all__ = ["fresh", "influence", "refits", "words"]
