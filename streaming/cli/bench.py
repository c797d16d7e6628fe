"""``headwater bench``: reproduce the numbers we print."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Protocol, cast

import typer

from headwater.streaming.errors import InputError, nearest

from . import terminal
from .options import Json

__all__ = ["Bench", "bench", "benches"]


class Bench(Protocol):
    """What a module of `headwater.benchmarks` is."""

    DESCRIPTION: str

    def rows(self, quick: bool, data: Path | None, progress: Callable[[str], None]) -> Iterator[dict[str, Any]]:
        """Yield rows ``{bench, set, method, metric, value, unit}``; tell what is being done through `progress`."""
        ...


def bench(
    name: Annotated[str | None, typer.Argument(help="Which one; without a name: what there is.")] = None,
    as_json: Json = False,
    quick: Annotated[bool, typer.Option("--quick", help="A small version that ends within 3 minutes.")] = False,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Folder with the recordings, where needed.")
    ] = None,
) -> None:
    """Run a benchmark, with its peers in the same run; one row a number."""
    if name is None:
        described = [(known, load(known).DESCRIPTION) for known in benches()]
        if as_json:
            terminal.say_json(dict(described))
        else:
            terminal.table(["name", "what it measures"], described)
        return
    if data is not None and not data.is_dir():
        raise InputError(f"--data: there is no folder {data}", "", "name the folder that holds the recordings")
    found = list(load(name).rows(quick, data, terminal.note))
    if as_json:
        terminal.say_json(found)
        return
    heads = ["bench", "set", "method", "metric", "value", "unit"]
    terminal.table(heads, [[_cell(row[head]) for head in heads] for row in found])


def benches() -> list[str]:
    """Return the names of the modules of `headwater.benchmarks` that follow the contract, without importing them."""
    package = find_spec("headwater.benchmarks")
    folders = list(package.submodule_search_locations or []) if package else []
    modules = (module.name for module in pkgutil.iter_modules(folders) if not module.ispkg)
    texts = {name: next(Path(folder, f"{name}.py") for folder in folders).read_text() for name in modules}
    return sorted(name for name, text in texts.items() if "\ndef rows(" in text)


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
        mend = "pip install 'headwater[bench]'"
        raise InputError(f"the benchmark {name} needs the package {error.name}", "it is not installed", mend) from None


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
