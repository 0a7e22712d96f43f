"""Non-compartmental analysis of a concentration-time profile.

Definitions of Gabrielsson and Weiner 2012 (Methods Mol Biol 929:377), as the R packages NonCompart 0.8 and PKNCA 0.12
document and compute them; where they leave a choice, the default of Phoenix WinNonlin:

- **Area**, ``linear-up log-down``: over an interval with C2 < C1 and both above zero, the logarithmic rule
  ``(C1 - C2) dt / ln(C1/C2)``; over any other (rising, level, or touching zero), the trapezoid ``(C1 + C2) dt / 2``.
  ``linear`` is the trapezoid everywhere. The first moment follows the same choice: the exact moment of the exponential,
  or the trapezoid of ``t C``. Between samples the concentration is that exponential, or that line.
- **Time 0** without a sample. Oral and infusion: zero. Bolus: C0, the log-linear back-extrapolation of the first two
  samples, or the first sample where these do not fall; a zero sample at a bolus was drawn before it, and gives way to C0.
- **Below quantification**: below ``lloq`` is zero before the first quantifiable sample, and missing after it, in the
  middle and at the end. Zeros after the last positive concentration are missing too, and so is NaN anywhere.
- **Terminal phase**: regressions of ln C on t over the last 3, 4, ... positive samples. Of those that fall, the best
  adjusted r2; of those within 1e-4 of it, the one with most samples. Only samples after Tmax take part (for a bolus Tmax
  too), and none during an infusion. A ``window`` is one regression, over the samples in it: three or more.

Units are the caller's: any time, any concentration, the dose in concentration times volume.
"""

from itertools import pairwise

import numpy as np

METHODS = LOG_DOWN, LINEAR = ("linear-up log-down", "linear")
ROUTES = ("iv", "oral")
OBSERVED = "Cmax Tmax Cmin Cavg Ctau C0 Clast Tlast".split()
QUANTITIES = OBSERVED + "AUClast AUCtau AUCinf AUCextrap AUMCinf lambda_z half_life r2adj n_points CL CLtau Vz MRT Vss".split()
NAN = float("nan")
_CLOSE = 1e-4  # adjusted r2 that differ by less are one: PKNCA's adj.r.squared.factor, NonCompart's TOL


def profile(time, conc, dose=None, tau=None, route="iv", duration=0.0, lloq=None, window=None, method=LOG_DOWN):
    """The quantities of one profile, name -> float.

    ``time`` (n,) is from the dose and increases; ``conc`` (n,) may hold NaN. ``tau`` is the dosing interval, ``duration``
    that of an infusion (an iv dose without one is a bolus), ``window`` the (from, to) of the terminal phase.

    - ``Cmax, Tmax, Cmin``: of the samples, up to ``tau`` where it is given. Cmin is the smallest from Tmax on; the
      smallest of all where the profile starts with drug on board.
    - ``Clast, Tlast, AUClast``: the last positive sample, and the area up to it. ``C0``: at time 0 of a bolus.
    - ``AUCtau, Ctau, Cavg``: area over [0, tau]; concentration at tau, which after Tlast falls by lambda_z; AUCtau / tau.
    - ``lambda_z, half_life, r2adj, n_points``: the terminal regression; n_points is 0 where there is none.
    - ``AUCinf, AUMCinf, AUCextrap``: AUClast + Clast / lambda_z; its first moment; its fraction after Tlast.
    - ``CL, Vz, CLtau``: dose / AUCinf, CL / lambda_z (both over F if oral), and dose / AUCtau, the CL of a steady state.
    - ``MRT, Vss``: AUMCinf / AUCinf - duration / 2 (if oral, with the time of absorption), CL MRT (iv only).

    AUCinf and what rests on it presume that no earlier dose is on board. What cannot be computed is NaN, never an error:
    too few terminal samples, no ``dose``, no ``tau``, nothing above zero.

    Raises:
        ValueError: lengths differ; times are negative, not finite or not increasing; a concentration is negative or
            infinite; another argument is not what it may be.
    """
    time, conc = _checked(time, conc)
    _check_options(dose, tau, route, duration, lloq, window, method)
    out = dict.fromkeys(QUANTITIES, NAN) | {"n_points": 0}
    t, c = _quantifiable(time, conc, lloq)
    if not t.size:
        return out
    bolus = route == "iv" and duration == 0
    out |= _observed(t, c, tau) | _terminal(t, c, duration, bolus, window)
    t, c = _from_zero(t, c, bolus)
    rate = out["lambda_z"]
    out |= {"C0": c[0] if bolus else NAN} | _to_infinity(t, c, rate, method) | _to_tau(t, c, tau, rate, method)
    out |= _disposition(out, NAN if dose is None else dose, route, duration)
    return {name: value if name == "n_points" else float(value) for name, value in out.items()}


