"""Generation on a server: submit, wait, download."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from cli.exits import Failed, Stop, Unreachable
from cli.http import Server
from cli.made import Made, Variation
from cli.progress import Progress
from worker.jobs.store import TERMINAL

RESULT_SUFFIXES = (".mid", ".txt")  # the other artifacts are renderings of these
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 0.5
PATIENCE_SECONDS = 30.0  # with a server that goes away while we wait: the job is not lost by that


def generate(server: Server, request: dict[str, Any], progress: Progress) -> Made:
    """Raises Refused, Unreachable, or Failed for a job that did not succeed. Interrupted, it cancels the job."""
    # Under one key, a repeated submission would be the same job.
    job = server.post("/api/v1/jobs", request, {"Idempotency-Key": uuid.uuid4().hex})
    try:
        job = _wait(server, job, progress)
    except KeyboardInterrupt:
        with suppress(Stop):
            server.post(f"/api/v1/jobs/{job['id']}/cancel")
        raise
    if job["status"] != "succeeded":
        error = job["error"] or {"code": job["status"], "message": f"The job was {job['status']}."}
        raise Failed(error["message"], code=error["code"])
    files = {link["variation"]: link["name"] for link in job["artifacts"] if link["name"].endswith(RESULT_SUFFIXES)}
    variations = [
        Variation(
            number=result["variation"],
            seed=result["seed"],
            finish_reason=result["finish_reason"],
            figures=result["figures"],
            file_name=files[result["variation"]],
            data=server.download(f"/api/v1/jobs/{job['id']}/artifacts/{quote(files[result['variation']], safe='')}"),
        )
        for result in job["results"]
    ]
    return Made(job["id"], job["request"], variations)


def _wait(server: Server, job: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Ask again and again until the job has ended. A status that we do not know counts as not ended."""
    pause = FIRST_PAUSE_SECONDS
    last_answer = time.monotonic()
    while job["status"] not in TERMINAL:
        progress(job["progress"]["step"], job["progress"]["total"])
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
        try:
            job = server.get(f"/api/v1/jobs/{job['id']}")
            last_answer = time.monotonic()
        except Unreachable:
            if time.monotonic() - last_answer > PATIENCE_SECONDS:
                raise
    return job
