"""One server's HTTP API, by the standard library: JSON in and out, problem documents as errors."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cli.door import is_loopback
from cli.exits import Failed, Refused, Stop, Unreachable

UNAVAILABLE = frozenset({502, 503, 504})


class Server:
    """The server at `address`; paths begin with a slash.

    Raises Unreachable when it does not answer, Refused for 4xx, Failed for what else it says.
    """

    def __init__(self, address: str, api_key: str | None = None, timeout_seconds: float = 30.0) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unreachable(f"{address!r} is not a server's address; one looks like http://127.0.0.1:8000.")
        self.address = address.rstrip("/")
        self._api_key = api_key
        self._timeout_seconds = timeout_seconds
        proxies = urllib.request.ProxyHandler({} if is_loopback(parts.hostname) else None)
        self._opener = urllib.request.build_opener(proxies)

    def get(self, path: str) -> dict[str, Any]:
        return self._document(self._send("GET", path))

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        data = json.dumps({} if body is None else body).encode()
        return self._document(self._send("POST", path, data, {"Content-Type": "application/json", **(headers or {})}))

    def download(self, path: str) -> bytes:
        return self._send("GET", path)

    def answers(self) -> bool:
        """Whether a live web server of ours is there."""
        try:
            self._send("GET", "/livez")
        except Stop:
            return False
        return True

    def _send(self, method: str, path: str, data: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
        request = urllib.request.Request(self.address + path, data=data, method=method, headers=dict(headers or {}))
        request.add_header("Accept", "application/json, */*;q=0.5")
        if self._api_key:
            request.add_unredirected_header("Authorization", f"Bearer {self._api_key}")
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as reply:
                answer: bytes = reply.read()
                return answer
        except urllib.error.HTTPError as error:
            with error:
                raise _problem(error.code, error.read(1_000_000)) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise Unreachable(f"The server at {self.address} cannot be reached ({reason}).", code="unreachable") from error

    def _document(self, answer: bytes) -> dict[str, Any]:
        try:
            document = json.loads(answer)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Failed(f"What answers at {self.address} is not Ritornello.", code="not_ritornello")
        return document


def _problem(status: int, body: bytes) -> Stop:
    """An RFC 9457 problem document, or whatever came in its place, as the error it means."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    message = str(problem.get("detail") or problem.get("title") or f"The server answered with HTTP status {status}.")
    if status == 401:
        message += " (Use --api-key or RITORNELLO_API_KEY.)"
    kind = Unreachable if status in UNAVAILABLE else Refused if status < 500 else Failed
    return kind(message, code=str(problem.get("code", f"http_{status}")), field=problem.get("field"))
