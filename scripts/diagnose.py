"""Reads a posterior with plain ArviZ: ``python scripts/diagnose.py [FILE.nc] [FOLDER]``. Nothing of vtrial is needed."""

import sys
from pathlib import Path

import arviz as az

file = sys.argv[1] if len(sys.argv) > 1 else "calibration/results/platelets-tdm1/posterior.nc"
out = Path(sys.argv[2] if len(sys.argv) > 2 else "out/diagnose")
out.mkdir(parents=True, exist_ok=True)

data = az.from_netcdf(file)
print(data["posterior"].attrs)
print(az.summary(data, group="posterior"))
print("divergences", int(data["sample_stats"]["diverging"].sum()))
print("E-BFMI", az.bfmi(data))

for name, plot in {"rank": az.plot_rank, "trace": az.plot_trace, "prior-posterior": az.plot_prior_posterior}.items():
    plot(data, backend="matplotlib").savefig(out / f"{name}.png")
print("figures in", out)
