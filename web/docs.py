"""The API's page: the OpenAPI document as plain HTML, made here, with nothing fetched from anywhere."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from apiflask import APIFlask
from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.errors import AppError, NotFound
from web.errors import STATUS, title_of
from web.openapi import JSON

docs = Blueprint("docs", __name__)


@dataclass(frozen=True)
class Operation:
    """One call of the API as the page shows it; `about` is its part of the OpenAPI document."""

    method: str
    path: str
    about: dict[str, Any]
    curls: list[tuple[str, str]]
    """A summary and a command for each example."""


@docs.get("/docs")
def api_docs() -> ResponseReturnValue:
    app = current_app
    assert isinstance(app, APIFlask)
    spec = app.spec
    assert isinstance(spec, dict)
    operations = [
        Operation(method.upper(), path, about, _curls(method.upper(), path, about))
        for path, methods in spec["paths"].items()
        for method, about in sorted(methods.items(), reverse=True)  # POST before GET: first one asks
    ]
    sections = [(tag, [operation for operation in operations if tag["name"] in operation.about["tags"]]) for tag in spec["tags"]]
    return render_template("docs.html", spec=spec, sections=sections, problems=_problems())


@docs.get("/problems/<code>")
def problem(code: str) -> ResponseReturnValue:
    """What a problem document's `type` points to."""
    if code not in STATUS:
        raise NotFound("There is no problem of that name.")
    return redirect(url_for("docs.api_docs", _anchor=f"problem-{code}"))


def _curls(method: str, path: str, about: dict[str, Any]) -> list[tuple[str, str]]:
    words = ["curl", *(["-X", method] if method != "GET" else []), request.url_root.rstrip("/") + path]
    examples = about.get("requestBody", {}).get("content", {}).get(JSON, {}).get("examples", {})
    if not examples:
        return [("", " ".join(words))]
    command = f"curl {words[-1]} -H 'Content-Type: {JSON}' -d "
    return [(example["summary"], command + shlex.quote(json.dumps(example["value"], indent=2))) for example in examples.values()]


def _problems() -> list[tuple[str, int, str]]:
    """Every problem that a program may meet: its code, its status, and what it means."""
    found: list[tuple[str, int, str]] = []
    waiting: list[type[AppError]] = [AppError]
    while waiting:
        kind = waiting.pop(0)
        found.append((kind.code, STATUS[kind.code], title_of(kind)))
        waiting += kind.__subclasses__()
    return found