def intervals(time, conc, dose_times, dose, tau, **options):
    """The `profile` of every dose, its times from that dose: a list as long as ``dose_times``.

    ``time`` (n,), ``conc`` (n,) and ``dose_times`` (k,) are on one clock; ``dose`` is one amount (or None) or (k,);
    ``options`` are those of `profile`. A profile runs to the next dose, the last one to the end; what an earlier dose
    left is in it, so that its AUCinf, CL, Vz, MRT and Vss are no longer those of its own dose.

    A sample at the time of a dose was drawn before it: it ends one profile and, unless of a bolus, starts the next. Of two
    there the second was drawn after it. At the first dose nothing is on board: a positive sample of a bolus is C0. A later
    infusion or oral dose without a sample starts from its smallest up to ``tau``, WinNonlin's rule at steady state.

    Raises:
        ValueError: as `profile`; dose times do not increase; not one dose each.
    """
    time, conc = _checked(time, conc, whole=True)
    starts = np.asarray(dose_times, float)
    _require(starts.ndim == 1 and (np.diff(starts) > 0).all(), f"dose_times must increase, got {dose_times}")
    _require(np.ndim(dose) == 0 or len(dose) == starts.size, f"dose must be one, or one for each of {starts.size} doses")
    _require(0 < (tau or 0) < np.inf, f"tau must be above 0, got {tau}")
    bolus = options.get("route", "iv") == "iv" and not options.get("duration", 0)
    courses = [_course(time, conc, a, b, tau) for a, b in pairwise([*starts, np.inf])]
    courses = [_on_board(*course, tau, bolus) if i else course[:2] for i, course in enumerate(courses)]
    return [profile(*c, d, tau, **options) for c, d in zip(courses, np.broadcast_to(dose, starts.shape), strict=True)]


def accumulation(first, last):
    """The ratios last / first of AUCtau, Cmax and Cmin of two profiles; NaN where the first has none, or zero."""
    return {name: last[name] / first[name] if first[name] > 0 else NAN for name in ("AUCtau", "Cmax", "Cmin")}


def _require(ok, message):
    if not ok:
        raise ValueError(message)


def _checked(time, conc, whole=False):
    """Arrays of floats. A whole course may start before its first dose, and have two samples at one time."""
    time, conc = np.asarray(time, float), np.asarray(conc, float)
    shapes = f"{time.shape} and {conc.shape}"
    _require(time.ndim == 1 and time.shape == conc.shape, f"time and conc must be of one length, got shapes {shapes}")
    _require(np.isfinite(time).all(), "time must be finite")
    _require(whole or (time >= 0).all(), f"time must not be negative (it is from the dose), got {time.min(initial=0):g}")
    back = np.flatnonzero(np.diff(time) < 0 if whole else np.diff(time) <= 0)
    _require(not back.size, f"time must increase, got {[(time[i], time[i + 1]) for i in map(int, back[:1])]}")
    _require(not (conc < 0).any() and not np.isinf(conc).any(), "conc must be finite and not negative; NaN is missing")
    return time, conc


def _check_options(dose, tau, route, duration, lloq, window, method):
    _require(dose is None or 0 < dose < np.inf, f"dose must be above 0, got {dose}")
    _require(tau is None or 0 < tau < np.inf, f"tau must be above 0, got {tau}")
    _require(route in ROUTES, f"route must be one of {', '.join(ROUTES)}, got {route!r}")
    _require(0 <= duration < np.inf and (route == "iv" or duration == 0), f"duration: 0, or above if iv, got {duration}")
    _require(lloq is None or 0 <= lloq < np.inf, f"lloq must be 0 or above, got {lloq}")
    _require(window is None or (len(window) == 2 and window[0] < window[1]), f"window must be (from, to), got {window}")
    _require(method in METHODS, f"method must be one of {', '.join(METHODS)}, got {method!r}")


def _quantifiable(time, conc, lloq):
    """The samples that count: none where none is positive, else up to the last positive one."""
    below, index = conc < (lloq or 0.0), np.arange(conc.size)
    positive = np.flatnonzero((conc > 0) & ~below)
    first, last = positive[[0, -1]] if positive.size else (conc.size, -1)
    keep = ~np.isnan(conc) & (index <= last) & ~(below & (index > first))
    return time[keep], np.where(below, 0.0, conc)[keep]


def _from_zero(t, c, bolus):
    """The profile with a concentration at time 0."""
    if bolus and t[0] == 0 and c[0] == 0:
        t, c = t[1:], c[1:]
    start = [] if t[0] == 0 else [_back_extrapolated(t, c) if bolus else 0.0]
    return np.r_[[0.0] * len(start), t], np.r_[start, c]


def _back_extrapolated(t, c):
    falls = t.size > 1 and 0 < c[1] < c[0]
    return c[0] * (c[0] / c[1]) ** (t[0] / (t[1] - t[0])) if falls else c[0]


def _course(time, conc, start, end, tau):
    """Times and concentrations from one dose to the next, on the clock of the first, and how many samples are at it."""
    t = np.append(time, end) - start
    for mark in (0.0, t[-1], tau):
        t[np.isclose(t, mark, rtol=0, atol=1e-9 * tau)] = mark  # 21.000000000000004 days are three weeks
    t, span = t[:-1], t[-1]
    at_dose = np.flatnonzero(t == 0)
    keep = np.r_[at_dose[-1:], np.flatnonzero((t > 0) & (t < span)), np.flatnonzero(t == span)[:1]]
    return t[keep], conc[keep], at_dose.size


