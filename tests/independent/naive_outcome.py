"""A second implementation of one patient of a trial with tumours: exposure, tumour, hazards, scans, deaths, data cut.

Written from the words and equations of vtrial's docstrings, not from its code, which it does not import: kinetics by the
matrix exponential, kill and hazards by quadrature, event days by root finding, RECIST by `naive_recist`. Conventions that
are copied, as nothing but vtrial's word fixes them: exposure between planned scans is its average; the logarithm of a sum,
and cumulative hazards, are straight between planned scans (and go on after the last as before it); a scan shows the tumour
of its planned day; an oral drug's depot is lumped with its compartment where `lumped` says so; slips end at 2.5 deviations.
"""

import importlib.util
import math
from pathlib import Path

import numpy as np
from scipy.integrate import quad
from scipy.linalg import expm
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr

_SPEC = importlib.util.spec_from_file_location("naive_recist", Path(__file__).with_name("naive_recist.py"))
RECIST = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(RECIST)

NEVER = 1e9  # days


# --- who the patient is ----------------------------------------------------------------------------------------------


def covariates(population, scores):
    """Name -> value; ``population``: names, correlation, and by name (distribution, its two numbers)."""
    names = population["names"]
    mixed = np.linalg.cholesky(population["correlation"]) @ [scores[n] for n in names]
    return {n: quantile(*population["marginals"][n], z) for n, z in zip(names, mixed, strict=True)}


def quantile(kind, a, b, z):
    if kind == "exponential":
        return -a * log_ndtr(-z)
    if kind == "bernoulli":
        return float(ndtr(z) < a)
    return math.exp(a + b * z) if kind == "lognormal" else a + b * z


def individual(card, scores, covs):
    """Parameters of a patient; ``card``: theta, effects (on, of, form, reference, coefficient), etas, omega, upper."""
    p = dict(card["theta"])
    for on, of, form, reference, c in card["effects"]:
        x = covs.get(of, reference)
        p[on] *= (x / reference) ** c if form == "power" else c**x if form == "categorical" else math.exp(c * (x - reference))
    if not card["etas"]:
        return p
    etas = np.linalg.cholesky(card["omega"]) @ [scores[f"eta.{n}"] for n in card["etas"]]
    for name, eta in zip(card["etas"], etas, strict=True):
        if name in card["upper"]:
            odds = p[name] / (card["upper"][name] - p[name]) * math.exp(eta)
            p[name] = card["upper"][name] * odds / (1 + odds)
        else:
            p[name] *= math.exp(eta)
    return p


# --- exposure --------------------------------------------------------------------------------------------------------


def rates(structure, p):
    """Matrix of amounts, the last row being the area of the concentration; a bolus goes to the first compartment."""
    if structure == "two_cmt_iv":
        k10, k12, k21 = p["CL"] / p["V1"], p["Q"] / p["V1"], p["Q"] / p["V2"]
        return np.array([[-k10 - k12, k21, 0], [k12, -k21, 0], [1 / p["V1"], 0, 0]])
    if structure == "one_cmt_oral":
        return np.array([[-p["KA"], 0, 0], [p["KA"], -p["CL"] / p["V1"], 0], [0, 1 / p["V1"], 0]])
    residence = 1 / p["KA"] + p["V1"] / p["CL"]  # lumped
    return np.array([[-1 / residence, 0], [1 / (p["CL"] * residence), 0]])


def averages(structure, p, mg, every, edges):
    """Average concentration between edges under a bolus of ``mg`` every so many days from day 0, without end."""
    a, doses = rates(structure, p), np.arange(0, edges[-1] + every, every)
    state, areas, steps, now = np.zeros(len(a)), [], {}, 0.0
    for t in sorted({*map(float, doses), *map(float, edges)}):
        gap = round(t - now, 9)
        if gap not in steps:
            steps[gap] = expm(a * gap)
        state, now = steps[gap] @ state, t
        if t in edges:
            areas.append(state[-1])
        if t in doses:
            state[0] += mg
    return np.diff(areas) / np.diff(edges)


# --- tumour ----------------------------------------------------------------------------------------------------------


LARGEST = 40.0  # of a logarithm over baseline: no tumour is taken to grow further, which nobody lives to see


def log_sizes(p, kill, exposure, edges):
    """Logarithm of the sum over its baseline at edges: a sensitive clone that is killed, and a resistant one that is not."""
    killed, out = 0.0, [0.0]
    for e, start, end in zip(exposure, edges[:-1], edges[1:], strict=True):
        left, _ = quad(lambda t: math.exp(-kill["LAMBDA"] * t), start, end, epsabs=0, epsrel=1e-12)
        killed += kill["KD"] * e * left
        sensitive = math.log1p(-kill["FRES"]) + p["KG"] * end - killed
        out.append(np.logaddexp(sensitive, math.log(kill["FRES"]) + p["KG"] * end))
    return np.array(out)


def cumulative(rate, power, y, edges):
    """Cumulative hazard at edges of a hazard ``rate exp(power y)``, y straight between them."""
    total = [0.0]
    for i in range(len(edges) - 1):
        slope = (y[i + 1] - y[i]) / (edges[i + 1] - edges[i])
        hazard = lambda t, i=i, slope=slope: rate * math.exp(power * (y[i] + slope * (t - edges[i])))  # noqa: E731
        total.append(total[-1] + quad(hazard, edges[i], edges[i + 1], epsabs=0, epsrel=1e-12)[0])
    return np.array(total)


