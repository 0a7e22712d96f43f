"""Is a posterior to be trusted: acceptance criteria and figures, from ArviZ."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..output import write_whole
from ..progress import bar
from .results import summary

# Of more parameters than this the figures show the worst, of more rows those furthest off.
FEW, SHOWN, ROWS = 24, 12, 40
LIMITS = {"max_rhat": 1.01, "min_ess_bulk": 400, "min_ess_tail": 400, "divergences": 0, "ebfmi": 0.3}


@dataclass(frozen=True)
class Criteria:
    """Worst values over parameters and chains, and which of them miss their limit."""

    values: dict
    failed: list

    def __str__(self):
        words = ", ".join(f"{k} {v:.4g}" for k, v in self.values.items())
        return f"{words}: {'all criteria met' if not self.failed else 'NOT met: ' + ', '.join(self.failed)}"


def criteria(data):
    """R-hat < 1.01 (rank-normalised), bulk and tail ESS > 400, no divergence, E-BFMI > 0.3."""
    import arviz as az

    table = summary(data)
    bfmi = np.asarray(az.bfmi(data)["energy"] if hasattr(az.bfmi(data), "data_vars") else az.bfmi(data))
    values = {
        "max_rhat": float(table["r_hat"].max()),
        "min_ess_bulk": float(table["ess_bulk"].min()),
        "min_ess_tail": float(table["ess_tail"].min()),
        "divergences": int(np.asarray(data["sample_stats"]["diverging"]).sum()),
        "ebfmi": float(np.min(bfmi)),
    }
    fine = {
        "max_rhat": values["max_rhat"] < LIMITS["max_rhat"],
        "min_ess_bulk": values["min_ess_bulk"] > LIMITS["min_ess_bulk"],
        "min_ess_tail": values["min_ess_tail"] > LIMITS["min_ess_tail"],
        "divergences": values["divergences"] == 0,
        "ebfmi": values["ebfmi"] > LIMITS["ebfmi"],
    }
    return Criteria(values, [k for k, ok in fine.items() if not ok])


def table(data):
    """Posterior against prior, a row a parameter: mean, sd, interval, ESS, R-hat, and the contraction of the log."""
    rows = summary(data)
    rows["contraction"] = [contraction(data, name) for name in rows.index]
    return rows.to_string(float_format=lambda v: f"{v:.4g}")


def contraction(data, name):
    """1 - posterior variance / prior variance of the logarithm (of what may be negative: of itself): 0 learned nothing, 1
    learned all."""
    both = [np.asarray(data[g][name]) for g in ("prior", "posterior")]
    prior, posterior = (np.log(x).var() if min(b.min() for b in both) > 0 else x.var() for x in both)
    return 1 - posterior / prior


def worst(data):
    """Names of the parameters that figures show: all of a few, of many those that mix worst."""
    names = list(data["posterior"].data_vars)
    return names if len(names) <= FEW else list(summary(data)["ess_bulk"].sort_values().index[:SHOWN])


def figures(data, out):
    """Rank, trace, prior-posterior, pair and predictive figures into a folder; returns their names."""
    drawings = {
        "ranks.png": _ranks,
        "traces.png": _traces,
        "prior-posterior.png": _prior_posterior,
        "pairs.png": _pairs,
        "posterior-predictive.png": _predictive,
    }
    with bar("figures", len(drawings)) as tick:
        for name, draw in drawings.items():
            write_whole(Path(out) / name, lambda path, draw=draw: _save(draw(data), path))
            tick(1, name)
    return list(drawings)


def _save(figure, path):
    import matplotlib.pyplot as plt

    figure.savefig(path, dpi=110, bbox_inches="tight", format="png")
    plt.close(figure)


def _figure(plots):
    """The matplotlib figure of an ArviZ plot collection."""
    figure = plots.viz["figure"].item()
    figure.set_layout_engine("constrained")  # titles clear of the tick labels above them
    figure.set_size_inches(figure.get_size_inches() * (1.0, 1.3))
    return figure


def _ranks(data):
    import arviz as az

    return _figure(az.plot_rank(data, var_names=worst(data), backend="matplotlib"))


def _traces(data):
    import arviz as az

    return _figure(az.plot_trace(data, var_names=worst(data), backend="matplotlib"))


def _prior_posterior(data):
    import arviz as az

    return _figure(az.plot_prior_posterior(data, var_names=worst(data), backend="matplotlib"))


def _pairs(data):
    """The four parameters that correlate worst."""
    import arviz as az

    names = list(data["posterior"].data_vars)
    flat = [np.asarray(data["posterior"][n]).reshape(-1) for n in names]
    logs = np.array([np.log(x) if x.min() > 0 else x for x in flat])
    most = np.abs(np.corrcoef(logs) - np.eye(len(names))).max(0)
    chosen = [names[i] for i in np.argsort(-most)[:4]]
    return _figure(az.plot_pair(data, var_names=chosen, backend="matplotlib"))


def _predictive(data):
    """Expected statistic of each fit row over the posterior, and what was published (counts as shares); of many rows those
    furthest off."""
    import matplotlib.pyplot as plt

    expected = np.asarray(data["posterior_predictive"]["expected"])
    expected = expected.reshape(-1, expected.shape[-1])
    published = np.asarray(data["observed_data"]["published"])
    off = np.abs(published - expected.mean(0)) / np.maximum(expected.std(0), 1e-12)
    shown = np.sort(np.argsort(-off, kind="stable")[:ROWS])
    names = [str(data["posterior_predictive"]["row"].values[i]) for i in shown]
    expected, published = expected[:, shown], published[shown]
    figure, axes = plt.subplots(len(names), 1, figsize=(7, 0.8 * len(names)), constrained_layout=True)
    for axis, draws, value, name in zip(axes, expected.T, published, names, strict=True):
        axis.hist(draws, bins=60, color="0.6")
        axis.axvline(value, color="C3")
        axis.set_yticks([])
        axis.set_title(name, fontsize=8, loc="left")
        axis.tick_params(labelsize=7)
    return figure
