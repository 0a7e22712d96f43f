"""``vtrial check``."""

from . import session

HELP = "validates cards, trials, problems and events files; lists every fault with file and line"


def arguments(parser):
    parser.add_argument("path", nargs="*", help="files or folders (default: everything on the shelf)")


def run(args):
    from ..errors import InputError

    files, faults = list(_files(args.path)), []
    for file in files:
        try:
            _check(file)
        except InputError as error:
            faults += error.faults
    faults = list(dict.fromkeys(faults))
    if args.json:
        session.emit({"checked": [str(f) for f in files], "faults": [_fault(f) for f in faults]})
    elif not faults:
        print(f"{len(files)} files, no faults")
    if faults:
        raise InputError(*faults)


def _fault(f):
    return {"file": str(f.file), "line": f.line, "key": f.key, "message": f.message}


def _files(paths):
    from pathlib import Path

    from ..errors import bad
    from ..library.files import root

    for path in map(Path, paths or [root() / "models", root() / "calibration"]):
        if not path.exists():
            raise bad(path, "", "there is no such file or folder")
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*.toml") if "results" not in p.parts)
        else:
            yield path


def _check(path):
    """Reads a file as what it is, told by its name and its keys."""
    from ..library import cards, drugs, populations, problems, reporting, response, rules, trials
    from ..library.files import read_toml

    if path.suffix == ".csv":
        return trials.read(path.parent / "trial.toml") if path.name == "published.csv" else _events(path)
    data = read_toml(path)
    readers = {"roles": problems.load, "arm": _trial, "rule": rules.read, "covariate": populations.read}
    readers |= {"infusion": drugs.load, "oral": drugs.load}
    if "structure" in data or "theta" in data:
        return cards.read(path)
    named = {"reporting.toml": reporting.read, "recist.toml": response.read}
    if path.name in named:
        return named[path.name](path)
    reader = next((r for key, r in readers.items() if key in data), _nothing)
    return reader(path)


def _events(path):
    from ..events import from_nonmem_csv

    return from_nonmem_csv(path)


def _trial(path):
    from ..conduct.schedule import plan
    from ..library import trials
    from ..library.files import names

    trial = trials.read(path)
    for i, arm in enumerate(trial.arms.values()):
        if arm.drug in names("drugs"):
            plan(arm, trial.visits["platelets"], path, f"arm[{i}]")


def _nothing(path):
    from ..errors import bad

    if path.name != "ctcae.toml":
        raise bad(path, "", "is none of: drug, card (structure), rules, population (covariate), trial (arm), problem (roles)")
