"""A second implementation, naive on purpose: one patient at a time in plain Python and NumPy, solved by scipy.

Written from the equations (Lu 2014, Friberg 2002, science.md sections 1 and 2, the docstrings), not from vtrial's code,
which it does not import. Times are days, amounts mg, volumes L, counts multiples of the patient's baseline or 1e9/L.
"""

import math

import numpy as np
from scipy.integrate import solve_ivp
from scipy.stats import norm

# --- parameters of a patient -----------------------------------------------------------------------------------------


def spread(row):
    """Standard deviation of an eta from its printed form; `shrinkage` s leaves 1 - s of it."""
    printed = row["value"]
    sd = {"cv%": math.sqrt(math.log(1 + (printed / 100) ** 2)), "sd": printed, "variance": math.sqrt(printed)}
    return sd[row["form"]] * (1 - row.get("shrinkage", 0))


def lu2014(cov, z):
    """T-DM1 PK of a patient as Lu 2014 prints it. ``cov``: WT kg, ECD ng/mL, ALB g/L, SLD cm, AST U/L, TBL ug/mL.

    ``z``: standard normals of CL, V1, Q, V2. Q and V2 vary as their own estimates do (shrinkage 49.7, 36.1 %).
    """
    sd_cl, sd_v1 = math.sqrt(math.log(1 + 0.1911**2)), math.sqrt(math.log(1 + 0.1166**2))
    sd_q, sd_v2 = math.sqrt(math.log(1 + 1.808**2)) * 0.503, math.sqrt(math.log(1 + 0.7450**2)) * 0.639
    slope = 0.011 / sd_cl
    eta_cl = sd_cl * z["CL"]
    eta_v1 = slope * z["CL"] + math.sqrt(sd_v1**2 - slope**2) * z["V1"]
    cl = 0.676 * (cov["WT"] / 70) ** 0.49 * (cov["ECD"] / 25) ** 0.035 * (cov["ALB"] / 41) ** -0.423
    cl = cl * (cov["SLD"] / 9) ** 0.052 * (cov["AST"] / 27) ** 0.071 * math.exp(-0.002 * cov["TBL"])
    return {
        "CL": cl * math.exp(eta_cl),
        "V1": 3.127 * (cov["WT"] / 70) ** 0.596 * math.exp(eta_v1),
        "Q": 1.534 * math.exp(sd_q * z["Q"]),
        "V2": 0.660 * math.exp(sd_v2 * z["V2"]),
    }


def platelet_parameters(card, z, cov):
    """Platelet parameters of a patient from the numbers of a card (its TOML), time in days; uncorrelated etas. One covariate:
    whether the patient is Asian multiplies SLOPE."""
    typical = {name: row["value"] for name, row in card["theta"].items()}
    assert (card["theta"]["MTT"]["unit"], card["theta"]["KS"]["unit"]) == ("h", "1/day")
    typical["MTT"] = typical["MTT"] / 24
    (asian,) = card["covariate"]
    assert (asian["on"], asian["of"], asian["form"]) == ("SLOPE", "ASIAN", "categorical")
    typical["SLOPE"] *= asian["coefficient"]["value"] ** cov["ASIAN"]
    return {k: v * math.exp(spread(card["omega"][k]) * z[k]) if k in card["omega"] else v for k, v in typical.items()}


def covariates(population, z):
    """Covariates of a patient from independent standard normals, in the units that a population's TOML prints."""
    assert not population.get("correlation")
    out = {}
    for name, row in population["covariate"].items():
        if row["distribution"] == "normal":
            out[name] = row["mean"] + row["sd"] * z[name]
        elif row["distribution"] == "bernoulli":
            out[name] = 1.0 if norm.cdf(z[name]) < row["probability"] else 0.0
        elif row["distribution"] == "exponential":
            mean = row["mean"] if "mean" in row else row["p95"] / math.log(20)
            out[name] = -mean * norm.logsf(z[name])
        elif "median" in row:
            out[name] = row["median"] * math.exp(row["log_sd"] * z[name])
        else:  # the 5th and 95th percentile are 1.645 standard deviations of the logarithm from the middle
            middle = math.sqrt(row["p05"] * row["p95"])
            out[name] = middle * (row["p95"] / middle) ** (z[name] / norm.ppf(0.95))
    return out


