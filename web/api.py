"""The HTTP API, version 1: jobs, their events and files, and the catalogue."""

from __future__ import annotations

import hashlib
from contextlib import suppress

from apiflask import APIBlueprint
from flask import Response, current_app, request, url_for

from core.errors import NotFound
from web.body import read_generation_request
from web.events import last_event_id, stream
from web.job_view import Forecast, job_view
from web.openapi import answers, header, problems
from web.renderings import PRIME, rendering
from web.schemas import EventsHeaders, EventsQuery, Job, JobList, ListQuery, Models, SubmitHeaders
from web.security import current_owner, guard_api
from worker.jobs.artifacts import RESULTS, parse_artifact_name
from worker.jobs.client import JobClient
from worker.jobs.store import JobRecord, JobStore

api = APIBlueprint("api", __name__, url_prefix="/api/v1", tag={"name": "Version 1", "description": "Ask, follow, fetch."})
api.before_request(guard_api)

INLINE = frozenset({"svg", "txt", "abc"})
"""What a browser may show in place; it cannot hold a script that would run: the policy below, and nosniff, forbid it."""
FILE_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@api.post("/jobs")
@api.input(SubmitHeaders, location="headers")
@api.output(Job, status_code=202, description="Accepted: the job, queued. Or the job that this Idempotency-Key made before.")
@api.doc(
    operation_id="submitJob",
    responses={202: {"headers": {"Location": header("The job's URL.")}}} | problems(403, 413, 415, 422, 429),
)
def submit_job(headers_data: SubmitHeaders) -> Response:
    """Ask for something to be generated.

    Send the request as JSON; or as multipart/form-data, with the JSON in the field `request` and a MIDI file in the
    field `prime`.
    """
    made = _jobs().submit(read_generation_request(), current_owner(), headers_data.idempotency_key)
    response = _answer(made.record, made.prime)
    response.status_code = 202
    response.headers["Location"] = url_for("api.get_job", job_id=made.record.id)
    return response


@api.get("/jobs")
@api.input(ListQuery, location="query")
@api.output(JobList)
@api.doc(operation_id="listJobs", responses=problems(422))
def list_jobs(query_data: ListQuery) -> JobList:
    """Your jobs, newest first."""
    records, cursor = _jobs().list(current_owner(), query_data.cursor or None, query_data.limit)
    jobs = []
    for record in records:
        with suppress(NotFound):  # removed since, to make room
            jobs.append(job_view(record, _store(), _forecast()))
    return JobList(jobs=jobs, next_cursor=cursor)


@api.get("/jobs/<job_id>")
@api.output(Job)
@api.doc(operation_id="getJob", responses=problems(404))
def get_job(job_id: str) -> Response:
    """One job."""
    return _answer(_jobs().get(job_id, current_owner()))


@api.post("/jobs/<job_id>/cancel")
@api.output(Job)
@api.doc(operation_id="cancelJob", responses=problems(403, 404))
def cancel_job(job_id: str) -> Response:
    """Cancel a job.

    A queued job ends at once, a running one within a second; one that has ended stays as it is.
    """
    return _answer(_jobs().cancel(job_id, current_owner()))


@api.get("/jobs/<job_id>/events")
@api.input(EventsQuery, location="query")
@api.input(EventsHeaders, location="headers")
@api.doc(
    operation_id="followJob",
    responses=answers({200: "Events, one after the other; the schema is that of each."}, "text/event-stream", "ServerSentEvent")
    | {204: {"description": "The job has ended, and there is no event after this one: do not reconnect."}}
    | problems(404, 422),
)
def follow_job(job_id: str, query_data: EventsQuery, headers_data: EventsHeaders) -> Response:
    """A job's events, as they happen.

    Every event has an id; a browser sends the last one back when it reconnects, and the stream goes on from there. A
    comment comes every ten seconds. The stream ends with the job, and after five minutes: then reconnect. When too
    many streams are open (503), ask for the job itself. `reset` means: what was told so far begins anew.
    """
    _jobs().get(job_id, current_owner())
    after = last_event_id(headers_data.last_event_id, query_data.last_event_id)
    config = current_app.config
    return stream(
        _store(),
        job_id,
        after,
        current_app.extensions["streams"],
        max_age_seconds=config["EVENTS_MAX_AGE_SECONDS"],
        heartbeat_seconds=config["EVENTS_HEARTBEAT_SECONDS"],
    )


@api.get("/jobs/<job_id>/artifacts/<name>")
@api.doc(
    operation_id="getArtifact",
    responses={
        200: {
            "description": "The file.",
            "headers": {"ETag": header("Of the file's bytes; send it back in If-None-Match.")},
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        304: {"description": "The file is the one that If-None-Match names."},
    }
    | problems(404, 409),
)
def get_artifact(job_id: str, name: str) -> Response:
    """A file of the job.

    The results, `continuation-1.mid` or `continuation-1.txt`; for music also `continuation-1.musicxml`,
    `continuation-1.svg` (a piano roll), `continuation-1.abc` where the result is one voice, and `prime.mid`.
    """
    owner, kind = current_owner(), name.rpartition(".")[2]
    if name != PRIME and parse_artifact_name(name)[1] in RESULTS:
        artifact = _jobs().result(job_id, owner, name)
    else:
        artifact = rendering(_store(), _jobs().get(job_id, owner), name)
    response = Response(artifact.data, content_type=artifact.media_type)
    place = "inline" if kind in INLINE else "attachment"
    response.headers["Content-Disposition"] = f'{place}; filename="{artifact.name}"'
    response.headers["Content-Security-Policy"] = FILE_SECURITY_POLICY
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(hashlib.sha256(artifact.data).hexdigest())
    return response.make_conditional(request)


@api.get("/models")
@api.output(Models)
@api.doc(operation_id="listModels", responses=problems())
def list_models() -> Models:
    """The catalogue.

    Every model's card: what it understands, its defaults, its data and its measured figures.
    """
    return Models(models=list(current_app.extensions["catalog"].cards.values()))


def _jobs() -> JobClient:
    client: JobClient = current_app.extensions["jobs"]
    return client


def _store() -> JobStore:
    store: JobStore = current_app.extensions["store"]
    return store


def _forecast() -> Forecast:
    forecast: Forecast = current_app.extensions["forecast"]
    return forecast


def _answer(record: JobRecord, prime: str | None = None) -> Response:
    """The job as JSON, written by pydantic itself: by way of dicts, as APIFlask would, takes several times as long."""
    job = job_view(record, _store(), _forecast(), prime)
    return Response(job.model_dump_json(), content_type="application/json")
