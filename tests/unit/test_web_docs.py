"""The OpenAPI document and the page made from it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from web_app import make_app

from web.errors import STATUS
from web.openapi import EXAMPLES
from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.request import GenerationRequest
from worker.jobs.settings import Settings


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    settings = Settings(redis_url="redis://127.0.0.1:1/0", secret_key="only for tests")
    return make_app(MemoryJobStore(settings), settings, tmp_path).test_client()


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value) for value in node.values()))
    return set().union(*(references(item) for item in node)) if isinstance(node, list) else set()


def test_the_document_holds_the_whole_table_and_every_reference(client: FlaskClient) -> None:
    spec = client.get("/openapi.json").get_json()
    calls = {f"{method.upper()} {path}" for path, methods in spec["paths"].items() for method in methods}
    assert calls == {
        "POST /api/v1/jobs",
        "GET /api/v1/jobs",
        "GET /api/v1/jobs/{job_id}",
        "GET /api/v1/jobs/{job_id}/events",
        "POST /api/v1/jobs/{job_id}/cancel",
        "GET /api/v1/jobs/{job_id}/artifacts/{name}",
        "GET /api/v1/models",
        "GET /livez",
        "GET /readyz",
        "GET /metrics",
    }
    assert references(spec) <= {f"#/components/schemas/{name}" for name in spec["components"]["schemas"]}
    assert all("operationId" in operation for methods in spec["paths"].values() for operation in methods.values())


def test_the_document_is_the_same_each_time_and_keeps_no_host(client: FlaskClient) -> None:
    first = client.get("/openapi.json", headers={"Host": "127.0.0.1:1234"}).data
    assert client.get("/docs").status_code == 200
    assert client.get("/openapi.json").data == first
    assert b"1234" not in first


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_accepted(client: FlaskClient, name: str) -> None:
    GenerationRequest.model_validate_json(json.dumps(EXAMPLES[name]["value"]), strict=True)
    assert client.post("/api/v1/jobs", json=EXAMPLES[name]["value"]).status_code == 202


def test_the_page_shows_every_call_and_fetches_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/docs").text
    for path in client.get("/openapi.json").get_json()["paths"]:
        assert path in page
    assert re.findall(r'(?:src|href|action)="(?:https?:)?//', page) == []
    assert "<script>" not in page
    assert "style=" not in page


def test_every_link_within_the_page_leads_somewhere(client: FlaskClient) -> None:
    page = client.get("/docs").text
    anchors = set(re.findall(r'\bid="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors
    assert len(re.findall(r'\bid="([^"]+)"', page)) == len(anchors)


def test_the_curl_of_the_page_is_the_example(client: FlaskClient) -> None:
    page = client.get("/docs").text.replace("&#39;", "'").replace("&#34;", '"')
    command = next(text for text in re.findall(r"<code>(curl .*?)</code>", page, re.DOTALL) if "D4:1" in text)
    assert json.loads(shlex.split(command)[-1]) == EXAMPLES["continue"]["value"]


@pytest.mark.parametrize("code", STATUS)
def test_a_problems_type_leads_to_its_explanation(client: FlaskClient, code: str) -> None:
    answer = client.get(f"/problems/{code}")
    assert answer.headers["Location"] == f"/docs#problem-{code}"
    assert f'id="problem-{code}"' in client.get("/docs").text


def test_keys_are_in_the_document_only_where_they_are_asked_for(client: FlaskClient, tmp_path: Path) -> None:
    assert "securitySchemes" not in client.get("/openapi.json").get_json()["components"]
    settings = Settings(redis_url="redis://127.0.0.1:1/0", secret_key="only for tests", api_keys={"ana": "0" * 64})
    spec = make_app(MemoryJobStore(settings), settings, tmp_path / "keys").test_client().get("/openapi.json").get_json()
    assert spec["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
    assert spec["paths"]["/api/v1/jobs"]["post"]["security"] == [{"key": []}]
    assert "security" not in spec["paths"]["/livez"]["get"]
