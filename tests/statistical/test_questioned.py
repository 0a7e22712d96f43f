"""Targets and trials left out of a posterior, and other spreads between trials, where the answers are known."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from vtrial import gradients
from vtrial.calibrate import bound as binding
from vtrial.calibrate import mode, results, targets
from vtrial.calibrate.check import centred, folds, left_out, loo, part, refit, sbc, spread, structures
from vtrial.calibrate.emulate import rounds
from vtrial.calibrate.model import names, parameters, scores
from vtrial.library import problems

FOLDER = Path(__file__).parent / "joint"


@pytest.fixture(scope="module")
def known():
    """A `refit.Whole` of the reduced problem, calibrated to synthetic trials at prior medians; it has no chains."""
    bound = rounds.restored(binding.bind(problems.load(FOLDER / "reduced.toml")), FOLDER / "training.npz")
    at = np.zeros(len(names(bound.problem)))
    truth = sbc.truths(bound, FOLDER / "truths.npz")
    k = int(np.abs(truth.u).max(1).argmin())  # of the synthetic trials those nearest to the medians
    rows = sbc.published(bound, truth, k, 3)
    bound = replace(bound, work=_told(bound.work, rows))
    return refit.Whole(bound, targets.gather(rows, bound.error), bound.sampling(parameters(bound.problem, at)), at, at[None])


def _told(work, rows):
    """The same work whose rows were published otherwise."""
    by = {(r.trial, r.id): r for r in rows}
    return [replace(job, rows=tuple(by[r.trial, r.id] for r in job.rows)) for job in work]


def _all(known):
    return range(len(known.bound.rows))


@pytest.mark.parametrize("name", ["platelets-tdm1", "efficacy-emilia", "her2-adc"])
def test_scores_are_what_parameters_are_of(name):
    problem = problems.load(name)
    u = np.random.default_rng(1).normal(size=(len(names(problem)), 5))
    assert np.allclose(scores(problem, parameters(problem, jnp.asarray(u))), u, atol=1e-9)


def test_without_any_row_the_prior_is_left(known):
    draws = refit.refitted(known, _all(known))
    assert np.abs(draws.mean(0)).max() < 4 / np.sqrt(refit.DRAWS)
    assert np.abs(draws.std(0) - 1).max() < 4 / np.sqrt(2 * refit.DRAWS)


def test_what_is_left_is_the_likelihood_of_the_other_rows(known):
    """Targets of two trials are independent: those of one and those of the other make the whole."""
    of = left_out.groups(known.problem)
    assert sorted(i for rows in of.values() for i in rows) == list(_all(known))
    assert np.isclose(loglik(known, [], 0.3), loglik(known, of["sbc-a"], 0.3) + loglik(known, of["sbc-b"], 0.3), rtol=1e-10)


def loglik(known, out, at):
    """Of the targets without some rows, all scores being ``at``."""
    u = parameters(known.problem, jnp.full(len(names(known.problem)), at))
    expected, tau = known.bound.predict(u), u[known.problem.discrepancy[0]]
    weights, covariances = refit.without(known, set(out))
    return float(weights @ jnp.stack([t.loglik(expected, tau, covariances) for t in known.fitted]))


def test_a_normal_row_left_out_leaves_the_margin_of_the_others(known):
    """Without one of a trial's normal rows its target is the marginal density of the rest, but for a constant."""
    (target,) = [t for t in known.fitted if isinstance(t, targets.Normal) and t.name == "sbc-a"]
    rest = [i for i in _all(known) if i not in target.at]
    part = replace(target, **{k: getattr(target, k)[1:] for k in ("at", "scales", "observed", "extra")})
    marginal = replace(known, fitted=[part], covariances={"sbc-a": known.covariances["sbc-a"][1:, 1:]})
    moved = [loglik(known, [*rest, target.at[0]], at) - loglik(known, [*rest, target.at[0]], 0.0) for at in (-0.4, 0.5)]
    exact = [loglik(marginal, [], at) - loglik(marginal, [], 0.0) for at in (-0.4, 0.5)]
    assert np.allclose(moved, exact, rtol=1e-5)


