"""Every boundary of every CTCAE version, both sides, against tables written out here without the program's."""

import jax.numpy as jnp
import numpy as np
import pytest

from vtrial.conduct import grading
from vtrial.errors import InputError

# For each version and value: (value, grade), at each boundary and just beyond it. Counts: LLN 150 and 2.
COUNTS = {
    "platelets": [(150, 0), (149.9, 1), (75, 1), (74.9, 2), (50, 2), (49.9, 3), (25, 3), (24.9, 4), (0, 4)],
    "neutrophils": [(2, 0), (1.99, 1), (1.5, 1), (1.49, 2), (1.0, 2), (0.99, 3), (0.5, 3), (0.49, 4)],
}
ENZYMES = {
    "v3": [(1, 0), (1.01, 1), (2.5, 1), (2.51, 2), (5, 2), (5.01, 3), (20, 3), (20.1, 4)],
    "v4": [(1, 0), (1.01, 1), (2.51, 1), (3, 1), (3.01, 2), (5, 2), (5.01, 3), (20, 3), (20.1, 4)],
    "v5": [(1, 0), (1.01, 1), (2.51, 1), (3, 1), (3.01, 2), (5, 2), (5.01, 3), (20, 3), (20.1, 4)],
}
BILIRUBIN = [(1, 0), (1.01, 1), (1.5, 1), (1.51, 2), (3, 2), (3.01, 3), (10, 3), (10.1, 4)]
# Version 5, baseline twice the upper limit: in multiples of the upper limit.
ABNORMAL = {
    "alt": [(2, 0), (2.98, 0), (3, 1), (6, 1), (6.02, 2), (10, 2), (10.1, 3), (40, 3), (40.1, 4)],
    "bilirubin": [(2, 0), (2.01, 1), (3, 1), (3.01, 2), (6, 2), (6.1, 3), (20, 3), (20.1, 4)],
}
ABNORMAL["ast"] = ABNORMAL["alt"]
LOWER = {"platelets": 150.0, "neutrophils": 2.0}
# Ejection fraction, per cent: (baseline, value, grade). Version 3 looks at the value alone.
BY_VALUE = {
    "v3": [(61, 60, 0), (61, 59.9, 1), (60, 50, 1), (55, 49.9, 2), (45, 40, 2), (45, 39.9, 3), (30, 20, 3), (30, 19.9, 4)],
    "v4": [(55, 50.1, 0), (55, 50, 2), (49, 40, 2), (49, 39.9, 3), (39, 20, 3), (39, 19.9, 4)],
}
BY_VALUE["v5"] = BY_VALUE["v4"]
BY_DROP = {
    "v3": [(90, 60, 0), (80, 60, 0)],
    "v4": [(70, 60.1, 0), (70, 60, 2), (80, 60.1, 2), (80, 60, 2), (80, 59.9, 3), (95, 51, 3), (60, 65, 0)],
    "v5": [(70, 60.1, 0), (70, 60, 2), (80, 60.1, 2), (80, 60, 3), (80, 59.9, 3), (95, 51, 3), (60, 65, 0)],
}
# The worse of both: a fall of 10 to 39 is grade 3, of 21 to 41 grade 3, of 70 to 15 grade 4, and none at 45 grade 2.
BY_BOTH = [(49, 39, 3), (62, 41, 3), (85, 15, 4), (45, 45, 2), (50, 41, 2)]


def cases():
    for version in ("v3", "v4", "v5"):
        for lab, rows in {**COUNTS, "alt": ENZYMES[version], "ast": ENZYMES[version], "bilirubin": BILIRUBIN}.items():
            yield version, lab, 0.8, rows
            if lab in ABNORMAL:
                # only version 5 looks at the baseline, and one at the limit is normal
                yield version, lab, 1.0, rows
                yield version, lab, 2.0, ABNORMAL[lab] if version == "v5" else rows


@pytest.mark.parametrize(("version", "lab", "baseline", "rows"), list(cases()))
def test_boundaries(version, lab, baseline, rows):
    scale = grading.scale(version, lab, LOWER.get(lab, 1.0))
    values = jnp.array([v for v, _ in rows], float)
    np.testing.assert_array_equal(grading.grade(scale, values, jnp.full(len(rows), baseline)), [g for _, g in rows])


def hearts():
    for version in ("v3", "v4", "v5"):
        yield from ((version, *row) for row in BY_VALUE[version] + BY_DROP[version])
        if version != "v3":
            yield from ((version, *row) for row in BY_BOTH)


@pytest.mark.parametrize(("version", "baseline", "value", "grade"), list(hearts()))
def test_boundaries_of_the_ejection_fraction(version, baseline, value, grade):
    found = grading.grade(grading.scale(version, "lvef"), jnp.array([float(value)]), jnp.array([float(baseline)]))
    assert found == grade


@pytest.mark.parametrize("version", ["v3", "v4", "v5"])
def test_without_a_baseline_the_value_alone_is_graded(version):
    found = grading.grade(grading.scale(version, "lvef"), jnp.array([55.0, 45.0, 30.0, 10.0]))
    np.testing.assert_array_equal(found, [1 if version == "v3" else 0, 2, 3, 4])


def test_the_lower_limit_is_the_laboratorys_own():
    scale = grading.scale("v3", "platelets", 130.0)
    np.testing.assert_array_equal(grading.grade(scale, jnp.array([140.0, 130.0, 129.0])), [0, 0, 1])


@pytest.mark.parametrize(("version", "lab", "said"), [("v2", "alt", "'v2'"), ("v3", "amylase", "'amylase'")])
def test_what_has_no_table_is_named(version, lab, said):
    with pytest.raises(InputError, match=f"unknown {said}; allowed: "):
        grading.scale(version, lab)
