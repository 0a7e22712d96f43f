"""Every file of models/ and calibration/, found by glob: a new drug, trial or problem is tested by being there.

The files are read twice: as vtrial reads them, and raw, so that what a loader overlooks is not overlooked here.
"""

import csv
import re
import tomllib
from inspect import signature
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pint
import polars as pl
import pytest

from vtrial import efficacy, events, exposure, toxicity
from vtrial import pk as pks
from vtrial.conduct.arm import arm as whole
from vtrial.conduct.exposed import average
from vtrial.conduct.setting import setting
from vtrial.efficacy import tumour
from vtrial.endpoints import TABLE
from vtrial.endpoints.joint import rows as organ_rows
from vtrial.endpoints.outcome.rows import unmodelled
from vtrial.errors import InputError
from vtrial.library import cards, drugs, files, organs, populations, problems, reporting, trials
from vtrial.library.design import READING
from vtrial.pk import modes as pkmodes

ROOT = Path(__file__).resolve().parents[2]
TOML = sorted([*(ROOT / "models").rglob("*.toml"), *(ROOT / "calibration").rglob("*.toml")])
RULES = sorted((ROOT / "models" / "drugs").glob("*/rules.toml"))
CARDS = [p for p in sorted((ROOT / "models" / "drugs").glob("*/*.toml")) if p.name != "drug.toml" and p not in RULES]
EFFICACY = [path for path in CARDS if path.name == "efficacy.toml"]
EFFECTS = [path for path in CARDS if not path.name.startswith("pk") and path not in EFFICACY]
TUMOURS = sorted((ROOT / "models" / "tumours").glob("*.toml"))
POPULATIONS = sorted((ROOT / "models" / "populations").glob("*.toml"))
TRIALS = sorted((ROOT / "calibration" / "trials").glob("*/trial.toml"))
PUBLISHED = sorted((ROOT / "calibration" / "trials").glob("*/published.csv"))
PROBLEMS = sorted((ROOT / "calibration" / "problems").glob("*.toml"))

# Numbers that stand without a source of their own, by cause.
UNSOURCED = {
    "a covariate's reference belongs to its coefficient, which has one": r"^covariate\[\d+\]\.reference\.value$",
    "arm sizes are those of the published rows": r"^arm\[\d+\]\.n$",
    "how finely we compute is nobody's finding": r"^(subjects|scramble)$",
}


def name_of(path):
    return str(path.relative_to(ROOT))


def each(paths):
    assert paths
    return pytest.mark.parametrize("path", paths, ids=name_of)


def raw(path):
    return tomllib.loads(path.read_text(encoding="utf-8"))


