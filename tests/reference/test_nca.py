"""Non-compartmental analysis against exact formulas and against what three packages print for two public data sets.

Data: R's `Theoph` and `Indometh` (datasets package; Boeckmann, Sheiner and Beal 1994; Kwan and others 1976), read from
github vincentarelbundock/Rdatasets, csv/datasets. Doses of the references: 320 mg by mouth, 25 mg iv; hours, mg/L.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtrial.pk import nca

# --- the data --------------------------------------------------------------------------------------------------------

# time and concentration by turns, one line a subject
THEOPH = """
0 .74 .25 2.84 .57 6.57 1.12 10.5 2.02 9.66 3.82 8.58 5.1 8.36 7.03 7.47 9.05 6.89 12.12 5.94 24.37 3.28
0 0 .27 1.72 .52 7.91 1 8.31 1.92 8.33 3.5 6.85 5.02 6.08 7.03 5.4 9 4.55 12 3.01 24.3 .9
0 0 .27 4.4 .58 6.9 1.02 8.2 2.02 7.8 3.62 7.5 5.08 6.2 7.07 5.3 9 4.9 12.15 3.7 24.17 1.05
0 0 .35 1.89 .6 4.6 1.07 8.6 2.13 8.38 3.5 7.54 5.02 6.88 7.02 5.78 9.02 5.33 11.98 4.19 24.65 1.15
0 0 .3 2.02 .52 5.63 1 11.4 2.02 9.33 3.5 8.74 5.02 7.56 7.02 7.09 9.1 5.9 12 4.37 24.35 1.57
0 0 .27 1.29 .58 3.08 1.15 6.44 2.03 6.32 3.57 5.53 5 4.94 7 4.02 9.22 3.46 12.1 2.78 23.85 .92
0 .15 .25 .85 .5 2.35 1.02 5.02 2.02 6.58 3.48 7.09 5 6.66 6.98 5.25 9 4.39 12.05 3.53 24.22 1.15
0 0 .25 3.05 .52 3.05 .98 7.31 2.02 7.56 3.53 6.59 5.05 5.88 7.15 4.73 9.07 4.57 12.1 3 24.12 1.25
0 0 .3 7.37 .63 9.03 1.05 7.14 2.02 6.33 3.53 5.66 5.02 5.67 7.17 4.24 8.8 4.11 11.6 3.16 24.43 1.12
0 .24 .37 2.89 .77 5.22 1.02 6.41 2.05 7.83 3.55 10.21 5.05 9.18 7.08 8.02 9.38 7.14 12.1 5.68 23.7 2.42
0 0 .25 4.86 .5 7.24 .98 8 1.98 6.81 3.6 5.87 5.02 5.22 7.03 4.45 9.03 3.62 12.12 2.69 24.08 .86
0 0 .25 1.25 .5 3.96 1 7.82 2 9.72 3.52 9.75 5.07 8.57 7.07 6.59 9.03 6.11 12.05 4.57 24.15 1.17
"""
INDOMETH_TIMES = [0.25, 0.5, 0.75, 1, 1.25, 2, 3, 4, 5, 6, 8]
INDOMETH = """
1.5 .94 .78 .48 .37 .19 .12 .11 .08 .07 .05
2.03 1.63 .71 .7 .64 .36 .32 .2 .25 .12 .08
2.72 1.49 1.16 .8 .8 .39 .22 .12 .11 .08 .08
1.85 1.39 1.02 .89 .59 .4 .16 .11 .1 .07 .07
2.05 1.04 .81 .39 .3 .23 .13 .11 .08 .1 .06
2.31 1.44 1.03 .84 .64 .42 .24 .17 .13 .1 .09
"""


def rows(block):
    return [line.split() for line in block.strip().splitlines()]


def subjects(name):
    """(time, conc) of every subject of a data set."""
    if name == "Indometh":
        return [(INDOMETH_TIMES, [float(x) for x in row]) for row in rows(INDOMETH)]
    return [([float(x) for x in row[::2]], [float(x) for x in row[1::2]]) for row in rows(THEOPH)]


# --- what the packages print -----------------------------------------------------------------------------------------

# NonCompart 0.6.0, tblNCA(Theoph, key="Subject", dose=320, concUnit="mg/L"), whose rule is the trapezoid: its manual page,
# github asancpt/noncompart, docs/reference/tblNCA.html
THEOPH_LINEAR = """
Cmax Tmax Clast Tlast half_life lambda_z n_points r2adj AUClast AUCinf AUCextrap% AUMCinf Vz CL MRT
10.50 1.12 3.28 24.37 14.304378 0.04845700 3 0.9999995 148.92305 216.61193 31.248917 4505.5348 30.48675 1.477296 20.800031
8.33 1.92 0.90 24.30 6.659342 0.10408644 4 0.9957931 91.52680 100.17346 8.631687 999.7723 30.69044 3.194459 9.980411
8.20 1.02 1.05 24.17 6.766087 0.10244431 3 0.9986499 99.28650 109.53597 9.357173 1150.9648 28.51710 2.921415 10.507642
8.60 1.07 1.15 24.65 6.981247 0.09928702 3 0.9978483 106.79630 118.37888 9.784331 1303.2524 27.22596 2.703185 11.009163
11.40 1.00 1.57 24.35 8.002264 0.08661888 4 0.9979708 121.29440 139.41978 13.000579 1667.7216 26.49799 2.295227 11.961873
6.44 1.15 0.92 23.85 7.894998 0.08779574 7 0.9978896 73.77555 84.25442 12.437174 978.4285 43.25973 3.798020 11.612785
7.09 3.48 1.15 24.22 7.846668 0.08833650 4 0.9980053 90.75340 103.77180 12.545221 1245.0984 34.90844 3.083689 11.998427
7.56 2.02 1.25 24.12 8.510038 0.08145054 6 0.9887655 88.55995 103.90669 14.769730 1298.1158 37.81051 3.079686 12.493092
9.03 0.63 1.12 24.43 8.405999 0.08245863 3 0.9988873 86.32615 99.90872 13.594978 1201.7715 38.84279 3.202924 12.028695
10.21 3.55 2.42 23.70 9.246916 0.07495982 3 0.9990174 138.36810 170.65206 18.918002 2473.9934 25.01554 1.875160 14.497296
8.00 0.98 0.86 24.08 7.261237 0.09545856 3 0.9999965 80.09360 89.10274 10.110962 928.5600 37.62219 3.591360 10.421227
9.75 3.52 1.17 24.15 6.286508 0.11025949 3 0.9987936 119.97750 130.58883 8.125757 1330.3840 22.22429 2.450439 10.187579
"""

# PKNCA 0.12.1 (with NonCompart 0.8.2 and WinNonlin beside it), "lin up/log down", Tmax not in the half-life, 320 mg: github
# tjmb03/pknca-winnonlin-bridge, reproducibility/linux_x86_64/comparison_per_subject.csv, column PKNCA
THEOPH_LOG_AREAS = """
AUCinf AUClast AUMCinf MRT CL Vz
214.92363157523 147.234748537004 4545.59280107096 21.1498045503659 1.48890095358355 30.726232470311
97.3779346315098 88.7312754883266 1009.46444990484 10.3664598527868 3.28616540503678 31.5715023838593
106.127668533925 95.8781977933782 1158.65158171126 10.9175260110505 3.01523631321185 29.4329298743793
114.216204638156 102.633623210553 1313.95100019361 11.5040681342572 2.80170402276788 28.2182304171747
136.304731589923 118.179353752805 1689.48727981315 12.3949276016039 2.34768079044188 27.1035677501297
82.1758833245604 71.6970149943727 987.942017337959 12.022286556215 3.89408652580142 44.3539347502515
100.987629232049 87.969227435756 1258.30532680309 12.4599947178853 3.16870494369867 35.8708470704068
102.153300293117 86.8065634778741 1314.94313830324 12.8722531188925 3.13254685929672 38.4594977688348
97.5200039392502 83.937436011302 1219.92132814272 12.5094470761369 3.28137804628621 39.7942323312146
167.860030732265 135.576070097047 2502.55400023745 14.908575849298 1.90635018118397 25.4316257050756
86.9026172559114 77.8934723324729 937.953543780988 10.7931564479686 3.68228265274982 38.5746721717286
125.83153972142 115.220208163302 1335.13758111901 10.6105161239773 2.54308260638352 23.0645236889042
"""
THEOPH_LOG_SLOPES = """
lambda_z r2adj n_points
.0484569969657748 .999999459349958 3
.104086443688432 .995793082425956 4
.102444314109434 .998649923698427 3
.0992870205306231 .997848274051385 3
.08661888398182 .997970776874128 4
.0877957400561703 .99788960458362 7
.0883364961379133 .998005251479131 4
.0814505399453018 .988765489283318 6
.0824586341803179 .998887329645677 3
.0749598237757766 .999017367722909 3
.0954585598642771 .999996511918946 3
.110259489451627 .9987936032918 3
"""

# Phoenix WinNonlin 6.3 and 7.0, which NonCompart 0.4.2 equals: github asancpt/NonCompart-tests, validation.md, tests 3, 4 and
# 6 of its appendix, column WinNonlin (an iv bolus by either rule; an infusion of 0.25 h, linear-up log-down)
INDOMETH_BOLUS_LINEAR = """
r2adj n_points lambda_z half_life C0 AUClast AUCinf AUCextrap% Vz CL AUMCinf MRT Vss
0.9941335 3 0.1583205 4.3781270 2.3936170 2.0404521 2.3562672 13.4031956 67.0159780 10.6100020 7.7925545 3.3071607 35.0889819
0.9401933 9 0.3022800 2.2930632 2.5281595 3.2485199 3.5131752 7.5332215 23.5413171 7.1160698 9.3915223 2.6732291 19.0228851
0.8603043 10 0.4218926 1.6429468 4.9653691 3.5544211 3.7440428 5.0646241 15.8269504 6.6772740 6.9726784 1.8623394 12.4353504
0.8586943 11 0.4554455 1.5219104 2.4622302 2.7852788 2.9389745 5.2295685 18.6770303 8.5063686 5.9489028 2.0241424 17.2181012
0.8544516 8 0.2527478 2.7424461 4.0408654 2.4588582 2.6962490 8.8044838 36.6853493 9.2721407 6.5458663 2.4277678 22.5106044
0.8902329 9 0.3535205 1.9606986 3.7056250 3.3357031 3.5902852 7.0908603 19.6968341 6.9632351 8.2892908 2.3088112 16.0767951
"""
INDOMETH_BOLUS_LOG = """
C0 AUClast AUCinf AUCextrap% Vz CL AUMCinf MRT Vss
2.3936170 2.0098984 2.3257135 13.5792780 67.8963898 10.7493892 7.8261005 3.3650320 36.1720388
2.5281595 3.2028878 3.4675431 7.6323571 23.8511160 7.2097158 9.4059410 2.7125665 19.5568334
4.9653691 3.4743971 3.6640188 5.1752381 16.1726192 6.8231092 7.0217278 1.9164006 13.0758105
2.4622302 2.7483832 2.9020789 5.2960545 18.9144805 8.6145142 5.9719996 2.0578350 17.7272490
4.0408654 2.3983736 2.6357645 9.0065258 37.5271908 9.4849143 6.5856658 2.4985790 23.6988080
3.7056250 3.2908266 3.5454087 7.1806138 19.9461495 7.0513732 8.3472113 2.3543721 16.6015562
"""
INDOMETH_INFUSION_LOG = """
lambda_z half_life AUClast AUCinf AUCextrap% Vz CL AUMCinf MRT Vss
0.1583205 4.3781270 1.7193653 2.0351804 15.5177942 77.5889712 12.2839234 7.8178588 3.7163591 45.6514707
0.3022800 2.2930632 2.8891436 3.1537989 8.3916343 26.2238573 7.9269481 9.4010343 2.8558604 22.6382575
0.4218926 1.6429468 2.8817113 3.0713330 6.1739217 19.2935053 8.1397881 7.0017667 2.1547159 17.5389306
0.4290762 1.6154409 2.4442459 2.6073871 6.2568848 22.3460171 9.5881430 6.0843899 2.2085200 21.1756058
0.2527478 2.7424461 1.9211984 2.1585892 10.9974979 45.8229078 11.5816384 6.5683405 2.9178858 33.7938980
0.3535205 1.9606986 2.8413138 3.0958959 8.2232127 22.8422576 8.0752068 8.3343579 2.5670666 20.7295934
"""

# NonCompart 0.6.0, tblNCA(Indometh, ..., dose=25, adm="Infusion", dur=0.5, concUnit="mg/L"), trapezoid: the same manual page
INDOMETH_INFUSION_LINEAR = """
lambda_z n_points r2adj AUClast AUCinf AUCextrap% AUMCinf Vz CL MRT Vss
0.1583205 3 0.9941335 1.74125 2.057065 15.352703 7.792554 76.76352 12.153237 3.538190 43.00047
0.3022800 9 0.9401933 2.93250 3.197155 8.277836 9.391522 25.86824 7.819451 2.687462 21.01448
0.4218926 10 0.8603043 2.93375 3.123372 6.071058 6.972678 18.97206 8.004171 1.982420 15.86763
0.4290762 10 0.8505077 2.47750 2.640641 6.178091 6.067220 22.06461 9.467398 2.047631 19.38574
0.2527478 8 0.8544516 1.95375 2.191141 10.834119 6.545866 45.14216 11.409582 2.737424 31.23286
0.3535205 9 0.8902329 2.87250 3.127082 8.141203 8.289291 22.61445 7.994673 2.400807 19.19367
"""

LINEAR, LOG = {"method": "linear"}, {"method": "linear-up log-down"}
THEOPH_DOSE, INDOMETH_DOSE = {"dose": 320, "route": "oral"}, {"dose": 25}
PUBLISHED = {
    "NonCompart Theoph linear": ("Theoph", THEOPH_DOSE | LINEAR, THEOPH_LINEAR),
    "WinNonlin Indometh bolus linear": ("Indometh", INDOMETH_DOSE | LINEAR, INDOMETH_BOLUS_LINEAR),
    "WinNonlin Indometh bolus log": ("Indometh", INDOMETH_DOSE | LOG, INDOMETH_BOLUS_LOG),
    "WinNonlin Indometh infusion log": ("Indometh", INDOMETH_DOSE | LOG | {"duration": 0.25}, INDOMETH_INFUSION_LOG),
    "NonCompart Indometh infusion linear": ("Indometh", INDOMETH_DOSE | LINEAR | {"duration": 0.5}, INDOMETH_INFUSION_LINEAR),
}


def ours(result, name):
    return 100 * result[name[:-1]] if name.endswith("%") else result[name]


def half_unit(printed):
    """Half of one in the last printed place, and a little for the binary value of it."""
    return 0.5001 * 10.0 ** -len(printed.partition(".")[2])


@pytest.mark.parametrize("case", PUBLISHED)
def test_every_printed_digit(case):
    data, options, table = PUBLISHED[case]
    names, *table = rows(table)
    results = [nca.profile(*subject, **options) for subject in subjects(data)]
    assert len(results) == len(table)
    wrong = [
        f"subject {i}: {name} {ours(result, name):.10g}, printed {printed}"
        for i, (result, row) in enumerate(zip(results, table, strict=True), 1)
        for name, printed in zip(names, row, strict=True)
        if not abs(ours(result, name) - float(printed)) <= half_unit(printed)
    ]
    assert not wrong


@pytest.mark.parametrize("table", [THEOPH_LOG_AREAS, THEOPH_LOG_SLOPES])
def test_pknca_to_twelve_digits(table):
    names, *table = rows(table)
    for subject, row in zip(subjects("Theoph"), table, strict=True):
        result = nca.profile(*subject, dose=320, route="oral")
        np.testing.assert_allclose([result[name] for name in names], [float(x) for x in row], rtol=2e-13)


@pytest.mark.parametrize(
    ("lloq", "method", "area"),
    [
        (None, "linear", 1 + 1 + 0.5 + 1.5 + 1.5),
        (None, "linear-up log-down", 1 + 1 + 0.5 + 1.5 + 1 / np.log(2)),
        (0.5, "linear", 1 + 3 + 1.5 + 1.5),
        (0.5, "linear-up log-down", 1 + 2 / np.log(2) + 1.5 + 1 / np.log(2)),
    ],
)
def test_zeros_in_the_middle_and_at_the_end(lloq, method, area):
    """The values PKNCA's own tests/testthat/test-auc.R asks of AUClast, zeros kept (no lloq) and dropped."""
    result = nca.profile(range(8), [0, 2, 0, 1, 2, 1, 0, 0], route="oral", lloq=lloq, method=method)
    assert result["AUClast"] == pytest.approx(area, rel=1e-14)
    assert (result["Clast"], result["Tlast"]) == (1, 5)


