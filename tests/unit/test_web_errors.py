"""Errors on their way out: the one map from codes to statuses, problem documents, pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from apiflask import APIFlask
from pydantic import ValidationError

from core.errors import AppError, InvalidField, QueueFull, StoreUnavailable, UnplayablePrime
from web.errors import STATUS, InvalidBody, problem_of, register_errors
from worker.jobs.request import GenerationRequest


def classes(kind: type[AppError] = AppError) -> Iterator[type[AppError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from classes(below)


@pytest.fixture
def app() -> APIFlask:
    app = APIFlask("web", json_errors=False, docs_path=None)
    register_errors(app)
    return app


def test_every_error_code_has_a_status_and_every_status_an_error() -> None:
    assert {kind.code for kind in classes()} == set(STATUS)
    assert all(400 <= status < 600 for status in STATUS.values())


def test_a_request_error_names_its_field_and_keeps_its_words(app: APIFlask) -> None:
    with app.test_request_context("/api/v1/jobs", method="POST"):
        problem = problem_of(UnplayablePrime("C9 is too high.", field="prime"))
    assert problem.document() == {
        "type": "/problems/unplayable_prime",
        "title": "The prime has notes that the model cannot play",
        "status": 422,
        "detail": "C9 is too high.",
        "code": "unplayable_prime",
        "field": "prime",
    }


@pytest.mark.parametrize(("error", "seconds"), [(QueueFull(retry_after_seconds=9), "9"), (StoreUnavailable(), "5")])
def test_what_passes_with_time_says_when_to_come_back(app: APIFlask, error: AppError, seconds: str) -> None:
    with app.test_request_context("/api/v1/jobs"):
        assert problem_of(error).headers["Retry-After"] == seconds


def test_several_faults_are_all_listed_by_dotted_field() -> None:
    body = {"prime": {"format": "notes", "notes": ""}, "attributes": {"bars": 0}, "variations": 9, "colour": "red"}
    with pytest.raises(ValidationError) as caught:
        GenerationRequest.model_validate(body)
    named = {error.field: error.message for error in InvalidBody(caught.value).errors}
    assert set(named) == {"prime.notes", "attributes.bars", "variations", "colour"}
    assert named["colour"] == "There is no such field."


def test_an_unforeseen_error_tells_an_id_and_logs_the_rest(app: APIFlask, caplog: pytest.LogCaptureFixture) -> None:
    app.add_url_rule("/api/v1/broken", view_func=lambda: 1 / 0)
    answer = app.test_client().get("/api/v1/broken")
    assert answer.status_code == 500
    assert answer.mimetype == "application/problem+json"
    error_id = answer.get_json()["detail"].rpartition(" ")[2].rstrip(".")
    assert error_id in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "ZeroDivisionError" not in answer.text


def test_a_record_that_does_not_validate_is_our_fault_not_the_callers(app: APIFlask) -> None:
    app.add_url_rule("/api/v1/broken", view_func=lambda: GenerationRequest.model_validate_json("{}[]"))
    assert app.test_client().get("/api/v1/broken").status_code == 500


def test_http_errors_are_problems_with_their_headers(app: APIFlask) -> None:
    app.add_url_rule("/api/v1/readonly", view_func=lambda: "x", methods=["GET"])
    answer = app.test_client().post("/api/v1/readonly")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert answer.get_json()["code"] == "method_not_allowed"
    assert answer.get_json()["type"] == "about:blank"


def test_a_program_gets_json_wherever_it_asks(app: APIFlask) -> None:
    answer = app.test_client().get("/nowhere", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


def test_an_app_error_raised_in_a_view_is_answered(app: APIFlask) -> None:
    def view() -> str:
        raise InvalidField("Too many.", field="attributes.bars")

    app.add_url_rule("/api/v1/wrong", view_func=view)
    answer = app.test_client().get("/api/v1/wrong")
    assert (answer.status_code, answer.get_json()["field"]) == (422, "attributes.bars")
