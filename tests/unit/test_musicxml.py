from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.music.musicxml import write_musicxml
from core.music.piece import KeyChange, MeterChange, Note, Piece, TempoChange, Track

pytest.importorskip("music21")
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def sounding(document: str) -> list[list[tuple[float, float, int]]]:
    """For each part its notes as (start, length, pitch) in quarters, tied ones joined."""
    parts = []
    for part in ElementTree.fromstring(document).findall("part"):
        at, divisions = 0.0, 1
        notes: list[tuple[float, float, int]] = []
        open_ties: dict[int, list[tuple[float, float]]] = {}
        for measure in part.findall("measure"):
            begun = furthest = previous = at
            for element in measure:
                divisions = int(element.findtext("divisions") or divisions)
                length = int(element.findtext("duration") or 0) / divisions
                if element.tag == "backup":
                    at -= length
                elif element.tag == "forward":
                    at += length
                elif element.tag == "note":
                    start = previous if element.find("chord") is not None else at
                    pitch = element.find("pitch")
                    if pitch is not None:
                        number = (
                            12 * (int(pitch.findtext("octave") or 0) + 1)
                            + SEMITONES[pitch.findtext("step") or ""]
                            + int(float(pitch.findtext("alter") or 0))
                        )
                        ties = {tie.get("type") for tie in element.findall("tie")}
                        first = start
                        if "stop" in ties:
                            tied = open_ties[number]
                            first = next(begin for begin, end in tied if abs(end - start) < 1e-6)
                            tied.remove(next(pair for pair in tied if abs(pair[1] - start) < 1e-6))
                        if "start" in ties:
                            open_ties.setdefault(number, []).append((first, start + length))
                        else:
                            notes.append((round(first, 4), round(start + length - first, 4), number))
                    previous, at = start, start + length
                furthest = max(furthest, at)
            at = furthest if furthest > begun else begun
        assert not any(open_ties.values())
        parts.append(sorted(notes))
    return parts


def expected(piece: Piece) -> list[list[tuple[float, float, int]]]:
    return [
        sorted((round(note.start / 24, 4), round(note.duration / 24, 4), note.pitch) for note in track.notes)
        for track in piece.tracks
    ]


@st.composite
def scores(draw: st.DrawFn) -> Piece:
    """Tracks on a grid of 24 to the quarter, with notes that overlap and metres that change anywhere."""
    tracks = []
    for _ in range(draw(st.integers(1, 2))):
        notes: dict[tuple[int, int], Note] = {}
        for start, duration, pitch in draw(
            st.lists(st.tuples(st.integers(0, 200), st.integers(1, 120), st.integers(12, 108)), min_size=1, max_size=6)
        ):
            notes[start, pitch] = Note(start, duration, pitch)
        tracks.append(Track(tuple(sorted(notes.values(), key=lambda note: (note.start, note.pitch))), draw(st.integers(0, 127))))
    meters = draw(st.dictionaries(st.integers(0, 150), st.sampled_from([(4, 4), (6, 8), (5, 8), (3, 2), (3, 64)]), max_size=2))
    keys = draw(st.dictionaries(st.integers(0, 150), st.integers(-7, 7), max_size=2))
    return Piece(
        24,
        tuple(tracks),
        tempos=(TempoChange(0, 600_000), TempoChange(draw(st.integers(1, 150)), 700_000)),
        meters=tuple(MeterChange(tick, *meter) for tick, meter in sorted(meters.items())),
        keys=tuple(KeyChange(tick, sharps, "dorian") for tick, sharps in sorted(keys.items())),
    )


@settings(max_examples=25, deadline=None)
@given(scores())
def test_the_score_has_every_note_at_its_time(piece: Piece) -> None:
    assert sounding(write_musicxml(piece)) == expected(piece)


def tune() -> Piece:
    melody = (Note(240, 240, 62), Note(480, 960, 66), Note(1440, 160, 69), Note(1600, 160, 68), Note(1760, 400, 69))
    return Piece(
        480,
        (
            Track(melody, 73, name="Flute\x07 & co"),
            Track((Note(0, 1920, 38), Note(0, 1920, 45)), 32),
            Track((Note(0, 120, 36), Note(0, 120, 42), Note(480, 120, 38)), percussion=True),
        ),
        tempos=(TempoChange(0, 500_000), TempoChange(960, 400_000)),
        meters=(MeterChange(0, 3, 4),),
        keys=(KeyChange(0, 1, "mixolydian"),),
    )


def test_music21_reads_the_score_it_helped_to_write() -> None:
    from music21 import converter

    parts = converter.parse(write_musicxml(tune(), "A < B"), format="musicxml").parts
    flute = parts[0].stripTies().flatten().notes
    assert [(note.pitch.midi, float(note.offset)) for note in flute][:2] == [(62, 0.5), (66, 1.0)]
    assert [round(float(note.quarterLength), 3) for note in flute] == [0.5, 2.0, 0.333, 0.333, 0.833]
    assert [[note.midi for note in chord.pitches] for chord in parts[1].stripTies().flatten().notes] == [[38, 45]]


def test_a_score_says_what_a_piece_says() -> None:
    document = write_musicxml(tune(), "A < B")
    root = ElementTree.fromstring(document)
    assert root.findtext("work/work-title") == "A < B"
    assert [name.text for name in root.iter("part-name")] == ["Flute & co", "Acoustic Bass", "Percussion"]
    assert [program.text for program in root.iter("midi-program")] == ["74", "33"]
    assert (root.findtext(".//beats"), root.findtext(".//beat-type")) == ("3", "4")
    assert (root.findtext(".//fifths"), root.findtext(".//mode")) == ("1", "mixolydian")
    assert [float(mark.get("tempo", 0)) for mark in root.iter("sound") if mark.get("tempo")] == [120, 150]
    assert [clef.findtext("sign") for clef in root.iter("clef")] == ["G", "F", "percussion"]
    assert len(list(root.iter("unpitched"))) == 3
    assert document.count("<tie ") == document.count("<tied ") > 0
    assert "<beam " in document
    assert 'type="start"' in document.split("<tuplet", 1)[1]


def test_flats_are_written_in_a_key_with_flats() -> None:
    piece = Piece(480, (Track((Note(0, 480, 70),)),), keys=(KeyChange(0, -2),))
    assert "<step>B</step>" in write_musicxml(piece)


def test_same_piece_same_bytes_in_any_process() -> None:
    here = write_musicxml(tune(), "Twice")
    assert not re.search(r"\d{4}-\d\d-\d\d", here)
    code = "import sys, test_musicxml as t; sys.stdout.buffer.write(t.write_musicxml(t.tune(), 'Twice').encode())"
    folder = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(folder.parents[1])])}
    there = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert there.stdout.decode() == here


def test_every_instrument_can_be_named() -> None:
    for program in range(128):
        assert f"<midi-program>{program + 1}</midi-program>" in write_musicxml(Piece(24, (Track((Note(0, 24, 60),), program),)))
