"""What ``vtrial pk`` does: from words to profiles, their NCA, tables and a figure."""

import itertools
from dataclasses import dataclass

import jax
import numpy as np
import polars as pl

from . import events, exposure, population
from .errors import bad, unknown
from .library import cards, drugs
from .output import write_text, write_whole
from .pk import STRUCTURES, nca
from .pk.simulate import simulate

KEYS = ("ID", "TIME", "EVID")


@dataclass(frozen=True)
class Profiles:
    """Concentrations at records (``frame``: ID, TIME, EVID, a column an analyte), with each analyte's ``units``."""

    frame: pl.DataFrame
    records: events.Records
    units: dict
    time_unit: str

    @property
    def analytes(self):
        return [c for c in self.frame.columns if c not in KEYS and not c.endswith(("_DV", "_BLQ"))]


def check(args):
    """The words of the command agree with each other; raises `InputError` where they do not."""
    if bool(args.drug) == bool(args.structure):
        raise bad("pk", "--drug", "or --structure: one of them says what is simulated")
    if bool(args.regimen) == bool(args.events):
        raise bad("pk", "--regimen", "or --events: one of them says what is given")
    if args.structure and args.structure not in STRUCTURES:
        raise unknown("pk", "--structure", args.structure, STRUCTURES)
    if args.structure and args.regimen:
        raise bad("pk", "--regimen", "needs --drug; a structure takes --events")
    if args.drug and (args.set or args.omega):
        raise bad("pk", "--set", "and --omega go with --structure; a drug's numbers are its card's (or columns of the events)")
    if args.structure and (args.population or args.uncertain or args.measured):
        raise bad("pk", "--population", ", --uncertain and --measured go with --drug")
    if args.lloq is not None and not args.measured:
        raise bad("pk", "--lloq", "needs --measured")
    if args.drug and args.n and not args.population:
        raise bad("pk", "--n", "needs --population: whom to draw from")


def pairs(words, key):
    """``["CL=1.1"]`` -> {"CL": 1.1}, names in upper case."""
    out = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            out[name.strip().upper()] = float(value)
        except ValueError:
            raise bad("pk", key, f"{word!r}: NAME=NUMBER is needed") from None
    return out


def of_structure(args):
    """Profiles of a bare structure: units are the file's own."""
    records, values = events.from_nonmem_csv(args.events), pairs(args.set, "--set")
    records = repeated(records, args.n or 1)
    known = {*STRUCTURES[args.structure].PARAMETERS, "V"}
    for name in [n for n in values if n not in known and not _understood(args.structure, n)]:
        raise unknown("pk", "--set", name, [*known, "F1", "ALAG1", "D1", "R1"])
    count = len(records.subjects())
    for name, sd in pairs(args.omega, "--omega").items():
        if name not in values:
            raise unknown("pk", "--omega", name, values)
        scores = population.deal(jax.random.key(args.seed), np.arange(count), [f"eta.{name}"])[f"eta.{name}"]
        values[name] = values[name] * np.exp(sd * np.asarray(scores))
    frame = simulate(args.structure, records, values, args.interpolation)
    return Profiles(frame, records, {c: "" for c in frame.columns if c not in KEYS}, "")


def _understood(structure, name):
    from .pk import names

    return bool(names.dosing([name])) or name in names.NONMEM.get(structure, {})


def repeated(records, n):
    """One subject's records for each of ``n``, numbered from 1; more subjects stay as they are."""
    if n == 1:
        return records
    if len(records.subjects()) > 1:
        raise bad(records.file, "ID", f"has {len(records.subjects())} subjects; --n repeats the records of one")
    copies = [records.frame.with_columns(ID=pl.lit(float(k))) for k in range(1, n + 1)]
    return events.Records(pl.concat(copies), records.file, records.lines * n)


def of_drug(args):
    """Profiles of a drug on the shelf, in typical or drawn patients."""
    card, drug = cards.load(args.drug, args.card), drugs.load(args.drug)
    own = str(args.population).endswith(".csv")
    people = args.population if own or not args.population else exposure.people(args.population)
    records = repeated(events.from_nonmem_csv(args.events), args.n or 1) if args.events else None
    if args.n or (people and records and len(records.subjects()) > 1):
        count = len(records.subjects()) if records else args.n
        draw = exposure.resampled if own else exposure.drawn
        patients = draw(card, people, count, jax.random.key(args.seed), args.uncertain)
    else:
        patients = exposure.typical(card, None if own else people)
    if records is None:
        records = exposure.given(events.schedule(args.regimen), drug, patients, args.until)
    unit = args.time_unit if args.events else "d"
    frame = exposure.concentrations(args.drug, records, patients, unit, args.interpolation, args.card)
    units = {a.name: a.unit for a in drug.analytes}
    if args.measured:
        key = population.stream(jax.random.key(args.seed), "measured")
        frame = exposure.measured(frame, args.drug, args.card, key, args.lloq)
    return Profiles(frame, records, {c: units.get(c, "ug/mL") for c in frame.columns if c not in KEYS}, unit)


