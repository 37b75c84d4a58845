"""What the API answers with, as Pydantic models: the OpenAPI document is made from these."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.catalog import Card
from web.events import EVENT_ID
from worker.jobs.request import GenerationRequest
from worker.jobs.store import Status


class Schema(BaseModel):
    model_config = ConfigDict(frozen=True)


class PrimeLink(Schema):
    """The prime of a job, as a Standard MIDI File."""

    sha256: str = Field(description="Of the file behind `url`.")
    url: str


class JobRequest(GenerationRequest):
    """The request as it was admitted: the model, the task, the seed and all else that was left to us is filled in."""

    prime: PrimeLink | None = None  # type: ignore[assignment]


class Progress(Schema):
    step: int
    total: int = Field(description="0 while it is not known.")


class Result(Schema):
    """One variation."""

    variation: int = Field(description="From 1.")
    seed: int
    finish_reason: str = Field(description="Music: bars, end or length. Text: words, sentences, stop or length.")
    figures: dict[str, int | float] = Field(
        description="Music: notes, bars, prime_end_tick, tokens. Text: words, characters, prompt_characters, tokens."
    )
    attributes: dict[str, str | int | float] = Field(
        {}, description="Music: the style, meter, key and tempo that the model was told or decided on."
    )


class ArtifactLink(Schema):
    """A file of the job: a stored result, or a rendering of one that is made when it is first asked for."""

    name: str = Field(examples=["continuation-1.mid"])
    variation: int
    media_type: str
    bytes: int | None = Field(description="null for a rendering that nobody has asked for yet.")
    url: str


class JobError(Schema):
    """Why the job failed."""

    code: str
    message: str


class Timings(Schema):
    queued_seconds: float | None = Field(description="From acceptance to the start; null until it starts.")
    running_seconds: float | None = Field(description="From the start to the end; null until it ends.")


class Job(Schema):
    """One job. Treat a status that you do not know as not yet terminal."""

    id: str
    status: Status
    kind: str
    request: JobRequest
    owner: Literal["you"] = "you"
    position: int | None = Field(description="Jobs before this one in the queue; null unless queued.")
    eta_seconds: float | None = Field(description="An estimate of the time to the end; null when there is none.")
    progress: Progress
    results: list[Result]
    artifacts: list[ArtifactLink]
    cancel_requested: bool = Field(description="The job was told to stop; it can only end cancelled.")
    numerics: str | None = Field(description="The path that computes: the same request and numerics give the same bytes.")
    error: JobError | None
    timings: Timings
    created_at: datetime
    expires_at: datetime | None = Field(description="When the job and its files are removed; null: when room is needed.")


class JobList(Schema):
    """Your jobs, newest first."""

    jobs: list[Job]
    next_cursor: str | None = Field(description="The `cursor` of the next page; null on the last one.")


class Models(Schema):
    """The catalogue: every model's card."""

    models: list[Card]


class ListQuery(BaseModel):
    cursor: str | None = Field(None, max_length=200, description="The `next_cursor` of the page before.")
    limit: int = Field(20, ge=1, le=100, description="Jobs a page.")


class SubmitHeaders(BaseModel):
    idempotency_key: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="Any text of your own. Sent again with the same request it gives the same job; with another, 422.",
    )


class EventsQuery(BaseModel):
    last_event_id: str | None = Field(None, pattern=EVENT_ID, description="As the header Last-Event-ID, which wins.")


class EventsHeaders(BaseModel):
    last_event_id: str | None = Field(
        None, pattern=EVENT_ID, description="Go on after this event; browsers send it by themselves."
    )


class ServerSentEvent(Schema):
    """One event of a job's stream, as a browser's EventSource gives it."""

    id: str
    event: Literal["queued", "started", "progress", "token", "artifact", "done", "failed", "cancelled", "expired", "reset"]
    data: str = Field(
        description="JSON. progress: step, total. token: variation, text. artifact: as in the job. failed: code, message.",
        json_schema_extra={"contentMediaType": "application/json"},
    )


class FieldProblem(Schema):
    field: str = Field(description="Dotted path into the request.", examples=["attributes.bars"])
    message: str


class ProblemDocument(Schema):
    """An error, as RFC 9457 has it."""

    type: str = Field(description="A URI, the same for every problem of this code.", examples=["/problems/invalid_field"])
    title: str
    status: int
    detail: str
    code: str
    field: str | None = Field(None, description="The place in the request, where one place is to blame.")
    errors: list[FieldProblem] = Field([], description="Every fault, where there are several.")


class Liveness(Schema):
    status: Literal["ok"] = "ok"


class Readiness(Schema):
    ready: bool
    reasons: list[str] = Field(description="Why not; empty when ready.")
    workers: int | None = Field(description="Workers with a live heartbeat; null when the store does not answer.")
    models: int