# --- exact formulas --------------------------------------------------------------------------------------------------

CL, V, KA, DOSE = 0.676, 3.127, 1.9, 252.0
K = CL / V


def bolus(t, k=K, c0=DOSE / V):
    return c0 * np.exp(-k * t)


def infusion(t, length):
    """One compartment, a constant infusion of DOSE over ``length``."""
    return DOSE / length / CL * (np.exp(-K * np.maximum(t - length, 0.0)) - np.exp(-K * t))


def bateman(t):
    return DOSE / V * KA / (KA - K) * (np.exp(-K * t) - np.exp(-KA * t))


def two_modes(t, rates, shares):
    return DOSE * np.sum(shares[:, None] * np.exp(-rates[:, None] * t), 0)


@pytest.mark.parametrize("times", [[0, 0.7, 3, 11], [0.7, 3, 11], [0.7, 0.7001, 3, 11, 200]])
def test_a_mono_exponential_is_exact_on_any_grid(times):
    t = np.array(times)
    p = nca.profile(t, bolus(t), dose=DOSE, tau=7.3)
    exact = {
        "C0": DOSE / V,
        "AUClast": DOSE / CL * -np.expm1(-K * t[-1]),
        "AUCtau": DOSE / CL * -np.expm1(-K * 7.3),
        "Ctau": bolus(7.3),
        "Cavg": DOSE / CL * -np.expm1(-K * 7.3) / 7.3,
        "AUCinf": DOSE / CL,
        "AUCextrap": np.exp(-K * t[-1]),
        "AUMCinf": DOSE / CL / K,
        "lambda_z": K,
        "half_life": np.log(2) / K,
        "r2adj": 1.0,
        "CL": CL,
        "Vz": V,
        "MRT": 1 / K,
        "Vss": V,
    }
    # C0 extrapolates two samples 1e-4 apart in the last grid, which costs it four digits
    tolerance = 1e-9 if 0.7001 in t else 2e-13
    np.testing.assert_allclose([p[name] for name in exact], list(exact.values()), rtol=tolerance, err_msg=str(list(exact)))
    assert p["n_points"] == t.size


