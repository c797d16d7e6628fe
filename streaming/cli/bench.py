"""``headwater bench``: reproduce the numbers we print."""

import ast
import importlib
import inspect
from collections.abc import Callable, Collection, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Protocol, cast

import typer

from headwater.streaming.errors import InputError, nearest

from . import terminal
from .options import Json

__all__ = ["Bench", "bench", "benches"]


Rows = Iterator[dict[str, Any]]
NOBODY = "none"  # `--peers none`: ours alone


class Bench(Protocol):
    """What a module of `headwater.benchmarks` is.

    One whose `rows` also takes ``sets`` and ``peers`` names them in ``SETS`` and ``PEERS``. ``sets`` are the chosen
    names, none meaning all; ``peers`` is None for all.
    """

    DESCRIPTION: str

    def rows(self, quick: bool, data: Path | None, progress: Callable[[str], None], **chosen: Any) -> Rows:
        """Yield rows ``{bench, set, method, metric, value, unit}``; tell what is being done through `progress`."""
        ...


def bench(
    name: Annotated[str | None, typer.Argument(help="Which one; without a name: what there is.")] = None,
    as_json: Json = False,
    quick: Annotated[bool, typer.Option("--quick", help="A small version that ends within 3 minutes.")] = False,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Folder with the recordings, where needed.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME", help="Only this set; may be given several times.")
    ] = None,
    peers: Annotated[
        str | None, typer.Option("--peers", metavar="A,B", help="Only these peers, with commas; 'none': ours alone.")
    ] = None,
) -> None:
    """Run a benchmark, with its peers in the same run; one row a number."""
    if name is None:
        described = benches()
        if as_json:
            terminal.say_json(described)
        else:
            terminal.table(["name", "what it measures"], list(described.items()))
        return
    if data is not None and not data.is_dir():
        raise InputError(f"--data: there is no folder {data}", "", "name the folder that holds the recordings")
    what = load(name)
    found = list(what.rows(quick, data, terminal.note, **_chosen(name, what, sets or [], peers)))
    if as_json:
        terminal.say_json(found)
        return
    heads = ["bench", "set", "method", "metric", "value", "unit"]
    terminal.table(heads, [[_cell(row[head]) for head in heads] for row in found])


def folder() -> Path:
    """Return the folder of `headwater.benchmarks`."""
    package = find_spec("headwater.benchmarks")
    return Path(next(iter(package.submodule_search_locations or []))) if package else Path()


def benches() -> dict[str, str]:
    """Return the names and descriptions of the benchmarks.

    They are read and not imported: one whose packages are not installed is listed too.
    """
    found = {}
    for file in sorted(folder().glob("*.py")):
        body = ast.parse(file.read_text(encoding="utf-8")).body
        said = [line.value for line in body if isinstance(line, ast.Assign) and _names(line, "DESCRIPTION")]
        if said and any(isinstance(line, ast.FunctionDef) and line.name == "rows" for line in body):
            found[file.stem] = str(ast.literal_eval(said[0]))
    return found


def load(name: str) -> Bench:
    """Import a benchmark.

    Raises
    ------
    InputError
        If there is none of that name, or it needs a package that is not installed.
    """
    known = benches()
    if name not in known:
        mend = nearest(name, known) or f"there are: {', '.join(known)}"
        raise InputError(f"there is no benchmark {name!r}", "", mend)
    try:
        return cast("Bench", importlib.import_module(f"headwater.benchmarks.{name}"))
    except ModuleNotFoundError as error:
        cloned = (folder().parent / "pyproject.toml").is_file()
        mend = ".venv/bin/pip install -e '.[bench]'" if cloned else "pip install 'headwater[bench]'"
        raise InputError(f"the benchmark {name} needs the package {error.name}", "it is not installed", mend) from None


def _chosen(name: str, what: Bench, sets: Sequence[str], peers: str | None) -> dict[str, Any]:
    """Return what `rows` is given of ``--set`` and ``--peers``: nothing where it has neither."""
    if not {"sets", "peers"} <= set(inspect.signature(what.rows).parameters):
        if sets or peers is not None:
            given = "--set" if sets else "--peers"
            raise InputError(
                f"{given}: the benchmark {name} runs as a whole", "it has no sets or peers", "leave it out"
            )
        return {}
    wanted = None if peers is None else [peer.strip() for peer in peers.split(",") if peer.strip() != NOBODY]
    _known("--set", sets, getattr(what, "SETS", ()))
    _known("--peers", wanted or (), getattr(what, "PEERS", ()))
    return {"sets": tuple(sets), "peers": None if wanted is None else tuple(wanted)}


def _known(option: str, given: Collection[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            mend = nearest(name, known) or f"there are: {', '.join(known)}"
            raise InputError(f"{option}: there is no {name!r}", "", mend)


def _names(line: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in line.targets)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
