"""The OpenAPI document against the application: nothing breaks, and every answer is one that the document names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import schemathesis
from apiflask import APIFlask
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis import GenerationMode
from web_app import NEWCOMER, TEXT, make_app, play

from worker.jobs.redis_store import connect
from worker.jobs.settings import Settings

pytestmark = pytest.mark.integration

# A request may fit the schema and still ask what no model can do: that is a 422, and a full queue a 429.
EXPECTED = {"checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", "404", "409", "422", "429"]}}}


CALLS = [
    ("POST", "/api/v1/jobs"),
    ("GET", "/api/v1/jobs"),
    ("GET", "/api/v1/jobs/{job_id}"),
    ("GET", "/api/v1/jobs/{job_id}/events"),
    ("POST", "/api/v1/jobs/{job_id}/cancel"),
    ("GET", "/api/v1/jobs/{job_id}/artifacts/{name}"),
    ("GET", "/api/v1/models"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]
CALLS_THAT_CAN_BE_WRONG = [CALLS[0], CALLS[1], CALLS[3]]  # the others take nothing but a path
FILES = ["prime.mid", "continuation-1.mid", "continuation-1.musicxml", "continuation-1.abc", "continuation-1.svg", "continuation-1.txt"]


@dataclass
class Door:
    app: APIFlask
    jobs: list[str]


@pytest.fixture
def door(settings: Settings, tmp_path: Path) -> Door:
    """An application with a job in each state that matters, and streams that end soon."""
    store = connect(settings)
    app = make_app(store, settings, tmp_path)
    app.config["EVENTS_MAX_AGE_SECONDS"] = 0.02
    client = app.test_client()
    bodies = [NEWCOMER, TEXT, NEWCOMER, NEWCOMER]
    jobs = [client.post("/api/v1/jobs", json=body).get_json()["id"] for body in bodies]
    play(store)
    play(store, text="to be or not")
    store.claim("toy-worker", 1, "torch-cpu-1")
    return Door(app, jobs)


@pytest.fixture
def document(door: Door) -> schemathesis.BaseSchema:
    config = schemathesis.Config.from_dict(EXPECTED)
    return schemathesis.openapi.from_wsgi("/openapi.json", door.app, config=config)


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [(*call, GenerationMode.POSITIVE) for call in CALLS] + [(*call, GenerationMode.NEGATIVE) for call in CALLS_THAT_CAN_BE_WRONG],
)
def test_every_answer_is_one_that_the_document_names(
    document: schemathesis.BaseSchema, door: Door, method: str, path: str, mode: GenerationMode
) -> None:
    operation = document[path][method]

    @given(operation.as_strategy(generation_mode=mode), st.none() | st.sampled_from(door.jobs), st.none() | st.sampled_from(FILES))
    @examples(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    def answers_as_named(case: schemathesis.Case, job_id: str | None, name: str | None) -> None:
        for parameter, value in {"job_id": job_id, "name": name}.items():
            if value is not None and parameter in (case.path_parameters or {}):
                case.path_parameters[parameter] = value  # no generator would hit upon what is really there
        case.call_and_validate()

    answers_as_named()
