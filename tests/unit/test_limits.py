from __future__ import annotations

import pytest

from core.errors import NotationError
from core.music.limits import check_limits, minutes_until, too_much
from core.music.piece import Note, Piece, TempoChange, Track


def test_minutes_follow_every_change_of_tempo() -> None:
    assert minutes_until(480 * 120, 480, []) == 1
    assert minutes_until(480 * 120, 480, [(0, 1_000_000)]) == 2
    assert minutes_until(480 * 120, 480, [(480 * 60, 1_000_000)]) == 1.5
    assert minutes_until(480 * 120, 480, [(480 * 60, 1_000_000), (480 * 200, 9_000_000)]) == 1.5
    assert minutes_until(480 * 120, 480, [(0, 0)]) == 0


def test_what_is_too_much_is_said() -> None:
    assert too_much(20_000, 480 * 3600, 480, []) is None
    assert "20,001 notes" in (too_much(20_001, 480, 480, []) or "")
    assert "30,001 quarter notes" in (too_much(1, 480 * 30_001, 480, [(0, 0)]) or "")
    assert "30.1 minutes" in (too_much(1, 480 * 3606, 480, []) or "")


def test_typed_music_that_is_too_much_is_refused() -> None:
    piece = Piece(480, (Track((Note(0, 480 * 60, 60),)),), tempos=(TempoChange(0, 12_000_000),))
    check_limits(Piece(480, piece.tracks))
    check_limits(Piece(480, piece.tracks, tempos=(TempoChange(0, 30_000_000),)))
    with pytest.raises(NotationError, match="at most 30") as refusal:
        check_limits(Piece(480, piece.tracks, tempos=(TempoChange(0, 31_000_000),)))
    assert refusal.value.field == "prime"
