"""The real thing for a bench: `ritornello up` with a data folder of its own."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import free_port, running
from cli.door import local_address, readiness

START_SECONDS = 180.0


@contextmanager
def running_stack(checkpoints: Path, **variables: str) -> Iterator[str]:
    """The server, one worker and the web, by `ritornello up`; yields the address. Raises RuntimeError with what they said.

    `variables` are further settings, such as RITORNELLO_QUEUE_LIMIT.
    """
    with tempfile.TemporaryDirectory(prefix="ritornello-bench-") as folder:
        port, output = free_port(), Path(folder) / "output"
        ours = {"DATA_DIR": f"{folder}/var", "PORT": str(port), "RITORNELLO_CHECKPOINTS": str(checkpoints.resolve())}
        with running([sys.executable, "-m", "cli.main", "up"], output, **ours, **variables) as process:
            address = local_address("127.0.0.1", port)
            deadline = time.monotonic() + START_SECONDS
            while not readiness(address)[0]:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"Ritornello did not start:\n{output.read_text()}")
                time.sleep(0.1)
            yield address
