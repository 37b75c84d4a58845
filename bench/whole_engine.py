"""The engine by itself: jobs in a store in memory, no Redis, no web, from the first claim to the last file."""

from __future__ import annotations

import json
import time

from core.catalog import Catalog
from core.decoders import Decoders
from core.native.decoder import NativeDecoder
from worker.engine.engine import Engine
from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.settings import Settings
from worker.jobs.store import NewJob

WORDS = 40


def jobs_through_the_engine(decoder: NativeDecoder, jobs: int) -> float:
    """Tokens a second of so many text jobs that wait when the clock starts."""
    store = MemoryJobStore(Settings(queue_limit=jobs))
    ids = [_submit(store, seed) for seed in range(jobs)]
    catalog = Catalog()
    catalog.cards = {decoder.card.name: decoder.card}
    engine = Engine(store, catalog, "bench", jobs, Decoders(decoder.numerics, lambda _folder, _card: decoder))
    start = time.perf_counter()
    while not all(store.get(job_id).terminal for job_id in ids):
        engine.turn()
    seconds = time.perf_counter() - start
    return sum(store.get(job_id).results[0]["figures"]["tokens"] for job_id in ids) / seconds


def _submit(store: MemoryJobStore, seed: int) -> str:
    request = {"kind": "text", "model": "random", "length": {"words": WORDS}, "sampling": {"seed": seed, "top_p": 0.95}}
    job = NewJob(owner=str(seed % 8), kind="text", request=json.dumps(request))
    return store.enqueue(job)[0].id
