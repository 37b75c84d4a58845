"""An engine at work on a store in memory, without threads; and what its jobs must come out as."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.catalog import Catalog
from core.decoders import Decoders, choose_decoders
from core.generate import generate
from core.music.codec import piece_to_json
from worker.engine.engine import Engine
from worker.jobs.admission import admit
from worker.jobs.briefing import brief_of
from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.request import GenerationRequest
from worker.jobs.settings import Settings
from worker.jobs.store import JobRecord, NewJob

NOTES = {"format": "notes", "notes": "D4:1 F4:0.5 A4:0.5 D5:1 r:0.5 A4:1"}
BEATS = {"format": "beats", "beats": {"kick": "x...x...x...x...", "snare": "....x.......x..."}}
REQUESTS: list[dict[str, Any]] = [
    {"model": "folk", "prime": NOTES, "attributes": {"bars": 2}, "variations": 2},
    {"model": "folk", "attributes": {"bars": 1, "meter": "6/8"}, "variations": 3},
    {"model": "drums", "prime": BEATS, "attributes": {"bars": 1}},
    {"model": "drums", "attributes": {"bars": 1, "style": "funk"}, "variations": 2},
    {"kind": "text", "prompt": "to be or not é", "length": {"words": 6}, "variations": 2},
    {"kind": "text", "length": {"words": 12}, "sampling": {"temperature": 0.5, "repetition_penalty": 1.3}},
]


@dataclass
class Place:
    """A store, an engine at work on it, and what comes out, without threads."""

    catalog: Catalog
    slots: int = 8
    decoders: Decoders = field(default_factory=lambda: choose_decoders("cpu"))
    clock: Callable[[], float] = time.time
    store: MemoryJobStore = field(init=False)
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryJobStore(Settings(lease_seconds=5.0), self.clock)
        self.engine = self.new_engine()

    def new_engine(self) -> Engine:
        return Engine(self.store, self.catalog, "engine", self.slots, self.decoders)

    def submit(self, request: dict[str, Any], seed: int = 7, deadline_seconds: float = 600.0) -> str:
        admitted = admit(GenerationRequest.model_validate({"sampling": {}, **request} | _seeded(request, seed)), self.catalog)
        prime = piece_to_json(admitted.prime) if admitted.prime else None
        asked = admitted.request
        job = NewJob("local", asked.kind, asked.model_dump_json(), prime, asked.variations, deadline_seconds)
        return self.store.enqueue(job)[0].id

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.engine.turn()

    def run(self, *ids: str, turns: int = 20_000) -> list[JobRecord]:
        """Turn until these jobs have ended."""
        for _ in range(turns):
            if all(self.store.get(job_id).terminal for job_id in ids):
                return [self.store.get(job_id) for job_id in ids]
            self.engine.turn()
        raise AssertionError([self.store.get(job_id).status for job_id in ids])

    def files(self, job_id: str) -> list[bytes]:
        return [self.store.artifact(job_id, info.name).data for info in self.store.get(job_id).artifacts]

    def idle(self) -> bool:
        """Nothing of any job is left in the engine."""
        return not self.engine.work and self.engine.roster.free == self.slots


def _seeded(request: dict[str, Any], seed: int) -> dict[str, Any]:
    return {"sampling": {**request.get("sampling", {}), "seed": seed}}


EXPECTED: dict[tuple[str, int], list[tuple[dict[str, Any], bytes]]] = {}


def expected(catalog: Catalog, request: dict[str, Any], seed: int = 7) -> list[tuple[dict[str, Any], bytes]]:
    """What the slow, readable way makes of the request: results and files."""
    if (str(request), seed) not in EXPECTED:
        admitted = admit(GenerationRequest.model_validate(request | _seeded(request, seed)), catalog)
        made = generate(choose_decoders("cpu").load(catalog.folder, admitted.card), brief_of(admitted.request, admitted.prime))
        EXPECTED[str(request), seed] = [
            (
                {
                    "variation": result.variation,
                    "seed": seed,
                    "finish_reason": result.finish_reason,
                    "figures": result.rendered.figures,
                    "attributes": result.rendered.attributes,
                },
                result.rendered.data,
            )
            for result in made
        ]
    return EXPECTED[str(request), seed]


def check(place: Place, job_id: str, request: dict[str, Any], seed: int = 7) -> None:
    record = place.store.get(job_id)
    assert (record.status, record.error) == ("succeeded", None)
    results, files = zip(*expected(place.catalog, request, seed), strict=True)
    assert record.results == list(results)
    assert place.files(job_id) == list(files)
