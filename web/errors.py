"""The one map from an error's code to its HTTP status, and every error as an RFC 9457 problem document or a page."""

from __future__ import annotations

import dataclasses
import logging
import secrets
from typing import Any

from apiflask import APIFlask
from apiflask.exceptions import HTTPError
from flask import Response, json, make_response, render_template, request
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from werkzeug.exceptions import HTTPException, SecurityError

from core.errors import AppError, InternalError, InvalidField, QueueFull, RequestError

logger = logging.getLogger(__name__)

STATUS: dict[str, int] = {
    "error": 500,
    "invalid_request": 422,
    "invalid_field": 422,
    "unknown_model": 422,
    "unsupported_task": 422,
    "unplayable_prime": 422,
    "invalid_midi": 422,
    "invalid_notation": 422,
    "input_too_costly": 422,
    "not_found": 404,
    "idempotency_conflict": 422,
    "not_ready": 409,
    "queue_full": 429,
    "generation_failed": 500,
    "bad_checkpoint": 500,
    "training_diverged": 500,
    "kernel_unavailable": 500,
    "store_unavailable": 503,
    "worker_lost": 500,
    "deadline_exceeded": 504,
    "internal_error": 500,
}

RETRY_AFTER_SECONDS = 5
PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEM_PATHS = ("/api/", "/livez", "/readyz", "/metrics", "/openapi.json")
"""Where programs ask: an error there is always a problem document. Elsewhere it is a page, unless the client wants JSON."""

_PLAINER = {"extra_forbidden": "There is no such field.", "missing": "This field is required."}
_PRIME_FORMATS = frozenset({"notes", "abc", "beats", "midi"})


@dataclasses.dataclass(frozen=True)
class FieldError:
    """One fault: the dotted path into the request, and what is wrong there."""

    field: str
    message: str


class InvalidBody(Exception):
    """A body that is JSON and still no request. A ValidationError from anywhere else is a fault of ours, not of the caller."""

    def __init__(self, error: ValidationError) -> None:
        super().__init__(str(error))
        self.errors = field_errors(error)


@dataclasses.dataclass(frozen=True)
class Problem:
    """What RFC 9457 calls a problem: `title` is the same for every problem of a `code`, `detail` speaks of this one."""

    status: int
    code: str
    title: str
    detail: str
    field: str | None = None
    errors: tuple[FieldError, ...] = ()
    headers: dict[str, str] = dataclasses.field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": f"/problems/{self.code}" if self.code in STATUS else "about:blank",  # the latter: what the status says
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.field is not None:
            body["field"] = self.field
        if self.errors:
            body["errors"] = [{"field": error.field, "message": error.message} for error in self.errors]
        return body


def field_errors(error: ValidationError) -> tuple[FieldError, ...]:
    """What pydantic found, with dotted fields as the caller wrote them: the tag of the prime's union is left out."""
    return tuple(
        FieldError(_dotted(fault["loc"]), _plain(fault)) for fault in error.errors(include_input=False, include_url=False)
    )


def problem_of(error: Exception) -> Problem:
    """The problem that an exception means. One that we did not foresee is logged under an id, and the id is all that is told."""
    if isinstance(error, AppError):
        return _app_problem(error)
    if isinstance(error, InvalidBody):
        return _field_problem(error.errors)
    if isinstance(error, HTTPError):  # a query or header that APIFlask refused
        return _field_problem(
            tuple(
                FieldError(name.replace("_", "-").title() if place == "headers" else name, text)
                for place, named in error.detail.items()
                for name, texts in named.items()
                for text in texts
            )
        )
    if isinstance(error, HTTPException) and error.code is not None:
        headers = {name: value for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")}
        if error.code in (429, 503):
            headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
        code = error.name.lower().replace(" ", "_").replace("'", "")
        return Problem(error.code, code, error.name, error.description or error.name, headers=headers)
    error_id = secrets.token_hex(4)
    logger.error("Unforeseen error %s in %s %s", error_id, request.method, request.path, exc_info=error)
    return _app_problem(InternalError(f"Something broke on our side. The log has the details, under {error_id}."))


def register_errors(app: APIFlask) -> None:
    """Answer every error of the app, foreseen or not, through `problem_of`."""

    def answer(error: Exception) -> Response | HTTPException:
        if isinstance(error, HTTPException) and (error.code is None or error.response is not None or error.code < 400):
            return error  # a redirect, or an answer in full
        return respond(problem_of(error))

    for kind in (AppError, InvalidBody, HTTPError, HTTPException, Exception):
        app.register_error_handler(kind, answer)


def respond(problem: Problem) -> Response:
    """A problem document, or the error page for a browser."""
    if wants_problem():
        response = make_response(json.dumps(problem.document()))
        response.mimetype = PROBLEM_MEDIA_TYPE
    else:
        response = make_response(render_template("error.html", status=problem.status, title=problem.title, detail=problem.detail))
    response.status_code = problem.status
    response.headers.update(problem.headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def wants_problem() -> bool:
    if isinstance(request.routing_exception, SecurityError):
        return True  # for a host name that is not ours no page can be made: its links would lead there
    accepted = request.accept_mimetypes
    prefers_json = accepted.best_match(["text/html", "application/json", PROBLEM_MEDIA_TYPE], "text/html") != "text/html"
    return request.path.startswith(PROBLEM_PATHS) or prefers_json


def _app_problem(error: AppError) -> Problem:
    status = STATUS[error.code]
    headers = {}
    if isinstance(error, QueueFull):
        headers["Retry-After"] = str(error.retry_after_seconds)
    elif status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        logger.warning("%s %s: %s", request.method, request.path, error.message)
    name = error.field if isinstance(error, RequestError) else None
    return Problem(status, error.code, title_of(type(error)), error.message, name, headers=headers)


def _field_problem(errors: tuple[FieldError, ...]) -> Problem:
    first = errors[0]
    detail = f"{first.field}: {first.message}" if first.field else first.message
    if len(errors) > 1:
        detail += f" ({len(errors) - 1} more, under errors.)"
    return Problem(STATUS[InvalidField.code], InvalidField.code, title_of(InvalidField), detail, first.field, errors)


def title_of(kind: type[AppError]) -> str:
    return (kind.__doc__ or kind.code).strip().split(".")[0]


def _dotted(location: tuple[int | str, ...]) -> str:
    if len(location) > 1 and location[0] == "prime" and location[1] in _PRIME_FORMATS:
        location = (location[0], *location[2:])
    return ".".join(str(part) for part in location)


def _plain(fault: ErrorDetails) -> str:
    return _PLAINER.get(fault["type"], fault["msg"].removeprefix("Value error, "))
