"""What the web tests share: toy model cards, an application over a store, and a worker's part played by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from apiflask import APIFlask

from core.catalog import Catalog
from core.music.midi import write_midi
from core.music.piece import MeterChange, Note, Piece, Track
from web.app import create_app
from web.job_view import Forecast
from worker.jobs.settings import Settings
from worker.jobs.store import Artifact, JobStore

NEWCOMER = {
    "kind": "music",
    "prime": {"format": "notes", "notes": "D4:1 F4:0.5 A4:0.5 D5:1 A4:1"},
    "attributes": {"bars": 8},
    "sampling": {"seed": 7},
}
TEXT = {"kind": "text", "prompt": "Shall I compare thee", "length": {"words": 20}}


def card(name: str, kind: str = "music", **more: Any) -> dict[str, Any]:
    """A model card as it stands on disk."""
    return {
        "format": 1,
        "name": name,
        "title": {"en": name.title(), "pt": name.title()},
        "summary": {"en": "A toy.", "pt": "Um brinquedo."},
        "kind": kind,
        "tasks": ["continue", "compose"],
        "architecture": {},
        "tokenizer": {},
        "parameters": 1,
        "sha256": "0" * 64,
        "packed_sha256": "0" * 64,
        "default_sampling": {"temperature": 1.0},
        "data": [],
        "licence": "MIT",
        "figures": [],
        "limits": {"en": "", "pt": ""},
        "trained": {},
        **more,
    }


def toy_catalog(folder: Path) -> Catalog:
    """Three cards like those that ship: one voice, drums, text. There are no weights: the web never looks at them."""
    spans = {"tempo": {"minimum": 40, "maximum": 240}, "bars": {"minimum": 1, "maximum": 64, "default": 8}}
    folk = {"style": ["jig", "reel"], "key": ["D minor", "D major"], "meter": ["4/4", "6/8"], **spans}
    voice = {"percussion": False, "pitches": list(range(40, 100)), "voices": 1, "ticks_per_quarter": 24}
    drums = {"percussion": True, "pitches": [36, 38, 42, 46], "voices": 4, "ticks_per_quarter": 4}
    cards = [
        card("folk", attributes=folk, playable=voice),
        card("drums", attributes={"style": ["rock"], **spans}, playable=drums),
        card("shakespeare", "text", words={"minimum": 1, "maximum": 1000, "default": 200}, characters="abc"),
    ]
    for about in cards:
        (folder / about["name"]).mkdir(parents=True)
        (folder / about["name"] / "card.json").write_text(json.dumps(about))
    return Catalog(folder)


def make_app(store: JobStore, settings: Settings, folder: Path) -> APIFlask:
    app = create_app(settings, store, toy_catalog(folder / "checkpoints"))
    app.extensions["forecast"] = Forecast(store, max_age_seconds=0.0)
    app.config["TESTING"] = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app


def tune() -> Piece:
    """Four quarter notes in one bar."""
    notes = tuple(Note(480 * place, 480, pitch) for place, pitch in enumerate((62, 65, 69, 74)))
    return Piece(480, (Track(notes, program=0),), meters=(MeterChange(0, 4, 4),))


def play(store: JobStore, variations: int = 1, text: str | None = None, piece: Piece | None = None) -> str:
    """Do a worker's part for the next job in the queue; returns its id."""
    (claim,) = store.claim("toy-worker", variations, "int8-1")
    store.progress(claim, 1, 2)
    results, artifacts = [], []
    for number in range(1, variations + 1):
        if text is None:
            figures = {"notes": 4, "bars": 1, "prime_end_tick": 960, "tokens": 8}
            artifacts.append(Artifact(f"continuation-{number}.mid", number, "audio/midi", write_midi(piece or tune())))
        else:
            figures = {"words": 2, "characters": len(text), "prompt_characters": 5, "tokens": 9}
            artifacts.append(Artifact(f"continuation-{number}.txt", number, "text/plain; charset=utf-8", text.encode()))
        results.append({"variation": number, "seed": 7, "finish_reason": "bars" if text is None else "words", "figures": figures})
    assert store.finish(claim, results, artifacts)
    return claim.job_id
