from __future__ import annotations

import pytest

from core.errors import MidiError, NotationError
from core.music.abc_in import read_abc
from core.music.intake import read_abc_limited, read_midi_limited
from core.music.midi import read_midi, write_midi
from core.music.midi_check import MAX_BYTES
from core.music.piece import Note, Piece, Track


def test_limited_readers_read_what_the_plain_ones_read() -> None:
    data = write_midi(Piece(480, (Track((Note(0, 480, 60),)),)))
    tune = "X:1\nT:Çirção\nM:6/8\nK:D\nA|ABc def|\n"
    assert read_midi_limited(data) == read_midi(data)
    assert read_abc_limited(tune) == read_abc(tune)


def test_the_largest_file_fits_the_limits() -> None:
    piece = Piece(480, (Track(tuple(Note(60 * step, 50, 40 + step % 40) for step in range(20_000))),))
    data = write_midi(piece)
    assert read_midi_limited(data + bytes(MAX_BYTES - len(data))) == piece


def test_what_is_too_large_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    with pytest.raises(MidiError, match="bytes"):
        read_midi_limited(bytes(MAX_BYTES + 1))
    with pytest.raises(NotationError, match="200,001 characters"):
        read_abc_limited("A" * 200_001)


def test_a_lone_surrogate_is_no_abc() -> None:
    with pytest.raises(NotationError, match="column 2"):
        read_abc_limited("A\ud800")
