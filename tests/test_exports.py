"""What modules say they export is there, documented, and shown by doctests that run."""

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import headwater

SKIPPED = ("headwater.dashboards.app", "headwater.__main__", "headwater.benchmarks")  # scripts, run by their own tests


def modules() -> list[str]:
    found = [m.name for m in pkgutil.walk_packages(headwater.__path__, "headwater.")]
    for room in ("online", "detectors", "causal", "streaming", "dashboards"):
        package = importlib.import_module(f"headwater.{room}")
        found += [package.__name__, *(m.name for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))]
    return sorted({name for name in found if not name.startswith(SKIPPED)})


@pytest.fixture(params=modules())
def module(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def test_every_room_is_walked() -> None:
    rooms = {name.split(".")[1] for name in modules()}
    assert {"online", "detectors", "causal", "streaming", "dashboards"} <= rooms


def test_exports_exist_and_are_documented(module: ModuleType) -> None:
    assert module.__doc__
    for name in getattr(module, "__all__", ()):
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, f"{module.__name__}.{name} has no docstring"


def test_doctests(module: ModuleType) -> None:
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
