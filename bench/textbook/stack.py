"""The textbook design, running: Flask behind gunicorn, Celery with a prefork pool of two, Redis for messages and results.

This is what the usual tutorials build, and the peer of our service: the same server, machine, model, prime and grammar,
but one task is one whole job, alone in its process.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.client import Connection, Refused
from bench.processes import children, free_port, running, running_server

CONCURRENCY = 2
WEB_THREADS = 16
START_SECONDS = 180.0
WORKER = [
    *(sys.executable, "-m", "celery", "-A", "bench.textbook.tasks", "worker"),
    *("--pool", "prefork", "--concurrency", str(CONCURRENCY), "--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
]


@dataclass(frozen=True)
class Textbook:
    address: str
    worker: int
    """The process that starts the children."""

    @property
    def children(self) -> list[int]:
        return children(self.worker)


@contextmanager
def running_textbook(checkpoints: Path) -> Iterator[Textbook]:
    """Yields when the web answers; the children load the model with their first job. Raises RuntimeError with what was said."""
    with tempfile.TemporaryDirectory(prefix="textbook-") as name:
        folder, port = Path(name), free_port()
        bind = ["-k", "gthread", "-w", "1", "--threads", str(WEB_THREADS), "-b", f"127.0.0.1:{port}", "--no-control-socket"]
        serve = [sys.executable, "-m", "gunicorn", *bind, "--log-level", "warning", "bench.textbook.web:app"]
        with running_server(folder) as url:
            variables = {"REDIS_URL": url, "RITORNELLO_CHECKPOINTS": str(checkpoints.resolve())}
            with (
                running(WORKER, folder / "worker.log", **variables) as worker,
                running(serve, folder / "web.log", **variables) as web,
            ):
                address = f"http://127.0.0.1:{port}"
                deadline = time.monotonic() + START_SECONDS
                while not _answers(address):
                    if web.poll() is not None or worker.poll() is not None or time.monotonic() > deadline:
                        said = "\n".join((folder / log).read_text() for log in ("worker.log", "web.log"))
                        raise RuntimeError(f"the textbook's service did not start:\n{said}")
                    time.sleep(0.1)
                yield Textbook(address, worker.pid)


def _answers(address: str) -> bool:
    try:
        with Connection(address) as connection:
            connection.call("GET", "/")
    except Refused:
        return True  # it says that there is no such page
    except OSError:
        return False
    return True
