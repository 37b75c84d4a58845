from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.errors import InvalidField
from core.music.keys import KEY_WEIGHTS, MODE_SHARPS, _correlation, analyse_key, key_name, parse_key, parse_meter, spell, tonic
from core.music.piece import KeyChange, Note, Piece, Track

EVERY_KEY = [KeyChange(0, sharps, mode) for sharps in range(-7, 8) for mode in MODE_SHARPS]


@pytest.mark.parametrize(
    ("written", "name", "pitch_class"),
    [
        ("D minor", "D minor", 2),
        ("Bb major", "Bb major", 10),
        ("B♭", "Bb major", 10),
        ("E dorian", "E dorian", 4),
        ("A mixolydian", "A mixolydian", 9),
        ("Dm", "D minor", 2),
        ("DM", "D major", 2),
        ("f# minor", "F# minor", 6),
        ("b", "B major", 11),
        ("bb minor", "Bb minor", 10),
        ("  c-sharp min ", "C# minor", 1),
        ("E flat", "Eb major", 3),
        ("Ador", "A dorian", 9),
        ("G AEOLIAN", "G minor", 7),
    ],
)
def test_keys_are_read_in_many_writings(written: str, name: str, pitch_class: int) -> None:
    assert key_name(parse_key(written)) == name
    assert tonic(parse_key(written)) == pitch_class


def test_every_key_has_a_name_that_is_read_back() -> None:
    assert [parse_key(key_name(key)) for key in EVERY_KEY] == EVERY_KEY
    assert len({key_name(key) for key in EVERY_KEY}) == len(EVERY_KEY)


@pytest.mark.parametrize("written", ["", "H minor", "D blues", "D minor major", "7", "D lydian", "Cbb"])
def test_what_is_no_key_is_refused(written: str) -> None:
    with pytest.raises(InvalidField, match="is no key that we know") as refusal:
        parse_key(written)
    assert refusal.value.field == "attributes.key"


@pytest.mark.parametrize(("written", "better"), [("G# major", "Ab major"), ("Db minor", "C# minor"), ("Fb", "E major")])
def test_a_key_beyond_seven_accidentals_is_refused_with_its_other_name(written: str, better: str) -> None:
    with pytest.raises(InvalidField, match=f"Write {better} instead"):
        parse_key(written)


def test_metres() -> None:
    assert [parse_meter(name) for name in ("6/8", " 12 / 8 ", "C", "C|", "5/4")] == [(6, 8), (12, 8), (4, 4), (2, 2), (5, 4)]


@pytest.mark.parametrize("written", ["", "4", "4/5", "0/4", "33/4", "4/0", "a/b", "1000/4"])
def test_what_is_no_metre_is_refused(written: str) -> None:
    with pytest.raises(InvalidField, match="is no metre") as refusal:
        parse_meter(written)
    assert refusal.value.field == "attributes.meter"


def test_pitches_are_spelled_as_the_key_asks() -> None:
    assert spell(60, 0) == ("C", 0, 4)
    assert spell(70, -2) == ("B", -1, 4)
    assert spell(70, 6) == ("A", 1, 4)
    assert spell(71, -7) == ("C", -1, 5)
    semitones = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11), strict=True))
    for sharps in range(-7, 8):
        for pitch in range(128):
            letter, altered, octave = spell(pitch, sharps)
            assert 12 * (octave + 1) + semitones[letter] + altered == pitch


def melody(pitches: str) -> Piece:
    return Piece(480, (Track(tuple(Note(480 * at, 480, int(pitch)) for at, pitch in enumerate(pitches.split()))),))


def test_the_key_of_a_scale_is_found() -> None:
    key, correlation = analyse_key(melody("62 64 66 67 69 71 73 74 69 66 62"))
    assert (key_name(key), correlation > 0.7) == ("D major", True)
    assert key_name(analyse_key(melody("57 59 60 62 64 65 68 69 64 60 57"))[0]) == "A minor"


def by_music21(piece: Piece) -> KeyChange:
    from music21 import note, stream

    heard = stream.Stream[note.Note]()
    for played in piece.tracks[0].notes:
        heard.append(note.Note(played.pitch, quarterLength=played.duration / piece.ticks_per_quarter))
    found = heard.analyze("key.temperley")
    return KeyChange(0, int(found.sharps), str(found.mode))


@pytest.mark.parametrize("scale", ["0 2 4 5 7 9 11 12 7 4 0", "0 2 3 5 7 8 11 12 7 3 0"])
@pytest.mark.parametrize("keynote", range(60, 72))
def test_every_key_is_found_as_music21_finds_and_spells_it(scale: str, keynote: int) -> None:
    piece = melody(" ".join(str(keynote + int(step)) for step in scale.split()))
    assert analyse_key(piece)[0] == by_music21(piece)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(40, 90), st.integers(1, 8)), min_size=1, max_size=20))
def test_the_key_of_any_tune_is_the_one_that_music21_finds(notes: list[tuple[int, int]]) -> None:
    piece = Piece(24, (Track(tuple(Note(1000 * at, 12 * long, pitch) for at, (pitch, long) in enumerate(notes))),))
    heard = heard_by_class(piece)
    fits = sorted(_correlation(weights, heard, keynote) for weights in KEY_WEIGHTS.values() for keynote in range(12))
    assume(fits[-1] - fits[-2] > 1e-9)  # of two that fit equally well the last digit of the arithmetic takes one
    assert analyse_key(piece)[0] == by_music21(piece)


def heard_by_class(piece: Piece) -> list[float]:
    heard = [0.0] * 12
    for played in piece.tracks[0].notes:
        heard[played.pitch % 12] += played.duration
    return heard


def test_percussion_and_silence_have_no_key() -> None:
    drums = Track((Note(0, 480, 36),), percussion=True)
    assert analyse_key(Piece(480, (drums,))) == (KeyChange(0, 0), 0.0)
