"""A second implementation of NONMEM dosing records, naive on purpose: one subject at a time, slow, NumPy and SciPy only.

Written from the NONMEM help (PREDPP: dose, SS dose, EVID, ALAG, F, D, R) and design.md section 4, not from vtrial's code, which
it does not import. The system is a vector of amounts, a list of running infusions and a list of doses that have not
arrived yet; records are taken in input order. Between two records everything that happens (an arrival, the end of an
infusion) is a break point, and between break points the amounts follow A' = M A + r by the exponential of a matrix (or, where
parameters move linearly, by an ODE solver). A steady state is no formula: it is the doses of the past, given one by one.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

# Compartments, in NONMEM's numbering (the first is 1).
COMPARTMENTS = {
    "one_cmt_iv": ("central",),
    "one_cmt_oral": ("depot", "central"),
    "two_cmt_iv": ("central", "first"),
    "two_cmt_oral": ("depot", "central", "first"),
    "three_cmt_iv": ("central", "first", "second"),
    "three_cmt_oral": ("depot", "central", "first", "second"),
}
PERIPHERALS = {"first": ("Q", "V2"), "second": ("Q3", "V3")}
TIE = 1e-9  # an arrival this near a record (relative to its time, at least 1) is at the same time
FORGOTTEN = 40.0  # time constants of the slowest phase: exp(-40) = 4e-18 of a past dose is left


@dataclass
class Arrival:
    """A dose on its way: an amount at once where `rate` is 0, else `amount` over amount / rate."""

    time: float
    compartment: int
    amount: float
    rate: float


@dataclass
class Infusion:
    compartment: int
    rate: float
    end: float


@dataclass
class System:
    amounts: np.ndarray
    running: list[Infusion] = field(default_factory=list)
    pending: list[Arrival] = field(default_factory=list)

    def clear(self):
        self.amounts = np.zeros_like(self.amounts)
        self.running = []
        self.pending = []


def simulate(structure, records, parameters, interpolation="nocb"):
    """Concentration (amount over volume) in the central compartment at every record, in input order."""
    names = COMPARTMENTS[structure]
    if interpolation not in ("nocb", "locf", "linear"):
        raise ValueError(f"interpolation {interpolation!r}: nocb, locf or linear")
    system = System(np.zeros(len(names)))
    previous_time, previous_values = None, None
    concentrations = []
    for record in records:
        time, event = float(record["TIME"]), event_of(record)
        values = values_at(record, parameters)
        if event in (3, 4):
            system.clear()  # whatever happened since the last record is of no consequence; TIME may go back
        elif previous_time is not None:
            if time < previous_time:
                raise ValueError(f"TIME {time} after {previous_time} without a reset")
            start = values if interpolation == "nocb" else previous_values
            end = previous_values if interpolation == "locf" else values
            advance(system, names, previous_time, time, start, end)
        if event in (1, 4):
            give(system, names, record, time, values)
        deliver(system, time)
        concentrations.append(float(system.amounts[names.index("central")] / values["V1"]))
        previous_time, previous_values = time, values
    return concentrations


# --- a record --------------------------------------------------------------------------------------------------------


def item(record, name):
    """A data item; missing (absent, empty, '.', NaN) is None."""
    value = record.get(name)
    if value is None or (isinstance(value, str) and value.strip() in ("", ".")):
        return None
    value = float(value)
    return None if math.isnan(value) else value


def event_of(record):
    event = item(record, "EVID")
    if event is None:  # as NM-TRAN supplies it
        return 1 if (item(record, "AMT") or item(record, "RATE")) else 0
    if event not in (0, 1, 2, 3, 4):
        raise ValueError(f"EVID {event}: 0, 1, 2, 3 or 4")
    return int(event)


def values_at(record, parameters):
    """The parameters in force on a record: its own columns over the defaults."""
    columns = {name: item(record, name) for name in record}
    return dict(parameters) | {name: value for name, value in columns.items() if value is not None}


# --- what flows ------------------------------------------------------------------------------------------------------


def flows(names, p):
    """M of A' = M A: each flow leaves one compartment and, but for elimination, enters another."""
    matrix = np.zeros((len(names), len(names)))

    def flow(source, target, constant):
        matrix[names.index(source), names.index(source)] -= constant
        if target is not None:
            matrix[names.index(target), names.index(source)] += constant

    flow("central", None, p["CL"] / p["V1"])
    if "depot" in names:
        flow("depot", "central", p["KA"])
    for name, (clearance, volume) in PERIPHERALS.items():
        if name in names:
            flow("central", name, p[clearance] / p["V1"])
            flow(name, "central", p[clearance] / p[volume])
    return matrix


def disposition(names, values):
    """The parameters that move the amounts (F, ALAG, D and R belong to a dose)."""
    wanted = ["CL", "V1"] + ["KA"] * ("depot" in names)
    wanted += [p for name, pair in PERIPHERALS.items() if name in names for p in pair]
    return {name: float(values[name]) for name in wanted}


