"""A job's events as a server-sent event stream: resumable, with heartbeats, of bounded number and age."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator

from flask import Response
from werkzeug.exceptions import ServiceUnavailable

from core.errors import AppError, InvalidField
from worker.jobs.store import Event, JobStore

MAX_AGE_SECONDS = 300.0
HEARTBEAT_SECONDS = 10.0
"""WSGI hears of a client that has gone only by writing to it, so this bounds how long its thread is held."""
BLOCK_SECONDS = 1.0
RECONNECT_MILLISECONDS = 2000

EVENT_ID = r"^([0-9]{1,20})(?:-([0-9]{1,20}))?$"
"""As Redis has it: two unsigned numbers of 64 bits, the second may be left out."""

_LAST = frozenset({"done", "failed", "cancelled", "expired"})


class OpenStreams:
    """Counts the streams that this process holds open: each takes a thread, and pages must keep some."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0
        self._lock = threading.Lock()

    def enter(self) -> Callable[[], None]:
        """Take a place; returns what gives it back, once. Raises ServiceUnavailable when there is none: the page polls."""
        with self._lock:
            if self.count >= self.limit:
                raise ServiceUnavailable("Too many event streams are open; ask for the job itself.", retry_after=5)
            self.count += 1
        held = [True]

        def leave() -> None:
            with self._lock:
                if held:
                    held.clear()
                    self.count -= 1

        return leave


def last_event_id(header: str | None, query: str | None) -> str:
    """Where to go on from: the header that a browser sends when it reconnects, else the query; "0" is the beginning."""
    given = header or query
    if not given:
        return "0"
    match = re.fullmatch(EVENT_ID, given)
    if match is None or any(int(part or 0) >= 2**64 for part in match.groups()):
        raise InvalidField("This is not the id of an event.", field="Last-Event-ID" if header else "last_event_id")
    return given


def stream(
    store: JobStore,
    job_id: str,
    after: str,
    streams: OpenStreams,
    max_age_seconds: float,
    heartbeat_seconds: float,
) -> Response:
    """The events after an id, until the job ends; 204, which tells a browser not to reconnect, when it has ended already."""
    leave = streams.enter()
    try:
        first = store.events(job_id, after)
        if not first and store.get(job_id).terminal:
            leave()
            return Response(status=204)
    except BaseException:
        leave()
        raise
    lines = _lines(store, job_id, after, first, time.monotonic() + max_age_seconds, heartbeat_seconds)
    response = Response(lines, mimetype="text/event-stream")
    response.headers.update({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    response.call_on_close(leave)  # the server closes every response, also one whose client left before the first line
    return response


def _lines(store: JobStore, job_id: str, after: str, events: list[Event], end: float, heartbeat_seconds: float) -> Iterator[str]:
    yield f"retry: {RECONNECT_MILLISECONDS}\n\n"
    spoke = time.monotonic()
    while True:
        for event in events:
            after = event.id
            yield f"id: {event.id}\nevent: {event.name}\ndata: {json.dumps(event.data)}\n\n"
            if event.name in _LAST:
                return
        now = time.monotonic()
        if events:
            spoke = now
        if now >= end:
            return  # the browser reconnects and goes on from its last event
        try:
            if now - spoke >= heartbeat_seconds:
                if store.get(job_id).terminal and not store.events(job_id, after):
                    return
                yield ": heartbeat\n\n"
                spoke = now
            events = store.events(job_id, after, block_seconds=min(BLOCK_SECONDS, heartbeat_seconds, end - now))
        except AppError:
            return  # the job was removed, or the store is away: reconnecting gets the right status