def test_a_trial_that_agrees_is_predicted_and_one_that_does_not_is_found(known):
    rows = left_out.groups(known.problem)["sbc-b"]
    told = left_out.told(known, "sbc-b", rows)
    assert [t.row.split("/")[0] for t in told] == ["sbc-b"] * len(rows)
    assert not any(t.far for t in told)
    assert all(t.low <= t.median <= t.high for t in told)
    # the median of progression-free survival at three times what was published
    at = [i for i in rows if known.bound.rows[i].id == "pfs-median"]
    wrong = [replace(r, value=3 * r.value) if i in at else r for i, r in enumerate(known.bound.rows)]
    other = replace(known, bound=replace(known.bound, work=_told(known.bound.work, wrong)))
    assert [t.row for t in left_out.told(other, "sbc-b", rows) if t.far] == ["sbc-b/pfs-median"]


def test_predicted_counts_that_round_to_the_printed_have_their_place():
    counts = np.random.default_rng(2).binomial(100, 0.3, 20_000)
    for seen in (20, 30, 38):
        exact = norm.ppf((counts < seen).mean() + (counts == seen).mean() / 2)
        assert np.isclose(left_out._of_counts(counts, np.array([seen])), exact)
    assert left_out._of_counts(counts, np.array([90])) > 4 > -4 > left_out._of_counts(counts, np.array([0]))


def test_a_row_is_null_when_nothing_left_tells_of_its_parameters(known):
    rows = known.bound.rows
    of = left_out.groups(known.problem)
    told = {t.row.split("/")[1]: t.null for t in left_out.told(known, "sbc-a", of["sbc-a"])}
    # sbc-b tells of reported platelets and of delays too
    assert not any(told.values())
    both = [i for i, r in enumerate(rows) if "delayed" in r.id]
    assert all(t.null for t in left_out.told(known, "delays", both))


@pytest.mark.slow
def test_a_wider_spread_between_trials_leaves_the_common_value_less_sure(known):
    found = {(m.spread, m.parameter): m for m in spread.moved(known)}
    assert {m.parameter for m in found.values()} == {f.name for f in known.problem.free}
    assert found["half", "KG"].sd < 1 < found["double", "KG"].sd
    assert abs(found["double", "KG"].sd - 1) > abs(found["double", "SLOPE"].sd - 1)


def test_fresh_trials_join_the_training_points(known, tmp_path):
    """The surrogate of both is that of the points one after the other, and the mode moves by what they tell, not by nothing."""
    file, more = FOLDER / rounds.TRAINING, tmp_path / rounds.TRAINING
    truth = sbc.truths(known.bound, FOLDER / "truths.npz")
    rounds.joined(file, more, names(known.problem), truth.u, truth.stats)
    with np.load(file) as old, np.load(more) as new:
        assert len(new["points"]) == len(old["points"]) + len(truth.u)
        assert np.allclose(new["stats_1"][-len(truth.u) :], truth.stats[1], rtol=1e-6)
        assert np.array_equal(new["again_0"], old["again_0"])
    bound = replace(rounds.restored(known.bound, more), work=known.bound.work)
    other = replace(known, bound=bound, fitted=targets.gather(bound.rows, bound.error))
    assert refit.moved(known, known)["joined_rms"] < 1e-9
    assert 1e-4 < refit.moved(known, other)["joined_rms"] < 0.2


def test_the_evidence_is_the_integral_of_likelihood_and_prior(known):
    """Laplace's evidence against importance sampling by a wider normal; and a number held at its prior's median loses none of
    the likelihood but what it would gain by moving."""
    told, scores = structures.evidence("whole", known.bound, known.covariances)
    fixed = {k: jnp.asarray(v) for k, v in known.covariances.items()}
    energy = jax.jit(jax.vmap(lambda u: mode.energy(known.bound, known.fitted)(u, fixed)))
    near = refit.refitted(known)
    wide = multivariate_normal(near.mean(0), 1.5 * np.cov(near.T))
    draws = wide.rvs(20_000, random_state=3)
    log = -np.asarray(energy(draws)) - wide.logpdf(draws)
    # the posterior's skewness is Laplace's error
    assert abs(told.evidence - (logsumexp(log) - np.log(len(log)))) < 0.5
    assert len(scores) == len(known.fitted) - 2 + sum(len(t.at) for t in known.fitted if isinstance(t, targets.Normal))
    lower = structures.held(known.problem, KD=0.5 * next(f.median for f in known.problem.free if f.name == "KD"))
    bound = replace(known.bound, problem=lower, made_for=known.problem)
    other, _ = structures.evidence("held", bound, known.covariances)
    assert other.evidence < told.evidence - 2 and other.loglik < told.loglik


