"""Which server a command talks to: --server or RITORNELLO_URL, else the one that `ritornello up` runs here, else none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from cli.data_dir import noted_server
from cli.environment import KEY_VARIABLE, URL_VARIABLE, read_settings
from cli.exits import Unreachable
from cli.http import Server

NO_SERVER = "No server is running here; start one with `ritornello up`, or name one with --server or RITORNELLO_URL."


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --server and --api-key, the arguments of `find_server`."""
    url = click.option("--server", "server_url", envvar=URL_VARIABLE, show_envvar=True, metavar="URL", help="The server to ask.")
    key = click.option("--api-key", envvar=KEY_VARIABLE, show_envvar=True, metavar="KEY", help="A key that it knows.")
    return url(key(command))


def find_server(server_url: str | None, api_key: str | None) -> Server | None:
    """None when no server was named and none runs here."""
    if server_url:
        return Server(server_url, api_key)
    noted = noted_server(read_settings().data_dir)
    if noted is None or not Server(noted, timeout_seconds=2.0).answers():
        return None
    return Server(noted, api_key)


def need_server(server_url: str | None, api_key: str | None) -> Server:
    server = find_server(server_url, api_key)
    if server is None:
        raise Unreachable(NO_SERVER, code="no_server")
    return server
