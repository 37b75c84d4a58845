"""gunicorn's threaded worker, which stays with a kept connection for a moment: its next request often comes at once.

As gunicorn has it, every request on a kept connection goes from the thread that polls all connections to a thread of the
pool and back, which costs more than many an answer does.
"""

from __future__ import annotations

import select
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

LINGER_SECONDS = 0.005


class LingeringWorker(ThreadWorker):  # type: ignore[misc]
    """Class for gunicorn's option -k."""

    def handle(self, conn: Any) -> Any:
        """Requests of one connection, for as long as one follows another; true when the connection is to be kept."""
        keep = super().handle(conn)
        while keep is True and self.alive and not conn.is_http2 and _readable(conn.sock):
            keep = super().handle(conn)
        return keep


def _readable(sock: Any) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(1000 * LINGER_SECONDS))
