"""The published/replayed table in the terminal."""

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from . import rows, words

WIDTH = 100
COLUMNS = (
    # heading, justification, narrowest width, whether it may break over lines
    ("row", "left", 12, True),
    ("n", "right", 3, False),
    ("published", "right", 9, False),
    ("interval", "left", 8, False),
    ("replayed", "right", 8, False),
    ("90 % interval", "left", 13, False),
    ("covered", "left", 7, False),
    ("z", "right", 5, False),
    ("sharp", "right", 5, False),
)
KEYS = ("n", "published", "published_interval", "replayed", "replayed_interval")


def print_table(result, console=None):
    """Prints published against replayed, fit and hold-out rows apart, the coverage last.

    Parameters
    ----------
    result : dict
        The object of ``vtrial replay``.
    console : rich.console.Console, optional
        Where to print; by default stdout, at least 100 columns wide where that is not a terminal.
    """
    console = console or _stdout()
    for role, title in (("fit", "Fit rows"), ("holdout", "Hold-out rows")):
        targets = rows.of_role(result, role)
        console.print(_table(title, targets) if targets else Text(f"{title}: none", style="bold"))
    context = rows.of_role(result, "context")
    if context:
        console.print(Text(f"{len(context)} context rows are neither fitted nor counted; the report lists them."))
    console.print(_coverage(result))


def _stdout():
    console = Console()
    return console if console.is_terminal else Console(width=max(WIDTH, console.width))


def _table(title, targets):
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading, justify, least, may_break in COLUMNS:
        table.add_column(heading, justify=justify, min_width=least, no_wrap=not may_break, overflow="fold")
    for trial, found in rows.groups(targets):
        table.add_row(Text(trial, style="bold"))
        for row in found:
            table.add_row(*_cells(row))
    return Group(Text(title, style="bold underline"), table, Text())


def _cells(row):
    verdict = {"covered": "yes", "not covered": "NO"}.get(row["covered"], words.DASH)
    plain = [Text(_short(row[key])) for key in KEYS]
    style = "bold red" if verdict == "NO" else ""
    return [Text(f"  {row['id']}"), *plain, Text(verdict, style=style), Text(row["z"]), Text(row["sharpness"])]


def _short(text):
    return text.replace(words.NOT_REACHED, "NR").replace(" months", " mo").replace(" days", " d")


def _coverage(result):
    lines = Text()
    for head in rows.headline(result):
        lines.append("\n" if lines else "")
        lines.append(f"{head['name']}: ", style="bold")
        lines.append(_coverage_words(head))
    return lines


def _coverage_words(head):
    if head["off"] == "no rows":
        return "none"
    on = "" if head["on"] == words.DASH else f"; with discrepancy {head['on']} ({head['on_share']})"
    return f"90 % interval covers {head['off']} ({head['off_share']}){on}; sharpness {head['sharpness']}"
