"""What a generation gives back, wherever it ran, and how it is written down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.exits import Failed


@dataclass(frozen=True)
class Variation:
    """One result. `data` is a MIDI file, or a text in UTF-8 that begins with its prompt."""

    number: int
    seed: int
    finish_reason: str
    figures: dict[str, Any]
    file_name: str
    data: bytes

    @property
    def text(self) -> str | None:
        return self.data.decode() if self.file_name.endswith(".txt") else None

    def summary(self) -> str:
        figures = [f"{self.figures[name]} {name}" for name in ("bars", "notes", "words", "characters") if name in self.figures]
        return ", ".join([*figures, f"seed {self.seed}"])


@dataclass(frozen=True)
class Made:
    """`request` is the request as it was admitted, with all that was left out filled in; `job_id` is None without a server."""

    job_id: str | None
    request: dict[str, Any]
    variations: list[Variation]

    def document(self, files: dict[int, Path]) -> dict[str, Any]:
        """For --json. `files` tells where each variation was written; a text that was not is in the document itself."""
        return {
            "id": self.job_id,
            "request": self.request,
            "results": [
                {
                    "variation": variation.number,
                    "seed": variation.seed,
                    "finish_reason": variation.finish_reason,
                    "figures": variation.figures,
                    **({"file": str(files[variation.number])} if variation.number in files else {"text": variation.text}),
                }
                for variation in self.variations
            ],
        }


def write_files(variations: list[Variation], folder: Path) -> dict[int, Path]:
    """Each variation under its own name; a file of that name is replaced. Raises Failed when the folder cannot be written."""
    files = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for variation in variations:
            path = folder / Path(variation.file_name).name  # the name may come from a server: only its last part counts
            path.write_bytes(variation.data)
            files[variation.number] = path
    except OSError as error:
        raise Failed(f"{error.filename or folder} cannot be written ({error.strerror}).") from error
    return files