class _Linear:
    """A bound problem whose rows are a matrix times the scores, and normal."""

    def __init__(self, problem, rows, matrix):
        self.problem, self.rows, self.matrix, self.error = problem, rows, matrix, None

    def predict(self, values):
        return self.matrix @ scores(self.problem, values)


def test_the_score_of_what_was_left_out_is_the_conditional_density(known):
    """Of a linear normal model all is known: ``log p(y) - log p(z)`` of the whole and of what each fold keeps."""
    problem, rng = replace(known.problem, discrepancy=("TAU", 0.0)), np.random.default_rng(5)
    size, rows = len(names(problem)), known.bound.rows[:9]
    matrix, noise = rng.normal(size=(9, size)), np.cov(rng.normal(size=(9, 40)))
    y = matrix @ rng.normal(size=size) + rng.multivariate_normal(np.zeros(9), noise)
    blocks = {"sbc-a": range(6), "sbc-b": range(6, 9)}
    fitted = [targets.Normal(k, tuple(at), ("identity",) * len(at), y[list(at)], np.zeros(len(at))) for k, at in blocks.items()]
    covariances = {k: noise[np.ix_(at, at)] for k, at in blocks.items()}
    at = np.zeros(size)
    toy = refit.Whole(_Linear(problem, rows, matrix), fitted, covariances, at, at[None])
    whole = matrix @ matrix.T + np.block([[covariances["sbc-a"], np.zeros((6, 3))], [np.zeros((3, 6)), covariances["sbc-b"]]])
    for out, found in zip(folds.dealt(rows, fitted), folds.scored(toy), strict=True):
        kept = np.setdiff1d(range(9), out)
        part_ = multivariate_normal(np.zeros(len(kept)), whole[np.ix_(kept, kept)]).logpdf(y[kept])
        exact = multivariate_normal(np.zeros(9), whole).logpdf(y) - part_
        assert found.se < 0.2 and abs(found.score - exact) < 5 * found.se + 0.02


def test_folds_keep_tables_whole_and_leave_every_row_out_once(known):
    out = folds.dealt(known.bound.rows, known.fitted)
    assert sorted(i for fold in out for i in fold) == list(_all(known)) and min(map(len, out)) > 0
    for t in known.fitted:
        if not isinstance(t, targets.Normal):
            assert len({k for k, fold in enumerate(out) for i in t.at if i in fold}) == 1


def test_centred_coordinates_and_back(known):
    problem = known.problem
    u = np.random.default_rng(6).normal(size=(4, len(names(problem))))
    w = centred.to(problem, u)
    order = names(problem)
    common, own, tau = order.index("KG"), order.index("KG@sbc-a"), order.index("TAU_KG")
    assert np.allclose(np.delete(w, [own, order.index("KG@sbc-b")], 1), np.delete(u, [own, order.index("KG@sbc-b")], 1))
    # a trial's own growth, as simulation has it
    free = next(f for f in problem.free if f.name == "KG")
    value = np.asarray(free.value(w[:, own]))
    spread = free.between[0] * np.exp(free.between[1] * u[:, tau])
    assert np.allclose(value, free.moved(free.value(u[:, common]), spread * u[:, own]))
    for one, there in zip(u, w, strict=True):
        back, log = centred.back(problem, jnp.asarray(there))
        assert np.allclose(back, one)
        jacobian = jax.jacfwd(lambda x: centred.back(problem, x)[0])(jnp.asarray(there))
        assert np.isclose(log, np.linalg.slogdet(jacobian)[1])


