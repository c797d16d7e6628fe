"""``headwater dashboard``: serve the pages over a store, on loopback."""

import http.client
import ipaddress
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from headwater.streaming.errors import HeadwaterError, InputError

from . import terminal
from .options import Config, settings

__all__ = ["LOOPBACK", "PORT", "dashboard", "served", "wait_until_up"]

LOOPBACK = "127.0.0.1"
PORT = 8501


def dashboard(
    store: Annotated[
        str | None, typer.Argument(metavar="[STORE]", help="sqlite:///PATH or a path; else as configured.")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = PORT,
    address: Annotated[str, typer.Option("--address", help="Address to listen on.")] = LOOPBACK,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow an address that others can reach; the pages have no sign-in.")
    ] = False,
    config: Config = None,
) -> None:
    """Serve the live page and the incident page; they read the store and never write it."""
    url = settings(config, store__url=store).store.url
    if not is_loopback(address) and not insecure:
        why = "the pages have no sign-in, and this address can be reached from other machines"
        mend = "put a proxy with a sign-in in front of 127.0.0.1, or add --insecure if the network is yours alone"
        raise InputError(f"--address: refusing to listen on {address}", why, mend)
    with served(url, port, address) as server:
        wait_until_up(server, port, address)
        terminal.say(f"http://{address}:{port}")
        terminal.note(f"showing {url}; Ctrl-C ends it")
        server.wait()
    if server.returncode:
        raise HeadwaterError(f"the dashboard ended with code {server.returncode}", "", "its messages are above")


@contextmanager
def served(url: str, port: int, address: str = LOOPBACK) -> Iterator["subprocess.Popen[bytes]"]:
    """Serve the dashboard inside the block; it ends with it, also on SIGTERM."""
    server = serve(url, port, address)
    former = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield server
    finally:
        end(server)
        signal.signal(signal.SIGTERM, former)


def is_loopback(address: str) -> bool:
    """Say whether only this machine can reach an address.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def serve(url: str, port: int, address: str = LOOPBACK) -> "subprocess.Popen[bytes]":
    """Start the dashboard's server over the store at `url`.

    Raises
    ------
    InputError
        If the port is taken.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            what = f"cannot listen on {address}:{port}"
            raise InputError(
                what, error.strerror or str(error), f"try another port: --port {port % 65535 + 1}"
            ) from None
    package = find_spec("headwater.dashboards")
    folder = Path(next(iter(package.submodule_search_locations or []))) if package else Path()
    options = {
        "server.address": address,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "streamlit", "run", str(folder / "app.py"), *flags, "--", url]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603


def wait_until_up(
    server: "subprocess.Popen[bytes]", port: int, address: str = LOOPBACK, patience: float = 60.0
) -> None:
    """Wait until the server answers.

    Raises
    ------
    HeadwaterError
        If it ends before, or does not answer in `patience` seconds.
    """
    limit = time.monotonic() + patience
    while time.monotonic() < limit:
        if server.poll() is not None:
            raise HeadwaterError("the dashboard did not start", f"it ended with code {server.returncode}", "see above")
        try:
            line = http.client.HTTPConnection(address, port, timeout=2.0)
            line.request("GET", "/_stcore/health")
            if line.getresponse().status == http.client.OK:
                return
        except OSError:
            time.sleep(0.1)
    raise HeadwaterError("the dashboard does not answer", f"waited {patience:g} s", "look at what it printed above")


def end(server: "subprocess.Popen[bytes]", patience: float = 5.0) -> None:
    """End the server, politely at first."""
    if server.poll() is None:
        server.terminate()
    try:
        server.wait(patience)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
