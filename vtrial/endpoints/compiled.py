"""How the program of a whole trial is compiled."""

import jax

# XLA makes one function of a loop over small arrays, here of all days of some hundred patients: it runs a third faster, and
# takes four times as long to compile (72 instead of 18 s, to save 20 ms).
OPTIONS = {"xla_disable_hlo_passes": "small-while-loop-hoisting"}


def compiled(run):
    """``jax.jit(run)``, for what simulates courses of patients."""
    return jax.jit(run, compiler_options=OPTIONS)


__all__ = ["OPTIONS", "compiled"]
