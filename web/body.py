"""Reads a GenerationRequest from the body of a POST: JSON, or multipart with a MIDI file beside it; strict about both."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from flask import request
from pydantic import ValidationError
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from core.errors import InvalidField, MidiError
from web.errors import InvalidBody
from worker.jobs.prime import MAX_MIDI_BYTES
from worker.jobs.request import GenerationRequest

MAX_BODY_BYTES = 2_500_000
"""Room for a prime of 1 MB in base64, or for 200,000 characters of any script escaped as JSON may."""
MAX_DEPTH = 16
MAX_VALUES = 10_000


def read_generation_request() -> GenerationRequest:
    """The request in the body of the current HTTP request.

    Raises BadRequest for what is no JSON, UnsupportedMediaType, and InvalidField, MidiError or InvalidBody for what
    cannot be asked.
    """
    if request.mimetype == "application/json":
        asked = parse_json(request.get_data(cache=False))
    elif request.mimetype == "multipart/form-data":
        asked = _multipart()
    else:
        raise UnsupportedMediaType("Send application/json, or multipart/form-data with a field request and a file prime.")
    try:
        return GenerationRequest.model_validate_json(json.dumps(asked), strict=True)
    except ValidationError as error:
        raise InvalidBody(error) from error


def parse_json(body: bytes) -> Any:
    """JSON as RFC 8259 has it: python's parser alone would let through NaN, Infinity, 1e999 and lone surrogates."""
    try:
        value = json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: byte {error.start} is wrong.") from error
    except RecursionError as error:
        raise BadRequest(f"The JSON is nested deeper than {MAX_DEPTH} levels.") from error
    except json.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error.msg} in line {error.lineno}, column {error.colno}.") from error
    except ValueError as error:  # an integer of thousands of digits
        raise BadRequest("The JSON holds a number that is too long.") from error
    _check(value)
    return value


def _check(body: Any) -> None:
    """Refuse what JSON cannot say, by the dotted path of its place, and more of it than any request could hold."""
    waiting: list[tuple[Any, tuple[str, ...]]] = [(body, ())]
    seen = 0
    while waiting:
        value, path = waiting.pop()
        seen += 1
        if len(path) > MAX_DEPTH or seen > MAX_VALUES:
            raise BadRequest(f"The JSON is nested deeper than {MAX_DEPTH} levels, or has more than {MAX_VALUES} values.")
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidField("This must be a finite number.", field=".".join(path))
        if isinstance(value, str):
            _check_text(value, path)
        elif isinstance(value, list):
            waiting.extend((item, (*path, str(index))) for index, item in enumerate(value[:MAX_VALUES]))
        elif isinstance(value, dict):
            for name, item in value.items():
                _check_text(name, path)
                waiting.append((item, (*path, name)))


def _check_text(text: str, path: tuple[str, ...]) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidField("This has a lone surrogate, which is no Unicode text.", field=".".join(path)) from error


def _multipart() -> Any:
    unknown = sorted({*request.form, *request.files} - {"request", "prime"})
    if unknown:
        raise InvalidField("There is no such field; send request and prime.", field=unknown[0])
    if "request" in request.files:
        asked = parse_json(request.files["request"].read())
    elif "request" in request.form:
        asked = parse_json(request.form["request"].encode("utf-8", "surrogatepass"))
    else:
        raise InvalidField("This field is required: the request, as JSON.", field="request")
    if "prime" in request.form:
        raise InvalidField("Send the prime as a file.", field="prime")
    if "prime" in request.files and isinstance(asked, dict):
        if asked.get("prime") is not None:
            raise InvalidField("The prime is given twice, in the request and as a file.", field="prime")
        asked["prime"] = {"format": "midi", "midi": _read_prime()}
    return asked


def _read_prime() -> str:
    data = request.files["prime"].read(MAX_MIDI_BYTES + 1)
    if len(data) > MAX_MIDI_BYTES:
        raise MidiError("The file is larger than 1 MB.", field="prime")
    if not data:
        raise MidiError("The file is empty.", field="prime")
    return base64.b64encode(data).decode()
