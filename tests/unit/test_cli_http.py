"""The commands against a server whose answers the test writes: what they send, and what becomes of each answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli import remote
from cli.exits import FAILED, REFUSED, UNREACHABLE, Failed, Refused, Unreachable
from cli.http import Server
from cli.main import main

Ritornello = Callable[..., tuple[int, str, str]]
"""Runs a command: its exit code, stdout and stderr."""

QUEUED = {
    "id": "j1",
    "status": "queued",
    "request": {"model": "folk"},
    "position": 0,
    "progress": {"step": 0, "total": 0},
    "results": [],
    "artifacts": [],
    "error": None,
    "created_at": "2026-11-23T18:00:00Z",
}
DONE = QUEUED | {
    "status": "succeeded",
    "progress": {"step": 9, "total": 9},
    "results": [{"variation": 1, "seed": 7, "finish_reason": "bars", "figures": {"notes": 3, "bars": 8}}],
    "artifacts": [
        {"name": "continuation-1.mid", "variation": 1, "url": "/elsewhere"},
        {"name": "continuation-1.abc", "variation": 1, "url": "/elsewhere"},
    ],
}


@dataclass
class Script:
    """Answers by method and path; the last answer of each list is given for ever."""

    answers: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    address: str = ""

    def answer(self, call: str, *documents: Any, status: int = 200) -> None:
        bodies = [document if isinstance(document, bytes) else json.dumps(document).encode() for document in documents]
        self.answers[call] = [(status, body) for body in bodies]


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            call = f"{self.command} {self.path}"
            script.asked.append((call, dict(self.headers), self.rfile.read(int(self.headers.get("Content-Length", 0)))))
            answers = script.answers.get(call, [(404, b"{}")])
            status, body = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        script.address = f"http://127.0.0.1:{server.server_port}"
        yield script
        server.shutdown()
        thread.join()


@pytest.fixture
def ritornello(capsys: pytest.CaptureFixture[str]) -> Ritornello:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert isinstance(end.value.code, int)
        return (end.value.code, *capsys.readouterr())

    return run


def test_generate_submits_waits_and_writes_the_results_alone(script: Script, ritornello: Ritornello, tmp_path: Path) -> None:
    script.answer("POST /api/v1/jobs", QUEUED, status=202)
    script.answer("GET /api/v1/jobs/j1", QUEUED | {"status": "running"}, DONE)
    script.answer("GET /api/v1/jobs/j1/artifacts/continuation-1.mid", b"MThd")
    arguments = ["generate", "--notes", "D4:1", "--seed", "7", "--out", str(tmp_path / "out"), "--server", script.address]
    code, out, err = ritornello(*arguments, "--api-key", "k")
    assert (code, err) == (0, "")
    assert out == f"{tmp_path}/out/continuation-1.mid  8 bars, 3 notes, seed 7\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["continuation-1.mid"]
    _, headers, body = script.asked[0]
    assert json.loads(body) == {
        "version": 1,
        "kind": "music",
        "prime": {"format": "notes", "notes": "D4:1"},
        "sampling": {"seed": 7},
    }
    assert headers["Authorization"] == "Bearer k"
    assert len(headers["Idempotency-Key"]) == 32

    code, out, _ = ritornello(*arguments, "--json")
    assert code == 0
    assert json.loads(out)["results"][0]["file"] == f"{tmp_path}/out/continuation-1.mid"


def test_a_text_without_out_is_printed(script: Script, ritornello: Ritornello) -> None:
    link = {"name": "continuation-1.txt", "variation": 1, "url": "/elsewhere"}
    script.answer("POST /api/v1/jobs", DONE | {"artifacts": [link]}, status=202)
    script.answer("GET /api/v1/jobs/j1/artifacts/continuation-1.txt", "To bé".encode())
    assert ritornello("generate", "--prompt", "To", "--server", script.address) == (0, "To bé\n", "")


def test_a_model_for_text_needs_no_prompt(script: Script, ritornello: Ritornello) -> None:
    script.answer("GET /api/v1/models", {"models": [{"name": "shakespeare", "kind": "text"}]})
    script.answer("POST /api/v1/jobs", {"detail": "enough"}, status=422)
    assert ritornello("generate", "--model", "shakespeare", "--server", script.address)[0] == REFUSED
    assert json.loads(script.asked[-1][2])["kind"] == "text"


def test_a_problem_document_becomes_its_sentence_and_field(script: Script, ritornello: Ritornello) -> None:
    problem = {"detail": "There is no key of that name.", "code": "invalid_field", "field": "attributes.key"}
    script.answer("POST /api/v1/jobs", problem, status=422)
    code, out, err = ritornello("generate", "--key", "H major", "--server", script.address, "--json")
    assert code == REFUSED
    assert err == "ritornello: There is no key of that name. (field attributes.key)\n"
    assert json.loads(out) == {
        "error": {"code": "invalid_field", "message": "There is no key of that name.", "field": "attributes.key"}
    }


def test_a_request_that_cannot_be_right_is_refused_before_it_is_sent(script: Script, ritornello: Ritornello) -> None:
    assert ritornello("generate", "--bars", "0", "--server", script.address)[0] == REFUSED
    assert script.asked == []


def test_a_job_that_failed_is_our_failure(script: Script, ritornello: Ritornello) -> None:
    failed = QUEUED | {"status": "failed", "error": {"code": "worker_lost", "message": "The workers died."}}
    script.answer("POST /api/v1/jobs", failed, status=202)
    assert ritornello("generate", "--server", script.address) == (FAILED, "", "ritornello: The workers died.\n")


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Refused), (404, Refused), (429, Refused), (500, Failed), (502, Unreachable), (503, Unreachable)]
)
def test_each_status_means_the_exit_code_it_should(script: Script, status: int, kind: type[Exception]) -> None:
    script.answer("GET /x", b"<html>", status=status)
    with pytest.raises(kind, match=f"HTTP status {status}"):
        Server(script.address).get("/x")


def test_something_else_at_the_address_is_said_to_be_something_else(script: Script) -> None:
    script.answer("GET /x", b"<html>")
    with pytest.raises(Failed, match="is not Ritornello"):
        Server(script.address).get("/x")


@pytest.mark.parametrize("address", ["localhost:8000", "file:///etc/passwd", "http://"])
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(Unreachable, match="is not a server's address"):
        Server(address)


def test_a_server_that_is_not_there_has_its_own_exit_code(ritornello: Ritornello) -> None:
    code, _, err = ritornello("models", "--server", "http://127.0.0.1:9")
    assert code == UNREACHABLE
    assert "http://127.0.0.1:9 cannot be reached" in err


def test_waiting_outlasts_a_server_that_starts_again(script: Script) -> None:
    script.answer("GET /api/v1/jobs/j1", b"{}", status=503)
    script.answers["GET /api/v1/jobs/j1"] += [(200, json.dumps(DONE).encode())]
    steps: list[tuple[int, int]] = []
    script.answer("POST /api/v1/jobs", QUEUED)
    script.answer("GET /api/v1/jobs/j1/artifacts/continuation-1.mid", b"MThd")
    made = remote.generate(Server(script.address), {}, lambda step, total: steps.append((step, total)))
    assert made.variations[0].data == b"MThd"
    assert steps == [(0, 0), (0, 0)]


def test_interrupting_cancels_the_job(script: Script) -> None:
    script.answer("POST /api/v1/jobs", QUEUED)
    script.answer("POST /api/v1/jobs/j1/cancel", QUEUED | {"status": "cancelled"})

    def interrupt(step: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remote.generate(Server(script.address), {}, interrupt)
    assert script.asked[-1][0] == "POST /api/v1/jobs/j1/cancel"


def test_jobs_are_listed_shown_and_cancelled(script: Script, ritornello: Ritornello) -> None:
    script.answer("GET /api/v1/jobs?limit=20", {"jobs": [QUEUED, DONE | {"id": "j2"}], "next_cursor": "n"})
    code, out, err = ritornello("jobs", "--server", script.address)
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [["ID", "STATUS"], ["j1", "queued"], ["j2", "succeeded"]]
    assert "--cursor n" in err

    script.answer("GET /api/v1/jobs/j2", DONE)
    code, out, _ = ritornello("jobs", "show", "j2", "--server", script.address)
    assert code == 0
    assert "seed 7, ended by bars" in out

    script.answer("POST /api/v1/jobs/j1/cancel", QUEUED | {"status": "cancelled"})
    code, out, _ = ritornello("jobs", "cancel", "j1", "--json", "--server", script.address)
    assert (code, json.loads(out)["status"]) == (0, "cancelled")


def test_an_id_stays_within_its_part_of_the_path(script: Script, ritornello: Ritornello) -> None:
    assert ritornello("jobs", "show", "../models?x", "--server", script.address)[0] == REFUSED
    assert script.asked[-1][0] == "GET /api/v1/jobs/..%2Fmodels%3Fx"


@pytest.mark.parametrize("arguments", [["show"], ["list", "j1"], ["explode"]])
def test_jobs_with_words_missing_or_too_many_is_a_usage_error(arguments: list[str], ritornello: Ritornello) -> None:
    assert ritornello("jobs", *arguments)[0] == 2


def test_without_any_server_jobs_says_how_to_get_one(
    ritornello: Ritornello, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RITORNELLO_URL", raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    code, _, err = ritornello("jobs")
    assert code == UNREACHABLE
    assert "`ritornello up`" in err
