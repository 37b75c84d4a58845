"""`ritornello up`: the server, the workers and the web, started in that order, watched, and stopped in reverse."""

from __future__ import annotations

import re
import signal
import sys
import threading
import time
from contextlib import ExitStack, suppress
from types import FrameType

import click
import redis

from cli import data_dir, embedded
from cli.door import is_loopback, listen, local_address, readiness
from cli.environment import read_settings
from cli.exits import Failed, Verb
from cli.supervisor import TICK_SECONDS, Guard, Service, Supervisor
from worker.jobs.settings import Settings

SERVER_START_SECONDS = 30.0
SLOW_START_SECONDS = 60.0
KEEP_ALIVE_SECONDS = 30  # longer than anybody's pause between two polls, so that the door is not closed in their face
THREADS_FOR_PAGES = 16  # besides one for each event stream
WORKER_CLASS = "web.gunicorn_worker.LingeringWorker"
OVERHEAD_BYTES = 128 * 1024 * 1024  # records, queues and the broker's keys, beside the jobs' own bytes


@click.command("up", cls=Verb)
def up() -> None:
    """Start Ritornello here: an embedded server (unless REDIS_URL is set), the workers and the web page. Ctrl-C stops it."""
    settings = read_settings()
    with StopSignals() as stop, ExitStack() as held:
        _run(settings, stop, held)
        say("up", "stopping")
    say("up", f"stopped; everything that was made is kept in {settings.data_dir}")


def _run(settings: Settings, stop: StopSignals, held: ExitStack) -> None:
    """Start everything and look after it until we are asked to stop; leaving `held` then ends what was started."""
    lock = held.enter_context(data_dir.hold(settings.data_dir))
    door = held.enter_context(listen(settings.host, settings.port))
    redis_url, server = _server(settings, held)
    supervisor = Supervisor(held.enter_context(Guard(lock)), say)
    held.callback(data_dir.forget_server, settings.data_dir)
    held.callback(supervisor.stop, hurry=lambda: stop.asked > 1)
    if server is not None:
        supervisor.start(server)
        _wait_for_server(redis_url, supervisor, stop)
    environment = {
        "REDIS_URL": redis_url,
        "DATA_DIR": str(settings.data_dir.resolve()),
        "RITORNELLO_SECRET_KEY": _secret_key(settings),
        "PYTHONUNBUFFERED": "1",
    }
    for _ in range(settings.workers):
        supervisor.start(Service("worker", [sys.executable, "-m", "worker.main"], environment, stop_seconds=8.0))
    web = web_command(door.fileno(), settings)
    supervisor.start(Service("web", web, environment, stop_seconds=6.0, descriptors=(door.fileno(),)))
    address = local_address(settings.host, settings.port)
    _wait_until_ready(address, supervisor, stop)
    if not stop.asked:
        data_dir.note_server(settings.data_dir, address)
        _announce(address, settings)
    while not stop.asked:
        supervisor.tend()
        time.sleep(TICK_SECONDS)


class StopSignals:
    """Counts the requests to stop (Ctrl-C, SIGTERM, a closed terminal) instead of letting them interrupt anything."""

    NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.asked = 0

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._note) for number in self.NUMBERS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1


_PRINTING = threading.Lock()


def say(name: str, line: str) -> None:
    """One line of output under the name of the process that it comes from."""
    with _PRINTING, suppress(OSError):  # nobody reads any more: the services go on
        click.echo(f"{name:>6} | {line}")


def web_command(descriptor: int, settings: Settings) -> list[str]:
    """gunicorn, as web/wsgi.py configures it, on a socket that is open already. When it stops, event streams get 3 s to end."""
    threads = settings.sse_limit + THREADS_FOR_PAGES
    words = ["-k", WORKER_CLASS, "--threads", str(threads), "-w", "1", "-b", f"fd://{descriptor}", "--graceful-timeout", "3"]
    words += ["--keep-alive", str(KEEP_ALIVE_SECONDS)]
    words += ["--log-level", settings.log_level.lower(), "--no-control-socket"]
    return [sys.executable, "-m", "gunicorn", *words, "web.wsgi:app"]


def _server(settings: Settings, held: ExitStack) -> tuple[str, Service | None]:
    """REDIS_URL, which has to answer; or the address of an embedded server, and the service that is to be started for it."""
    if "redis_url" in settings.model_fields_set:
        if not _answers(settings.redis_url):
            raise Failed(
                f"The server at REDIS_URL ({without_password(settings.redis_url)}) does not answer; "
                "start it, or leave REDIS_URL unset to use the embedded one."
            )
        return settings.redis_url, None
    binary = embedded.find_binary()
    folder = settings.data_dir / embedded.FOLDER
    folder.mkdir(exist_ok=True, mode=0o700)
    path = held.enter_context(embedded.socket_in(folder))
    command = embedded.server_command(binary, folder, path, 2 * settings.store_bytes + OVERHEAD_BYTES)
    return f"unix://{path}", Service("server", command, stop_seconds=5.0)


def _wait_for_server(url: str, supervisor: Supervisor, stop: StopSignals) -> None:
    deadline = time.monotonic() + SERVER_START_SECONDS
    while not stop.asked and not _answers(url):
        if time.monotonic() > deadline:
            raise Failed(f"The embedded server did not answer within {SERVER_START_SECONDS:.0f} s.")
        supervisor.tend()
        time.sleep(TICK_SECONDS)


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError, ValueError):
        return False


def without_password(url: str) -> str:
    return re.sub(r"//[^/]*@", "//", url)


def _secret_key(settings: Settings) -> str:
    return settings.secret_key.get_secret_value() if settings.secret_key else data_dir.secret_key(settings.data_dir)


def _wait_until_ready(address: str, supervisor: Supervisor, stop: StopSignals) -> None:
    complain_at = time.monotonic() + SLOW_START_SECONDS
    while not stop.asked:
        supervisor.tend()
        ready, why = readiness(address)
        if ready:
            return
        if time.monotonic() > complain_at:
            say("up", f"still not ready: {why}")
            complain_at += SLOW_START_SECONDS
        time.sleep(TICK_SECONDS)


def _announce(address: str, settings: Settings) -> None:
    say("up", f"Ritornello is ready at {address} (Ctrl-C stops it)")
    if not is_loopback(settings.host) and settings.owners == "local" and not settings.api_keys:
        say("up", f"WARNING: HOST is {settings.host}: everybody who reaches this machine sees, and can cancel, every job;")
        say("up", "         set RITORNELLO_OWNERS=session, and RITORNELLO_API_KEYS (`ritornello keys` makes one).")