def test_a_part_simulates_as_the_whole(known):
    """All parameters but one held at what the whole is told of them: the same trials, and the same statistics."""
    problem = known.problem
    values = {k: float(v) for k, v in parameters(problem, jnp.asarray(np.full(len(names(problem)), 0.3))).items()}
    rows = [r for r in problem.rows("fit") if r.trial == "sbc-b"]
    (slope,) = (f for f in problem.free if f.name == "SLOPE")
    bound = part.bound(problem, [slope], rows, values, {"tdm1/efficacy": {"theta.KD": 0.004}})
    assert [r.id for r in bound.rows] == [r.id for r in rows] and names(bound.problem) == ["SLOPE", "TAU"]
    whole = binding.bind(replace(problem, roles={k: v for k, v in problem.roles.items() if k.startswith("sbc-b/")}))
    key, full = jax.random.key(1), {**values, "KD": 0.004}
    told = problems.by_card(problem, {k: np.full(2, v) for k, v in full.items()}, "sbc-b")
    mine = problems.by_card(bound.problem, {"SLOPE": np.full(2, values["SLOPE"])}, "sbc-b")
    assert np.array_equal(bound.work[0].run(mine, key, 0, 2), whole.work[0].run(told, key, 0, 2))


def test_a_gradient_is_measured_beside_its_prediction(known):
    found = gradients.measured(known.bound, known.covariances, known.start, seconds=0.1)
    assert found["prediction"] > 0 and np.isclose(found["ratio"], found["pullback"] / found["prediction"])
    (line,) = gradients.notes({"reduced": found})
    assert line.startswith("reduced: all fit rows") and f"ratio {found['ratio']:.1f};" in line


def test_leaving_out_a_normal_observation_is_exact():
    """Of the mean of normal observations with a flat prior, the density of each without itself is normal about the mean of
    the others (Gelman et al., Bayesian Data Analysis, section 7.2)."""
    import arviz as az

    rng, n = np.random.default_rng(4), 12
    y = rng.normal(size=n)
    mean = y.mean() + rng.normal(size=(4, 4000)) / np.sqrt(n)
    likelihood = {f"t|{i}": norm.logpdf(y[i], mean, 1.0) for i in range(n)}
    rows, total = loo.table(az.from_dict({"posterior": {"mu": mean}, "log_likelihood": likelihood}))
    others = (y.sum() - y) / (n - 1)
    exact = norm.logpdf(y, others, np.sqrt(1 + 1 / (n - 1)))
    by = {r.target: r for r in rows}
    assert np.allclose([by[f"t/{i}"].elpd for i in range(n)], exact, atol=0.03)
    assert np.isclose(total["elpd"], exact.sum(), atol=0.1) and total["far"] == 0
    moved = np.array([by[f"t/{i}"].moved for i in range(n)])
    assert np.allclose(moved, (others - y.mean()) * np.sqrt(n), atol=0.1)
    assert abs(rows[0].moved) == np.abs(moved).max() and rows[0].most == "mu"


def test_training_points_of_nothing_or_of_another_problem(known, tmp_path, capsys):
    from vtrial.cli import main

    reduced, out = str(FOLDER / "reduced.toml"), ("--out", str(tmp_path / "out"))
    (tmp_path / "words.npz").write_text("words")
    cases = {
        (reduced, str(tmp_path / "nowhere.npz")): "there is no such file",
        (reduced, str(tmp_path / "words.npz")): "cannot be read as training points",
        (reduced, str(results.folder("her2-adc") / rounds.TRAINING)): "of another problem",
        ("platelets-tdm1", str(FOLDER / rounds.TRAINING)): "is for joint problems",
    }
    for (problem, training), words in cases.items():
        assert main(["calibrate", problem, "--training", training, *out]) == 2
        told = capsys.readouterr().err
        assert words in told and training in told
    assert not (tmp_path / "out" / "posterior.nc").exists()


def test_only_a_joint_result_is_fitted_again(tmp_path):
    from vtrial.calibrate.check import report
    from vtrial.errors import InputError

    path = results.folder("platelets-tdm1") / "posterior.nc"
    with pytest.raises(InputError, match="training points"):
        report.refits(path, results.read(path), tmp_path)
    assert not list(tmp_path.iterdir())
