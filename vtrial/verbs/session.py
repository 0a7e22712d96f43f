"""What verbs share: starting JAX, timing compilation, printing JSON."""

import json
import os
import sys
from pathlib import Path


def start_jax(devices=1):
    """JAX in double precision with ``devices`` host devices and a persistent compilation cache; before its first use."""
    flags = os.environ.get("XLA_FLAGS", "")
    if devices > 1 and "host_platform_device_count" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count={devices}".strip()
    import jax

    jax.config.update("jax_enable_x64", True)
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


def cores(most=8):
    """Processors to share the work between."""
    return min(os.cpu_count() or 1, most)


def cache_folder():
    """Under the user's cache directory."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vtrial" / "xla"


class CompileClock:
    """Seconds JAX has spent tracing and compiling since this was made."""

    def __init__(self):
        import jax

        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._hear)

    def _hear(self, event, seconds, **_):
        if event.startswith("/jax/core/compile/"):
            self.seconds += seconds


def emit(value):
    """One JSON object on stdout; NaN and infinities are refused rather than printed."""
    json.dump(value, sys.stdout, allow_nan=False)
    print()


def positive(text):
    """An argparse type: a whole number above zero."""
    import argparse

    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def share(text):
    """An argparse type: a number between zero and one."""
    import argparse

    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 < found < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between zero and one")
    return found
