"""The platelet-year: how many virtual patients a second one core takes through a year of T-DM1, here and by diffrax.

Two-compartment T-DM1, 17 infusions three weeks apart, Friberg's platelets without drift, log-normal variability between
patients; concentration and platelets of each of 365 days are kept. Every row is measured in one worker process that is
pinned to one core, and its error is measured against scipy's DOP853 at 1e-10. The worker is this file run as a module.
"""

import io
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

# The task. The patient is Lu 2014's typical one of 70 kg (L/day, L), Friberg's form (1e9/L, day, 1, L/mg).
TYPICAL = {"CL": 0.676, "V1": 3.127, "Q": 1.534, "V2": 0.660, "CIRC0": 250.0, "MTT": 132 / 24, "GAM": 0.17, "SLOPE": 0.0025}
CV = {"CL": 0.19, "V1": 0.12, "CIRC0": 0.25, "MTT": 0.15, "SLOPE": 0.35}  # log-normal, omega^2 = ln(1 + CV^2)
DOSE, INFUSION = 3.6 * 70, 1.5 / 24  # mg, day
EVERY, CYCLES, DAYS = 21, 17, 365
LIMIT = 1e-3  # of the error: relative in platelets, relative to its peak in concentration

SAMPLE = 20  # patients whose error is measured
CHUNK = 1024  # patients a call of ours, so that what a day needs stays in the second-level cache
RIVALS = 256  # patients a call of diffrax, its fastest here
GRADIENT = 256  # patients of the gradient, as in a calibration
TOLERANCE = {"float64": 1e-3, "float32": 1e-4}  # diffrax: rtol and atol, the loosest that keep the error under LIMIT
OPTIONS = {"xla_cpu_prefer_vector_width": 512}  # of the compiler, for ours and for diffrax
COMMAND = "pip install 'vtrial[gpu]' && vtrial benchmark"


def run(subjects=20000, seconds=5.0, seed=1, progress=None):
    """Measures every row, in workers of their own.

    Parameters
    ----------
    subjects : int
        Virtual patients a run of ours, rounded up to whole chunks; outputs take 6 kB each in float64.
    seconds : float
        Time to repeat each row for; three repeats at least.
    seed : int
        Of the patients.
    progress : callable, optional
        Called with a line of text as each row begins.

    Returns
    -------
    dict
        ``task``, ``machine``, ``rows``, ``ratio`` (ours over diffrax, patients a second) and ``gradient``; JSON-able.
    """
    request = {"subjects": subjects, "seconds": seconds, "seed": seed}
    result = _work({**request, "device": "cpu"}, progress)
    result["rows"] += _work({**request, "device": "gpu"}, progress)["rows"]
    task = {"typical": TYPICAL, "cv": CV, "dose_mg": DOSE, "infusion_days": INFUSION, "every_days": EVERY, "cycles": CYCLES}
    return {"task": task | {"days": DAYS, "error_limit": LIMIT}, **request, **result, "ratio": _ratios(result["rows"])}


def table(result):
    """The result as text: one line a row, then the ratios, the gradient and the machine."""
    from rich.console import Console
    from rich.table import Table

    title = f"platelet-year: {DAYS} days, {CYCLES} doses, daily concentration and platelets kept"
    grid = Table("", "type", "patients/s, best", "median", "compile s", "run s", "error: platelets", "conc.", title=title)
    for row in result["rows"]:
        grid.add_row(*_cells(row))
    console = Console(file=io.StringIO(), width=128)
    console.print(grid, *_notes(result), sep="\n", markup=False, highlight=False)
    return console.file.getvalue().rstrip()


def _cells(row):
    if not row["measured"]:
        return row["name"], row["dtype"], "not measured"
    rate, error = row["patients_per_second"], row["error"]
    speed = f"{rate['best']:,.0f}", f"{rate['median']:,.0f}"
    spent = f"{row['compile_seconds']:.1f}", f"{row['run_seconds']['best']:.3f}"
    late = "" if row["within"] else " (over)"
    return row["name"], row["dtype"], *speed, *spent, f"{error['platelets']:.1e}", f"{error['concentration']:.1e}{late}"


def _notes(result):
    """Lines under the table."""
    machine, grad = result["machine"], result["gradient"]
    yield from (f"ours / diffrax, {dtype}: {ratio:.0f}" for dtype, ratio in result["ratio"].items())
    ms = {name: f"{1e3 * grad[f'{name}_seconds']:.1f} ms" for name in ("forward", "gradient")}
    yield f"{grad['subjects']} patients x {grad['days']} days, float64: {ms['forward']}, with the gradient {ms['gradient']}"
    yield from dict.fromkeys(f"{row['name']}: {row['method']}" for row in result["rows"])
    yield f"{machine['cpu']}, one core of {machine['cores']}; jax {machine['jax']}, diffrax {machine['diffrax']}"


