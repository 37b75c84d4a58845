"""Where the web listens and where it is reached."""

from __future__ import annotations

import socket

import pytest

from cli.door import is_loopback, listen, local_address
from cli.exits import Failed
from cli.up import without_password


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("studio.example", "http://studio.example:80"),
    ],
)
def test_an_address_for_listening_only_is_reached_through_loopback(host: str, address: str) -> None:
    assert local_address(host, 80) == address


def test_loopback_is_known_by_address_and_by_name() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.8.0.1", "::1", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.168.0.1", "studio.example"))


def test_a_port_that_is_held_is_refused_and_free_again_afterwards() -> None:
    with listen("127.0.0.1", 0) as door:
        port = door.getsockname()[1]
        assert door.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
        with pytest.raises(Failed, match=f"Port {port} on 127.0.0.1 cannot be used"):
            listen("127.0.0.1", port)
    listen("127.0.0.1", port).close()


def test_a_redis_url_is_shown_without_its_password() -> None:
    assert without_password("rediss://user:secret@redis.example:6380/1") == "rediss://redis.example:6380/1"
    assert without_password("unix:///var/run/redis.sock?db=1") == "unix:///var/run/redis.sock?db=1"
