"""What the OpenAPI document says beyond what APIFlask reads off the views: bodies of two kinds, errors, streams and files."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from web.errors import PROBLEM_MEDIA_TYPE
from web.schemas import Job, JobList, Liveness, Models, ProblemDocument, Readiness, ServerSentEvent
from worker.jobs.request import GenerationRequest

JSON = "application/json"
TEXT = "text/plain"
API = "/api/v1/"
SUBMIT_PATH = f"{API}jobs"

DESCRIPTION = """\
Give a few beats, or a few words; get them back continued, as a MIDI file or a text.

Send a job, then ask for it until its status is terminal, or follow its events; then fetch its artifacts. What is left
out of a request takes the default of its model's card. The same request with the same seed gives the same bytes.
Errors are problem documents (RFC 9457) that name the field to blame."""

_PROBLEMS = {
    400: "Not HTTP, JSON or UTF-8 as it should be.",
    401: "No API key, or one that is not known.",
    403: "A page of another site may not do this.",
    404: "There is no such job or artifact, or it has expired.",
    409: "The job has no result yet.",
    413: "The body is larger than 2.5 MB.",
    415: "Neither JSON nor multipart, or sent with a Content-Encoding.",
    422: "A field is wrong; `field` names it.",
    429: "Too many jobs are waiting. Retry-After says when to come back.",
    503: "The job store does not answer, or too many event streams are open. Retry-After says when to come back.",
}

_MODELS: tuple[type[BaseModel], ...] = (
    GenerationRequest,
    Job,
    JobList,
    Models,
    ProblemDocument,
    ServerSentEvent,
    Liveness,
    Readiness,
)

EXAMPLES: dict[str, dict[str, Any]] = {
    "continue": {
        "summary": "Continue a tune",
        "value": {
            "kind": "music",
            "prime": {"format": "notes", "notes": "D4:1 F4:0.5 A4:0.5 D5:1 A4:1"},
            "attributes": {"bars": 8},
            "sampling": {"seed": 7},
        },
    },
    "compose": {
        "summary": "Start from nothing",
        "value": {
            "kind": "music",
            "task": "compose",
            "attributes": {"key": "D major", "meter": "6/8", "bars": 16},
            "variations": 4,
        },
    },
    "beats": {
        "summary": "Continue a beat",
        "value": {
            "kind": "music",
            "prime": {"format": "beats", "beats": {"kick": "x.......x.......", "snare": "....x.......x..."}},
            "attributes": {"bars": 4},
        },
    },
    "text": {
        "summary": "Continue a text",
        "value": {"kind": "text", "prompt": "Shall I compare thee", "length": {"words": 60}, "sampling": {"temperature": 0.8}},
    },
}


def answers(
    described: dict[int, str], media_type: str = JSON, schema: str | None = None, headers: dict[str, Any] | None = None
) -> dict[int, dict[str, Any]]:
    """Responses for `doc(responses=…)`: by status, all with one media type and one schema (None: any text)."""
    content = {media_type: {"schema": _ref(schema) if schema else {"type": "string"}}}
    return {
        status: {"description": text, "content": content, **({"headers": headers} if headers else {})}
        for status, text in described.items()
    }


def problems(*statuses: int) -> dict[int, dict[str, Any]]:
    """The problem documents that an operation may answer with, besides those that every operation may."""
    described = {status: _PROBLEMS[status] for status in sorted({400, 401, 503, *statuses})}
    return answers(described, PROBLEM_MEDIA_TYPE, "ProblemDocument")


def header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


def complete(spec: dict[str, Any]) -> dict[str, Any]:
    """APIFlask's document, completed; it calls this once, before the document is first served."""
    # One clean name for each schema, where APIFlask would repeat nested ones under each parent.
    spec.setdefault("components", {})["schemas"] = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )[1]["$defs"]
    spec["paths"][SUBMIT_PATH]["post"]["requestBody"] = _submit_body()
    for path, operations in spec["paths"].items():
        for operation in operations.values():
            if path.startswith(API) and "securitySchemes" in spec["components"]:
                operation["security"] = [{name: []} for name in spec["components"]["securitySchemes"]]
            for parameter in operation["parameters"]:
                _describe(parameter)
    return spec


def _submit_body() -> dict[str, Any]:
    request = _ref("GenerationRequest")
    form = {
        "type": "object",
        "properties": {
            "request": {**request, "description": "The request, as JSON, without its prime."},
            "prime": {"type": "string", "format": "binary", "description": "A Standard MIDI File of at most 1 MB."},
        },
        "required": ["request"],
        "additionalProperties": False,
    }
    return {
        "required": True,
        "content": {
            JSON: {"schema": request, "examples": EXAMPLES},
            "multipart/form-data": {
                "schema": form,
                "encoding": {"request": {"contentType": JSON}, "prime": {"contentType": "audio/midi"}},
            },
        },
    }


def _describe(parameter: dict[str, Any]) -> None:
    """Say what APIFlask leaves out: a description beside the schema, not in it; header names as they are written."""
    arms = parameter["schema"].get("anyOf", [])
    if {"type": "null"} in arms:  # None is how python says "left out"; nobody can send it
        del parameter["schema"]["anyOf"], parameter["schema"]["default"]
        parameter["schema"] |= arms[0]
    if "description" in parameter["schema"]:
        parameter["description"] = parameter["schema"].pop("description")
    if parameter["in"] == "header":
        parameter["name"] = parameter["name"].title()
    if parameter["in"] == "path":
        parameter.update(_PATH_PARAMETERS[parameter["name"]])


_PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "job_id": {"required": True, "description": "The job's id."},
    "name": {"required": True, "description": "The artifact's name, from the job.", "example": "continuation-1.mid"},
}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
