"""Files made from a stored result when they are asked for."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from web_app import play, tune

from core.errors import NotFound, NotReady
from core.music.codec import piece_to_json
from core.music.midi import write_midi
from core.music.piece import Note, Piece, Track
from web.renderings import available, rendering
from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.settings import Settings
from worker.jobs.store import JobRecord, NewJob


@pytest.fixture
def store() -> MemoryJobStore:
    return MemoryJobStore(Settings())


TWO_VOICES = Piece(480, (Track((Note(0, 960, 60), Note(480, 960, 64))),))
DRUMS = Piece(480, (Track((Note(0, 120, 36), Note(480, 120, 38)), percussion=True),))


def finished(store: MemoryJobStore, piece: Piece | None = None) -> JobRecord:
    """A job whose result is this piece."""
    store.enqueue(NewJob("local", "music", '{"kind": "music", "model": "folk"}'))
    return store.get(play(store, piece=piece))


def test_music_is_offered_in_every_notation_that_holds_it(store: MemoryJobStore) -> None:
    pieces = {"one voice": tune(), "two voices": TWO_VOICES, "drums": DRUMS}
    offered = {name: {offer.name for offer in available(finished(store, piece), store)} for name, piece in pieces.items()}
    common = {"continuation-1.mid", "continuation-1.musicxml", "continuation-1.svg"}
    assert offered == {"one voice": common | {"continuation-1.abc"}, "two voices": common, "drums": common}


@pytest.mark.parametrize("piece", [tune(), TWO_VOICES, DRUMS])
def test_whatever_is_offered_is_there(store: MemoryJobStore, piece: Piece) -> None:
    record = finished(store, piece)
    for offer in available(record, store):
        made = rendering(store, record, offer.name)
        assert (made.name, made.media_type) == (offer.name, offer.media_type)
        assert made.data


def test_nothing_is_offered_before_the_end_but_the_prime(store: MemoryJobStore) -> None:
    record, _ = store.enqueue(NewJob("local", "music", '{"model": "folk"}', piece_to_json(tune())))
    assert [offer.name for offer in available(record, store)] == ["prime.mid"]
    assert rendering(store, record, "prime.mid").data == write_midi(tune())
    with pytest.raises(NotReady):
        rendering(store, record, "continuation-1.musicxml")


@pytest.mark.parametrize("kind", ["musicxml", "svg"])
def test_xml_is_well_formed_and_kept(store: MemoryJobStore, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record = finished(store)
    made = rendering(store, record, f"continuation-1.{kind}")
    ElementTree.fromstring(made.data)
    monkeypatch.setattr("web.renderings.read_own_midi", None)  # from here on nothing can be made anew
    assert rendering(store, record, f"continuation-1.{kind}") == made
    assert [info.name for info in store.get(record.id).artifacts] == ["continuation-1.mid"]


@pytest.mark.parametrize("piece", [TWO_VOICES, DRUMS])
def test_abc_of_more_than_one_voice_is_not_found(store: MemoryJobStore, piece: Piece) -> None:
    with pytest.raises(NotFound):
        rendering(store, finished(store, piece), "continuation-1.abc")


@pytest.mark.parametrize("name", ["prime.mid", "continuation-2.svg", "continuation-1.txt", "continuation-0.svg", "tune.mid", ""])
def test_a_name_that_is_no_file_of_the_job_is_not_found(store: MemoryJobStore, name: str) -> None:
    with pytest.raises(NotFound):
        rendering(store, finished(store), name)
