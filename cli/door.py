"""The web's listening socket and its addresses: where it listens, where this machine reaches it, whether it is ready."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from ipaddress import ip_address

from cli.exits import Failed

LOCAL_NAMES = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # addresses for listening only


def listen(host: str, port: int) -> socket.socket:
    """The launcher holds this socket and lends it to the web, so that the port stays ours while the web starts again."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        door = socket.socket(family, kind, protocol)
        try:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind(address)
            door.listen(2048)
        except OSError:
            door.close()
            raise
    except OSError as error:
        raise Failed(f"Port {port} on {host} cannot be used ({error.strerror}); set PORT (or HOST) to another one.") from error
    return door


def local_address(host: str, port: int) -> str:
    name = LOCAL_NAMES.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def readiness(address: str) -> tuple[bool, str]:
    """Whether /readyz says yes and, if not, what it says instead."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy stands between us and ourselves
    try:
        with opener.open(f"{address}/readyz", timeout=2) as reply:
            return reply.status == 200, ""
    except urllib.error.HTTPError as error:
        with error:
            return False, error.read(2000).decode(errors="replace").strip()
    except (OSError, ValueError) as error:
        return False, f"the web does not answer yet ({error})"
