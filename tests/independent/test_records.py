"""Event records against the naive reference: every scenario, all subjects of a structure in one file."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from vtrial.events import from_frame, from_nonmem_csv, to_nonmem_csv
from vtrial.pk.simulate import simulate


def _load(name):
    path = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


NAIVE, SCENARIOS = _load("naive_pk"), _load("scenarios").SCENARIOS
GROUPS = sorted({(s.structure, s.interpolation) for s in SCENARIOS})


def together(scenarios):
    """One frame of all scenarios, a subject each; parameters are columns."""
    rows = [{"ID": i, **s.parameters, **r} for i, s in enumerate(scenarios, 1) for r in s.records]
    columns = sorted({k for row in rows for k in row})
    return pl.DataFrame({c: [row.get(c) for row in rows] for c in columns}, strict=False)


@pytest.mark.parametrize(("structure", "interpolation"), GROUPS)
def test_every_record_of_every_scenario(structure, interpolation):
    chosen = [s for s in SCENARIOS if (s.structure, s.interpolation) == (structure, interpolation)]
    got = simulate(structure, from_frame(together(chosen)), {}, interpolation)
    for i, s in enumerate(chosen, 1):
        want = np.array(NAIVE.simulate(structure, s.records, s.parameters, interpolation))
        mine = got.filter(pl.col("ID") == i)["CP"].to_numpy()
        np.testing.assert_allclose(mine, want, rtol=1e-7, atol=1e-9, err_msg=s.name)


def test_a_file_written_and_read_is_the_same(tmp_path):
    records = from_frame(together([s for s in SCENARIOS if s.structure == "two_cmt_oral"]))
    to_nonmem_csv(records, tmp_path / "a.csv")
    assert from_nonmem_csv(tmp_path / "a.csv").frame.equals(records.frame)
