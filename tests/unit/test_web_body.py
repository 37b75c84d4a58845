"""Bodies: what is JSON, what is too much, and what is asked."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import BadRequest, UnsupportedMediaType
from werkzeug.test import encode_multipart

from core.errors import InvalidField, MidiError
from web.body import MAX_DEPTH, MAX_VALUES, parse_json, read_generation_request
from web.errors import InvalidBody
from worker.jobs.request import GenerationRequest, MidiPrime

APP = Flask(__name__)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def read(**sent: Any) -> GenerationRequest:
    with APP.test_request_context("/", method="POST", **sent):
        return read_generation_request()


@given(JSON_VALUES)
def test_honest_json_is_read_as_it_is(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_clear_refusal(body: bytes) -> None:
    with contextlib.suppress(BadRequest, InvalidField):
        parse_json(body)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_is_refused_by_its_field(number: str) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_json(b'{"sampling": {"temperature": %s}}' % number.encode())
    assert caught.value.field == "sampling.temperature"


def test_a_lone_surrogate_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidField) as caught:
        parse_json(b'{"prompt": "a \\ud800 b"}')
    assert caught.value.field == "prompt"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": 1} x',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2),
        b"[" * 100_000,
        b"[" + b"1," * MAX_VALUES + b"1]",
    ],
)
def test_what_is_no_json_or_too_much_of_it_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_json(body)


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'"music"', b'{"variations": "3"}', b'{"variations": true}', b'{"kind": "next"}']
)
def test_json_that_asks_nothing_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBody):
        read(data=body, content_type="application/json")


def test_other_media_types_are_refused() -> None:
    with pytest.raises(UnsupportedMediaType):
        read(data=b"{}", content_type="text/plain")


def test_a_file_beside_the_json_becomes_the_prime() -> None:
    asked = read(data={"request": '{"variations": 2}', "prime": (io.BytesIO(b"MThd"), "tune.mid")})
    assert asked.variations == 2
    assert asked.prime == MidiPrime(format="midi", midi=base64.b64encode(b"MThd").decode())


def test_the_json_may_be_a_file_too() -> None:
    assert read(data={"request": (io.BytesIO(b'{"kind": "text"}'), "request.json")}).kind == "text"


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"prime": (io.BytesIO(b"MThd"), "tune.mid")}, "request"),
        ({"request": "{}", "prime": "MThd"}, "prime"),
        ({"request": "{}", "tune": (io.BytesIO(b"MThd"), "tune.mid")}, "tune"),
        ({"request": '{"prime": {"format": "notes", "notes": "C4:1"}}', "prime": (io.BytesIO(b"MThd"), "tune.mid")}, "prime"),
    ],
)
def test_parts_that_do_not_fit_are_named(parts: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        read(data=parts, content_type="multipart/form-data")
    assert caught.value.field == field


@pytest.mark.parametrize("content", [b"", b"\0" * 1_000_001])
def test_a_file_that_is_empty_or_over_a_megabyte_is_refused_as_the_prime(content: bytes) -> None:
    boundary, body = encode_multipart({"request": "{}", "prime": FileStorage(io.BytesIO(content), "tune.mid")})
    with pytest.raises(MidiError) as caught:
        read(data=body, content_type=f"multipart/form-data; boundary={boundary}")
    assert caught.value.field == "prime"
