"""The web side of the textbook design: POST a job, ask whether it is done, fetch its file. gunicorn serves `app`."""

from __future__ import annotations

import base64

from flask import Flask, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue

from bench.textbook.tasks import generate

app = Flask(__name__)


@app.post("/jobs")
def submit() -> ResponseReturnValue:
    return jsonify(id=generate.delay(request.get_json()).id), 202


@app.get("/jobs/<job_id>")
def look(job_id: str) -> ResponseReturnValue:
    return jsonify(id=job_id, status=generate.AsyncResult(job_id).state)


@app.get("/jobs/<job_id>/file")
def file(job_id: str) -> ResponseReturnValue:
    """404 as long as it is not there; 500 when the task broke."""
    result = generate.AsyncResult(job_id)
    if not result.ready():
        abort(404)
    if result.failed():
        abort(500, repr(result.result))
    return Response(base64.b64decode(result.get()), content_type="audio/midi")
