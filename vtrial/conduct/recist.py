"""RECIST, scan by scan: from sums of lesion diameters and new lesions to response, progression and survival times.

Every number is data of a version (`vtrial.library.response`). Arrays are (subject,), or of any one shape; days count from the
baseline scan, which is day 0. Only sums of the target lesions are known, and no lymph nodes; progression of other lesions can
only be told as a new one.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..library.response import Rules

NE, PD, SD, PR, CR = range(5)  # responses, the worst first; NE: nothing read
WORDS = ("NE", "PD", "SD", "PR", "CR")
TARGET, NEW = 1, 2  # kinds of progression, which add up
# A limit met but for rounding is met: a share of the sums compared, and days.
SLACK = 1e-6


class State(NamedTuple):
    """What is kept between scans; days that have not come are inf.

    ``baseline`` and ``nadir``, the smallest sum so far, mm; ``progressed``: day of progression, and its ``kind``, `TARGET`,
    `NEW`, their sum, or 0; ``last``: day of the last scan read that was no progression, 0 before any; ``missed``: scans missed
    in a row, since ``last`` and until progression. ``fresh`` and ``doubted``: first day of a response not confirmed yet, with
    no and with one scan of stable disease since; ``complete``: the same of a complete one. ``first``: day of the first response
    whether confirmed or not; ``response``: first day of the first one that was confirmed. ``bor`` and ``best``: best overall
    response, with and without confirmation.
    """

    baseline: jnp.ndarray
    nadir: jnp.ndarray
    progressed: jnp.ndarray
    kind: jnp.ndarray
    last: jnp.ndarray
    missed: jnp.ndarray
    fresh: jnp.ndarray
    doubted: jnp.ndarray
    complete: jnp.ndarray
    first: jnp.ndarray
    response: jnp.ndarray
    bor: jnp.ndarray
    best: jnp.ndarray


class Outcome(NamedTuple):
    """Times in days and whether an event ended them, at a cut-off.

    ``dor_day`` is NaN without a confirmed response, ``response_day`` inf. ``bor``: best overall response, confirmed;
    ``best``: the same without confirmation. ``benefit``: a confirmed response, or stable disease as best and for long.
    """

    pfs_day: jnp.ndarray
    pfs_event: jnp.ndarray
    os_day: jnp.ndarray
    os_event: jnp.ndarray
    dor_day: jnp.ndarray
    dor_event: jnp.ndarray
    response_day: jnp.ndarray
    bor: jnp.ndarray
    best: jnp.ndarray
    responder: jnp.ndarray
    benefit: jnp.ndarray


def begin(baseline) -> State:
    """Before the first scan; ``baseline``: sum of the target lesions, mm, ``cr_below`` at least, or NaN for a subject who has
    none (then only new lesions are progression, and all else is stable disease)."""
    baseline = jnp.asarray(baseline, float)
    zero = jnp.zeros_like(baseline)
    never, code = zero + jnp.inf, zero.astype(jnp.int8)
    return State(
        baseline=baseline,
        nadir=baseline,
        progressed=never,
        kind=code,
        last=zero,
        missed=zero.astype(jnp.int32),
        fresh=never,
        doubted=never,
        complete=never,
        first=never,
        response=never,
        bor=code,
        best=code,
    )


def look(rules: Rules, state: State, day, sld, new_lesion, adequate, due=True):
    """One scan.

    Parameters
    ----------
    day : array
        When it is made, or should have been, after the scan before.
    sld : array
        Sum of the target lesions as measured, mm; NaN is not evaluable.
    new_lesion : array of bool
        Whether there is a lesion that was not there at baseline.
    adequate : array of bool
        False: missed or not evaluable, nothing is read, not even a new lesion.
    due : array of bool
        False: there is no such scan (death, end of follow-up), nor is one missed.

    Returns
    -------
    state : State
    overall : array
        Overall response at this scan (Eisenhauer et al. 2009, Table 1), ``NE`` where nothing was read. Stable disease needs no
        minimum time here, and responses no confirmation. After progression nothing is read any more.
    """
    going = due & jnp.isinf(state.progressed)
    read = going & adequate & ~(jnp.isnan(sld) & (state.baseline > 0))
    seen = jnp.where(sld < rules.cr_below, 0.0, sld)
    kind = jnp.where(read, _progression(rules, state, seen, new_lesion), 0).astype(jnp.int8)
    overall = jnp.where(kind > 0, PD, jnp.where(read, _response(rules, state, seen), NE)).astype(jnp.int8)
    well = read & (kind == 0)
    state = state._replace(
        nadir=jnp.where(read & (seen < state.nadir), seen, state.nadir),
        progressed=jnp.where(kind > 0, day, state.progressed),
        kind=jnp.where(kind > 0, kind, state.kind),
        last=jnp.where(well, day, state.last),
        missed=jnp.where(well, 0, state.missed + (going & ~read)),
    )
    return _graded(rules, state, day, overall), overall


def _progression(rules, state, seen, new_lesion):
    """Kinds of progression; a sum that was gone and is there again is progression, however small."""
    limit = jnp.where(state.nadir > 0, jnp.maximum(rules.pd_relative * state.nadir, rules.pd_absolute), 0.0)
    target = (seen > state.nadir) & (seen - state.nadir >= limit - SLACK * seen)
    return TARGET * target + NEW * jnp.asarray(new_lesion)


def _response(rules, state, seen):
    """CR, PR or SD, against the baseline."""
    partial = state.baseline - seen >= (rules.pr_relative - SLACK) * state.baseline
    return jnp.where(state.baseline > 0, jnp.where(seen == 0, CR, jnp.where(partial, PR, SD)), SD)


def _graded(rules, state, day, overall):
    """After a scan's overall response: candidates of confirmation, and the best response (ibid., Table 3).

    A response is confirmed by a later one, ``confirm_days`` on, with at most ``stable_between`` scans of stable disease
    between; missed scans between do not count. Of candidates with as many such scans since, the earliest is confirmed if any
    is, so that only it is kept. A complete response is followed by another or by progression alone.
    """
    responds, stable = overall >= PR, overall == SD
    fresh = jnp.where(responds, jnp.minimum(state.fresh, day), jnp.where(stable, jnp.inf, state.fresh))
    once = jnp.where(rules.stable_between >= 1, state.fresh, jnp.inf)
    doubted = jnp.where(stable, once, state.doubted)
    complete = jnp.where(overall == CR, jnp.minimum(state.complete, day), state.complete)
    earliest, wait = jnp.minimum(fresh, doubted), rules.confirm_days - SLACK
    confirmed = responds & (day - earliest >= wait)
    code = jnp.where(confirmed, jnp.where((overall == CR) & (day - complete >= wait), CR, PR), _lasting(rules, day, overall))
    return state._replace(
        fresh=fresh,
        doubted=doubted,
        complete=complete,
        first=jnp.where(responds, jnp.minimum(state.first, day), state.first),
        response=jnp.where(confirmed, jnp.minimum(state.response, earliest), state.response),
        bor=jnp.maximum(state.bor, code).astype(jnp.int8),
        best=jnp.maximum(state.best, jnp.where(responds, overall, _lasting(rules, day, overall))).astype(jnp.int8),
    )


def _lasting(rules, day, overall):
    """What a scan is worth unconfirmed: SD, whatever it shows short of progression, once the minimum time has passed."""
    late = day >= rules.stable_days - SLACK
    return jnp.where(overall >= SD, jnp.where(late, SD, NE), overall)


def endpoints(rules: Rules, state: State, death_day, until) -> Outcome:
    """Endpoints of a state that has looked at no scan after ``until``, or on or after the day of death.

    Parameters
    ----------
    death_day : array
        inf for one who does not die.
    until : array
        Last day of which anything is known: the cut-off, or the end of follow-up before it; that day counts.

    Returns
    -------
    Outcome
        Progression-free survival ends with progression, on the day of the scan that shows it, or with death, and is censored
        at the last scan read, or at day 0. An event straight after ``missed_limit`` or more scans missed in a row is censored
        at the scan before them (FDA 2007, appendix 3, table A); a scan read after a gap without progression mends it. Duration
        of response runs from the first day of the response that was confirmed. Stable disease lasts from day 0 until
        progression or death (Eisenhauer et al. 2009).
    """
    death_day, until = (jnp.broadcast_to(x, state.last.shape) for x in (death_day, until))
    end = jnp.minimum(state.progressed, death_day)
    lost = (rules.missed_limit > 0) & (state.missed >= rules.missed_limit)
    event = (end <= until) & ~lost
    pfs = jnp.where(event, end, state.last)
    responder = jnp.isfinite(state.response)
    lasts = (state.bor == SD) & (pfs >= rules.benefit_days - SLACK)
    return Outcome(
        pfs_day=pfs,
        pfs_event=event,
        os_day=jnp.minimum(death_day, until),
        os_event=death_day <= until,
        dor_day=jnp.where(responder, pfs - jnp.where(responder, state.response, 0.0), jnp.nan),
        dor_event=event & responder,
        response_day=state.response,
        bor=state.bor,
        best=state.best,
        responder=responder,
        benefit=responder | lasts,
    )


def history(rules: Rules, baseline, days, sld, new_lesion, adequate, *, death_day=jnp.inf, until=jnp.inf):
    """All scans, in order.

    ``days``, ``sld``, ``new_lesion`` and ``adequate`` are (scan, subject), as `look` takes them; ``baseline``, ``death_day``
    and ``until`` (subject,) or scalar. A day that is inf is no scan. Returns the final `State` and the overall responses
    (scan, subject).
    """

    def step(state, scan):
        day = scan[0]
        return look(rules, state, *scan, due=jnp.isfinite(day) & (day < death_day) & (day <= until))

    shape = jnp.shape(sld)
    scans = [jnp.broadcast_to(x, shape) for x in (days, sld, new_lesion, adequate)]
    return jax.lax.scan(step, begin(jnp.broadcast_to(baseline, shape[1:])), tuple(scans))


__all__ = ["CR", "NE", "NEW", "PD", "PR", "SD", "TARGET", "WORDS", "Outcome", "State", "begin", "endpoints", "history", "look"]
