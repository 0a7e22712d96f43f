"""Calibration problems: drug x effect x trials x free parameters x priors x roles of rows."""

from dataclasses import dataclass, field

from . import cards, design, drugs, free, organs, reporting, trials
from .files import digest, locate
from .free import Free
from .schema import SOURCED, Sheet

ROLES = ("fit", "holdout", "context")
EFFICACY, JOINT = "efficacy", "joint"
# What endpoints begin with whose rows a problem must give a role, where that is not the name of an organ.
_OUTCOMES = ("pfs", "os", "orr", "dor", "cr", "cbr")
_ORGANS = (*organs.BLOOD, "thrombocytopenia", "neutropenia", "ild", "diarrhoea", "hand_foot")
_DOSES = ("dose_", "discontinued_", "treatment_duration")
MODELLED = {EFFICACY: _OUTCOMES, JOINT: (*_OUTCOMES, *_ORGANS, *_DOSES)}


@dataclass(frozen=True)
class Problem:
    """Of a toxicity: ``drug`` and ``effect`` name the card; of tumours ``effect`` is ``efficacy``, ``tumour`` names the
    disease, and a free parameter's ``card`` a drug or the disease; of all together ``effect`` is ``joint``, and a free
    parameter's ``card`` is ``drug/effect``, the disease, ``reporting`` or ``reading``. ``roles`` maps ``trial/row`` to (role,
    reason). ``discrepancy`` is (name, scale) of the half-normal prior of TAU; a scale of zero means none. ``subjects`` and
    ``scramble``: how many quasi-random subjects, and the seed of their scramble."""

    name: str
    title: str
    path: str
    digest: str
    drug: str | None
    effect: str
    trials: dict = field(hash=False)
    subjects: int
    scramble: int
    free: tuple
    discrepancy: tuple
    roles: dict = field(hash=False)
    tumour: str | None = None

    @property
    def cards(self):
        """Cards that free parameters are of, by the name that a parameter gives: of one card alone, the empty one."""
        return _cards(self.drug, self.effect, self.tumour, self.trials)

    def rows(self, role):
        """Published rows with a role, in the order of the problem file."""
        named = (key.split("/", 1) for key, (r, _) in self.roles.items() if r == role)
        return [self.trials[t].rows[i] for t, i in named]

    def role(self, row):
        """(role, reason) of a row; a row the problem does not name is context."""
        return self.roles.get(f"{row.trial}/{row.id}", ("context", "not named by the problem"))


def load(name):
    """A problem on the shelf, or a user's own file; raises `InputError` with every fault, its trials' included."""
    path = locate("problems", name)
    sheet = Sheet(path)
    data = sheet.data
    own = "tumour" if data.get("effect") in (EFFICACY, JOINT) else "drug"
    required = ("name", own, "effect", "trials", "subjects", "free", "discrepancy", "roles")
    if not sheet.keys(data, "", required, ("title", "scramble")):
        sheet.done()
    _on_the_shelf(sheet, path, data)
    sheet.done()
    of = {t.name: t for t in (trials.load(_beside(path, name)) for name in data["trials"])}
    known = _cards(data.get("drug"), data["effect"], data.get("tumour"), of)
    found = [free.read(sheet, k, v, known) for k, v in data["free"].items()]
    told = [(f.name, f.of, c) for f in found if f for c in f.cards]
    for i, (name, of_, card) in enumerate(told):
        if (of_, card) in [row[1:] for row in told[:i]]:
            sheet.fault(f"free.{name}.of", f"{of_} has two priors")
    roles = _roles(sheet, data["roles"], of)
    _every_row(sheet, roles, of, MODELLED.get(data["effect"]) or organs.EFFECTS[data["effect"]])
    tau = data["discrepancy"]
    if sheet.keys(tau, "discrepancy", ("name", "half_normal"), SOURCED):
        sheet.source(tau, "discrepancy")
        if sheet.real(tau["half_normal"], "discrepancy.half_normal") and tau["half_normal"] < 0:
            sheet.fault("discrepancy.half_normal", f"is {tau['half_normal']}; must not be negative")
    if sheet.real(data["subjects"], "subjects") and (data["subjects"] < 2 or data["subjects"] & (data["subjects"] - 1)):
        sheet.fault("subjects", f"is {data['subjects']}; must be a power of two (Sobol points)")
    if not isinstance(data.get("scramble", 0), int) or data.get("scramble", 0) < 0:
        sheet.fault("scramble", f"is {data['scramble']!r}; must be a whole number, 0 or more")
    sheet.done()
    return Problem(
        name=data["name"],
        title=data.get("title", data["name"]),
        path=str(path),
        digest=digest(path),
        drug=data.get("drug"),
        effect=data["effect"],
        trials=of,
        subjects=data["subjects"],
        scramble=data.get("scramble", 0),
        free=tuple(found),
        discrepancy=(tau["name"], tau["half_normal"]),
        roles=roles,
        tumour=data.get("tumour"),
    )