# --- the course ------------------------------------------------------------------------------------------------------


def counts(pk, fx, doses, infusion, times, rtol=1e-10):
    """Circulating count as a multiple of baseline at ascending ``times``, (time,) or (time, patient).

    ``pk`` and ``fx`` hold numbers, or arrays over patients, who are then solved as one system; ``doses`` is a list of
    (day, mg). The solver is restarted where an infusion starts or ends.
    """
    n = len(np.atleast_1d(fx["MTT"]))
    state = np.zeros((8, n))
    state[2:] = 1.0
    cuts = {0.0, times[-1], *(d for d, _ in doses), *(d + infusion for d, _ in doses)}
    cuts = sorted(c for c in cuts if c <= times[-1])
    out = {0.0: state[6]}
    for a, b in zip(cuts[:-1], cuts[1:], strict=True):
        rate = sum((mg / infusion for day, mg in doses if day <= a < day + infusion), np.zeros(n))
        wanted = [t for t in times if a < t <= b]
        solved = solve_ivp(
            rates, (a, b), state.ravel(), "DOP853", sorted({*wanted, b}), args=(pk, fx, rate), rtol=rtol, atol=1e-12
        )
        assert solved.success, solved.message
        at = dict(zip(solved.t, solved.y.T.reshape(-1, 8, n), strict=True))
        out |= {t: at[t][6] for t in wanted}
        state = at[b]
    found = np.stack([out[t] for t in times])
    return found if np.ndim(fx["MTT"]) else found[:, 0]


def rates(_, y, pk, fx, rate):
    """The equations as written: amounts A1 and A2, proliferating P, transits and circulating X1..X4, stem S."""
    a1, a2, p, x1, x2, x3, x4, s = y.reshape(8, -1)
    c = a1 / pk["V1"]
    ktr = 4 / fx["MTT"]
    feedback = (s / x4) ** fx["GAM"]
    return np.concatenate(
        [
            rate - pk["CL"] * c - pk["Q"] * c + pk["Q"] * a2 / pk["V2"],
            pk["Q"] * c - pk["Q"] * a2 / pk["V2"],
            ktr * p * ((1 - fx["SLOPE"] * c) * feedback - 1),
            ktr * (p - x1),
            ktr * (x1 - x2),
            ktr * (x2 - x3),
            ktr * (x3 - x4),
            fx["KS"] * (1 - s) - fx["KD"] * c * s,
        ]
    )


# --- what is read off a patient's counts -----------------------------------------------------------------------------


def cycles_started(u, median, every, longest):
    """Cycles of a patient who stops at the quantile ``u`` of an exponential time of that median (days)."""
    stops = -median * math.log2(1 - u)
    started = 1
    while started < longest and every * started <= stops:
        started += 1
    return started


def worst_grade(measured, visits, given, limits):
    """Worst grade of a patient: ``measured[cycle][visit]`` in 1e9/L, ``visits[cycle][visit]`` whether it was made."""
    worst = 0
    for cycle in range(given):
        for visit, count in enumerate(measured[cycle]):
            if visits[cycle][visit]:
                grade = 0
                for g, limit in enumerate(limits, 1):
                    if count < limit:
                        grade = g
                worst = max(worst, grade)
    return worst


def nadir_fraction(measured, baseline, cycle):
    """Lowest count measured after the dose of a cycle (1 is the first), over the measured baseline."""
    lowest = math.inf
    for count in measured[cycle - 1]:
        lowest = min(lowest, count)
    return lowest / baseline


def day_fraction(measured, days, baseline, day):
    """Count of a day of the first cycle over the measured baseline."""
    return measured[0][list(days).index(day)] / baseline


def before_dose(measured, cycle):
    """The count before the dose of a cycle: the last one of the cycle before."""
    return measured[cycle - 2][-1]


def predose_ratio(measured, cycle, over):
    """Pre-dose count of one cycle over that of another."""
    return before_dose(measured, cycle) / before_dose(measured, over)


def drifts(measured, baseline, threshold, first, last):
    """Whether the geometric mean of the pre-dose counts of some cycles is below a share of the measured baseline."""
    product = 1.0
    for cycle in range(first, last + 1):
        product *= before_dose(measured, cycle)
    return product ** (1 / (last - first + 1)) < threshold * baseline