def published(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tables(node, where=""):
    """(dotted name, table) of every table of a file, the file itself first."""
    if isinstance(node, dict):
        yield where, node
        for key, value in node.items():
            yield from tables(value, f"{where}.{key}" if where else key)
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from tables(value, f"{where}[{i}]")


def numbers(node, where="", sourced=False):
    """(dotted name, whether a source stands in its table or around it) of every number of a file."""
    if isinstance(node, dict):
        sourced = sourced or "source" in node
        for key, value in node.items():
            yield from numbers(value, f"{where}.{key}" if where else key, sourced)
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from numbers(value, f"{where}[{i}]", sourced)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield where, sourced


def bibliography():
    text = (ROOT / "models" / "references.bib").read_text(encoding="utf-8")
    return re.findall(r"^@\w+\{\s*([^,\s]+)\s*,", text, re.MULTILINE)


def cited(path):
    """Every source a file names."""
    if path.suffix == ".csv":
        return {row["source"] for row in published(path)}
    return {table["source"] for _, table in tables(raw(path)) if "source" in table}


# --- sources ---------------------------------------------------------------------------------------------------------


@each(TOML)
def test_every_number_has_a_source(path):
    allowed = re.compile("|".join(UNSOURCED.values()))
    found = list(numbers(raw(path)))
    assert found or path.name == "drug.toml"
    assert not [where for where, sourced in found if not sourced and not allowed.search(where)]


def test_no_exemption_outlives_its_cause():
    bare = [where for path in TOML for where, sourced in numbers(raw(path)) if not sourced]
    assert not [cause for cause, pattern in UNSOURCED.items() if not any(re.search(pattern, w) for w in bare)]


@each(TOML)
def test_what_is_assumed_says_why(path):
    assumed = [(where, table) for where, table in tables(raw(path)) if table.get("source") == "assumed"]
    assert not [where for where, table in assumed if len(table.get("why", "").strip()) < 10]


@each([*TOML, *PUBLISHED])
def test_every_source_is_in_the_bibliography(path):
    assert cited(path) - {"assumed"} <= set(bibliography())


def test_every_reference_is_used_and_told_once():
    keys = bibliography()
    assert len(keys) == len(set(keys))
    assert set(keys) == set().union(*(cited(path) for path in [*TOML, *PUBLISHED])) - {"assumed"}


# --- drugs -----------------------------------------------------------------------------------------------------------


def test_the_shelf_lists_what_is_there():
    assert files.names("drugs") == sorted({path.parent.name for path in CARDS})
    assert files.names("populations") == [path.stem for path in POPULATIONS]
    assert files.names("trials") == [path.parent.name for path in TRIALS]
    assert files.names("problems") == [path.stem for path in PROBLEMS]


@pytest.mark.parametrize("name", files.names("drugs"))
def test_drugs(name):
    drug = drugs.load(name)
    assert drug.name == name
    assert 0 < drug.infusion < 1 or raw(Path(drug.path))["oral"] is True
    assert list(drug.levels) == sorted(drug.levels, reverse=True)
    assert (Path(drug.path).parent / "pk.toml").is_file()


@each(CARDS)
def test_cards_load_whole(path):
    card, written = cards.read(path), raw(path)
    structures = pks.STRUCTURES | toxicity.STRUCTURES | efficacy.STRUCTURES
    assert set(card.theta) == set(structures[card.structure].PARAMETERS) == set(cards.UNITS[card.structure])
    assert all(np.isfinite(v) and (v >= 0 or k in cards.ANY_SIGN) for k, v in card.theta.items())
    assert len(card.effects) == len(written.get("covariate", []))
    assert set(card.etas) == set(written.get("omega", {})) <= set(card.theta)
    # events have grades, which are not measured with error; a sum of diameters is measured with the trial's assessor's
    assert all(sd > 0 for sd in card.sigma.values())
    assert bool(card.sigma) == (card.structure not in ("hazard", "ordinal", "kill", "kpd"))


@each(CARDS)
def test_units_agree(path):
    """pint, asked apart from vtrial, turns each printed number into the loaded one."""
    ureg = pint.UnitRegistry(cache_folder=None)
    card, theta = cards.read(path), raw(path)["theta"]
    for name, unit in cards.UNITS[card.structure].items():
        printed = theta[name]["value"] * ureg.parse_expression(theta[name]["unit"])
        internal = 1.0 * ureg.parse_expression(unit)
        ratio = (printed / internal).to_base_units()
        assert ratio.dimensionless, name
        assert card.theta[name] == pytest.approx(float(ratio.magnitude), rel=1e-12), name


@each(CARDS)
def test_omega_is_positive_definite(path):
    card = cards.read(path)
    omega = card.omega
    if not len(omega):  # a card of typical values only
        return
    np.testing.assert_array_equal(omega, omega.T)
    spread = np.sqrt(np.diag(omega))
    logs = [card.kinds[name].kind != "normal" for name in card.etas]
    assert (spread > 0).all() and (spread[logs] < 2).all()
    assert np.linalg.eigvalsh(omega / np.outer(spread, spread)).min() > 1e-6


def typical(card):
    return {k: jnp.array([v]) for k, v in card.theta.items()}


@each([path for path in CARDS if path not in [*EFFECTS, *EFFICACY]])
def test_a_dose_changes_the_concentration(path):
    """By difference, never by ratio: a model that is zero whatever is given fails."""
    drug, card = path.parent.name, path.stem
    given = {"TIME": [0.0, 0.1, 0.5, 1.0], "EVID": [1.0, 0.0, 0.0, 0.0]}
    duration = drugs.load(drug).infusion

    def highest(mg):
        rate = {"AMT": [mg, 0.0, 0.0, 0.0], "RATE": [mg / duration if duration else 0.0, 0.0, 0.0, 0.0]}
        records = events.from_frame(pl.DataFrame(given | rate))
        frame = exposure.concentrations(drug, records, exposure.typical(cards.load(drug, card)), card=card)
        return {name: frame[name].max() for name in frame.columns if name not in ("ID", "TIME", "EVID")}

    small, large = highest(1e-9), highest(100.0)
    for name, top in large.items():
        assert small[name] < 1e-6
        assert 1e-4 < top < 1e4  # ug/mL or ng/mL of 100 mg: diluted, not gone


LUCKY = 3.0  # a score of the events' luck: early, strong


def after(path, mg):
    """Readings and state of a typical patient after each of 42 days, dosed on the first and on day 22: (day, organ), state."""
    card, folder = cards.read(path), path.parent.name
    fx, kinetics, q = toxicity.STRUCTURES[card.structure], cards.load(folder, "pk"), typical(card)
    luck = {name: jnp.array([LUCKY]) for name in fx.luck(42, card.theta)} if hasattr(fx, "luck") else {}
    # an onset comes when the cumulative hazard passes minus log(Phi(score)): almost at once
    q |= {"luck": luck} | ({"blocks": toxicity.ordinal.blocks(luck | first_half(luck))} if card.structure == "ordinal" else {})
    modes = pks.STRUCTURES[kinetics.structure].modes(typical(kinetics))
    infusion = drugs.load(folder).infusion or 1.0
    step, pace, state = fx.prepare(q, modes, 1.0, infusion), pkmodes.pace(modes, 1.0, infusion), fx.start(q)
    c, out = tuple(jnp.zeros(1) for _ in modes.rate), []
    for day in range(42):
        dose = jnp.array([mg if day % 21 == 0 else 0.0])
        state, c = (
            fx.advance(step, state, c, dose),
            tuple(a * left + dose * gain for a, left, gain in zip(c, pace.left, pace.gain, strict=True)),
        )
        out.append([float(r[0]) for r in fx.readings(q, state)])
    return np.array(out), state


def first_half(luck):
    """Spells that begin in the middle of their blocks."""
    return {name: jnp.zeros(1) for name in luck if name.startswith("onset")}


@each(EFFECTS)
def test_a_dose_changes_the_effect(path):
    card, folder = cards.read(path), path.parent.name
    levels = drugs.load(folder).levels
    mg = 70.0 * max(levels) if levels else 3000.0
    (dosed, state), (none, still) = after(path, mg), after(path, 0.0)
    assert np.ptp(none, 0).max() < 1e-5 * max(1.0, np.abs(none).max())
    if card.structure == "hazard":
        assert float(still.h[0]) == 0 and float(state.h[0]) > 1e-6
    elif folder in ("lapatinib", "capecitabine"):
        # two days of tablets are little: any difference will do
        assert np.abs(dosed - none).max() > 0 or float(state.ce[0]) > 0
    else:
        # the typical patient's ejection fraction hardly moves
        share = 0.001 if card.structure == "decline" else 0.05
        assert np.abs(dosed - none).max() > share * np.abs(none).max()
    assert card.driver in {raw(path.parent / "pk.toml").get("analyte")}


@each(EFFICACY)
def test_a_dose_shrinks_the_tumour(path):
    """Of the typical patient, beside one who is given nothing; more exposure shrinks it more."""
    card, folder = cards.read(path), path.parent.name
    modes = pks.STRUCTURES[cards.load(folder, "pk").structure].modes(typical(cards.load(folder, "pk")))
    disease, kill, edges = typical(cards.tumour("her2-breast")), typical(card), np.array([0.0, 42.0, 84.0])
    # doses that reach the card's reference on average
    mg = card.theta["CREF"] * 21 / float((modes.weight / modes.rate).sum())
    exposure = average(modes, 21.0, jnp.array([mg]), edges) / card.theta["CREF"]
    assert 0.2 < float(exposure[0, 0]) <= 1.1 and 0.5 < float(exposure[1, 0]) <= 1.05
    sizes = [float(tumour.path(disease, kill, x * exposure, edges).log_size[-1, 0]) for x in (0.0, 1.0, 2.0)]
    assert sizes[0] == pytest.approx(84 * float(disease["KG"][0]), rel=1e-5)
    assert sizes[0] - sizes[1] > 0.1 and sizes[1] - sizes[2] > 0.05
    assert card.driver == raw(path.parent / "pk.toml")["analyte"]


@each(TUMOURS)
def test_tumours(path):
    card = cards.read(path)
    assert card.structure == "tumour" and set(tumour.PARAMETERS) == set(card.theta)


# --- populations -----------------------------------------------------------------------------------------------------


@each(POPULATIONS)
def test_populations(path):
    population = populations.read(path)
    assert population.name == path.stem
    assert set(population.marginals) == set(raw(path)["covariate"])
    assert np.linalg.eigvalsh(population.correlation).min() > 1e-6
    for name, m in population.marginals.items():
        assert np.isfinite([m.a, m.b]).all(), name
        assert m.distribution != "bernoulli" or 0 < m.a < 1
        assert m.distribution not in ("normal", "lognormal") or m.b > 0
    served = {a.drug for t in TRIALS if (trial := trials.read(t)).population == path.stem for a in trial.arms.values()}
    needed = {effect.of for card in CARDS if card.parent.name in served for effect in cards.read(card).effects}
    assert needed <= set(population.marginals)


@each(POPULATIONS)
def test_covariates_lie_near_the_references_of_the_cards(path):
    """A population's middle and a card's reference in two units would be a factor of ten or more apart."""
    marginals = populations.read(path).marginals
    for card in CARDS:
        for effect in cards.read(card).effects:
            m = marginals.get(effect.of)
            if effect.form == "power" and m:
                assert m.distribution in ("normal", "lognormal")
                middle = np.exp(m.a) if m.distribution == "lognormal" else m.a
                assert 1 / 3 < middle / effect.reference < 3, (name_of(card), effect.of)


# --- trials ----------------------------------------------------------------------------------------------------------


@each(TRIALS)
def test_trials(path):
    trial = trials.read(path)
    assert trial.name == path.parent.name
    assert set(trial.default_problems) <= set(files.names("problems"))
    assert trial.population in files.names("populations")
    assert len(trial.arms) == len(raw(path)["arm"]) and trial.rows
    assert len(trial.rows) == len(published(path.parent / "published.csv"))


@each(TRIALS)
def test_arms_can_be_set_up(path):
    trial = trials.read(path)
    for arm in trial.arms.values():
        if arm.drug in files.names("drugs"):
            s = setting(trial, arm.id, "thrombocytopenia")
            assert s.plan.amount > 0 and s.plan.cycles >= 1
            assert s.shares.min() >= 0 and s.shares.sum() == pytest.approx(1, rel=1e-12)
            assert s.limits == tuple(sorted(s.limits, reverse=True)) and len(set(s.limits)) == 4
            for other in trial.alternatives["visits"].get("platelets", {}).values():
                assert setting(trial, arm.id, "thrombocytopenia", visits=other).plan.watch
            for other in arm.alternatives.values():
                changed = setting(trial, arm.id, "thrombocytopenia", treatment=other)
                assert np.abs(changed.shares - s.shares).max() > 1e-3


@each(TRIALS)
def test_whole_arms_have_what_their_drugs_cards_give(path):
    trial = trials.read(path)
    for arm in trial.arms.values():
        if any(name not in files.names("drugs") for name, _ in arm.drugs):
            continue
        try:
            of = whole(trial, arm.id)
        except InputError as error:
            # pharmacokinetics that cannot be carried day by day, or a regimen in parts
            assert "regimen" in str(error), arm.id
            continue
        assert len(of.parts) == len(of.rules) == len(arm.drugs)
        told = {o for name, _ in arm.drugs for e in organs.effects(name) for o in organs.EFFECTS[e]}
        assert told <= {o.split(" ")[0] for o in of.organs}
        assert len(set(of.organs)) == len(of.organs)
        for part, known in zip(of.parts, of.rules, strict=True):
            assert part.amount > 0 and len(part.on) == len(part.gap) and min(part.gap) >= 1
            assert known.levels and known.drug == part.drug


@each(PUBLISHED)
def test_published_rows(path):
    rows = trials.read(path.parent / "trial.toml").rows
    for row in rows.values():
        inside = [x for x in (row.lower, row.value, row.upper) if x is not None]
        assert inside == sorted(inside), row.id
        assert row.unit != "fraction" or all(0 <= x <= 1.5 for x in inside), row.id
        assert row.unit != "count" or row.value is None or row.value == int(row.value) >= 0, row.id
        assert row.level is None or 0.5 < row.level < 1, row.id
        assert (row.lower is None) == (row.upper is None) and (row.lower is None) == (row.level is None), row.id
        assert min(row.rounding, row.reading_sd) >= 0, row.id


@each(PUBLISHED)
def test_options_of_modelled_rows_are_understood(path):
    """An option that no endpoint takes, or one that is not there, would fail only when the row is predicted."""
    for row in trials.read(path.parent / "trial.toml").rows.values():
        if row.endpoint in TABLE:
            for form in (TABLE[row.endpoint].smooth, TABLE[row.endpoint].hard):
                assert list(signature(form).parameters)[1:] == list(row.options), row.id


# --- roles -----------------------------------------------------------------------------------------------------------


@each(TRIALS)
def test_every_modelled_row_has_a_role_in_a_default_problem(path):
    trial = trials.read(path)
    roles = {k: v for name in trial.default_problems for k, v in problems.load(name).roles.items()}
    modelled = [row for row in trial.rows.values() if row.endpoint in TABLE] if roles else []
    assert not [row.id for row in modelled if f"{trial.name}/{row.id}" not in roles]
    for row in modelled:
        role, reason = roles[f"{trial.name}/{row.id}"]
        # context is a choice, and says why; a drug without a card, a row without a number cannot be more
        assert role != "context" or len(reason) > 10, row.id


@each(PROBLEMS)
def test_problems(path):
    problem = problems.load(path)
    assert problem.name == path.stem
    assert {"fit", "context"} <= {role for role, _ in problem.roles.values()}
    for role in ("fit", "holdout"):
        for row in problem.rows(role):
            assert row.confidence == "retrieved", f"{row.trial}/{row.id} is {row.confidence}"
            assert row.value is not None and (row.n or role == "holdout"), f"{row.trial}/{row.id} has no number"
            # a subgroup may be held out of a model that does not know it: it is listed, and not counted
            known = row.endpoint in TABLE or not unmodelled(row, problem.trials[row.trial]) or role == "holdout"
            known = known or (problem.effect == problems.JOINT and organ_rows.reading(row) is not None)
            assert known, f"{row.trial}/{row.id} is not modelled"
            assert row.trial in files.names("trials")
            drugs_of = [d for a in row.arms for d, _ in problem.trials[row.trial].arms[a].drugs]
            assert set(drugs_of) <= set(files.names("drugs"))
    for key, (role, reason) in problem.roles.items():
        assert role == "fit" or len(reason) > 5, key


@each(PROBLEMS)
def test_of_several_tellings_one_counts(path):
    """Two rows that count and are told of one arm, endpoint and definition would be one fact counted twice."""
    problem = problems.load(path)
    cuts = {(p.parent.name, row["id"]): row["cut"] for p in PUBLISHED for row in published(p)}
    rows = [row for role in ("fit", "holdout") for row in problem.rows(role)]
    told = [(r.trial, r.arm, r.endpoint, r.statistic, r.definition, cuts[r.trial, r.id]) for r in rows]
    assert len(told) == len(set(told))


@each(PROBLEMS)
def test_priors(path):
    """A prior in another unit than its parameter would sit far from the card's number."""
    problem = problems.load(path)
    assert len({(f.card, f.of) for f in problem.free}) == len(problem.free)
    for f in problem.free:
        assert 0 < f.log_sd <= 1.5
        for card in f.cards:
            value = number(problem, card, f.of) / f.factor
            # on the prior's own scale
            assert abs(float(f.score(value))) < 3, f"{f.name}: {card}'s {value:.4g} is far from the median {f.median:.4g}"


def number(problem, named, name):
    """A card's number by what a problem calls it, in internal units; of reading that of a trial that tells it."""
    card = problem.cards[named]
    if named == READING:
        both = [t.design for t in problem.trials.values() if t.design and len(t.design.errors) > 1]
        return next(own for d in both if (own := d.readings[name]))
    if not hasattr(card, "theta"):
        organ, part = name.split(".")
        return reporting.shares()[organ][0 if part == "low" else 3]
    kind, *rest = name.split(".")
    if kind == "coefficient":
        return next(e.coefficient for e in card.effects if [e.on, e.of] == rest)
    return card.sd(rest[0]) if kind == "omega" else {"theta": card.theta, "sigma": card.sigma}[kind][rest[0]]
