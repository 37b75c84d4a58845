"""The Celery side of the textbook design: one task makes one job's whole file, and its result waits in Redis.

Started by `celery -A bench.textbook.tasks worker`; the web imports it too, to send. REDIS_URL and RITORNELLO_CHECKPOINTS
say where the server and the models are.
"""

from __future__ import annotations

import base64
from typing import Any

from celery.signals import worker_process_init

from bench.textbook.messages import GENERATE, make_app
from worker.jobs.settings import Settings

settings = Settings()
app = make_app(settings.redis_url)


@worker_process_init.connect(weak=False)
def prepare(**_: object) -> None:
    """Once in each child, before its first job."""
    import torch  # not above: the web, which only sends, has no need of it

    torch.set_num_threads(1)  # a child for each core
    import bench.textbook.loop  # noqa: F401


@app.task(name=GENERATE, shared=False)
def generate(request: dict[str, Any]) -> str:
    """The MIDI file in base64; `request` is what our own API takes."""
    from bench.textbook.loop import midi_file

    return base64.b64encode(midi_file(request, settings.checkpoints)).decode()
