"""Which parameters a published row hangs on: those of its own block with their products, all others of its arms in a line."""

from ..library import organs
from ..library.design import READING
from ..library.problems import EFFICACY
from ..library.reporting import REPORTED

_EVENTS = {v: k for k, v in organs.EVENTS.items()}
_BY_ORGAN = {o: name for name, mine in organs.EFFECTS.items() for o in mine}


def of_parameter(problem, f):
    """Name of a parameter's block: an effect, or efficacy."""
    card = f.card
    if card == REPORTED:
        return _BY_ORGAN[f.of.split(".")[0]]
    return card.split("/")[1] if "/" in card else EFFICACY


def of_row(row):
    """Names of a row's own blocks."""
    word = row.endpoint
    for organ in (*_BY_ORGAN, *_EVENTS):
        if word.startswith(f"{organ}_"):
            return (_BY_ORGAN[_EVENTS.get(organ, organ)],)
    if word.startswith(("dose_", "discontinued_")):
        return (organs.OTHER,)
    return (EFFICACY, organs.OTHER) if word.startswith("treatment_") else (EFFICACY,)


def reaches(problem, f, row):
    """Whether a parameter has any part in a row: its card is of a drug of the row's arms, or of the disease, or of reporting
    where the row is of reported events, or of reading where the trial has that assessor, or two that may agree."""
    trial = problem.trials[row.trial]
    given = {d for a in row.arms for d, _ in trial.arms[a].drugs}
    if f.card == REPORTED:
        return "_ae_" in row.endpoint and of_parameter(problem, f) in of_row(row)
    if f.card == READING:
        design = trial.design
        return design is not None and f.of in design.readings and (len(design.errors) > 1 or f.of != "agreement")
    return any(c.split("/")[0] in given if "/" in c else True for c in f.cards)


def touched(problem, f):
    """Trials with fit rows whose own block is a parameter's: those that have a value of their own to tell."""
    mine = of_parameter(problem, f)
    rows = (r for r in problem.rows("fit") if mine in of_row(r) and reaches(problem, f, r))
    return list(dict.fromkeys(r.trial for r in rows))


__all__ = ["of_parameter", "of_row", "reaches", "touched"]
