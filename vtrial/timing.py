"""How long a call takes, for the measurements of ``vtrial benchmark``."""

import time


def repeats(call, *arguments, seconds, least=3):
    """Seconds of each of at least ``least`` calls, repeated for ``seconds``; a call's arrays are waited for."""
    import jax

    spent, end = [], time.perf_counter() + seconds
    while len(spent) < least or time.perf_counter() < end:
        begin = time.perf_counter()
        jax.block_until_ready(call(*arguments))
        spent.append(time.perf_counter() - begin)
    return spent
