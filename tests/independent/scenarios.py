"""Named dosing courses that between them use every rule of NONMEM's records (conventions.md section 1), for one subject each.

Hours, mg, L. Doses come before observations of the same time unless the name says otherwise. Where parameters change with
time every record carries them, so that nothing hangs on how a missing cell is read.
"""

from typing import NamedTuple


class Scenario(NamedTuple):
    name: str
    structure: str
    records: list[dict]
    parameters: dict
    interpolation: str = "nocb"


IV1 = {"CL": 1.1, "V1": 20.0}
ORAL1 = IV1 | {"KA": 1.5}
IV2 = IV1 | {"Q": 2.3, "V2": 31.0}
ORAL2 = IV2 | {"KA": 1.5}
IV3 = IV2 | {"Q3": 0.35, "V3": 64.0}
ORAL3 = IV3 | {"KA": 0.9}

TIMES = (0, 0.5, 1.37, 2.9, 6, 11.83, 23.5, 24, 25.1, 30.7, 36.6, 48, 50.25, 61.9, 72, 80.4, 96, 96.4, 121.3, 167.9)


def dose(time, amount=100, evid=1, **items):
    return {"TIME": time, "EVID": evid, "AMT": amount, **items}


def obs(times=TIMES):
    return [{"TIME": t, "EVID": 0} for t in times]


def other(*times):
    return [{"TIME": t, "EVID": 2} for t in times]


def reset(time):
    return {"TIME": time, "EVID": 3}


def course(*records, times=TIMES):
    """The records and then observations, sorted by time; those of one time stay in the order given."""
    return sorted([*records, *obs(times)], key=lambda r: r["TIME"])


def varying(records, **columns):
    """Every record with columns that are functions of (time, position)."""
    return [r | {name: f(r["TIME"], i) for name, f in columns.items()} for i, r in enumerate(records)]


def after(*times):
    """A second occasion's observations, times counted from its own 0."""
    return obs(times)


