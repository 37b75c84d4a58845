"""What a run leaves in its folder: log.jsonl, last.pt (to resume), best.pt (the mean weights that validated best)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class RunFolder:
    path: Path

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    @property
    def log_path(self) -> Path:
        return self.path / "log.jsonl"

    def log(self, **entry: Any) -> None:
        with self.log_path.open("a") as log:
            log.write(json.dumps(entry) + "\n")

    def forget_after(self, update: int) -> None:
        """Take out of the log what a killed run did after its last save: it will be done again."""
        if self.log_path.exists():
            lines = self.log_path.read_text().splitlines()
            kept = [line for line in lines if _update_of(line) <= update] if update else []
            self._replace(self.log_path, "".join(f"{line}\n" for line in kept).encode())

    def save(self, name: str, saved: dict[str, Any]) -> None:
        """<name>.pt, whole or not at all: a kill in mid-write must not cost the run."""
        unfinished = self.path / f"{name}.tmp"
        torch.save(saved, unfinished)
        unfinished.replace(self.path / f"{name}.pt")

    def load(self, name: str) -> dict[str, Any] | None:
        path = self.path / f"{name}.pt"
        if not path.exists():
            return None
        loaded: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        return loaded

    def _replace(self, path: Path, data: bytes) -> None:
        unfinished = path.with_suffix(".tmp")
        unfinished.write_bytes(data)
        unfinished.replace(path)


def _update_of(line: str) -> float:
    """A line that a kill cut short belongs to no update."""
    try:
        return int(json.loads(line)["update"])
    except json.JSONDecodeError:
        return float("inf")