def test_the_trapezoid_is_not_exact():
    t = np.array([0, 0.7, 3, 11])
    linear = nca.profile(t, bolus(t), dose=DOSE, method="linear")
    assert linear["AUClast"] == pytest.approx(np.trapezoid(bolus(t), t), rel=1e-14)
    assert linear["AUClast"] > 1.1 * nca.profile(t, bolus(t))["AUClast"]


def test_close_concentrations_lose_no_digits():
    """A slow decline on a fine grid, where ln(C1/C2) and the moment's formula both cancel."""
    t, k = np.linspace(0, 10, 5001), 1e-6
    p = nca.profile(t, bolus(t, k, 1.0), tau=10)
    assert p["AUClast"] == pytest.approx(-np.expm1(-k * 10) / k, rel=1e-13)
    coarse = nca.profile(t[::2500], bolus(t[::2500], k, 1.0), window=(0, 10))
    assert p["AUMCinf"] - coarse["AUMCinf"] == pytest.approx(0, abs=1e-6 * coarse["AUMCinf"])  # through lambda_z, not area
    for ratio in (1 + 1e-9, 1.0009, 1.0011):  # the last two lie either side of the change of formula
        moment = nca._areas(np.array([3.0, 5.0]), np.array([ratio, 1.0]), "linear-up log-down")[1]
        s = np.linspace(0, 2, 20001)
        assert moment == pytest.approx(np.trapezoid((3 + s) * ratio * ratio ** (-s / 2), s), rel=1e-9)


