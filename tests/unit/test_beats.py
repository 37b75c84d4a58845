from __future__ import annotations

import pytest

from core.errors import NotationError
from core.music.beats import ALIASES, DRUMS, read_beats
from core.music.piece import Note

BAR = 1920


def hits(row: str) -> list[int]:
    """The steps of a kick row's hits."""
    return [note.start // 120 for note in read_beats({"kick": row}).tracks[0].notes]


def test_a_bar_of_rock() -> None:
    piece = read_beats({"kick": "x.......x.......", "snare": "....X.......X...", "closed hat": "x.x.x.x.x.x.x.x."})
    track = piece.tracks[0]
    assert track.percussion
    assert piece.meter == (4, 4)
    assert piece.end == BAR
    assert [note for note in track.notes if note.pitch != 42] == [
        Note(0, 60, 36, 90),
        Note(480, 60, 38, 120),
        Note(960, 60, 36, 90),
        Note(1440, 60, 38, 120),
    ]
    assert [note.start for note in track.notes if note.pitch == 42] == list(range(0, BAR, 240))


def test_names_come_in_many_writings() -> None:
    for name in ("kick", "KICK", "Bass-Drum", "bd", " bass_drum "):
        assert read_beats({name: "x"}).tracks[0].notes[0].pitch == 36
    assert {DRUMS[drum] for drum in ALIASES.values()} == set(DRUMS.values())


def test_blanks_separate_beside_dots_and_are_silent_without() -> None:
    assert hits("x... x... |x...") == [0, 4, 8]
    assert hits("x   x   x   ") == [0, 4, 8]


def test_empty_last_steps_belong_to_the_grid_and_short_rows_are_filled() -> None:
    assert read_beats({"kick": "x", "snare": "." * 32}).end == 2 * BAR


def test_sixty_four_bars_fit() -> None:
    assert read_beats({"kick": "x..............." * 64}).end == 64 * BAR


@pytest.mark.parametrize(
    ("beats", "says"),
    [
        ({}, "no hits"),
        ({"kick": "...."}, "no hits"),
        ({"cowbell": "x"}, "no drum named 'cowbell'; there are: kick, snare"),
        ({"kick": "x.q."}, "row 'kick', column 3: 'q' is no step"),
        ({"snare": "x...............|" * 64 + "x"}, "row 'snare', column 1089: a grid has at most 64 bars"),
        ({"kick": "x", "BD": "x"}, "two rows for one drum: 'kick' and 'BD'"),
    ],
)
def test_what_is_wrong_is_named_with_row_and_column(beats: dict[str, str], says: str) -> None:
    with pytest.raises(NotationError, match=says) as refusal:
        read_beats(beats)
    assert refusal.value.field == "prime"