def _on_the_shelf(sheet, path, data):
    for name in data["trials"]:
        if _beside(path, name) == name:
            sheet.shelf(name, "trials", "trials")
    if data["effect"] in (EFFICACY, JOINT):
        sheet.shelf(data["tumour"], "tumour", "tumours")
    elif sheet.shelf(data["drug"], "drug", "drugs"):
        folder = locate("drugs", data["drug"]).parent
        sheet.choice(data["effect"], "effect", {p.stem for p in folder.glob("*.toml")} - {"drug", "pk", "rules"})


def _cards(drug, effect, tumour, of):
    if effect not in (EFFICACY, JOINT):
        return {"": cards.load(drug, effect)}
    named = list(dict.fromkeys(name for t in of.values() for a in t.arms.values() for name, _ in a.drugs))
    known = {tumour: cards.tumour(tumour), design.READING: free.Loose(design.READINGS, design.READING)}
    if effect == EFFICACY:
        return known | {n: cards.load(n, EFFICACY) for n in named if drugs.has(n, EFFICACY)}
    able = {n: [e for e in (*organs.effects(n), EFFICACY) if drugs.has(n, e)] for n in named}
    known |= {f"{n}/{e}": cards.load(n, e) for n, effects in able.items() for e in effects}
    shares = {f"{organ}.{part}": "1" for organ in reporting.shares() for part in ("low", "high")}
    return known | {reporting.REPORTED: free.Loose(shares, reporting.REPORTED)}


def _beside(path, name):
    """A trial's name, or its folder where one lies beside the problem file."""
    beside = path.parent / name
    return beside if (beside / "trial.toml").is_file() else name


def _roles(sheet, table, of):
    sheet.keys(table, "roles", (), ROLES)
    out = {}
    for role in ROLES:
        named = table.get(role, {})
        for key, reason in named.items() if isinstance(named, dict) else dict.fromkeys(named, "").items():
            trial, _, row = key.partition("/")
            if trial not in of or row not in of[trial].rows:
                sheet.fault(f"roles.{role}", f"{key!r} is not a row of {', '.join(of)}")
            elif key in out:
                sheet.fault(f"roles.{role}", f"{key!r} has two roles: {out[key][0]} and {role}")
            elif role == "fit" and of[trial].rows[row].confidence == "unverified":
                sheet.fault(f"roles.{role}", f"{key!r} is unverified: it can only be context")
            out[key] = role, reason
    return out


def _every_row(sheet, roles, of, modelled):
    """A row on what the problem models has a role, or is context with a reason: naming it is asked for."""
    rows = [(f"{t}/{r.id}", r.endpoint) for t, trial in of.items() for r in trial.rows.values()]
    missing = [key for key, endpoint in rows if key not in roles and endpoint.startswith(modelled)]
    if missing:
        sheet.fault("roles", f"no role for {', '.join(missing)}; allowed: {', '.join(ROLES)}")


def internal(free, values):
    """Card replacements in internal units (``theta.SLOPE`` -> value) from parameter values by name."""
    return {f.of: values[f.name] * f.factor for f in free if f.name in values}


def by_card(problem, values, trial=None):
    """Card path -> replacements of its numbers in internal units, from parameter values by name.

    Of a ``trial`` its own ones: moved by its score ``NAME@trial`` times the spread ``TAU_NAME``, where values have both.
    """
    out = {}
    for f in problem.free:
        if f.name not in values:
            continue
        value, own = values[f.name], (f"{free.BETWEEN}{f.name}", f"{f.name}{free.AT}{trial}")
        if f.between and all(k in values for k in own):
            value = f.moved(value, values[own[0]] * values[own[1]])
        for card in f.cards:
            out.setdefault(problem.cards[card].path, {})[f.of] = value * f.factor
    return out


__all__ = ["EFFICACY", "JOINT", "Free", "Problem", "by_card", "internal", "load"]