def convergence(curve, last, exact, n, **options):
    """Relative errors of the quantities in ``exact`` on n and on 2n intervals of [0, last]."""
    grids = [np.linspace(0, last, m + 1) for m in (n, 2 * n)]
    found = [nca.profile(t, curve(t), dose=DOSE, **options) for t in grids]
    return [np.array([abs(p[name] / value - 1) for name, value in exact.items()]) for p in found]


LENGTH = 0.5
RATES, SHARES = np.array([1.6, 0.19]), np.array([0.30, 0.05])  # shares in 1/L: V1 = 1/0.35 L
TWO_CL = 1 / np.sum(SHARES / RATES)
TWO_MRT = np.sum(SHARES / RATES**2) / np.sum(SHARES / RATES)
ONE = {"AUCinf": DOSE / CL, "CL": CL, "lambda_z": K, "half_life": np.log(2) / K, "Vz": V}
CURVES = {
    "infusion": (lambda t: infusion(t, LENGTH), 60.0, ONE | {"MRT": 1 / K, "Vss": V}, {"duration": LENGTH}),
    # late, where what is absorbed is gone: the automatic choice takes more of the curve
    "oral": (bateman, 60.0, ONE | {"MRT": 1 / K + 1 / KA, "AUMCinf": DOSE / CL * (1 / K + 1 / KA)}, {"route": "oral"}),
    "two compartments": (
        lambda t: two_modes(t, RATES, SHARES),
        80.0,
        {"AUCinf": DOSE / TWO_CL, "CL": TWO_CL, "lambda_z": RATES[1], "Vz": TWO_CL / RATES[1], "MRT": TWO_MRT}
        | {"Vss": TWO_CL * TWO_MRT},
        {},
    ),
}