def advance(system, names, t0, t1, start, end):
    """From t0 to t1, parameters going linearly from `start` to `end`; what arrives at t1 is in when this returns."""
    start, end = disposition(names, start), disposition(names, end)
    for arrival in system.pending:
        if abs(arrival.time - t1) <= TIE * max(1.0, abs(t1)):
            arrival.time = t1
    now = t0
    while True:
        deliver(system, now)
        if now >= t1:
            return
        until = min([t1] + [a.time for a in system.pending] + [i.end for i in system.running])
        until = min(until, t1)
        inflow = np.zeros(len(names))
        for infusion in system.running:
            inflow[infusion.compartment] += infusion.rate
        if start == end:
            system.amounts = constant_piece(flows(names, start), system.amounts, inflow, until - now)
        else:
            system.amounts = moving_piece(names, system.amounts, inflow, (now, until), (t0, t1), start, end)
        now = until


def deliver(system, now):
    """Everything due by now: doses that arrive, infusions that end."""
    for arrival in [a for a in system.pending if a.time <= now]:
        if arrival.rate == 0:
            system.amounts[arrival.compartment] += arrival.amount
        else:
            end = arrival.time + arrival.amount / arrival.rate
            system.running.append(Infusion(arrival.compartment, arrival.rate, end))
    system.pending = [a for a in system.pending if a.time > now]
    system.running = [i for i in system.running if i.end > now]


def constant_piece(matrix, amounts, inflow, duration):
    """A' = M A + r over `duration`: the exponential of M with r as one more column, on A with one more entry, 1."""
    n = len(amounts)
    augmented = np.zeros((n + 1, n + 1))
    augmented[:n, :n] = matrix
    augmented[:n, n] = inflow
    return (expm(augmented * duration) @ np.append(amounts, 1.0))[:n]


def moving_piece(names, amounts, inflow, span, records, start, end):
    """A' = M(t) A + r over `span`, which lies between two `records` at which the parameters are `start` and `end`."""

    def slope(t, a):
        share = (t - records[0]) / (records[1] - records[0])
        p = {name: start[name] + share * (end[name] - start[name]) for name in start}
        return flows(names, p) @ a + inflow

    step = (span[1] - span[0]) / 20
    solution = solve_ivp(slope, span, amounts, method="DOP853", rtol=1e-13, atol=1e-15, max_step=step)
    if not solution.success:
        raise ArithmeticError(solution.message)
    return solution.y[:, -1]


# --- a dose ----------------------------------------------------------------------------------------------------------


def give(system, names, record, time, values):
    """Takes a dose record: the steady state it asks for, its own dose, its additional doses."""
    number = int(item(record, "CMT") or 1)
    if not 1 <= number <= len(names):
        raise ValueError(f"CMT {number}: 1 to {len(names)}")
    amount, rate, interval = (item(record, name) or 0.0 for name in ("AMT", "RATE", "II"))
    additional, steady = int(item(record, "ADDL") or 0), int(item(record, "SS") or 0)
    lag = float(values.get(f"ALAG{number}", 0.0))
    if additional < 0 or steady not in (0, 1, 2) or lag < 0:
        raise ValueError(f"ADDL {additional}, SS {steady}, ALAG{number} {lag}: not in this reference")
    if additional and interval <= 0:
        raise ValueError("ADDL needs II")

    if steady and amount == 0:
        if additional or interval or rate == -2:
            raise ValueError("AMT 0 at steady state is a constant infusion: no ADDL, no II, no modelled duration")
        # F and ALAG do not apply (NONMEM help: bioavailability fraction). It ends at the record.
        rate = float(values[f"R{number}"]) if rate == -1 else rate
        inflow = np.zeros(len(names))
        inflow[number - 1] = rate
        level = np.linalg.solve(flows(names, disposition(names, values)), -inflow)
        if steady == 1:
            system.clear()
        system.amounts = system.amounts + level
        return

    dose = dose_of(number, amount, rate, values)
    if steady:
        past = steady_state(names, dose, interval, lag, values)
        if steady == 1:
            system.clear()
        system.amounts = system.amounts + past.amounts
        system.running += [replace(infusion, end=time + infusion.end) for infusion in past.running]
    for k in range(additional + 1):
        system.pending.append(replace(dose, time=time + lag + k * interval))


def dose_of(number, amount, rate, values):
    """What enters: F scales a bolus; with a given or modelled rate, the duration; with a modelled duration, the rate."""
    entering = float(values.get(f"F{number}", 1.0)) * amount
    if rate == -1:
        rate = float(values[f"R{number}"])
        if rate <= 0:
            raise ValueError(f"R{number} {rate}: above 0")
    elif rate == -2:
        duration = float(values[f"D{number}"])
        if duration <= 0:
            raise ValueError(f"D{number} {duration}: above 0")
        rate = entering / duration
    elif rate < 0:
        raise ValueError(f"RATE {rate}: -2, -1, 0 or above")
    return Arrival(0.0, number - 1, entering, rate)


def steady_state(names, dose, interval, lag, values):
    """The system at a steady-state record, its own dose not given yet; times are relative to the record.

    The doses at -interval, -2 interval, ... each arrive `lag` later; from as far back that nothing is left of the first.
    """
    if interval <= 0 or lag > interval:
        raise ValueError(f"a steady state needs II above 0 and ALAG of at most II: {interval}, {lag}")
    slowest = -np.linalg.eigvals(flows(names, disposition(names, values))).real.max()
    duration = dose.amount / dose.rate if dose.rate else 0.0
    n = math.ceil(FORGOTTEN / (slowest * interval)) + math.ceil(duration / interval) + 2
    system = System(np.zeros(len(names)))
    system.pending = [replace(dose, time=lag - k * interval) for k in range(n, 0, -1)]
    advance(system, names, lag - n * interval, 0.0, values, values)
    return system