def passes(hazard, edges, threshold):
    """Day on which a cumulative hazard at edges, straight between them and beyond, reaches a threshold."""

    def at(t):
        if t <= edges[-1]:
            return np.interp(t, edges, hazard)
        return hazard[-1] + (t - edges[-1]) * (hazard[-1] - hazard[-2]) / (edges[-1] - edges[-2])

    end = edges[-1]
    while at(end) < threshold:
        end *= 2
    return brentq(lambda t: at(t) - threshold, 0, end, xtol=1e-10, rtol=1e-14)


# --- conduct ---------------------------------------------------------------------------------------------------------


def waits(score):
    """An exponential of mean one."""
    return -log_ndtr(score)


def joins(duration, ramp, share):
    """Day by which a share of the patients has joined, at a rate that rises in a straight line until it is full."""
    rate = lambda t: min(t / ramp, 1.0) if ramp else 1.0  # noqa: E731
    so_far = lambda t: quad(rate, 0, t, points=[min(ramp, t)], epsrel=1e-12)[0]  # noqa: E731
    whole = so_far(duration)
    return brentq(lambda t: so_far(t) - share * whole, 0, duration, xtol=1e-10)


def follow(arm, scores):
    """A patient's whole course: joined, gone, progressed, death (days; None: never), and what `seen` needs."""
    covs = covariates(arm["population"], scores)
    pk, kill, p = (individual(arm[name], scores, covs) for name in ("pk", "kill", "tumour"))
    edges, frail = arm["edges"], p["FRAILTY"]
    mg = arm["amount"] * (covs["WT"] if arm["per_kg"] else 1.0)
    y = log_sizes(p, kill, averages(arm["structure"], pk, mg, arm["every"], edges) / kill["CREF"], edges)
    lesions = cumulative(p["HNL"] * frail, p["BNL"], y, edges)
    death = passes(cumulative(p["H0"] * frail, p["BOS"], y, edges), edges, waits(scores["death"]))
    me = {
        "days": [float(d) + arm["scatter"] * min(max(scores[f"slip.{k}"], -2.5), 2.5) for k, d in enumerate(edges[1:], 1)],
        "size": covs["SLD"] * np.exp(np.minimum(y, LARGEST)),
        "new": [bool(h >= waits(scores["lesion"])) for h in lesions[1:]],
        "made": [bool(ndtr(scores[f"made.{k}"]) >= arm["missed"]) for k in range(1, len(edges))],
        "joined": joins(*arm["enrolment"], ndtr(scores["joins"])),
        "gone": waits(scores["gone"]) / arm["dropout"] if arm["dropout"] else NEVER,
        "leaves": leaves(arm, ndtr(scores["leaves"])),
        "death": death,
        "progressed": None,
    }
    found = read(arm, me, scores, treating(arm), NEVER)
    if "PD" in found["overall"]:
        scan = found["overall"].index("PD")
        me["progressed"] = me["days"][scan]
        me["death"] = me["progressed"] + survives(arm, p, kill["POST"], y[scan + 1], me, scores)
    return me


def leaves(arm, share):
    """Day of leaving scans: the largest shares have none, the others leave at a hazard, the smallest last."""
    if share >= 1 - arm["unscanned"]:
        return 0.0
    return -math.log(share / (1 - arm["unscanned"])) / arm["leaving"] if arm["leaving"] else NEVER


def treating(arm):
    """Who ends treatment, and with it all scans: the investigator, or the trial's own assessor where there is none."""
    return "investigator" if "investigator" in arm["errors"] else arm["assessor"]


def survives(arm, p, post, y, me, scores):
    """Days from progression to death; those who cross over have another hazard from then on."""
    hazard, due, ratio, wait = p["HPP"] * post * p["FRAILTY"] * math.exp(p["BPP"] * y), waits(scores["after"]), 1.0, 0.0
    if arm["crossover"] and ndtr(scores["crosses"]) < arm["crossover"]["share"]:
        ratio, wait = p["CROSS"], max(arm["crossover"]["opens"] - me["joined"] - me["progressed"], 0.0)
    spent = lambda t: hazard * (min(t, wait) + ratio * max(t - wait, 0.0))  # noqa: E731
    return brentq(lambda t: spent(t) - due, 0, 2 * wait + 2 * due / (hazard * min(ratio, 1.0)), xtol=1e-10, rtol=1e-14)


def read(arm, me, scores, assessor, until):
    """RECIST by an assessor, from scans until a day and before death; of the variance of errors a part is the images'."""
    error, shared = arm["errors"][assessor], arm["agreement"]
    off = [math.sqrt(1 - shared) * scores[f"{assessor}.{k}"] for k in range(len(me["size"]))]
    off = [x + math.sqrt(shared) * scores.get(f"image.{k}", 0.0) for k, x in enumerate(off)]
    mm = [float(x * math.exp(error * e)) for x, e in zip(me["size"], off, strict=True)]
    scans = list(zip(me["days"], mm[1:], me["new"], me["made"], strict=True))
    made = [s for s in scans if s[0] <= until and s[0] < me["death"]]
    return RECIST.assess(arm["rules"], {"baseline": mm[0], "scans": made, "death": float(me["death"]), "until": float(until)})


def seen(arm, me, scores, assessor, cut):
    """What is known at a data cut (day of the trial), None of a patient who has not joined.

    Nothing but survival is followed beyond the progression that ends treatment, or beyond leaving; where scans go on beyond it,
    whoever does not treat reads them all.
    """
    if me["joined"] >= cut:
        return None
    until = float(min(cut - me["joined"], me["gone"]))
    all_ = me["progressed"] is None or (arm["beyond"] and assessor != treating(arm))
    scanned = min(until, me["leaves"], NEVER if all_ else me["progressed"])
    dead = me["death"] <= until
    return read(arm, me, scores, assessor, scanned) | {"os": (float(me["death"]) if dead else until, bool(dead))}
