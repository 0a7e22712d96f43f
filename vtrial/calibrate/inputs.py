"""What a result depends on: the content of every file that enters it, as digests, so that what is stale can be named."""

from dataclasses import asdict
from pathlib import Path

from ..library import cards, digests, drugs, organs, populations
from ..library.files import GRADING, read_toml, root
from ..library.problems import EFFICACY
from ..library.response import RECIST
from ..population import needed

JUDGED = ("fit", "holdout")
# What of a published row enters a likelihood or a score.
PUBLISHED = "id arm endpoint statistic relation value lower upper level n unit definition table rounding reading_sd".split()


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
    if problem.effect != EFFICACY:
        return [cards.load(problem.drug, name) for name in ("pk", problem.effect)]
    able = [name for name in problem.cards if name != problem.tumour]
    return [*problem.cards.values(), *(cards.load(name, "pk") for name in able)]


def _conduct(problem, trial, arms):
    """What a trial says of some arms and of when an organ or a tumour is seen."""
    if problem.effect == EFFICACY:
        return [trial.population, [[a.drugs, a.randomised] for a in arms], asdict(trial.design)]
    organ = organs.EFFECTS[problem.effect][0]
    told = [[a.drugs, a.n, asdict(a.treatment)] for a in arms]
    return [trial.population, trial.grading, trial.lower_limit.get(organ), asdict(trial.visits[organ]), told]


def _row(problem, row):
    cut = [row.cut] if problem.effect == EFFICACY else []
    return [getattr(row, k) for k in PUBLISHED] + cut


def _rules(problem):
    """The rules that what is seen is judged by: grades of the organ, or RECIST."""
    if problem.effect == EFFICACY:
        path = root() / RECIST
        return {str(path): [read_toml(path)[t.design.response.version] for t in problem.trials.values()]}
    organ, path = organs.EFFECTS[problem.effect][0], root() / GRADING
    return {str(path): {v: read_toml(path)[v].get(organ) for v in {t.grading for t in problem.trials.values()}}}


def _relative(path):
    path = Path(path).resolve()
    return str(path.relative_to(root())) if path.is_relative_to(root()) else str(path)


__all__ = ["cards_of", "inputs"]