def nca_table(found):
    """NCA of every dosing interval of every subject and analyte: a Polars frame, a row an interval."""
    rows = []
    for subject, first, count in found.records.subjects():
        part = found.frame[first : first + count]
        doses = dose_times(found.records.frame[first : first + count])
        for name in found.analytes:
            rows += [{"ID": subject, "ANALYTE": name, "DOSE": k + 1, **r} for k, r in enumerate(_intervals(part, name, doses))]
    return pl.DataFrame(rows, infer_schema_length=None) if rows else pl.DataFrame()


def dose_times(frame):
    """(time, amount, duration) of every dose of one subject's records, additional ones too, in order of time."""
    out = []
    for r in frame.filter(pl.col("EVID").is_in([1.0, 4.0]) & (pl.col("AMT") > 0)).iter_rows(named=True):
        duration = r["AMT"] / r["RATE"] if r["RATE"] > 0 else 0.0
        out += [(r["TIME"] + k * r["II"], r["AMT"], duration) for k in range(int(r["ADDL"]) + 1)]
    return sorted(out)


def _intervals(part, name, doses):
    if not doses:
        return
    time, conc = part["TIME"].to_numpy(), part[name].to_numpy()
    starts = [t for t, _, _ in doses]
    # the last interval is taken for as long as the one before
    gaps = [b - a for a, b in itertools.pairwise(starts)]
    ends = [*starts[1:], starts[-1] + gaps[-1] if gaps else np.inf]
    for (start, amount, duration), end in zip(doses, ends, strict=True):
        inside = (time >= start) & (time <= end)
        if inside.sum() < 3 or not (conc[inside] > 0).any():
            continue
        at, index = np.unique(time[inside], return_index=True)
        tau = end - start if np.isfinite(end) else None
        shown = conc[inside][index]
        yield {"TIME": start, **nca.profile(at - start, shown, amount, tau, "iv" if duration else "oral", duration)}


def write(folder, found, table):
    """concentrations.csv and .parquet, nca.csv, profile.png in ``folder``, each whole or not at all."""
    from pathlib import Path

    folder = Path(folder)
    write_text(folder / "concentrations.csv", csv(found.frame))
    write_whole(folder / "concentrations.parquet", found.frame.write_parquet)
    write_text(folder / "nca.csv", csv(table))
    write_whole(folder / "profile.png", lambda path: figure(found, path))


def csv(frame):
    """A frame as text, 12 significant digits."""
    header = ",".join(frame.columns)
    return "\n".join([header, *(",".join(_cell(v) for v in row) for row in frame.iter_rows())]) + "\n"


def _cell(value):
    return f"{value:.12g}" if isinstance(value, float) else "" if value is None else str(value)


def figure(found, path):
    """Median and 90 % band over subjects of each analyte, on a logarithmic axis."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(7, 3 * len(found.analytes)), layout="constrained")
    for ax, name in zip(fig.subplots(len(found.analytes), squeeze=False)[:, 0], found.analytes, strict=True):
        shown = found.frame.filter(pl.col(name) > 0).group_by("TIME", maintain_order=True)
        band = shown.agg([pl.col(name).quantile(q).alias(str(q)) for q in (0.05, 0.5, 0.95)]).sort("TIME")
        ax.fill_between(band["TIME"], band["0.05"], band["0.95"], alpha=0.25, lw=0)
        ax.plot(band["TIME"], band["0.5"])
        ax.set(yscale="log", xlabel=f"time {found.time_unit}".strip(), ylabel=f"{name} {found.units[name]}".strip())
    fig.savefig(path, format="png", dpi=130)


SHOWN = ("Cmax", "Tmax", "Cmin", "AUCtau", "AUCinf", "half_life")


def summary(found, table, args):
    """What ``--json`` prints."""
    rows = [{k: _finite(v) for k, v in r.items()} for r in table.iter_rows(named=True)]
    subjects = len(found.records.subjects())
    return {
        "drug": args.drug,
        "structure": args.structure,
        "interpolation": args.interpolation,
        "seed": args.seed,
        "subjects": subjects,
        "time_unit": found.time_unit or None,
        "analytes": [{"name": n, "unit": found.units[n] or None} for n in found.analytes],
        "nca": rows,
    }


def _finite(value):
    return None if isinstance(value, float) and not np.isfinite(value) else value


def text(found, table, args):
    """What is printed: where files were written, the NCA of the median subject; else the concentrations themselves."""
    lines = [f"covariates between records: {args.interpolation}"] if args.events else []
    if not args.out and args.structure:
        return csv(found.frame)
    for (name, dose), part in table.group_by("ANALYTE", "DOSE", maintain_order=True) if len(table) else []:
        numbers = (f"{k} {part[k].median():.4g}" for k in SHOWN if part[k].is_not_nan().any())
        lines.append(f"{name} {found.units[name]}, dose {dose}: {', '.join(numbers)}")
    return "\n".join([*lines, *([f"written: {args.out}"] if args.out else [])]) + "\n"
