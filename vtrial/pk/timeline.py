"""Event records of one subject as a line of steps: advance, then reset, add or set to steady state, then perhaps answer.

The meaning of a record is NONMEM's (PREDPP), as far as it is documented and `tests/independent/naive_pk.py` spells it out:

- additional and lagged doses come before a data record of the same time; a record answers after its own dose;
- with RATE > 0 or RATE = -1 bioavailability scales the duration of an infusion, with RATE = -2 its rate;
- SS = 1 empties the compartments and cancels what runs or is pending, SS = 2 adds; with a lag the record finds the steady
  profile II - ALAG after a dose, and earlier infusions that still run go on running;
- AMT = 0, RATE > 0, SS = 1 is an infusion from minus infinity that ends at the record; F and ALAG do not apply to it;
- EVID 3 and 4 empty the compartments and cancel; time may start anew there.
"""

import heapq
from dataclasses import dataclass, field

import numpy as np

# Arrivals this close to a record (relative to its time) are at its time.
TIE = 1e-9


@dataclass
class Steady:
    """A steady state to be found: the regimen's cycle from a dose on, and how far into it the record is.

    Infusions that overlap make a cycle of two rates: ``first`` (compartment,) for ``width``, then ``second``.
    """

    record: int
    ii: float
    phase: float
    bolus: np.ndarray
    first: np.ndarray
    width: float
    second: np.ndarray


@dataclass
class Step:
    """``dt`` under ``rates`` (compartment,) with the parameters on the way to ``record``; then amounts times ``keep``, plus
    the steady state number ``steady`` (0: none), plus ``add``; then the answer of record ``out`` (-1: none). ``span``: where
    the step lies between the record before (0) and ``record`` (1); ``cycle``: doses so far, one at least."""

    dt: float
    record: int
    rates: np.ndarray
    span: tuple
    cycle: int = 1
    keep: float = 1.0
    steady: int = 0
    add: np.ndarray = None
    out: int = -1


@dataclass
class Line:
    """The steps of one subject in the making, and what is pending: a heap of (time, order, apply)."""

    size: int
    steps: list = field(default_factory=list)
    steadies: list = field(default_factory=list)
    pending: list = field(default_factory=list)
    order: int = 0
    now: float = 0.0
    doses: int = 0

    def __post_init__(self):
        self.rates = np.zeros(self.size)

    def later(self, time, apply):
        self.order += 1
        heapq.heappush(self.pending, (time, self.order, apply))

    def cancel(self):
        self.pending.clear()
        self.rates = np.zeros(self.size)

    def move(self, time, record, start, stop):
        """A step to ``time``; ``start`` and ``stop`` are the times of the record before and of ``record``."""
        width = stop - start
        span = tuple((t - start) / width if width > 0 else 1.0 for t in (self.now, time))
        cycle = max(self.doses, 1)
        self.steps.append(Step(time - self.now, record, self.rates, span, cycle, add=np.zeros(self.size)))
        self.now = time

    def give(self, cmt, amount):
        step = self.steps[-1]
        step.add = step.add.copy()
        step.add[cmt] += amount

    def run(self, cmt, rate, until):
        """An infusion from now on."""
        self.rates = self.rates + rate * unit(self.size, cmt)
        self.later(until, lambda: self.stop(cmt, rate))

    def stop(self, cmt, rate):
        left = self.rates - rate * unit(self.size, cmt)
        # rounding leaves no infusion behind
        self.rates = np.where(np.abs(left) < 1e-12 * rate, 0.0, left)


def unit(size, cmt):
    out = np.zeros(size)
    out[cmt] = 1.0
    return out


@dataclass(frozen=True)
class Dose:
    """What a dose record gives, in numbers: ``amount`` (times F) at once, or at ``rate`` for ``duration``; all ``lag`` late."""

    cmt: int
    amount: float
    rate: float
    duration: float
    lag: float
    ii: float
    addl: int

    def arrive(self, line, at):
        """The dose comes in at ``at``, which is now (or, within rounding, a moment ago)."""
        line.doses += 1
        if self.rate > 0:
            line.run(self.cmt, self.rate, at + self.duration)
        else:
            line.give(self.cmt, self.amount)


def dose(record, f, lag, modelled):
    """The `Dose` of a record (name -> number). ``modelled`` is R_n or D_n where RATE is -1 or -2."""
    amount, rate = record["AMT"], record["RATE"]
    duration = 0.0
    if rate == -2:
        duration, rate = modelled, f * amount / modelled
    elif rate:
        rate = modelled if rate == -1 else rate
        duration = f * amount / rate
    ii, addl = record["II"], int(record["ADDL"])
    return Dose(int(record["CMT"]) - 1, f * amount, rate, duration, lag, ii, addl)


def compile_line(records, doses, size):
    """The `Line` of one subject.

    ``records`` is a list of name -> number (TIME, EVID, SS and the dose items, none missing), ``doses`` a list of its
    `Dose` for each record that gives one, else None; ``size`` is the number of compartments.
    """
    line = Line(size)
    for i, (record, given) in enumerate(zip(records, doses, strict=True)):
        time, evid = record["TIME"], record["EVID"]
        start = records[i - 1]["TIME"] if i else time
        if evid in (3, 4):
            # what would have come in until then is emptied with the rest
            line.cancel()
            line.now = start = time
        _arrivals(line, i, start, time)
        line.move(max(time, line.now), i, start, time)
        if evid in (3, 4):
            line.steps[-1].keep, line.doses = 0.0, 0
        if given is not None:
            _give(line, i, record, given)
        line.steps[-1].out = i
    return line


def _arrivals(line, i, start, time):
    """Brings in what is due up to a record's time."""
    while line.pending and line.pending[0][0] <= time + TIE * max(1.0, abs(time)):
        at, _, apply = heapq.heappop(line.pending)
        line.move(min(max(at, line.now), time), i, start, time)
        apply()


def _give(line, i, record, given):
    time, settled = record["TIME"], record["SS"]
    if settled == 1:
        line.steps[-1].keep = 0.0
        line.cancel()
    if settled:
        _settle(line, i, time, given)
        if given.amount == 0:
            return
    for k in range(given.addl + 1):
        at = time + given.lag + k * given.ii
        if at == time:
            given.arrive(line, at)
        else:
            line.later(at, lambda at=at: given.arrive(line, at))


def _settle(line, i, time, given):
    """Adds the steady state of a dose's regimen to the step, and lets its earlier infusions run on."""
    none = np.zeros(line.size)
    if given.amount == 0:
        # an interval of one unit of time under a constant rate repeats itself
        constant = given.rate * unit(line.size, given.cmt)
        line.steadies.append(Steady(i, 1.0, 1.0, none, constant, 1.0, constant))
    else:
        line.steadies.append(_cycle(line, i, given))
        k = 1
        while given.rate > 0 and given.lag + given.duration - k * given.ii > 0:
            if given.lag - k * given.ii <= 0:
                line.run(given.cmt, given.rate, time + given.lag + given.duration - k * given.ii)
            k += 1
    line.steps[-1].steady = len(line.steadies)


def _cycle(line, i, given):
    whole, width = divmod(given.duration, given.ii)
    one, none = unit(line.size, given.cmt), np.zeros(line.size)
    bolus = none if given.rate > 0 else given.amount * one
    rate = given.rate if given.rate > 0 else 0.0
    phase = given.ii - given.lag
    # with a lag of one interval the last dose comes in at the record: just after it, not just before
    return Steady(i, given.ii, phase, bolus, rate * (whole + 1) * one, width, rate * whole * one)
