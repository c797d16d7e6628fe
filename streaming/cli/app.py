"""The command line: which commands there are, and how they end.

Each group of commands lives in its own ``cli_*`` file. Those import what is light; numba, river, polars,
SQLAlchemy, Kafka and Streamlit load when a command needs them, so that ``--help`` answers at once.
"""

import os
import sys
import traceback
from typing import Annotated

import typer

from headwater import __version__
from headwater.streaming.errors import HeadwaterError

from . import config as cli_config
from . import incidents as cli_incidents
from . import terminal
from .bench import bench
from .dashboard import dashboard
from .demo import demo
from .doctor import doctor
from .run import replay, run

__all__ = ["app", "invoke", "main"]

EXIT_CODES = (
    "Exit codes: 0 ok · 1 failed · 2 usage, settings or input · 3 broker or store not reachable · "
    "4 incident found (with --exit-code) · 70 a defect of headwater · 130 Ctrl-C"
)

ON_TERMINAL = sys.stdout.isatty() and sys.stderr.isatty()  # help and usage errors are plain text elsewhere

app = typer.Typer(
    name="headwater",
    help="Find the source of a failure upstream, while the failure is still running.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="rich" if ON_TERMINAL else None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        terminal.say(f"headwater {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=show_version, is_eager=True, help="Version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> None:
    """Find the source of a failure upstream, while the failure is still running."""


def command(panel: str, function: object, *examples: str, name: str | None = None) -> None:
    """Register a command with its examples."""
    if ON_TERMINAL:
        shown = "Examples: " + "   ·   ".join(f"[bold]{example}[/bold]" for example in examples)
    else:
        shown = "\n".join(["\b", "Examples:", *(f"  {example}" for example in examples)])  # \b: lines stay as they are
    app.command(name, rich_help_panel=panel, epilog=f"{shown}\n\n{EXIT_CODES}")(function)  # type: ignore[type-var]


TRY, RUN, LOOK = "Try it", "Run", "Look"
command(TRY, demo, "headwater demo", "headwater demo --seed 7 --headless --json")
command(TRY, doctor, "headwater doctor metrics.csv", "headwater doctor --topic metrics --json")
command(RUN, run, "headwater run --topic metrics --kpi 'gateway|ttft_p95 up'")
command(RUN, replay, "headwater replay metrics.csv", "headwater replay day.parquet --baseline 08:10..09:40")
command(LOOK, dashboard, "headwater dashboard", "headwater dashboard replay.db --port 8600")
command(LOOK, bench, "headwater bench demo --quick", "headwater bench pipeline --json")
app.add_typer(cli_incidents.app, name="incidents", rich_help_panel=LOOK, epilog=EXIT_CODES)
app.add_typer(cli_config.app, name="config", rich_help_panel=RUN, epilog=EXIT_CODES)


def invoke(arguments: list[str]) -> int:
    """Run one command and return its exit code; errors are written to stderr: what happened, why, what to do.

    Parameters
    ----------
    arguments
        Without the program's name.
    """
    debug = "--debug" in arguments
    try:
        app([argument for argument in arguments if argument != "--debug"], prog_name="headwater")
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # the reader of --help has had enough, which Typer calls 1
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 0
        return int(end.code or 0)
    except KeyboardInterrupt:
        return 130
    except HeadwaterError as error:
        if debug:
            traceback.print_exc()
        terminal.complain(error)
        return error.exit_code
    except Exception as error:
        if debug:
            traceback.print_exc()
        why = "this is a defect of headwater"
        mend = "run it again with --debug and report what it prints"
        terminal.complain(HeadwaterError(f"{type(error).__name__}: {error}", why, mend))
        return 70
    return 0


def main() -> None:
    """Be the ``headwater`` command."""
    sys.exit(invoke(sys.argv[1:]))
