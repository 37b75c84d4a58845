"""What one worker process costs: seconds from its start to the first token of a job that waits already, and its memory.

The job is in the queue before the process starts, as after a restart or when workers are added. Files are warm: the bench
itself has read the libraries and the model before.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.client import UNHAPPY
from bench.processes import environment, resident_bytes, running, running_server
from bench.textbook.messages import GENERATE, make_app
from bench.textbook.stack import WORKER as TEXTBOOK_COMMAND
from core.catalog import Catalog
from worker.jobs.broker import make_celery
from worker.jobs.client import JobClient
from worker.jobs.redis_store import connect
from worker.jobs.request import GenerationRequest
from worker.jobs.settings import Settings

COMMAND = [sys.executable, "-m", "worker.main"]
PATIENCE_SECONDS = 120.0
BARE = "import celery.app, kombu, numpy, redis; print(flush=True); input()"


@dataclass(frozen=True)
class WorkerFigures:
    """`resident_bytes` (VmRSS): after one job with one model."""

    first_token_seconds: float
    resident_bytes: int


def measure_worker(checkpoints: Path, request: dict[str, Any]) -> WorkerFigures:
    """Starts `python -m worker.main` on a server of its own, in whose queue `request` (as the API takes it) waits.

    First token: the first `token` event in the job's stream, as a page sees it. Raises RuntimeError when the job fails.
    """
    with tempfile.TemporaryDirectory(prefix="ritornello-bench-") as folder, running_server(Path(folder)) as url:
        settings = Settings(redis_url=url, checkpoints=checkpoints, data_dir=Path(folder))
        store = connect(settings)
        client = JobClient(store, Catalog(checkpoints), make_celery(settings), settings)
        job = client.submit(GenerationRequest.model_validate(request), "local").record
        variables = {"REDIS_URL": url, "DATA_DIR": folder, "RITORNELLO_CHECKPOINTS": str(checkpoints.resolve())}
        log, last, first_token = Path(folder) / "worker.log", "0", 0.0
        start = time.perf_counter()
        with running(COMMAND, log, **variables) as process:
            while True:
                for event in store.events(job.id, last, block_seconds=0.5):
                    last = event.id
                    if event.name == "token":
                        first_token = first_token or time.perf_counter() - start
                    if event.name == "done":
                        return WorkerFigures(first_token, resident_bytes(process.pid))
                    if event.name in UNHAPPY:
                        raise RuntimeError(f"the job {event.name}: {event.data}")
                if process.poll() is not None or time.perf_counter() - start > PATIENCE_SECONDS:
                    raise RuntimeError(f"the worker did not do its job:\n{log.read_text()}")


def measure_textbook_worker(checkpoints: Path, request: dict[str, Any]) -> float:
    """The same for the textbook's worker: seconds from its start to the waiting job's result, as it shows no token before."""
    with tempfile.TemporaryDirectory(prefix="textbook-") as folder, running_server(Path(folder)) as url:
        result = make_app(url).send_task(GENERATE, [request])
        variables = {"REDIS_URL": url, "RITORNELLO_CHECKPOINTS": str(checkpoints.resolve())}
        start = time.perf_counter()
        with running(TEXTBOOK_COMMAND, Path(folder) / "worker.log", **variables):
            result.get(timeout=PATIENCE_SECONDS)
            return time.perf_counter() - start


def bare_process() -> WorkerFigures:
    """The floor of both: a Python process that imports Celery, redis-py and numpy, and then only waits."""
    start = time.perf_counter()
    command = [sys.executable, "-c", BARE]
    with subprocess.Popen(command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        figures = WorkerFigures(time.perf_counter() - start, resident_bytes(process.pid))
        process.stdin.write(b"\n")
    return figures
