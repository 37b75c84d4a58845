"""A Piece as JSON and back, for the job record: exact, and trusted only from our own store."""

from __future__ import annotations

from pydantic import TypeAdapter

from core.music.piece import Piece

_PIECE = TypeAdapter(Piece)


def piece_to_json(piece: Piece) -> str:
    return _PIECE.dump_json(piece).decode()


def piece_from_json(text: str) -> Piece:
    return _PIECE.validate_json(text)
