"""The platelet-year: a year of T-DM1 PK and platelets for a cohort, ours and diffrax's, on one core in the same run.

Two-compartment PK, 3.6 mg/kg x 70 kg every 21 days x 17 as 1.5 h infusions, Friberg chain without drift, log-normal
random effects, daily concentration and platelets for 365 days kept. The error reached is stated against a reference at
1e-10: relative in platelets, relative to its peak in concentration.
"""

import json
import os
import platform
import subprocess
import sys
import time

DOSE, EVERY, DOSES, DAYS, INFUSION = 252.0, 21, 17, 365, 1.5 / 24
TYPICAL = {
    "CL": 0.676,
    "V1": 3.127,
    "Q": 1.534,
    "V2": 0.660,
    "CIRC0": 250.0,
    "MTT": 132 / 24,
    "GAM": 0.17,
    "SLOPE": 0.0025,
}
CV = {"CL": 0.19, "V1": 0.12, "CIRC0": 0.25, "MTT": 0.15, "SLOPE": 0.35}
CHUNK, CHECKED, REPEATS = 512, 20, 5
RIVAL = "diffrax Tsit5, PIDController rtol 1e-4 atol 1e-6, steps clipped at infusion starts and ends, vmap"


def run(subjects=16384, seed=1):
    """The table of this machine as a JSON-able dict; each row is measured in one single-threaded process on one core."""
    command = [sys.executable, "-m", __name__, str(subjects), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the benchmark's process failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def table(result):
    """The rows as text."""
    head = f"{'':18}{'dtype':>9}{'patients/s':>12}{'compile s':>11}{'run s':>8}{'error plt':>11}{'error conc':>11}"
    lines = [result["machine"], head]
    for r in result["rows"]:
        numbers = "".join(
            f"{r[k]:>{w}.3g}"
            for k, w in (("compile_s", 11), ("run_s", 8), ("error_platelets", 11), ("error_concentration", 11))
        )
        lines.append(f"{r['name']:18}{r['dtype']:>9}{r['patients_per_s']:>12,.0f}{numbers}")
    lines.append(f"ratio ours/diffrax, best rows within 1e-3: {result['ratio']:.1f} ({result['rival']})")
    lines.append(f"GPU: {result['gpu']}")
    return "\n".join(lines)


def cohort(n, seed):
    """Parameters by name, each (n,), NumPy: typical value times exp(eta), omega^2 = ln(1 + CV^2)."""
    import numpy as np

    rng = np.random.default_rng(seed)
    omega = {k: np.sqrt(np.log1p(cv**2)) for k, cv in CV.items()}
    return {k: v * np.exp(omega.get(k, 0.0) * rng.normal(size=n)) for k, v in TYPICAL.items()} | {
        "KS": np.zeros(n),
        "KD": np.zeros(n),
    }


def ours(p):
    """Daily concentration and platelets, each (day, subject), by vtrial's steppers; subjects in chunks that fit the cache."""
    import jax

    n = len(p["CL"])
    split = {k: v.reshape(n // CHUNK, CHUNK) for k, v in p.items()}
    c, x = jax.lax.map(_chunk, split)
    return tuple(a.transpose(1, 0, 2).reshape(DAYS, n) for a in (c, x))


def _chunk(p):
    import jax
    import jax.numpy as jnp

    from .conduct.course import day_of, start_of
    from .pk import modes as pkmodes
    from .pk import two_cmt_iv
    from .toxicity import friberg

    modes = two_cmt_iv.modes(p)
    of = pkmodes.pace(modes, 1.0, INFUSION), friberg.prepare(p, modes, 1.0, INFUSION, drift=False)

    def seen(carry):
        return carry, (sum(carry[0]), p["CIRC0"] * friberg.circulating(carry[1]))

    def plain(carry, _):
        return seen(day_of(friberg, *of, carry, None))

    def cycle(carry, _):
        carry, first = seen(day_of(friberg, *of, carry, jnp.full_like(p["CL"], DOSE)))
        carry, rest = jax.lax.scan(plain, carry, length=EVERY - 1)
        return carry, jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, rest)

    carry, dosed = jax.lax.scan(cycle, start_of(of[0], friberg.start(p)), length=DOSES)
    _, tail = jax.lax.scan(plain, carry, length=DAYS - EVERY * DOSES)
    return jax.tree.map(lambda a, b: jnp.concatenate([a.reshape(-1, CHUNK), b]), dosed, tail)


def diffrax_year(p):
    """The same by diffrax, as its documentation would have it written: one patient, then vmap."""
    import diffrax
    import jax
    import jax.numpy as jnp

    begins = EVERY * jnp.arange(DOSES, dtype=p["CL"].dtype)
    jumps = jnp.sort(jnp.concatenate([begins, begins + INFUSION]))
    days = jnp.arange(1, DAYS + 1, dtype=p["CL"].dtype)
    controller = diffrax.ClipStepSizeController(diffrax.PIDController(rtol=1e-4, atol=1e-6), jump_ts=jumps)

    def field(t, y, q):
        rate = jnp.where((t % EVERY < INFUSION) & (t < EVERY * DOSES), DOSE / INFUSION, 0.0)
        return jnp.stack(_field(y, q, rate, jnp))

    def one(q):
        y0 = jnp.array([0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0], p["CL"].dtype)
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Tsit5(), 0.0, float(DAYS), 0.01, y0, q,
            saveat=diffrax.SaveAt(ts=days), stepsize_controller=controller, max_steps=8192,
        )  # fmt: skip
        return solution.ys[:, 0] / q["V1"], q["CIRC0"] * solution.ys[:, 6]

    c, x = jax.vmap(one)(p)
    return c.T, x.T


def _field(y, q, rate, np):
    a1, a2, p, x1, x2, x3, x4 = y
    ktr, c = 4 / q["MTT"], a1 / q["V1"]
    grow = ktr * p * ((1 - q["SLOPE"] * c) * np.maximum(x4, 1e-6) ** -q["GAM"] - 1)
    out = q["Q"] / q["V1"] * a1 - q["Q"] / q["V2"] * a2
    return [rate - q["CL"] * c - out, out, grow, ktr * (p - x1), ktr * (x1 - x2), ktr * (x2 - x3), ktr * (x3 - x4)]


def reference(q):
    """One patient at 1e-10 by scipy's DOP853, split at infusion starts and ends: (concentration, platelets) by day."""
    import numpy as np
    from scipy.integrate import solve_ivp

    y, c, x = np.array([0, 0, 1, 1, 1, 1, 1.0]), [], []
    for day in range(DAYS):
        dosed = day % EVERY == 0 and day < EVERY * DOSES
        for t0, t1, rate in ((0, INFUSION, DOSE / INFUSION), (INFUSION, 1, 0.0)) if dosed else ((0, 1, 0.0),):
            y = solve_ivp(
                lambda t, y, r=rate: _field(y, q, r, np), (t0, t1), y, method="DOP853", rtol=1e-10, atol=1e-12
            ).y[:, -1]
        c.append(y[0] / q["V1"])
        x.append(q["CIRC0"] * y[6])
    return np.array(c), np.array(x)


def measure(name, fun, p, dtype, checked):
    """One row: compiled ahead of time, run `REPEATS` times, the best time counted, the error of the first patients."""
    import jax
    import numpy as np

    given = {k: np.asarray(v, dtype) for k, v in p.items()}
    begun = time.perf_counter()
    compiled = jax.jit(fun).lower(given).compile()
    compile_s, seconds = time.perf_counter() - begun, []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        c, x = jax.block_until_ready(compiled(given))
        seconds.append(time.perf_counter() - begun)
    errors = [
        (np.abs(c[:, i] - rc).max() / rc.max(), np.abs(x[:, i] / rx - 1).max()) for i, (rc, rx) in enumerate(checked)
    ]
    return {
        "name": name,
        "dtype": dtype,
        "patients": len(p["CL"]),
        "patients_per_s": len(p["CL"]) / min(seconds),
        "patients_per_s_median": len(p["CL"]) / float(np.median(seconds)),
        "compile_s": compile_s,
        "run_s": min(seconds),
        "error_platelets": float(max(e[1] for e in errors)),
        "error_concentration": float(max(e[0] for e in errors)),
    }


def main(subjects, seed):
    """Measures every row in this process, which is pinned to one core before JAX starts."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores[-1:])
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import jax

    jax.config.update("jax_enable_x64", True)
    p = cohort(-(-subjects // CHUNK) * CHUNK, seed)
    few = {k: v[: min(512, subjects)] for k, v in p.items()}
    checked = [reference({k: v[i] for k, v in p.items()}) for i in range(min(CHECKED, subjects))]
    rows = [measure("vtrial", ours, p, d, checked) for d in ("float32", "float64")]
    rows += [measure("diffrax", diffrax_year, few, d, checked) for d in ("float32", "float64")]
    print(json.dumps(_result(rows, len(cores), jax.__version__)))


def _result(rows, cores, version):
    sound = [r for r in rows if max(r["error_platelets"], r["error_concentration"]) <= 1e-3]
    best = {
        n: max((r["patients_per_s"] for r in sound if r["name"] == n), default=float("nan"))
        for n in ("vtrial", "diffrax")
    }
    return {
        "machine": f"{_processor()}, one of {cores} cores, Python {platform.python_version()}, jax {version}",
        "rows": rows,
        "ratio": best["vtrial"] / best["diffrax"],
        "rival": RIVAL,
        "gpu": "not measured; on a machine with one: pip install 'vtrial[gpu]' and `vtrial benchmark`",
    }


def _processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
