"""Who is asking, and what a foreign page may not do."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from web_app import NEWCOMER, make_app

from web.security import CONTENT_SECURITY_POLICY, trusted_hosts
from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.settings import Settings

KEYS = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in {"ana": "key of ana", "rui": "key of rui"}.items()}


def browser(folder: Path, **chosen: Any) -> FlaskClient:
    settings = Settings(redis_url="redis://127.0.0.1:1/0", secret_key="only for tests", **chosen)
    return make_app(MemoryJobStore(settings), settings, folder).test_client()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize("path", ["/", "/api/v1/models", "/livez", "/nowhere", "/docs"])
def test_every_answer_carries_the_strict_headers(tmp_path: Path, path: str) -> None:
    headers = browser(tmp_path).get(path).headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert {"Referrer-Policy", "Permissions-Policy", "Cross-Origin-Opener-Policy"} <= set(headers.keys())


def test_the_policy_allows_nothing_inline_and_nothing_foreign() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY


def test_alone_everybody_is_one_owner(tmp_path: Path) -> None:
    client = browser(tmp_path)
    job = client.post("/api/v1/jobs", json=NEWCOMER).get_json()
    assert job["owner"] == "you"
    assert client.application.test_client().get(f"/api/v1/jobs/{job['id']}").status_code == 200


def test_with_keys_each_key_sees_its_own_jobs(tmp_path: Path) -> None:
    client = browser(tmp_path, api_keys=KEYS)
    job = client.post("/api/v1/jobs", json=NEWCOMER, headers=bearer("key of ana")).get_json()
    assert client.get(f"/api/v1/jobs/{job['id']}", headers=bearer("key of ana")).status_code == 200
    assert client.get(f"/api/v1/jobs/{job['id']}", headers=bearer("key of rui")).status_code == 404
    assert client.get("/api/v1/jobs", headers=bearer("key of rui")).get_json()["jobs"] == []


@pytest.mark.parametrize("headers", [{}, bearer("wrong"), bearer(""), {"Authorization": "Basic a2V5IG9mIGFuYQ=="}])
def test_with_keys_no_key_or_a_wrong_one_is_unauthorized(tmp_path: Path, headers: dict[str, str]) -> None:
    answer = browser(tmp_path, api_keys=KEYS).get("/api/v1/jobs", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.mimetype == "application/problem+json"


def test_with_keys_a_page_lets_its_own_browser_use_the_api(tmp_path: Path) -> None:
    client = browser(tmp_path, api_keys=KEYS)
    assert client.get("/api/v1/jobs").status_code == 401
    assert client.get("/jobs").status_code == 200
    assert client.get("/api/v1/jobs").status_code == 200


def test_with_sessions_each_browser_sees_its_own_jobs(tmp_path: Path) -> None:
    mine = browser(tmp_path, owners="session")
    theirs = mine.application.test_client()
    job = mine.post("/api/v1/jobs", json=NEWCOMER).get_json()
    assert mine.get(f"/api/v1/jobs/{job['id']}").status_code == 200
    assert theirs.get(f"/api/v1/jobs/{job['id']}").status_code == 404
    assert theirs.get(f"/api/v1/jobs/{job['id']}/events").status_code == 404
    assert theirs.post(f"/api/v1/jobs/{job['id']}/cancel").status_code == 404
    assert theirs.get(f"/api/v1/jobs/{job['id']}/artifacts/prime.mid").status_code == 404


def test_a_forged_session_is_a_new_visitor(tmp_path: Path) -> None:
    mine = browser(tmp_path, owners="session")
    job = mine.post("/api/v1/jobs", json=NEWCOMER).get_json()
    theirs = mine.application.test_client()
    theirs.set_cookie("ritornello", "eyJ2aXNpdG9yIjoieCJ9.aaaaaa.bbbbbb")
    assert theirs.get(f"/api/v1/jobs/{job['id']}").status_code == 404


@pytest.mark.parametrize("owners", ["local", "session"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
        {"Origin": "http://[oops"},
    ],
)
def test_a_foreign_page_may_not_write(tmp_path: Path, owners: str, headers: dict[str, str]) -> None:
    client = browser(tmp_path, owners=owners)
    answer = client.post("/api/v1/jobs", json=NEWCOMER, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://localhost"}]
)
def test_our_own_page_and_programs_may_write(tmp_path: Path, headers: dict[str, str]) -> None:
    assert browser(tmp_path).post("/api/v1/jobs", json=NEWCOMER, headers=headers).status_code == 202


def test_a_key_may_write_from_anywhere(tmp_path: Path) -> None:
    headers = bearer("key of ana") | {"Sec-Fetch-Site": "cross-site"}
    assert browser(tmp_path, api_keys=KEYS).post("/api/v1/jobs", json=NEWCOMER, headers=headers).status_code == 202


def test_a_form_without_its_token_is_refused(tmp_path: Path) -> None:
    answer = browser(tmp_path).post("/", data={"kind": "music"})
    assert (answer.status_code, answer.mimetype) == (400, "text/html")


@pytest.mark.parametrize("path", ["/", "/api/v1/jobs"])
def test_a_compressed_body_is_refused(tmp_path: Path, path: str) -> None:
    assert browser(tmp_path).post(path, data=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}).status_code == 415


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"host": "127.0.0.1"}, ["localhost", "127.0.0.1", "[::1]"]),
        ({"host": "0.0.0.0"}, None),
        ({"host": "127.0.0.1", "trusted_proxies": 1}, None),
        ({"host": "0.0.0.0", "trusted_hosts": "music.example, .lan"}, ["music.example", ".lan"]),
    ],
)
def test_on_loopback_only_loopbacks_names_are_believed(chosen: dict[str, Any], expected: list[str] | None) -> None:
    assert trusted_hosts(Settings(**chosen)) == expected


@pytest.mark.parametrize("path", ["/", "/api/v1/models"])
def test_another_host_name_is_refused_without_breaking(tmp_path: Path, path: str) -> None:
    assert browser(tmp_path).get(path, headers={"Host": "evil.example"}).status_code == 400


def test_forwarded_headers_are_believed_only_behind_a_proxy(tmp_path: Path) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "music.example"}
    alone = browser(tmp_path / "alone", owners="session").get("/jobs", headers=headers)
    behind = browser(tmp_path / "behind", owners="session", trusted_proxies=1).get("/jobs", headers=headers)
    assert "Secure" not in alone.headers["Set-Cookie"]
    assert "Secure" in behind.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax"} <= {part.strip() for part in behind.headers["Set-Cookie"].split(";")}
