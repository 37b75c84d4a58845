"""Files made from a stored result when they are asked for."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from web_app import play, toy_catalog, tune

from core.errors import NotFound, NotReady
from core.music.codec import piece_to_json
from core.music.midi import write_midi
from core.music.piece import Note, Piece, Track
from web.renderings import available, rendering
from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.settings import Settings
from worker.jobs.store import Artifact, JobRecord, NewJob


@pytest.fixture
def store() -> MemoryJobStore:
    return MemoryJobStore(Settings())


def finished(store: MemoryJobStore, model: str = "folk", prime: str | None = None) -> JobRecord:
    store.enqueue(NewJob("local", "music", f'{{"kind": "music", "model": "{model}"}}', prime))
    return store.get(play(store))


def test_music_is_offered_in_every_notation_that_fits_the_model(store: MemoryJobStore, tmp_path: Path) -> None:
    catalog = toy_catalog(tmp_path)
    offered = {model: {offer.name for offer in available(finished(store, model), catalog)} for model in ("folk", "drums", "gone")}
    common = {"continuation-1.mid", "continuation-1.musicxml", "continuation-1.svg"}
    assert offered == {"folk": common | {"continuation-1.abc"}, "drums": common, "gone": common}


def test_nothing_is_offered_before_the_end_but_the_prime(store: MemoryJobStore, tmp_path: Path) -> None:
    record, _ = store.enqueue(NewJob("local", "music", '{"model": "folk"}', piece_to_json(tune())))
    assert [offer.name for offer in available(record, toy_catalog(tmp_path))] == ["prime.mid"]
    assert rendering(store, record, "prime.mid").data == write_midi(tune())
    with pytest.raises(NotReady):
        rendering(store, record, "continuation-1.musicxml")


@pytest.mark.parametrize("kind", ["musicxml", "svg"])
def test_xml_is_well_formed_and_kept(store: MemoryJobStore, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record = finished(store)
    made = rendering(store, record, f"continuation-1.{kind}")
    ElementTree.fromstring(made.data)
    monkeypatch.setattr("web.renderings.read_midi", None)  # from here on nothing can be made anew
    assert rendering(store, record, f"continuation-1.{kind}") == made
    assert [info.name for info in store.get(record.id).artifacts] == ["continuation-1.mid"]


def test_abc_is_made_of_one_voice_only(store: MemoryJobStore) -> None:
    assert b"K:" in rendering(store, finished(store), "continuation-1.abc").data
    store.enqueue(NewJob("local", "music", '{"model": "folk"}'))
    (claim,) = store.claim("toy", 1, "torch-cpu-1")
    two = Piece(480, (Track((Note(0, 960, 60), Note(480, 960, 64))),))
    result = {"variation": 1, "seed": 1, "finish_reason": "bars", "figures": {}}
    store.finish(claim, [result], [Artifact("continuation-1.mid", 1, "audio/midi", write_midi(two))])
    with pytest.raises(NotFound):
        rendering(store, store.get(claim.job_id), "continuation-1.abc")


@pytest.mark.parametrize("name", ["prime.mid", "continuation-2.svg", "continuation-1.txt", "continuation-0.svg", "tune.mid", ""])
def test_a_name_that_is_no_file_of_the_job_is_not_found(store: MemoryJobStore, name: str) -> None:
    with pytest.raises(NotFound):
        rendering(store, finished(store), name)