@pytest.mark.parametrize("name", CURVES)
def test_dense_grids_converge_to_the_formulas(name):
    curve, last, exact, options = CURVES[name]
    rough, fine = convergence(curve, last, exact, 2400, window=(35, last), **options)
    assert rough.max() < 2e-4
    assert np.all((fine < rough / 3.9) | (fine < 1e-9)), dict(zip(exact, zip(rough, fine, strict=True), strict=True))


def test_the_middle_of_the_infusion_is_taken_off():
    t = np.linspace(0, 60, 6001)
    late, none = (nca.profile(t, infusion(t, 2.0), dose=DOSE, duration=d) for d in (2.0, 1e-9))
    assert late["MRT"] == pytest.approx(1 / K, rel=1e-5)
    assert none["MRT"] - late["MRT"] == pytest.approx(1.0, rel=1e-6)


def test_no_sample_of_the_infusion_is_in_the_terminal_phase():
    """It falls from 0.25 on, and by one rate from 0.5 on, but the infusion runs to 1: four samples count."""
    t, c = np.array([0, 0.25, 0.5, 1, 2, 4, 8]), np.array([0, 14, 8 * 2**0.5, 8, 4, 1, 1 / 16])
    p = nca.profile(t, c, duration=1)
    assert p["n_points"] == 4
    assert p["lambda_z"] == pytest.approx(np.log(2), rel=1e-14)


# --- the choice of the terminal phase --------------------------------------------------------------------------------


def test_of_regressions_as_good_the_longest():
    t = np.arange(8.0)
    y = -0.3 * t
    y[0] += 0.02  # costs the longest regression less than 1e-4 of adjusted r2
    p = nca.profile(t, np.exp(y))
    assert (p["n_points"], 1 - 1e-4 < p["r2adj"] < 1 - 1e-6) == (8, True)
    y[0] += 0.08  # and now more
    assert nca.profile(t, np.exp(y))["n_points"] == 7


def test_the_peak_is_in_it_for_a_bolus_only():
    t = np.arange(1, 6.0)
    assert [nca.profile(t, bolus(t), **o)["n_points"] for o in ({}, {"duration": 0.5}, {"route": "oral"})] == [5, 4, 4]


def test_a_window_is_one_regression():
    t = np.array([0, 1, 2, 3, 4, 5.0])
    c = np.array([0, 9, 7, 3, 2, 1.9])
    p = nca.profile(t, c, route="oral", window=(1, 3))
    slope, _ = np.polyfit(t[1:4], np.log(c[1:4]), 1)
    assert (p["n_points"], p["lambda_z"]) == (3, pytest.approx(-slope, rel=1e-12))
    assert nca.profile(t, c, route="oral", window=(1, 2.5))["n_points"] == 0
    bent = bolus(t) * np.array([2, 1, 1, 1, 1, 1])
    assert [nca.profile(t, bent, window=w)["n_points"] for w in (None, (0, 5))] == [5, 6]


# --- time 0, quantification, tau -------------------------------------------------------------------------------------


def test_before_the_first_quantifiable_zero_after_it_missing():
    t = np.array([0, 1, 2, 3, 4, 5, 6.0])
    p = nca.profile(t, [0.2, 0.1, 4, 0.3, 2, 1, 0.4], route="oral", lloq=0.5)
    q = nca.profile(t[[0, 1, 2, 4, 5]], [0, 0, 4, 2, 1], route="oral")
    assert p == pytest.approx(q, nan_ok=True)
    assert (q["AUClast"], q["Tlast"]) == (pytest.approx(2 + 2 * 2 / np.log(2) + 1 / np.log(2)), 5)


