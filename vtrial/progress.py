"""A progress bar on stderr for anything that takes more than a moment; silent where stderr is not a terminal."""

import sys
from contextlib import contextmanager


@contextmanager
def bar(title, total):
    """Yields ``advance(steps=1, note="")``. Without a terminal only start and end are logged, one line each."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    ]
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(title, total=total, note="")
        yield lambda steps=1, note="": progress.update(task, advance=steps, note=note)


def say(text):
    """One line of log on stderr."""
    print(text, file=sys.stderr, flush=True)
