"""The files of a job: stored results as they are; MusicXML, ABC and pictures made from the stored MIDI when first asked for."""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from core.errors import MidiError, NotFound, NotReady
from core.music.abc_out import fits_abc, write_abc
from core.music.articulation import as_written
from core.music.codec import piece_from_json
from core.music.midi import read_own_midi, write_midi
from core.music.musicxml import write_musicxml
from core.music.pianoroll import piano_roll_svg
from core.music.piece import Piece
from worker.jobs.artifacts import MEDIA_TYPES, RESULTS, artifact_name, parse_artifact_name
from worker.jobs.store import Artifact, JobRecord, JobStore

PRIME = "prime.mid"
MIDI = MEDIA_TYPES["mid"]
MOST_CHARACTERS_KEPT = 20_000  # of a prime, whose digest is kept with it

logger = logging.getLogger(__name__)

# Notation is made by music21, slow and all Python: one at a time leaves the other threads their share of the interpreter.
_rendering = threading.Lock()


@dataclass(frozen=True)
class Offer:
    """A file that may be asked for; `bytes` is None where it has yet to be made."""

    name: str
    variation: int
    media_type: str
    bytes: int | None


def available(record: JobRecord, store: JobStore) -> list[Offer]:
    """Every file of the job: its prime, its results, and what can be rendered from them."""
    offers = [Offer(PRIME, 0, MIDI, None)] if record.has_prime else []
    for stored in record.artifacts:
        offers.append(Offer(stored.name, stored.variation, stored.media_type, stored.bytes))
        if stored.media_type == MIDI:
            stem = stored.name.removesuffix(".mid")
            kinds = ("musicxml", "abc", "svg") if _fits_abc(store, record.id, stored.name) else ("musicxml", "svg")
            offers += [Offer(f"{stem}.{kind}", stored.variation, MEDIA_TYPES[kind], None) for kind in kinds]
    return offers


def rendering(store: JobStore, record: JobRecord, name: str) -> Artifact:
    """A file of the job. Raises NotFound for a name that is none of its files, NotReady before the job has succeeded."""
    if name == PRIME and record.has_prime:
        return prime_file(store, record.id)
    variation, kind = parse_artifact_name(name)
    if record.status != "succeeded":
        raise NotReady
    try:
        return store.artifact(record.id, name)
    except NotFound:
        if kind in RESULTS:
            raise
    with _rendering:
        try:
            return store.artifact(record.id, name)  # made while we waited
        except NotFound:
            midi = store.artifact(record.id, artifact_name(variation, "mid"))
        text = _render(kind, read_own_midi(midi.data), _figures(record, variation), f"Continuation {variation}")
        made = Artifact(name, variation, MEDIA_TYPES[kind], text.encode())
        store.cache_rendering(record.id, made)
        return made


def prime_file(store: JobStore, job_id: str) -> Artifact:
    """The prime as it was read, as a MIDI file. Raises NotFound."""
    return Artifact(PRIME, 0, MIDI, write_midi(piece_from_json(_prime(store, job_id))))


@lru_cache(maxsize=4096)
def prime_sha256(store: JobStore, job_id: str) -> str:
    """Of the prime's file. A job's prime never changes, and polling asks again and again."""
    return file_sha256(_prime(store, job_id))


def file_sha256(prime: str) -> str:
    """Of the file that a prime, a Piece in JSON, becomes. People try the same prime many times."""
    return _file_sha256_kept(prime) if len(prime) <= MOST_CHARACTERS_KEPT else _file_sha256(prime)


def _file_sha256(prime: str) -> str:
    return hashlib.sha256(write_midi(piece_from_json(prime))).hexdigest()


_file_sha256_kept = lru_cache(maxsize=256)(_file_sha256)


def _prime(store: JobStore, job_id: str) -> str:
    prime = store.prime(job_id)
    if prime is None:
        raise NotFound("This job has no prime.")
    return prime


@lru_cache(maxsize=4096)
def _fits_abc(store: JobStore, job_id: str, name: str) -> bool:
    """Whether this result is one voice. A stored result never changes; one that cannot be read must not hide its job."""
    try:
        return fits_abc(read_own_midi(store.artifact(job_id, name).data))
    except MidiError:
        logger.exception("a stored result cannot be read", extra={"job_id": job_id})
        return False


def _figures(record: JobRecord, variation: int) -> dict[str, Any]:
    figures: dict[str, Any] = next((result["figures"] for result in record.results if result["variation"] == variation), {})
    return figures


def _render(kind: str, piece: Piece, figures: dict[str, Any], title: str) -> str:
    if kind == "musicxml":
        return write_musicxml(as_written(piece), title)
    if kind == "svg":
        return piano_roll_svg(piece, figures.get("prime_end_tick", 0))
    if not fits_abc(piece):
        raise NotFound("ABC holds one voice, and this piece has several. Take the MIDI or the MusicXML.")
    return write_abc(as_written(piece), title)