def test_a_missing_sample_is_as_none():
    t, c = np.arange(7.0), np.array([0, 5, 4, np.nan, 2, 1, np.nan])
    keep = ~np.isnan(c)
    assert nca.profile(t, c, route="oral", tau=6) == pytest.approx(
        nca.profile(t[keep], c[keep], route="oral", tau=6), nan_ok=True
    )


def test_time_zero():
    t = np.array([1, 2, 4.0])
    c = np.array([4, 2, 0.5])
    assert nca.profile(t, c)["C0"] == pytest.approx(8)
    assert nca.profile([0, *t], [0, *c])["C0"] == pytest.approx(8)  # drawn before the dose
    assert nca.profile([0, *t], [7, *c])["C0"] == 7
    assert nca.profile([1, 2, 4], [2, 4, 1])["C0"] == 2  # rises: the first sample itself
    oral = nca.profile(t, c, route="oral")
    assert np.isnan(oral["C0"])
    assert oral["AUClast"] == pytest.approx(2 + 2 / np.log(2) + 3 / np.log(4))  # from (0, 0) up to the first


def test_tau_between_the_samples_and_after_them():
    t, c = np.array([0, 1, 3, 5, 9]), np.array([0, 4, 8, 2, 0.5])
    rate = nca.profile(t, c, route="oral", window=(3, 9))["lambda_z"]
    rising, falling, after = (nca.profile(t, c, route="oral", tau=x, window=(3, 9)) for x in (2, 4, 12))
    assert (rising["Ctau"], rising["AUCtau"]) == pytest.approx((6, 2 + 5))
    assert (falling["Ctau"], falling["AUCtau"]) == pytest.approx((4, 2 + 12 + 4 / np.log(2)))
    assert after["Ctau"] == pytest.approx(0.5 * np.exp(-3 * rate))
    assert after["AUCtau"] == pytest.approx(after["AUClast"] + 0.5 * -np.expm1(-3 * rate) / rate)
    straight = nca.profile(t, c, route="oral", tau=4, method="linear")
    assert (straight["Ctau"], straight["AUCtau"]) == pytest.approx((5, 2 + 12 + 6.5))
    assert (rising["Cmax"], rising["Tmax"], after["Tmax"]) == (4, 1, 3)  # of the interval


def test_the_smallest_concentration():
    assert nca.profile([0, 1, 2, 6], [0, 5, 9, 3], route="oral")["Cmin"] == 3  # not what absorption has not raised
    assert nca.profile([0, 1, 2, 6], [2.5, 2, 9, 3], route="oral")["Cmin"] == 2  # drug on board


# --- laws ------------------------------------------------------------------------------------------------------------

# exponents of the unit of time, of concentration and of dose
UNITS = {
    "Cmax": (0, 1, 0), "Tmax": (1, 0, 0), "Cmin": (0, 1, 0), "Cavg": (0, 1, 0), "Ctau": (0, 1, 0), "C0": (0, 1, 0),
    "Clast": (0, 1, 0), "Tlast": (1, 0, 0), "AUClast": (1, 1, 0), "AUCtau": (1, 1, 0), "AUCinf": (1, 1, 0),
    "AUCextrap": (0, 0, 0), "AUMCinf": (2, 1, 0), "lambda_z": (-1, 0, 0), "half_life": (1, 0, 0), "r2adj": (0, 0, 0),
    "n_points": (0, 0, 0), "CL": (-1, -1, 1), "CLtau": (-1, -1, 1), "Vz": (0, -1, 1), "MRT": (1, 0, 0), "Vss": (0, -1, 1),
}  # fmt: skip
ROUTES = st.sampled_from([{}, {"duration": 0.4}, {"route": "oral"}])
RULES = st.sampled_from([LINEAR, LOG])


@st.composite
def profiles(draw):
    """A noisy decline, at times that are not even."""
    n = draw(st.integers(4, 12))
    t = np.cumsum(draw(st.lists(st.floats(0.05, 5), min_size=n, max_size=n)))
    noise = np.array(draw(st.lists(st.floats(-0.5, 0.5), min_size=n, max_size=n)))
    return t, 10 * np.exp(-draw(st.floats(0.05, 0.5)) * t + noise)


@given(profiles(), ROUTES, RULES, st.sampled_from([0.25, 24, 1 / 7]), st.sampled_from([1e-3, 8]), st.sampled_from([0.5, 70]))
def test_units_do_not_matter(course, route, rule, hours, per, grams):
    (t, c), tau = course, 0.8 * course[0][-1]
    scaled = {"duration": route["duration"] * hours} if "duration" in route else route
    p = nca.profile(t, c, dose=5.0, tau=tau, **route, **rule)
    q = nca.profile(t * hours, c * per, dose=5.0 * grams, tau=tau * hours, **scaled, **rule)
    assert UNITS.keys() == p.keys() == set(nca.QUANTITIES)
    expected = {name: p[name] * hours**a * per**b * grams**d for name, (a, b, d) in UNITS.items()}
    assert q == pytest.approx(expected, rel=1e-9, abs=0, nan_ok=True)


