"""What a result depends on: the content of every file that enters it, as digests, so that what is stale can be named."""

from dataclasses import asdict
from pathlib import Path

from ..library import cards, digests, drugs, organs, populations
from ..library.files import GRADING, REPORTING, read_toml, root
from ..library.problems import EFFICACY, JOINT
from ..library.response import RECIST
from ..population import needed

JUDGED = ("fit", "holdout")
# What of a published row enters a likelihood or a score.
PUBLISHED = "id arm endpoint statistic relation value lower upper level n unit definition table rounding reading_sd".split()
# Of a design, what could not be told at first.
LATER = ("beyond", "unscanned", "leaving", "arms")


def inputs(problem):
    """Digest of the content of every file that the problem depends on, by its path below the data root: of a trial what
    the judged arms are given and when they are seen, of its published numbers those fitted and held out."""
    roles = {r: sorted(k for k, (role, _) in problem.roles.items() if role == r) for r in JUDGED}
    content = {problem.path: read_toml(problem.path) | {"roles": roles}}
    judged, used = [row for role in JUDGED for row in problem.rows(role)], cards_of(problem)
    for name, trial in problem.trials.items():
        mine = [r for r in judged if r.trial == name]
        arms = [a for a in trial.arms.values() if any(a.id in r.arms for r in mine)]
        content[trial.path] = _conduct(problem, trial, arms)
        content[str(Path(trial.path).parent / "published.csv")] = [_row(problem, r) for r in mine]
        population = populations.load(trial.population).only(needed(*used))
        content[population.path] = [population.marginals, population.correlation]
    names = {Path(c.path).parent.name for c in used if Path(c.path).parent.parent.name == "drugs"}
    for path in [*(c.path for c in used), *(drugs.load(name).path for name in names)]:
        content[path] = read_toml(path)
    return {_relative(k): digests.of(v) for k, v in sorted((content | _rules(problem)).items())}


def cards_of(problem):
    """The cards that a problem's subjects are made by."""
    if problem.effect not in (EFFICACY, JOINT):
        return [cards.load(problem.drug, name) for name in ("pk", problem.effect)]
    known = {name: card for name, card in problem.cards.items() if hasattr(card, "theta")}
    given = dict.fromkeys(name.split("/")[0] for name in known if name != problem.tumour)
    return [*known.values(), *(cards.load(name, "pk") for name in given)]


def _conduct(problem, trial, arms):
    """What a trial says of some arms and of when an organ or a tumour is seen."""
    if problem.effect == JOINT:
        told = [[a.drugs, a.n, a.randomised, asdict(a.treatment)] for a in arms]
        seen = {k: asdict(v) for k, v in trial.visits.items()}
        rules = {drug: asdict(r) for drug, r in trial.rules.items()}
        return [trial.population, trial.grading, trial.lower_limit, seen, rules, told, trial.design and _design(trial.design)]
    if problem.effect == EFFICACY:
        return [trial.population, [[a.drugs, a.randomised] for a in arms], _design(trial.design)]
    organ = organs.EFFECTS[problem.effect][0]
    told = [[a.drugs, a.n, asdict(a.treatment)] for a in arms]
    return [trial.population, trial.grading, trial.lower_limit.get(organ), asdict(trial.visits[organ]), told]


def _design(design):
    """A design without what it does not tell of how scans end: results from before that could be told are not stale by it."""
    told = asdict(design)
    return told | {part: {k: v for k, v in told[part].items() if v or k not in LATER} for part in ("scans", "dropout")}


def _row(problem, row):
    cut = [row.cut] if problem.effect in (EFFICACY, JOINT) else []
    return [getattr(row, k) for k in PUBLISHED] + cut


def _rules(problem):
    """The rules that what is seen is judged by: grades of the organ, or RECIST, or all of them and what gets reported."""
    responses, grades = root() / RECIST, root() / GRADING
    versions = {t.design.response.version for t in problem.trials.values() if t.design}
    if problem.effect == EFFICACY:
        return {str(responses): [read_toml(responses)[t.design.response.version] for t in problem.trials.values()]}
    gradings = {t.grading for t in problem.trials.values()}
    if problem.effect == JOINT:
        told = {str(grades): {v: read_toml(grades)[v] for v in gradings}}
        told |= {str(responses): {v: read_toml(responses)[v] for v in versions}}
        return told | {str(root() / REPORTING): read_toml(root() / REPORTING)}
    organ = organs.EFFECTS[problem.effect][0]
    return {str(grades): {v: read_toml(grades)[v].get(organ) for v in gradings}}


def _relative(path):
    path = Path(path).resolve()
    return str(path.relative_to(root())) if path.is_relative_to(root()) else str(path)


__all__ = ["cards_of", "inputs"]