def _on_board(t, c, at_dose, tau, bolus):
    """The course of a later dose, which starts from what the dose before it left."""
    if bolus:
        return (t[1:], c[1:]) if at_dose == 1 else (t, c)
    t, c = t[~np.isnan(c)], c[~np.isnan(c)]
    start = [] if not t.size or t[0] == 0 else [c[t <= tau].min(initial=c[0])]
    return np.r_[[0.0] * len(start), t], np.r_[start, c]


def _observed(t, c, tau):
    last = {"Clast": c[-1], "Tlast": t[-1]}
    t, c = (t, c) if tau is None else (t[t <= tau], c[t <= tau])
    if not t.size:
        return last
    peak = c.argmax()
    on_board = t[0] == 0 and c[0] > 0
    return last | {"Cmax": c[peak], "Tmax": t[peak], "Cmin": c.min() if on_board else c[peak:].min()}


def _terminal(t, c, duration, bolus, window):
    """The terminal regression, nothing where there is none."""
    peak = t[c.argmax()]
    use = (t >= duration) & (t >= peak if bolus else t > peak) if window is None else (t >= window[0]) & (t <= window[1])
    t, y = t[use & (c > 0)], np.log(c[use & (c > 0)])
    longest_first = range(t.size - 2) if window is None else range(min(t.size - 2, 1))
    falling = [fit for fit in (_regression(t[i:], y[i:]) for i in longest_first) if fit[0] > 0]
    if not falling:
        return {}
    best = max(r2adj for _, r2adj, _ in falling)
    rate, r2adj, n = next(fit for fit in falling if fit[1] > best - _CLOSE)
    return {"lambda_z": rate, "half_life": np.log(2) / rate, "r2adj": r2adj, "n_points": n}


def _regression(t, y):
    """Rate of fall, adjusted r2, number of samples."""
    n, t, y = t.size, t - t.mean(), y - y.mean()
    tt, ty, yy = t @ t, t @ y, y @ y
    return -ty / tt, 1 - (1 - (ty**2 / (tt * yy) if yy else 0.0)) * (n - 1) / (n - 2), n


def _logarithmic(c1, c2, method):
    return (method == LOG_DOWN) & (c2 < c1) & (c2 > 0)


def _areas(t, c, method):
    """Area and first moment under a profile."""
    t1, dt, c1, c2 = t[:-1], np.diff(t), c[:-1], c[1:]
    area, moment = dt * (c1 + c2) / 2, dt * (t1 * c1 + t[1:] * c2) / 2
    down = _logarithmic(c1, c2, method)
    t1, dt, c1, c2 = t1[down], dt[down], c1[down], c2[down]
    x = np.log1p((c1 - c2) / c2)  # exact for close concentrations too
    area[down] = dt * (c1 - c2) / x
    # (c1 - c2 - c2 x) / x^2 cancels for close concentrations; there its series
    curve = np.where(x < 1e-3, c2 * (1 / 2 + x / 6 + x**2 / 24), (c1 - c2 - c2 * x) / x**2)
    moment[down] = t1 * area[down] + dt**2 * curve
    return area.sum(), moment.sum()


def _between(t, c, at, method):
    """The concentration at a time within the profile, (t[0], t[-1]]."""
    i = np.searchsorted(t, at)
    c1, c2, part = c[i - 1], c[i], (at - t[i - 1]) / (t[i] - t[i - 1])
    return c1 * (c2 / c1) ** part if _logarithmic(c1, c2, method) else c1 + (c2 - c1) * part


def _to_tau(t, c, tau, rate, method):
    if tau is None:
        return {}
    if tau <= t[-1]:
        at_tau = _between(t, c, tau, method)
        area, _ = _areas(np.append(t[t < tau], tau), np.append(c[t < tau], at_tau), method)
    else:
        at_tau = c[-1] * np.exp(-rate * (tau - t[-1]))
        area = _areas(t, c, method)[0] + (c[-1] - at_tau) / rate
    return {"AUCtau": area, "Ctau": at_tau, "Cavg": area / tau}


def _to_infinity(t, c, rate, method):
    area, moment = _areas(t, c, method)
    tail = c[-1] / rate
    total = area + tail
    return {"AUClast": area, "AUCinf": total, "AUCextrap": tail / total, "AUMCinf": moment + tail * (t[-1] + 1 / rate)}


def _disposition(out, dose, route, duration):
    clearance, mean = dose / out["AUCinf"], out["AUMCinf"] / out["AUCinf"] - duration / 2
    steady = {"CLtau": dose / out["AUCtau"]} if out["AUCtau"] > 0 else {}
    spread = {"Vss": clearance * mean} if route == "iv" else {}
    return {"CL": clearance, "Vz": clearance / out["lambda_z"], "MRT": mean} | steady | spread