@given(profiles(), RULES, st.floats(0.05, 0.95))
def test_areas_add(course, rule, part):
    (t, c), options = course, {"route": "oral"} | rule
    at = part * t[-1]
    whole = nca.profile(t, c, tau=t[-1], **options)
    first = nca.profile(t, c, tau=at, **options)
    second = nca.profile(np.r_[0, t[t > at] - at], np.r_[first["Ctau"], c[t > at]], **options)
    assert whole["AUCtau"] == pytest.approx(whole["AUClast"], rel=1e-12)
    assert first["AUCtau"] + second["AUClast"] == pytest.approx(whole["AUClast"], rel=1e-12)


@given(profiles(), ROUTES, RULES)
def test_an_endless_interval_is_infinity(course, route, rule):
    p = nca.profile(*course, **route, **rule)
    q = nca.profile(*course, tau=1e6, **route, **rule)
    assert q["AUCtau"] == pytest.approx(p["AUCinf"], rel=1e-9, nan_ok=True)


# --- more than one dose ----------------------------------------------------------------------------------------------

TAU, DOSES = 3.0, 6
STARTS = TAU * np.arange(DOSES)


def repeated(curve, t):
    """The sum of the curve after every dose; what is drawn at the time of a dose is drawn before it."""
    since = np.subtract.outer(t, STARTS)
    return np.where(since > 0, curve(np.maximum(since, 0.0)), 0.0).sum(1)


def expected_ratio(n):
    """Of one compartment: exposure of the n-th interval over that of the first."""
    return np.expm1(-n * K * TAU) / np.expm1(-K * TAU)


BEFORE = np.unique(np.add.outer(STARTS, [0, 0.2, 1, 2]).ravel().tolist() + [DOSES * TAU])


@pytest.mark.parametrize("design", ["no sample at the dose", "one before it", "one before it and one after"])
def test_repeated_boluses_are_exact(design):
    t, c = BEFORE, repeated(bolus, BEFORE)
    if design == "no sample at the dose":
        between = ~np.isin(t, [*STARTS, DOSES * TAU])
        t, c = t[between], c[between]
    if design == "one before it and one after":
        t, c = np.r_[t, STARTS], np.r_[c, repeated(bolus, STARTS) + DOSE / V]
        order = np.argsort(t, kind="stable")
        t, c = t[order], c[order]
    found = nca.intervals(t, c, STARTS, DOSE, TAU)
    assert len(found) == DOSES
    for n, p in enumerate(found, 1):
        assert p["AUCtau"] == pytest.approx(DOSE / CL * -np.expm1(-n * K * TAU), rel=1e-11)
        assert p["C0"] == pytest.approx(DOSE / V * expected_ratio(n), rel=1e-11)
        assert p["Ctau"] == pytest.approx(p["C0"] * np.exp(-K * TAU), rel=1e-11)
        ratios = nca.accumulation(found[0], p)
        assert ratios == pytest.approx(dict.fromkeys(("AUCtau", "Cmax", "Cmin"), expected_ratio(n)), rel=1e-11)


@pytest.mark.parametrize(("curve", "options"), [(lambda t: infusion(t, 0.1), {"duration": 0.1}), (bateman, {"route": "oral"})])
def test_repeated_infusions_and_tablets_converge(curve, options):
    """The n-th interval holds the area from 0 to n tau of one dose (superposition), and all of a dose in the end."""
    t = np.linspace(0, DOSES * TAU, 18001)
    single = np.cumsum(np.r_[0, np.diff(t) * (curve(t)[1:] + curve(t)[:-1]) / 2])
    found = nca.intervals(t, repeated(curve, t), STARTS, DOSE, TAU, **options)
    for n, p in enumerate(found, 1):
        assert p["AUCtau"] == pytest.approx(np.interp(n * TAU, t, single), rel=1e-5)
    assert found[-1]["CLtau"] == pytest.approx(CL / -np.expm1(-DOSES * K * TAU), rel=0.02)
    assert found[0]["Cmin"] == pytest.approx(curve(np.array([TAU]))[0], rel=1e-9)


def test_one_clock_or_another():
    """A course that starts late, on a clock of thirds of a day whose differences are not exact."""
    shift = 1 / 3
    plain = nca.intervals(BEFORE, repeated(bolus, BEFORE), STARTS, DOSE, TAU)
    late = nca.intervals(np.r_[0, BEFORE + shift], np.r_[0, repeated(bolus, BEFORE)], STARTS + shift, DOSE, TAU)
    for p, q in zip(plain, late, strict=True):
        assert q == pytest.approx(p, rel=1e-9)


def test_a_later_tablet_without_a_sample_starts_from_the_smallest():
    t = np.array([0, 1, 2, 4, 6.0, 6.5, 8, 10, 11])
    c = np.array([0, 8, 6, 3, 4, 9, 7, 2, 1])
    _, second = nca.intervals(t, c, [0, 5], [100, 200], 5, route="oral")
    alone = nca.profile([0, 1, 1.5, 3, 5, 6], [2, 4, 9, 7, 2, 1], 200, 5, route="oral")  # smallest up to tau: 2
    assert second == pytest.approx(alone, nan_ok=True)


