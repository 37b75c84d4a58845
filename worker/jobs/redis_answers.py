"""What the Lua scripts answer, as the contract's objects; and back, where an artifact is described."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from worker.jobs.store import Artifact, ArtifactInfo, Event, JobRecord


def artifact_info(artifact: Artifact, rendered: bool = False) -> str:
    about: dict[str, Any] = {
        "name": artifact.name,
        "variation": artifact.variation,
        "media_type": artifact.media_type,
        "bytes": len(artifact.data),
    }
    return json.dumps(about | {"rendered": True} if rendered else about)


def pairs(flat: list[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)


def fields_of(flat: list[bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in pairs(flat)}


def event_order(event_id: str) -> tuple[int, int]:
    first, _, second = event_id.partition("-")
    return int(first), int(second or 0)


def read_event(entry_id: bytes, fields: dict[bytes, bytes]) -> Event:
    return Event(entry_id.decode(), fields[b"name"].decode(), json.loads(fields[b"data"]))


def read_record(answer: Any) -> JobRecord:
    """From what `record` in shared.lua returns."""
    fields, position = fields_of(answer[0]), answer[1]
    about = [json.loads(info) for info in answer[2]]
    listed = [ArtifactInfo(a["name"], a["variation"], a["media_type"], a["bytes"]) for a in about if not a.get("rendered")]
    return JobRecord(
        id=fields["id"],
        owner=fields["owner"],
        kind=fields["kind"],
        status=fields["status"],  # type: ignore[arg-type]
        request=fields["request"],
        has_prime=fields["has_prime"] == "1",
        position=position,
        step=int(fields["step"]),
        total=int(fields["total"]),
        attempt=int(fields["attempt"]),
        numerics=fields.get("numerics"),
        results=json.loads(fields.get("results", "[]")),
        artifacts=sorted(listed, key=lambda info: (info.variation, info.name)),
        error=json.loads(fields["error"]) if "error" in fields else None,
        created_at=float(fields["created_at"]),
        started_at=_time(fields, "started_at"),
        finished_at=_time(fields, "finished_at"),
        deadline_at=_time(fields, "deadline_at"),
        expires_at=_time(fields, "expires_at"),
        cancel_requested="cancel" in fields,
    )


def _time(fields: dict[str, str], name: str) -> float | None:
    return float(fields[name]) if name in fields else None
