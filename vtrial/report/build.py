"""The page of a run: one HTML file that needs nothing beside it, and its figures as PNG files."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from .. import __version__
from ..output import write_whole
from . import figures, forest, ratios, read, rows, simulated, survival

PAGE = "report.html"


def build(folder):
    """Writes ``report.html`` and ``figures/*.png`` into a run's folder.

    Everything is read, drawn and set before anything is written, and each file is written whole or not at all.

    Parameters
    ----------
    folder : str or Path
        Written by ``vtrial replay --out``, with ``replay.json`` and, where the run made them, ``course.csv``,
        ``parameters.csv`` and ``summary.csv``; or by ``vtrial simulate --out``: the page is then that of `simulated`.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        Naming the file and the key that cannot be read.
    """
    folder = Path(folder)
    if (folder / "simulate.json").is_file() and not (folder / "replay.json").is_file():
        page = simulated.render(environment(), folder)
        write_whole(folder / PAGE, lambda path: path.write_text(page, encoding="utf-8"))
        return folder / PAGE
    run = read.run(folder)
    drawn = draw(run)
    page = render(run, drawn)
    for name, drawing in drawn.items():
        _write_figure(folder / "figures" / f"{name}.png", drawing)
    write_whole(folder / PAGE, lambda path: path.write_text(page, encoding="utf-8"))
    return folder / PAGE


def draw(run):
    """The figures by name, None where the run has nothing to draw."""
    limit = run.result.get("lower_limit")
    return {
        "forest": forest.forest(run.result),
        "ratios": ratios.ratios(run.result),
        "survival": survival.survival(run.result),
        "course": None if run.course is None else figures.course(run.course, limit),
        "prior-posterior": None if run.parameters is None else figures.parameters(run.parameters),
    }


def _write_figure(path, drawing):
    if drawing:
        write_whole(path, lambda temporary: temporary.write_bytes(drawing.png))
    else:  # one of an earlier page would be taken for this page's
        path.unlink(missing_ok=True)


def render(run, drawn):
    """The page as text."""
    return environment().get_template("page.html.j2").render(view(run.result), **tables(run), **pictures(drawn))


def environment():
    """Of the templates beside this file."""
    here = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=here, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def view(result):
    """What the template shows of ``replay.json``."""
    modelled = {role: rows.of_role(result, role) for role in ("fit", "holdout")}
    return {
        "title": result.get("title") or result["problem"],
        "version": __version__,
        "provenance": rows.provenance(result),
        "stale": result.get("stale") or [],
        "headline": rows.headline(result),
        "fit": rows.groups(modelled["fit"]),
        "holdout": rows.groups(modelled["holdout"]),
        "context": rows.groups(rows.of_role(result, "context")),
        "has_discrepancy": any("replayed_discrepancy" in t for found in modelled.values() for t in found),
        "alternatives": rows.alternatives(result),
        "conflicts": result.get("conflicts") or [],
        "diagnostics": rows.diagnostics(result),
    }


def tables(run):
    """The parameters' summary and the words of its interval."""
    if run.summary is None:
        return {"summary": None, "summary_interval": ""}
    units = {} if run.parameters is None else figures.units_of(run.parameters)
    name, found = rows.summary(run.summary, units)
    return {"summary": found, "summary_interval": name}


def pictures(drawn):
    """The figures as the template embeds them: SVG text that is not escaped, and the note for the caption."""
    shown = {name: d and {"svg": Markup(d.svg), "note": d.note} for name, d in drawn.items()}
    return {"figure": shown}