def cl(t, _):
    return 1.1 * (1 + 0.004 * t + 0.2 * ((t // 12) % 2))


def v1(t, _):
    return 20 - 0.03 * t + 2.5 * ((t // 30) % 2)


def ka(t, _):
    return 1.5 - 0.005 * t + 0.3 * ((t // 24) % 2)


def q(t, _):
    return 2.3 + 0.01 * t


def v2(t, _):
    return 31 + 4.0 * ((t // 24) % 2)


BOLUS = [
    Scenario("bolus", "one_cmt_iv", course(dose(0)), IV1),
    Scenario("bolus, CMT 0", "one_cmt_iv", course(dose(1.37, CMT=0)), IV1),
    Scenario("bolus ADDL", "one_cmt_iv", course(dose(0, ADDL=4, II=24)), IV1),
    Scenario("oral ADDL", "one_cmt_oral", course(dose(0, ADDL=4, II=24, CMT=1)), ORAL1),
    Scenario("oral, dose into central", "one_cmt_oral", course(dose(0, ADDL=2, II=24, CMT=2)), ORAL1),
    Scenario("oral and central on one record time", "one_cmt_oral", course(dose(6), dose(6, 40, CMT=2)), ORAL1),
    Scenario("two doses at one time, one lagged", "one_cmt_oral", course(dose(6), dose(6, 40, CMT=2)), ORAL1 | {"ALAG2": 0.75}),
    Scenario("oral, KA equals CL/V1", "one_cmt_oral", course(dose(0, ADDL=3, II=24)), IV1 | {"KA": 1.1 / 20.0}),
    Scenario("oral, KA nearly CL/V1", "one_cmt_oral", course(dose(0, ADDL=3, II=24)), IV1 | {"KA": 1.1 / 20.0 * (1 + 1e-7)}),
    Scenario("oral, flip-flop", "one_cmt_oral", course(dose(0, ADDL=3, II=24)), IV1 | {"KA": 0.02}),
    Scenario("bolus F", "one_cmt_oral", course(dose(0, ADDL=2, II=24)), ORAL1 | {"F1": 0.37, "F2": 0.9}),
    Scenario("bolus lag, ADDL", "one_cmt_oral", course(dose(0, ADDL=2, II=24)), ORAL1 | {"ALAG1": 1.37}),
    Scenario("lag longer than II", "one_cmt_iv", course(dose(0, ADDL=5, II=12)), IV1 | {"ALAG1": 30.7}),
    Scenario(
        "lag of depot only, central dose unlagged", "one_cmt_oral", course(dose(0), dose(6, CMT=2)), ORAL1 | {"ALAG1": 2.9}
    ),
    Scenario("lagged arrivals on record times", "one_cmt_iv", course(dose(0, ADDL=3, II=24)), IV1 | {"ALAG1": 24.0}),
    Scenario("ties in tenths", "one_cmt_iv", course(dose(0, ADDL=9, II=0.1), times=[k / 10 for k in range(12)]), IV1),
    Scenario(
        "lagged ties in tenths", "one_cmt_iv", course(dose(0.1, ADDL=2, II=0.3), times=[0.3, 0.6, 0.9]), IV1 | {"ALAG1": 0.2}
    ),
    Scenario("two regimens at once", "one_cmt_iv", course(dose(0, ADDL=9, II=12), dose(2.9, 55, ADDL=5, II=8)), IV1),
    Scenario("EVID 2 between", "one_cmt_iv", course(dose(0, ADDL=2, II=24), *other(0, 11.0, 24, 55.5)), IV1),
]
SAME_TIME = [
    Scenario(
        "observation before dose", "one_cmt_iv", [*obs((0,)), dose(0), *obs((0, 6)), *obs((24,)), dose(24), *obs((24, 30))], IV1
    ),
    Scenario(
        "dose after additional dose", "one_cmt_iv", [dose(0, ADDL=1, II=24), *obs((24,)), dose(24, 30), *obs((24, 30))], IV1
    ),
    Scenario("observations first, then none", "one_cmt_iv", course(dose(30.7)), IV1),
]
INFUSION = [
    Scenario("infusion", "one_cmt_iv", course(dose(0, RATE=10)), IV1),
    Scenario("infusion ADDL", "one_cmt_iv", course(dose(0, RATE=50, ADDL=4, II=24)), IV1),
    Scenario("infusion ADDL overlapping", "one_cmt_iv", course(dose(0, RATE=2.5, ADDL=4, II=24)), IV1),
    Scenario("infusion F scales duration", "one_cmt_iv", course(dose(0, RATE=10, ADDL=2, II=24)), IV1 | {"F1": 0.6}),
    Scenario("infusion F above 1", "one_cmt_iv", course(dose(0, RATE=10, ADDL=2, II=24)), IV1 | {"F1": 1.7}),
    Scenario("infusion lag F", "one_cmt_iv", course(dose(0, RATE=10, ADDL=2, II=24)), IV1 | {"F1": 0.6, "ALAG1": 3.3}),
    Scenario("infusion into depot", "one_cmt_oral", course(dose(0, RATE=10, ADDL=2, II=24)), ORAL1),
    Scenario(
        "infusion into central of oral", "one_cmt_oral", course(dose(0, RATE=10, CMT=2, ADDL=2, II=24)), ORAL1 | {"F2": 0.8}
    ),
    Scenario("modelled rate", "one_cmt_iv", course(dose(0, RATE=-1, ADDL=2, II=24)), IV1 | {"R1": 12.5, "F1": 0.6}),
    Scenario(
        "modelled rate of CMT 2", "one_cmt_oral", course(dose(0, RATE=-1, CMT=2)), ORAL1 | {"R1": 3, "R2": 12.5, "ALAG2": 1}
    ),
    Scenario("modelled duration", "one_cmt_iv", course(dose(0, RATE=-2, ADDL=2, II=24)), IV1 | {"D1": 7.7, "F1": 0.6}),
    Scenario(
        "zero-order absorption, lag", "one_cmt_oral", course(dose(0, RATE=-2, ADDL=2, II=24)), ORAL1 | {"D1": 5.5, "ALAG1": 0.5}
    ),
]
RESET = [
    Scenario("EVID 3", "one_cmt_iv", course(dose(0, ADDL=4, II=24), reset(30.7)), IV1),
    Scenario(
        "EVID 3 in an infusion, ADDL pending", "one_cmt_iv", course(dose(0, RATE=4, ADDL=4, II=48), reset(11.83), dose(61)), IV1
    ),
    Scenario(
        "EVID 3 with a lagged dose pending", "one_cmt_oral", course(dose(23.5), reset(24), dose(50)), ORAL1 | {"ALAG1": 2.0}
    ),
    Scenario("EVID 3 as an additional dose arrives", "one_cmt_iv", course(dose(0, ADDL=2, II=24), reset(24), dose(36)), IV1),
    Scenario("dose, then EVID 3, same time", "one_cmt_iv", course(dose(6), reset(6), dose(24)), IV1),
    Scenario("EVID 3, then dose, same time", "one_cmt_iv", course(dose(0), reset(24), dose(24)), IV1),
    Scenario("EVID 4", "one_cmt_iv", course(dose(0, ADDL=4, II=24), dose(36.6, 70, evid=4)), IV1),
    Scenario(
        "EVID 4 ADDL infusion lag",
        "one_cmt_iv",
        course(dose(0, RATE=4, ADDL=4, II=20), dose(36.6, 70, evid=4, RATE=7, ADDL=3, II=24)),
        IV1 | {"ALAG1": 1.2},
    ),
    Scenario("EVID 4 SS 1", "one_cmt_oral", course(dose(0, 500), dose(24, evid=4, SS=1, II=12)), ORAL1),
    Scenario(
        "EVID 4 SS 1 infusion ADDL lag",
        "two_cmt_iv",
        course(dose(0, 500, ADDL=3, II=30), dose(24, evid=4, RATE=20, SS=1, II=12, ADDL=3)),
        IV2 | {"ALAG1": 2.2},
    ),
    Scenario("EVID 4 SS 2 is SS 1", "one_cmt_iv", course(dose(0, 500), dose(24, evid=4, SS=2, II=12)), IV1),
    Scenario(
        "time restarts at EVID 3",
        "one_cmt_iv",
        [*course(dose(0, RATE=2, ADDL=5, II=24)), reset(0), *after(0, 5.5), dose(6, 80), *after(6, 24, 30, 48)],
        IV1,
    ),
    Scenario(
        "time restarts at EVID 4",
        "one_cmt_oral",
        [*course(dose(0, ADDL=9, II=24)), dose(0, 60, evid=4, ADDL=1, II=12), *after(0, 3, 12, 20, 24, 48)],
        ORAL1 | {"ALAG1": 0.8},
    ),
    Scenario(
        "time restarts between the old times",
        "one_cmt_iv",
        [*course(dose(0, ADDL=9, II=24)), dose(100.2, 60, evid=4, SS=1, II=12), *after(101, 120, 168, 192)],
        IV1,
    ),
]
STEADY = [
    Scenario("SS 1 bolus", "one_cmt_iv", course(dose(6, SS=1, II=24)), IV1),
    Scenario("SS 1 oral", "one_cmt_oral", course(dose(6, SS=1, II=24)), ORAL1),
    Scenario("SS 1 oral, KA equals CL/V1", "one_cmt_oral", course(dose(6, SS=1, II=24)), IV1 | {"KA": 1.1 / 20.0}),
    Scenario("SS 1 into central of oral", "one_cmt_oral", course(dose(6, CMT=2, SS=1, II=24)), ORAL1 | {"F2": 0.8}),
    Scenario("SS 1 bolus F ADDL", "one_cmt_oral", course(dose(0, SS=1, II=24, ADDL=3)), ORAL1 | {"F1": 0.4}),
    Scenario("SS 1 oral lag ADDL", "one_cmt_oral", course(dose(0, SS=1, II=24, ADDL=3)), ORAL1 | {"ALAG1": 2.2}),
    Scenario("SS 1 bolus, lag equals II", "one_cmt_iv", course(dose(6, SS=1, II=24)), IV1 | {"ALAG1": 24.0}),
    Scenario(
        "SS 1 cancels what runs and pends",
        "one_cmt_iv",
        course(dose(0, 300, RATE=5, ADDL=4, II=40), dose(30.7, SS=1, II=24)),
        IV1,
    ),
    Scenario(
        "SS 1 cancels a lagged dose", "one_cmt_oral", course(dose(23, 400), dose(24, CMT=2, SS=1, II=24)), ORAL1 | {"ALAG1": 3}
    ),
    Scenario("SS 1, then another SS 1", "one_cmt_oral", course(dose(0, SS=1, II=24, ADDL=9), dose(50, 40, SS=1, II=8)), ORAL1),
    Scenario("SS 1 infusion", "one_cmt_iv", course(dose(6, RATE=20, SS=1, II=24)), IV1),
    Scenario(
        "SS 1 infusion F lag ADDL", "one_cmt_iv", course(dose(0, RATE=20, SS=1, II=24, ADDL=2)), IV1 | {"F1": 0.7, "ALAG1": 2.2}
    ),
    Scenario(
        "SS 1 infusion, lag: the last one still runs",
        "one_cmt_iv",
        course(dose(6, RATE=10, SS=1, II=24)),
        IV1 | {"ALAG1": 18.3},
    ),
    Scenario("SS 1 infusion longer than II", "one_cmt_iv", course(dose(6, RATE=3, SS=1, II=24)), IV1),
    Scenario("SS 1 infusion much longer than II, ADDL", "one_cmt_iv", course(dose(6, RATE=1.3, SS=1, II=24, ADDL=2)), IV1),
    Scenario("SS 1 infusion of exactly II", "one_cmt_iv", course(dose(6, RATE=100 / 24, SS=1, II=24)), IV1),
    Scenario("SS 1 infusion of exactly 3 II", "one_cmt_iv", course(dose(6, RATE=100 / 36, SS=1, II=12, ADDL=2)), IV1),
    Scenario(
        "SS 1 infusion longer than II, lag", "one_cmt_iv", course(dose(6, RATE=3, SS=1, II=24, ADDL=1)), IV1 | {"ALAG1": 7.1}
    ),
    Scenario(
        "SS 1 infusion of exactly 2 II, lag", "one_cmt_iv", course(dose(6, RATE=100 / 48, SS=1, II=24)), IV1 | {"ALAG1": 7.1}
    ),
    Scenario("SS 1 infusion longer than II by F", "one_cmt_iv", course(dose(6, RATE=10, SS=1, II=12)), IV1 | {"F1": 1.9}),
    Scenario("SS 1 modelled rate, F", "one_cmt_iv", course(dose(6, RATE=-1, SS=1, II=12, ADDL=1)), IV1 | {"R1": 6, "F1": 0.9}),
    Scenario("SS 1 modelled duration, F", "one_cmt_oral", course(dose(6, RATE=-2, SS=1, II=12)), ORAL1 | {"D1": 5, "F1": 0.9}),
    Scenario(
        "SS 1 modelled duration longer than II, lag",
        "one_cmt_oral",
        course(dose(6, RATE=-2, SS=1, II=12, ADDL=2)),
        ORAL1 | {"D1": 31, "F1": 0.9, "ALAG1": 4.4},
    ),
    Scenario(
        "SS 1 long infusion, then EVID 3", "one_cmt_iv", course(dose(0, RATE=1.3, SS=1, II=24), reset(23.5), dose(48)), IV1
    ),
    Scenario(
        "SS 1 long infusion, then SS 1 bolus",
        "one_cmt_iv",
        course(dose(0, RATE=1.3, SS=1, II=24), dose(23.5, SS=1, II=24)),
        IV1,
    ),
    Scenario(
        "SS 2 morning and evening",
        "one_cmt_oral",
        course(dose(0, SS=1, II=24, ADDL=6), dose(11.83, 40, SS=2, II=24, ADDL=6)),
        ORAL1,
    ),
    Scenario(
        "SS 2 on running infusion and pending doses",
        "one_cmt_iv",
        course(dose(0, 300, RATE=5, ADDL=2, II=50), dose(11.83, SS=2, II=24, ADDL=1)),
        IV1,
    ),
    Scenario(
        "SS 2 long infusion on a long infusion",
        "one_cmt_iv",
        course(dose(0, RATE=1.3, SS=1, II=24, ADDL=1), dose(6, 80, RATE=2.1, SS=2, II=16)),
        IV1,
    ),
    Scenario("SS 2 lag", "one_cmt_oral", course(dose(0, ADDL=3, II=24), dose(6, 70, SS=2, II=12)), ORAL1 | {"ALAG1": 2.2}),
    Scenario(
        "SS 2 as an additional dose arrives", "one_cmt_iv", course(dose(0, ADDL=2, II=24), dose(24, 30, SS=2, II=24)), IV1
    ),
    Scenario(
        "constant infusion to steady state",
        "one_cmt_iv",
        course(dose(0, 500, RATE=9, ADDL=2, II=60), dose(11.83, 0, RATE=10, SS=1)),
        IV1,
    ),
    Scenario(
        "constant infusion, modelled rate, then kept up",
        "two_cmt_iv",
        course(dose(6, 0, RATE=-1, SS=1, II=0), dose(6, 300, RATE=10)),
        IV2 | {"R1": 10},
    ),
    Scenario("constant infusion into depot", "one_cmt_oral", course(dose(6, 0, RATE=10, SS=1)), ORAL1),
    Scenario("constant infusion SS 2", "one_cmt_iv", course(dose(0, ADDL=3, II=24), dose(6, 0, RATE=10, SS=2)), IV1),
    Scenario(
        "constant infusion, F and ALAG do not apply",
        "one_cmt_iv",
        course(dose(6, 0, RATE=10, SS=1)),
        IV1 | {"F1": 0.5, "ALAG1": 3},
    ),
]
COMPARTMENTS = [
    Scenario("two compartments", "two_cmt_iv", course(dose(0, ADDL=2, II=24), dose(30, RATE=8)), IV2),
    Scenario("two compartments, dose into peripheral", "two_cmt_iv", course(dose(0, CMT=2), dose(30, CMT=2, RATE=8)), IV2),
    Scenario(
        "two compartments, oral", "two_cmt_oral", course(dose(0, ADDL=2, II=24), dose(30, CMT=2, RATE=8)), ORAL2 | {"F1": 0.7}
    ),
    Scenario("two compartments, oral, SS lag", "two_cmt_oral", course(dose(0, SS=1, II=12, ADDL=3)), ORAL2 | {"ALAG1": 0.9}),
    Scenario(
        "two compartments, oral, KA on the slow slope",
        "two_cmt_oral",
        course(dose(0, SS=1, II=24, ADDL=1)),
        {"CL": 2.0, "V1": 10.0, "Q": 3.0, "V2": 30.0, "KA": 0.3 - 0.07**0.5},
    ),
    Scenario(
        "two compartments, SS long infusion", "two_cmt_iv", course(dose(6, RATE=2.3, SS=1, II=24, ADDL=1)), IV2 | {"ALAG1": 5}
    ),
    Scenario("three compartments", "three_cmt_iv", course(dose(0, ADDL=2, II=24), dose(30, RATE=8)), IV3),
    Scenario("three compartments, SS long infusion", "three_cmt_iv", course(dose(6, RATE=2.3, SS=1, II=24)), IV3),
    Scenario(
        "three compartments, oral",
        "three_cmt_oral",
        course(dose(0, ADDL=2, II=24), dose(30, CMT=2, RATE=8), dose(40, CMT=4)),
        ORAL3 | {"ALAG1": 0.9},
    ),
    Scenario(
        "three compartments, oral, SS 1 and 2",
        "three_cmt_oral",
        course(dose(0, SS=1, II=24, ADDL=3), dose(8, 40, CMT=2, RATE=20, SS=2, II=24)),
        ORAL3,
    ),
    Scenario(
        "three compartments, equal peripherals", "three_cmt_iv", course(dose(0, SS=1, II=24)), IV2 | {"Q3": 2.3, "V3": 31.0}
    ),
]


def changing():
    """Parameters that change with time, under every interpolation."""
    plain = course(dose(0, ADDL=4, II=24), dose(30, RATE=8), *other(15.0, 40.0, 90.0))
    oral = course(dose(0, ADDL=4, II=24), dose(30, CMT=2, RATE=8), *other(15.0, 40.0, 90.0))
    steady = course(dose(0, 300), dose(24, RATE=3, SS=1, II=24, ADDL=2), dose(50, 40, SS=2, II=12))
    doses = course(dose(0, ADDL=2, II=24), dose(30, RATE=8), dose(40, RATE=-2, ADDL=1, II=24), dose(61, RATE=-1))
    twice = [dose(0, ADDL=3, II=24), *obs((0, 6, 24)), *other(24), *obs((24, 30, 48)), dose(48, 50), *obs((48, 60, 90))]
    again = [*course(dose(0, RATE=3, ADDL=9, II=24), reset(36.6)), dose(0, 60, evid=4, ADDL=1, II=12), *after(0, 3, 12, 20, 24)]
    of_dose = {
        "F1": lambda t, _: 0.9 - 0.004 * t,
        "ALAG1": lambda t, _: 0.3 + 0.05 * (t % 7),
        "D1": lambda t, _: 4 + 0.1 * t,
        "R1": lambda t, _: 9 + 0.1 * t,
    }
    step = {"CL": lambda t, i: 0.8 + 0.15 * (i % 5), "V1": lambda t, i: 18.0 + 1.5 * (i % 4)}
    cases = [
        ("CL, V1", "one_cmt_iv", varying(plain, CL=cl, V1=v1), {}),
        ("CL, V1, KA, lag", "one_cmt_oral", varying(oral, CL=cl, V1=v1, KA=ka), {"ALAG1": 1.7}),
        ("everything of two compartments", "two_cmt_oral", varying(oral, CL=cl, V1=v1, KA=ka, Q=q, V2=v2), {}),
        ("CL, Q3 of three compartments", "three_cmt_iv", varying(plain, CL=cl, Q3=lambda t, _: 0.35 + 0.004 * t), IV3),
        ("steady state of a record", "one_cmt_iv", varying(steady, CL=cl, V1=v1), {"ALAG1": 5.0}),
        ("F, ALAG, D, R of a dose record", "one_cmt_iv", varying(doses, CL=cl, **of_dose), {"V1": 20.0}),
        ("a jump at each record, several at one time", "one_cmt_iv", varying(twice, **step), {}),
        ("resets", "one_cmt_iv", varying(again, **step), {}),
    ]
    return [
        Scenario(f"{interpolation}: {name}", structure, records, parameters, interpolation)
        for interpolation in ("nocb", "locf", "linear")
        for name, structure, records, parameters in cases
    ]


SCENARIOS = [*BOLUS, *SAME_TIME, *INFUSION, *RESET, *STEADY, *COMPARTMENTS, *changing()]
