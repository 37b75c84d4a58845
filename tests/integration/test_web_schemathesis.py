"""The OpenAPI document against the application: nothing breaks, and every answer is one that the document names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import schemathesis
from apiflask import APIFlask
from conftest import start_valkey
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis import GenerationMode
from web_app import NEWCOMER, TEXT, make_app, play

from worker.jobs.redis_store import RedisJobStore, connect
from worker.jobs.settings import Settings

pytestmark = pytest.mark.integration

# A request may fit the schema and still ask what no model can do: that is a 422, and a full queue a 429.
EXPECTED = {"checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", "404", "409", "422", "429"]}}}

PLAIN_CALLS = ["/livez", "/readyz", "/metrics", "/api/v1/models"]
CALLS_THAT_CAN_BE_WRONG = [
    ("POST", "/api/v1/jobs"),
    ("GET", "/api/v1/jobs"),
    ("GET", "/api/v1/jobs/{job_id}/events"),
]
CALLS = [
    *CALLS_THAT_CAN_BE_WRONG,
    ("GET", "/api/v1/jobs/{job_id}"),
    ("POST", "/api/v1/jobs/{job_id}/cancel"),
    ("GET", "/api/v1/jobs/{job_id}/artifacts/{name}"),
]
FILES = [
    "prime.mid",
    "continuation-1.mid",
    "continuation-1.musicxml",
    "continuation-1.abc",
    "continuation-1.svg",
    "continuation-1.txt",
]
ANY_SPEED = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True, "database": None}


@dataclass
class Door:
    app: APIFlask
    store: RedisJobStore
    jobs: list[str]
    document: schemathesis.BaseSchema


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """An application with a job in each state that matters, and streams that end soon."""
    for valkey in start_valkey():
        settings = Settings(redis_url=valkey.url, secret_key="only for tests")
        store = connect(settings)
        app = make_app(store, settings, tmp_path_factory.mktemp("door"))
        app.config["EVENTS_MAX_AGE_SECONDS"] = 0.02
        client = app.test_client()
        jobs = [client.post("/api/v1/jobs", json=body).get_json()["id"] for body in (NEWCOMER, TEXT, NEWCOMER, NEWCOMER)]
        play(store)
        play(store, text="to be or not")
        store.claim("toy-worker", 1, "int8-1")
        config = schemathesis.Config.from_dict(EXPECTED)
        yield Door(app, store, jobs, schemathesis.openapi.from_wsgi("/openapi.json", app, config=config))


@pytest.mark.parametrize("path", PLAIN_CALLS)
def test_a_call_without_parameters_answers_as_the_document_says(door: Door, path: str) -> None:
    door.store.heartbeat("toy-worker", {})
    door.document[path]["GET"].Case().call_and_validate()


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [(*call, GenerationMode.POSITIVE) for call in CALLS] + [(*call, GenerationMode.NEGATIVE) for call in CALLS_THAT_CAN_BE_WRONG],
)
def test_every_answer_is_one_that_the_document_names(door: Door, method: str, path: str, mode: GenerationMode) -> None:
    asked = door.document[path][method].as_strategy(generation_mode=mode)

    @given(asked, st.none() | st.sampled_from(door.jobs), st.none() | st.sampled_from(FILES))
    @examples(max_examples=50, **ANY_SPEED)
    def answers_as_named(case: schemathesis.Case, job_id: str | None, name: str | None) -> None:
        for parameter, value in {"job_id": job_id, "name": name}.items():
            if value is not None and parameter in (case.path_parameters or {}):
                case.path_parameters[parameter] = value  # no generator would hit upon what is really there
        case.call_and_validate()

    answers_as_named()
