"""The web server's worker stays with a connection while one request follows another."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.workers.gthread import ThreadWorker

from web.gunicorn_worker import LingeringWorker


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def handled(monkeypatch: pytest.MonkeyPatch, ours: socket.socket, alive: bool = True, keep: bool = True) -> int:
    """How many requests of one byte each are handled before the connection goes back to the poller."""
    requests = []

    def handle(_worker: ThreadWorker, conn: Any) -> bool:
        requests.append(conn.sock.recv(1))
        return keep

    monkeypatch.setattr(ThreadWorker, "handle", handle)
    worker = LingeringWorker.__new__(LingeringWorker)
    worker.alive = alive
    assert worker.handle(SimpleNamespace(sock=ours, is_http2=False)) is keep
    return len(requests)


def test_requests_that_follow_at_once_are_handled_in_one_go(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[socket.socket, socket.socket]
) -> None:
    ends[1].sendall(b"123")
    assert handled(monkeypatch, ends[0]) == 3


def test_a_connection_that_is_to_be_closed_is_left(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[socket.socket, socket.socket]
) -> None:
    ends[1].sendall(b"12")
    assert handled(monkeypatch, ends[0], keep=False) == 1


def test_a_server_that_stops_stays_with_nobody(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[socket.socket, socket.socket]
) -> None:
    ends[1].sendall(b"12")
    assert handled(monkeypatch, ends[0], alive=False) == 1
