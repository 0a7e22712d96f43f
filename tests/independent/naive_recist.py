"""RECIST for one patient, written a second time from its words: exact fractions, all scans at hand at once, plain loops.

A patient: {"baseline": mm or None (nothing measurable), "scans": [(day, mm or None (not evaluable), new lesion, adequate)],
"death": day or None, "until": day}. Rules: the names of the version file. No module of vtrial is used.
"""

from fractions import Fraction


def exact(x):
    """The decimal number that was meant."""
    return None if x is None else Fraction(str(x))


def assess(rules, patient):
    rules = {k: exact(v) for k, v in rules.items()}
    baseline, death, until = (exact(patient[k]) for k in ("baseline", "death", "until"))
    scans = [(exact(day), exact(mm), new, done) for day, mm, new, done in patient["scans"]]
    made = [s for s in scans if s[0] <= until and (death is None or s[0] < death)]
    overall = [overall_response(rules, baseline, made, k) for k in range(len(made))]
    if "PD" in overall:
        first_pd = overall.index("PD")
        overall = overall[: first_pd + 1]
        made = made[: first_pd + 1]
    read = [(day, word) for (day, *_), word in zip(made, overall, strict=True) if word != "NE"]
    response = first_confirmed(rules, read, ("PR", "CR"))
    pfs, pfs_event = survival(rules, made, overall, death, until)
    bor = best_confirmed(rules, read, response)
    return {
        "overall": overall + ["NE"] * (len(scans) - len(overall)),
        "bor": bor,
        "best": best_unconfirmed(rules, read),
        "response": response,
        "pfs": (pfs, pfs_event),
        "dor": None if response is None else (pfs - response, pfs_event),
        "os": (death, True) if death is not None and death <= until else (until, False),
        "benefit": bor in ("PR", "CR") or (bor == "SD" and pfs >= rules["benefit_days"]),
    }


def visible(rules, scan):
    """Its sum, nothing where what is left is too small to be anything; None where no sum can be told."""
    mm = scan[1]
    return None if mm is None else Fraction(0) if mm < rules["cr_below"] else mm


def evaluable(baseline, scan):
    return scan[3] and (baseline is None or scan[1] is not None)


def overall_response(rules, baseline, scans, k):
    """Of scan k alone, knowing those before it."""
    scan = scans[k]
    if not evaluable(baseline, scan):
        return "NE"
    if scan[2]:
        return "PD"
    if baseline is None:
        return "SD"
    now = visible(rules, scan)
    smallest = min([baseline] + [visible(rules, s) for s in scans[:k] if evaluable(baseline, s)])
    if smallest == 0:
        return "CR" if now == 0 else "PD"
    growth = now - smallest
    if growth / smallest >= rules["pd_relative"] and growth >= rules["pd_absolute"]:
        return "PD"
    if now == 0:
        return "CR"
    return "PR" if (baseline - now) / baseline >= rules["pr_relative"] else "SD"


def first_confirmed(rules, read, wanted):
    """Day of the earliest wanted response that a later one (or itself, where no time need pass) confirms."""
    for i, (start, word) in enumerate(read):
        if word not in wanted:
            continue
        for j in range(i, len(read)):
            between = [w for _, w in read[i + 1 : j] if w == "SD"]
            if read[j][1] in wanted and read[j][0] - start >= rules["confirm_days"] and len(between) <= rules["stable_between"]:
                return start
    return None


def best_confirmed(rules, read, response):
    if first_confirmed(rules, read, ("CR",)) is not None:
        return "CR"
    return "PR" if response is not None else stable_or_worse(rules, read)


def best_unconfirmed(rules, read):
    words = [word for _, word in read]
    return "CR" if "CR" in words else "PR" if "PR" in words else stable_or_worse(rules, read)


def stable_or_worse(rules, read):
    if any(word != "PD" and day >= rules["stable_days"] for day, word in read):
        return "SD"
    return "PD" if any(word == "PD" for _, word in read) else "NE"


def survival(rules, made, overall, death, until):
    """Progression-free days, and whether they ended with an event."""
    progressed = made[-1][0] if overall and overall[-1] == "PD" else None
    before = list(zip(made, overall, strict=True))[: len(made) - (progressed is not None)]
    clear = [day for (day, *_), word in before if word != "NE"]
    gap = 0
    for _, word in reversed(before):
        if word != "NE":
            break
        gap += 1
    last = clear[-1] if clear else Fraction(0)
    end = progressed if progressed is not None else death if death is not None and death <= until else None
    if end is None or (rules["missed_limit"] > 0 and gap >= rules["missed_limit"]):
        return last, False
    return end, True
