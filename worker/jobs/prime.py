"""The prime of a request: read from what the caller sent, bounded, and compared with what a model can play."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from core.catalog import Card, Catalog, Playable
from core.errors import MidiError, UnplayablePrime
from core.music.beats import read_beats
from core.music.intake import read_abc_limited, read_midi_limited
from core.music.limits import check_limits
from core.music.notes import read_notes
from core.music.piece import Note, Piece, Track
from worker.jobs.request import AbcPrime, BeatsPrime, MidiPrime, NotesPrime

MAX_MIDI_BYTES = 1_000_000
NAMED_AT_MOST = 3  # offending notes that an error names
LEGATO_QUARTERS = 1 / 8  # a line's notes may overlap by so much: players' fingers do

PITCH_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def read_prime(prime: NotesPrime | AbcPrime | BeatsPrime | MidiPrime) -> Piece:
    """The piece that was sent. Raises MidiError, NotationError, InputTooCostly or UnplayablePrime, for the field `prime`."""
    match prime:
        case NotesPrime():
            piece = read_notes(prime.notes)
        case AbcPrime():
            piece = read_abc_limited(prime.abc)
        case BeatsPrime():
            piece = read_beats(prime.beats)
        case MidiPrime():
            piece = read_midi_limited(_decode_midi(prime.midi))
    if not piece.note_count:
        raise UnplayablePrime(
            "The prime has no notes. Give at least one, or leave the prime out to start from nothing.", field="prime"
        )
    check_limits(piece)
    return piece


def _decode_midi(text: str) -> bytes:
    padding = text[-2:].count("=")
    if len(text) // 4 * 3 - padding > MAX_MIDI_BYTES:
        raise MidiError(f"The MIDI file is larger than {MAX_MIDI_BYTES:,} bytes.", field="prime")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MidiError(f"`midi` must be a MIDI file in base64: {error}.", field="prime") from error


def is_percussion(piece: Piece) -> bool:
    """Whether all that sounds is drums."""
    return all(track.percussion for track in piece.tracks if track.notes)


def can_play(piece: Piece, card: Card) -> bool:
    return card.playable is not None and _problem(piece, card.playable) is None


def check_playable(piece: Piece, card: Card, catalog: Catalog) -> None:
    """Raises UnplayablePrime, which says which notes the model cannot play, why, and which model could."""
    assert card.playable is not None, f"{card.name} makes music and does not say what it can play"
    problem = _problem(piece, card.playable)
    if problem is None:
        return
    able = [other.name for other in catalog.cards.values() if can_play(piece, other)]
    advice = f"These models can play the prime: {', '.join(able)}." if able else "No other model can play this prime either."
    raise UnplayablePrime(f"{card.name} cannot play this prime: {problem} {advice}", field="prime")


def _problem(piece: Piece, playable: Playable) -> str | None:
    """Why the piece cannot be played, naming the first offending notes; None when it can."""
    pitches = set(playable.pitches)
    for offending, reason in (
        (_of_other_kind(piece, playable), "it plays drums only," if playable.percussion else "it plays pitched notes, no drums,"),
        (_out_of_range(piece, pitches), f"it knows {_span(playable)} only,"),
        (_too_many(piece, playable), f"it plays {_count(playable.voices)} at a time,"),
    ):
        named = [_place(piece, track, note) for _, (track, note) in zip(range(NAMED_AT_MOST + 1), offending, strict=False)]
        if named:
            more = " and more" if len(named) > NAMED_AT_MOST else ""
            return f"{reason} but the prime has {', '.join(named[:NAMED_AT_MOST])}{more}."
    return None


def _of_other_kind(piece: Piece, playable: Playable) -> Iterator[tuple[Track, Note]]:
    return ((track, note) for track in piece.tracks if track.percussion != playable.percussion for note in track.notes)


def _out_of_range(piece: Piece, pitches: set[int]) -> Iterator[tuple[Track, Note]]:
    return ((track, note) for track in piece.tracks for note in track.notes if note.pitch not in pitches)


def _too_many(piece: Piece, playable: Playable) -> Iterator[tuple[Track, Note]]:
    """Notes that begin while as many as the model has voices sound. Drums only strike, they do not sound on."""
    together = piece.ticks_per_quarter / playable.ticks_per_quarter / 2  # notes that begin so close are one chord
    legato = piece.ticks_per_quarter * LEGATO_QUARTERS
    sounding: list[Note] = []
    notes = sorted(((note, track) for track in piece.tracks for note in track.notes), key=lambda pair: pair[0])
    for note, track in notes:
        sounding = [
            other for other in sounding
            if note.start - other.start < together or (not playable.percussion and other.end - note.start > legato)
        ]  # fmt: skip
        if any(other.pitch == note.pitch for other in sounding):
            continue  # the same pitch twice is one note
        if len(sounding) >= playable.voices:
            yield track, note
        else:
            sounding.append(note)


def _place(piece: Piece, track: Track, note: Note) -> str:
    """A note as the error names it: "Bb2 (bar 3, beat 1.5)", a drum as "drum 56 (…)"."""
    name = f"drum {note.pitch}" if track.percussion else pitch_name(note.pitch)
    bar, beat = bar_and_beat(piece, note.start)
    return f"{name} (bar {bar}, beat {beat:g})"


def pitch_name(pitch: int) -> str:
    """Middle C, 60, is C4."""
    return f"{PITCH_NAMES[pitch % 12]}{pitch // 12 - 1}"


def bar_and_beat(piece: Piece, tick: int) -> tuple[int, float]:
    """Where a tick stands, both counted from 1; a beat is the metre's unit, to two decimals."""
    bars, start, numerator, denominator = 0, 0, 4, 4
    for change in piece.meters:
        if change.tick > tick:
            break
        bars += -(-(change.tick - start) // _bar_ticks(piece, numerator, denominator))  # a cut bar is a bar
        start, numerator, denominator = change.tick, change.numerator, change.denominator
    whole, rest = divmod(tick - start, _bar_ticks(piece, numerator, denominator))
    return bars + whole + 1, round(1 + rest * denominator / (4 * piece.ticks_per_quarter), 2)


def _bar_ticks(piece: Piece, numerator: int, denominator: int) -> int:
    return max(1, piece.ticks_per_quarter * 4 * numerator // denominator)


def _span(playable: Playable) -> str:
    low, high = min(playable.pitches), max(playable.pitches)
    return f"drums {low} to {high}" if playable.percussion else f"{pitch_name(low)} to {pitch_name(high)}"


def _count(voices: int) -> str:
    return "one note" if voices == 1 else f"{voices} notes"