def test_nothing_is_on_board_at_the_first_dose():
    t, c = np.array([0, 1, 2, 4, 5, 6, 7.0]), np.array([9, 4, 2, 1, 8, 4, 2])
    first, _ = nca.intervals(t, c, [0, 4], 100, 4)
    assert first["C0"] == 9  # and not 8, from the next two samples
    first, _ = nca.intervals(t[1:], c[1:], [0, 4], 100, 4, route="oral")
    assert first == pytest.approx(nca.profile([0, 1, 2, 4], [0, 4, 2, 1], 100, 4, route="oral"), nan_ok=True)


def test_accumulation_from_nothing_is_not_a_number():
    t, c = [0, 1, 2, 3, 4], [0, 0, 3, 2, 1]
    some, lagging = (nca.profile(t, c, dose=5, tau=tau, route="oral") for tau in (4, 1))
    missing = nca.profile([0, 1], [0, 0], tau=1, route="oral")
    assert (lagging["AUCtau"], lagging["Cmax"]) == (0, 0)
    assert np.isnan(lagging["CLtau"])
    assert all(np.isnan(x) for first in (lagging, missing) for x in nca.accumulation(first, some).values())


# --- what cannot be computed, and what is wrong ----------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"duration": 0.5}, {"route": "oral"}])
@pytest.mark.parametrize(
    ("time", "conc"),
    [([], []), ([0, 1, 2], [0, 0, 0]), ([0, 1], [np.nan, np.nan]), ([0, 1, 2], [0.1, 0.2, 0.1])],
)
def test_nothing_quantifiable(time, conc, options):
    p = nca.profile(time, conc, dose=1, tau=2, lloq=0.5, **options)
    assert p.pop("n_points") == 0
    assert all(np.isnan(x) for x in p.values())


@pytest.mark.parametrize("options", [{}, {"duration": 0.5}, {"route": "oral"}])
@pytest.mark.parametrize(
    ("time", "conc"), [([2], [3]), ([0], [3]), ([0, 2], [3, 3]), ([1, 2, 3, 4], [1, 2, 3, 4]), ([1, 2, 3], [3, 3, 3])]
)
def test_no_terminal_phase(time, conc, options):
    p = nca.profile(time, conc, dose=1, tau=9, **options)
    rest = {"lambda_z", "half_life", "r2adj", "AUCinf", "AUCextrap", "AUMCinf", "CL", "Vz", "MRT", "Vss"} | {"AUCtau", "Ctau"}
    assert all(np.isnan(p[name]) for name in rest)
    assert (p["n_points"], p["Cmax"], p["Clast"]) == (0, max(conc), conc[-1])
    assert np.isfinite(p["AUClast"])


def test_no_steady_volume_by_mouth():
    t = np.arange(1, 6.0)
    assert {name for name, x in nca.profile(t, bolus(t), 1, 3, route="oral").items() if np.isnan(x)} == {"Vss", "C0"}


def test_without_dose_or_tau():
    t = np.arange(1, 6.0)
    p = nca.profile(t, bolus(t))
    assert {name for name, x in p.items() if np.isnan(x)} == {"CL", "CLtau", "Vz", "Vss", "AUCtau", "Ctau", "Cavg"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(time=[0, 1], conc=[1]), r"one length, got shapes \(2,\) and \(1,\)"),
        (dict(time=[[0, 1]], conc=[[1, 2]]), "one length"),
        (dict(time=[-1, 1], conc=[1, 2]), "must not be negative .*-1"),
        (dict(time=[0, 2, 1], conc=[1, 2, 3]), r"must increase, got .*2.*1"),
        (dict(time=[0, 1, 1], conc=[1, 2, 3]), "must increase"),
        (dict(time=[0, np.nan], conc=[1, 2]), "time must be finite"),
        (dict(time=[0, 1], conc=[1, -2]), "conc must be"),
        (dict(time=[0, 1], conc=[1, np.inf]), "conc must be"),
        (dict(dose=0), "dose must be above 0, got 0"),
        (dict(dose=np.nan), "dose"),
        (dict(tau=-1), "tau must be above 0"),
        (dict(route="sc"), "route must be one of iv, oral, got 'sc'"),
        (dict(duration=-1), "duration"),
        (dict(route="oral", duration=1), "duration"),
        (dict(lloq=-1), "lloq"),
        (dict(window=(3, 2)), r"window must be \(from, to\)"),
        (dict(method="log"), "method must be one of linear-up log-down, linear, got 'log'"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        nca.profile(**dict(time=[0, 1, 2], conc=[3, 2, 1]) | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(dose_times=[0, 0]), "dose_times must increase"),
        (dict(dose=[1, 2, 3]), "one for each of 2 doses"),
        (dict(tau=None), "tau must be above 0"),
        (dict(time=[0, 2, 1], conc=[1, 1, 1]), "time must increase"),
        (dict(time=[0, 1, 1, 2], conc=[1, 1, 1, 1]), "time must increase"),  # two samples, and no dose there
    ],
)
def test_bad_courses(arguments, message):
    with pytest.raises(ValueError, match=message):
        nca.intervals(**dict(time=[0, 1, 2], conc=[3, 2, 1], dose_times=[0, 1.5], dose=1, tau=1.5) | arguments)