def _ratios(rows):
    """Ours over diffrax, of rows on one core within the error: by type, and the best of each."""
    fair = [row for row in rows if row["measured"] and row["within"] and row["device"] == "cpu"]

    def best(engine, dtypes):
        rates = (r["patients_per_second"]["best"] for r in fair if r["engine"] == engine and r["dtype"] in dtypes)
        return max(rates, default=0.0)

    types = {"float32": ["float32"], "float64": ["float64"], "best of any type": ["float32", "float64"]}
    return {k: best("vtrial", dtypes) / best("diffrax", dtypes) for k, dtypes in types.items() if best("diffrax", dtypes)}


def _work(request, progress):
    """The answer of a worker; its other lines go to ``progress``."""
    command = [sys.executable, "-m", __name__, json.dumps(request)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, env=_environment(request["device"]), text=True)
    answer = None
    for kind, value in map(json.loads, worker.stdout):
        if kind == "result":
            answer = value
        elif progress:
            progress(value)
    if worker.wait() or answer is None:
        raise RuntimeError(f"the benchmark's {request['device']} worker failed (exit code {worker.returncode})")
    return answer


def _environment(device):
    """One thread and no compilation cache; the package from where it was imported; on the CPU no other device."""
    drop = {"JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_X64", "JAX_PLATFORMS", "XLA_FLAGS"}
    path = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {k: v for k, v in os.environ.items() if k not in drop} | {"PYTHONPATH": os.pathsep.join(path)}
    one = {"JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    return env | (one if device == "cpu" else {})


def _say(kind, value):
    print(json.dumps([kind, value]), flush=True)


def _cpu(subjects, seconds, seed, device):
    """All rows of one core. Pinned before JAX starts: XLA then makes no second thread."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import jax

    _say("progress", "the reference")
    exact = reference(cohort(SAMPLE, seed))
    rows = []
    for dtype in ("float32", "float64"):
        jax.config.update("jax_enable_x64", dtype == "float64")
        rows += [_ours(subjects, seconds, seed, dtype, exact), _diffrax(seconds, seed, dtype, exact)]
    rows.sort(key=lambda row: row["engine"] != "vtrial")
    return {"machine": machine(), "rows": rows, "gradient": _gradient(seconds, seed)}


def _gpu(subjects, seconds, seed, device):
    """Ours on a GPU, all patients in one call; the row says so where there is none."""
    import jax

    try:
        jax.devices("gpu")
    except RuntimeError:
        row = {"name": "ours, GPU", "engine": "vtrial", "method": f"no GPU here; {COMMAND}", "device": "gpu"}
        return {"rows": [row | {"dtype": "float32", "measured": False, "command": COMMAND}]}
    exact = reference(cohort(SAMPLE, seed))
    return {"rows": [_ours(subjects, seconds, seed, "float32", exact, chunk=subjects, device="gpu")]}


def machine():
    """What the figures were measured on."""
    versions = {name: version(name) for name in ("jax", "jaxlib", "diffrax", "numpy", "scipy")}
    return {"cpu": _cpu_model(), "cores": os.cpu_count(), "python": sys.version.split()[0], **versions}


def _cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def cohort(n, seed):
    """Parameters of ``n`` patients in the units of `TYPICAL`, (subject,) in float64. The first patients are always the same."""
    etas = np.random.default_rng(seed).standard_normal((n, len(CV)))
    spread = {k: np.exp(np.sqrt(np.log1p(cv**2)) * eta) for (k, cv), eta in zip(CV.items(), etas.T, strict=True)}
    return {k: v * spread.get(k, np.ones(n)) for k, v in TYPICAL.items()} | {"KS": np.zeros(n), "KD": np.zeros(n)}


def course(p, out):
    """Concentration (mg/L) and platelets (1e9/L) at the end of each day of a year, two arrays (day, subject).

    Parameters
    ----------
    p : dict
        Parameters in the units of `TYPICAL`, each (subject,).
    out : tuple
        Two such arrays to write into: donated, they spare the system the making of fresh pages.
    """
    from jax.lax import dynamic_update_index_in_dim, fori_loop

    day, begin = _day(p, drift=False)

    def written(carry, dose=None):
        i, body, out = carry
        body, rows = day(body, dose)
        return i + 1, body, tuple(dynamic_update_index_in_dim(a, row, i, 0) for a, row in zip(out, rows, strict=True))

    def rest(days, carry):
        return fori_loop(0, days, lambda _, carry: written(carry), carry)

    carry = fori_loop(0, CYCLES, lambda _, carry: rest(EVERY - 1, written(carry, DOSE)), (0, begin, out))
    return rest(DAYS - CYCLES * EVERY, carry)[-1]


def mean_platelets(p):
    """Mean platelets (1e9/L) of all cohort-days of the cycles, with drift: what the gradient is taken of."""
    import jax

    day, begin = _day(p, drift=True)

    @jax.checkpoint
    def added(carry, dose):
        body, (_, platelets) = day(carry[0], dose)
        return (body, carry[1] + platelets), None

    doses = jax.numpy.where(jax.numpy.arange(EVERY * CYCLES) % EVERY == 0, DOSE, 0.0)
    return jax.lax.scan(added, (begin, 0.0 * p["CIRC0"]), doses)[0][1].mean() / (EVERY * CYCLES)


def _day(p, drift):
    """``day(carry, dose) -> carry, (concentration, platelets)`` of a cohort, and the carry to begin with."""
    from .pk import modes as pkmodes
    from .pk import two_cmt_iv
    from .toxicity import friberg

    modes = two_cmt_iv.modes(p)
    step = friberg.prepare(p, modes, 1.0, INFUSION, drift=drift)
    left, gain = pkmodes.pace(modes, 1.0, INFUSION)

    def day(carry, dose=None):
        c, state = carry
        state = friberg.advance(step, state, c, dose)
        c = tuple(a * b if dose is None else a * b + dose * g for a, b, g in zip(c, left, gain, strict=True))
        return (c, state), (sum(c), p["CIRC0"] * friberg.circulating(state))

    return day, (tuple(0.0 * row for row in left), friberg.start(p))


def _ours(subjects, seconds, seed, dtype, exact, chunk=CHUNK, device="cpu"):
    import jax.numpy as jnp

    _say("progress", f"ours, {dtype}, {device}")
    chunks = _chunks(subjects, chunk, seed, dtype)
    size = chunks[0]["CL"].size
    outs = [(jnp.zeros((DAYS, size), dtype), jnp.ones((DAYS, size), dtype)) for _ in chunks]
    program, compiling = _compiled(course, chunks[0], outs[0], donate=1)

    def once():
        outs[:] = [program(p, out) for p, out in zip(chunks, outs, strict=True)]
        return outs

    method = f"closed-form pharmacokinetics, one step a day, {size} patients a call"
    row = {"name": "ours" if device == "cpu" else "ours, GPU", "engine": "vtrial", "method": method, "device": device}
    return _row(row, dtype, size * len(chunks), compiling, _times(once, seconds=seconds), _error(outs[0], exact))


def _chunks(subjects, chunk, seed, dtype):
    """The cohort in parts of one size, a multiple of 32."""
    import jax.numpy as jnp

    parts = -(-subjects // chunk)
    size = 32 * -(-subjects // (32 * parts))
    p = cohort(size * parts, seed)
    return [{k: jnp.asarray(v[i * size : (i + 1) * size], dtype) for k, v in p.items()} for i in range(parts)]


def _gradient(seconds, seed):
    """Seconds of the mean platelets of a small cohort in float64, forward and with the gradient by every parameter."""
    import jax

    _say("progress", "the gradient")
    jax.config.update("jax_enable_x64", True)
    p = _chunks(GRADIENT, GRADIENT, seed, "float64")[0]
    row = {"subjects": GRADIENT, "days": EVERY * CYCLES}
    for name, function in {"forward": mean_platelets, "gradient": jax.value_and_grad(mean_platelets)}.items():
        program, row[f"{name}_compile_seconds"] = _compiled(function, p)
        row[f"{name}_seconds"] = min(_times(program, p, seconds=seconds / 2))
    return row


def rates(t, y, p):
    """The seven rates of change, for diffrax and for the reference; the input is added by each."""
    a1, a2, p0, x1, x2, x3, x4 = y
    ktr, c = 4 / p["MTT"], a1 / p["V1"]
    exchange = p["Q"] * c - p["Q"] / p["V2"] * a2
    grow = ktr * ((1 - p["SLOPE"] * c) * x4 ** -p["GAM"] - 1) * p0
    return -p["CL"] * c - exchange, exchange, grow, ktr * (p0 - x1), ktr * (x1 - x2), ktr * (x2 - x3), ktr * (x3 - x4)


def _diffrax_course(dtype):
    """One patient's year as diffrax's documentation would have it: a PID controller told of both ends of each infusion."""
    import diffrax
    import jax.numpy as jnp

    def field(t, y, p):
        on = (t % EVERY < INFUSION) & (t < EVERY * CYCLES)
        central, *others = rates(t, y, p)
        return (central + jnp.where(on, DOSE / INFUSION, 0.0), *others)

    starts = EVERY * jnp.arange(CYCLES, dtype=dtype)
    pid = diffrax.PIDController(rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    control = diffrax.ClipStepSizeController(pid, jump_ts=jnp.sort(jnp.concatenate([starts[1:], starts + INFUSION])))
    save = diffrax.SaveAt(ts=jnp.arange(1, DAYS + 1, dtype=dtype))
    span, term, solver = (jnp.zeros((), dtype), jnp.full((), DAYS, dtype)), diffrax.ODETerm(field), diffrax.Tsit5()

    def one(p):
        y0 = tuple(jnp.full((), v, dtype) for v in (0, 0, 1, 1, 1, 1, 1))
        options = {"saveat": save, "stepsize_controller": control, "max_steps": 2**14}
        ys = diffrax.diffeqsolve(term, solver, *span, None, y0, p, **options).ys
        return ys[0] / p["V1"], p["CIRC0"] * ys[6]

    return one


def _diffrax(seconds, seed, dtype, exact):
    import jax

    _say("progress", f"diffrax, {dtype}")
    p = _chunks(RIVALS, RIVALS, seed, dtype)[0]
    program, compiling = _compiled(jax.vmap(_diffrax_course(dtype)), p)
    error = _error([a.T for a in program(p)], exact)
    method = f"Tsit5, PIDController with rtol = atol = {TOLERANCE[dtype]:g}, jump_ts, vmap over {RIVALS} patients"
    row = {"name": "diffrax", "engine": "diffrax", "method": method, "device": "cpu"}
    return _row(row, dtype, RIVALS, compiling, _times(program, p, seconds=seconds), error)


def reference(p):
    """Concentration (mg/L) and platelets (1e9/L) of each day, (day, subject), by DOP853 at 1e-10 split at infusion ends."""
    subjects = [{k: float(v[i]) for k, v in p.items()} for i in range(p["CL"].size)]
    return [np.stack(rows, 1) for rows in zip(*map(_reference_patient, subjects), strict=True)]


def _reference_patient(p):
    from scipy.integrate import solve_ivp

    cuts = [*(t for k in range(CYCLES) for t in (EVERY * k, EVERY * k + INFUSION)), DAYS]
    y, days = np.array([0, 0, 1, 1, 1, 1, 1.0]), []
    for i, (a, b) in enumerate(pairwise(cuts)):
        source = np.array([DOSE / INFUSION if i % 2 == 0 else 0.0, 0, 0, 0, 0, 0, 0])
        at = np.unique([*range(int(a) + 1, int(b) + 1), b])
        options = {"method": "DOP853", "t_eval": at, "rtol": 1e-10, "atol": 1e-12}
        ys = solve_ivp(lambda t, y, s=source: rates(t, y, p) + s, (a, b), y, **options).y
        y = ys[:, -1]
        days.append(ys[:, at % 1 == 0])
    ys = np.concatenate(days, 1)
    return ys[0] / p["V1"], p["CIRC0"] * ys[6]


def _error(got, exact):
    """Largest over days and sampled patients: relative in platelets, relative to the patient's peak in concentration."""
    (c, x), (c_exact, x_exact) = ([np.asarray(a, float)[:, :SAMPLE] for a in pair] for pair in (got, exact))
    worst = np.abs(x / x_exact - 1).max(), (np.abs(c - c_exact) / c_exact.max(0)).max()
    return dict(zip(("platelets", "concentration"), map(float, worst), strict=True))


def _compiled(function, *examples, donate=()):
    """A program and the seconds of its tracing and compiling."""
    import jax

    options = OPTIONS if jax.default_backend() == "cpu" else None
    begin = time.perf_counter()
    program = jax.jit(function, donate_argnums=donate, compiler_options=options).lower(*examples).compile()
    return program, time.perf_counter() - begin


def _times(call, *arguments, seconds):
    """Seconds of each repeat, the first left out."""
    from .timing import repeats

    return repeats(call, *arguments, seconds=seconds, least=4)[1:]


def _row(row, dtype, subjects, compiling, times, error):
    """A row of the table from what was measured."""
    run = {"best": min(times), "median": median(times)}
    return row | {
        **{"dtype": dtype, "measured": True, "subjects": subjects, "compile_seconds": compiling, "repeats": len(times)},
        **{"run_seconds": run, "patients_per_second": {k: subjects / s for k, s in run.items()}},
        **{"error": error, "within": max(error.values()) <= LIMIT},
    }


if __name__ == "__main__":
    REQUEST = json.loads(sys.argv[1])
    _say("result", {"cpu": _cpu, "gpu": _gpu}[REQUEST["device"]](**REQUEST))
