"""The web server's entry point: `python -m web.wsgi`, or `gunicorn -k WORKER_CLASS --threads 64 -w 1 web.wsgi:app`.

One process: open event streams and request figures are counted in it. Threads are cheap, and most of them wait.
"""

from __future__ import annotations

import logging
import sys

from apiflask import APIFlask
from gunicorn.app.base import BaseApplication
from pydantic import ValidationError

from core.errors import AppError
from web.app import create_app
from worker.jobs.settings import Settings

WORKER_CLASS = "web.gunicorn_worker.LingeringWorker"
KEEP_ALIVE_SECONDS = 30  # longer than anybody's pause between two polls, so that the door is not closed in their face
THREADS_FOR_PAGES = 16  # besides one for each event stream
GRACE_SECONDS = 3  # an open event stream does not hold up the end: the browser reconnects


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, configured from the settings instead of a command line."""

    def __init__(self, app: APIFlask, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        self.cfg.set("bind", f"{host}:{self.settings.port}")
        self.cfg.set("workers", 1)
        self.cfg.set("worker_class", WORKER_CLASS)
        self.cfg.set("threads", self.settings.sse_limit + THREADS_FOR_PAGES)
        self.cfg.set("graceful_timeout", GRACE_SECONDS)
        self.cfg.set("keepalive", KEEP_ALIVE_SECONDS)
        self.cfg.set("loglevel", self.settings.log_level.lower())
        self.cfg.set("control_socket_disable", True)  # it would write into the home directory

    def load(self) -> APIFlask:
        return self.app


def _start() -> tuple[APIFlask, Settings]:
    try:
        settings = Settings()
        logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        return create_app(settings), settings
    except (ValidationError, AppError) as error:
        sys.exit(f"The web server cannot start: {error}")


app, _settings = _start()

if __name__ == "__main__":
    Server(app, _settings).run()
