from __future__ import annotations

import signal
import sys
import time

import pytest

from core.errors import InputTooCostly, MidiError, NotationError, RequestError
from core.music.midi import write_midi
from core.music.piece import Note, Piece, Track
from core.music.sandbox import STARTING_SECONDS, _piece, read_in_sandbox

PIECE = Piece(480, (Track((Note(0, 480, 60), Note(480, 240, 64, 99)), 40, name="tune"),), length=1920)


def test_a_good_file_comes_through_whole() -> None:
    assert read_in_sandbox("midi", write_midi(PIECE)) == PIECE


def test_what_the_reader_refuses_is_refused_in_its_words() -> None:
    with pytest.raises(MidiError, match="does not begin with MThd") as refusal:
        read_in_sandbox("midi", b"not music")
    assert refusal.value.field == "prime"
    with pytest.raises(NotationError, match="line 1, column 2") as refusal_of_abc:
        read_in_sandbox("abc", b"A&B")
    assert refusal_of_abc.value.field == "prime"


def test_reading_that_takes_too_long_is_ended() -> None:
    slow = b"A[K:C]" * 30_000  # thousands of changes of key in one bar
    begun = time.perf_counter()
    with pytest.raises(InputTooCostly) as refusal:
        read_in_sandbox("abc", slow)
    assert refusal.value.field == "prime"
    assert time.perf_counter() - begun < STARTING_SECONDS


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no limit of address space")
def test_reading_that_takes_too_much_memory_is_ended() -> None:
    with pytest.raises(InputTooCostly):
        read_in_sandbox("abc", b"A" * 1_000_000, memory_bytes=48 * 1024 * 1024)


@pytest.mark.parametrize(
    ("reader", "output", "errors", "returncode", "becomes"),
    [
        ("midi", b"", b"", -signal.SIGSEGV, MidiError),
        ("abc", b"", b"", -signal.SIGABRT, NotationError),
        ("midi", b"", b"", -signal.SIGKILL, InputTooCostly),
        ("midi", b"", b"", -signal.SIGXCPU, InputTooCostly),
        ("midi", b"", b"", -signal.SIGPROF, InputTooCostly),
        ("abc", b"", b"MemoryError", 1, InputTooCostly),
        ("midi", b'{"piece": {"ticks', b"", 0, MidiError),
        ("abc", b"noise", b"Traceback", 1, NotationError),
    ],
)
def test_every_death_of_the_reader_is_a_refusal(
    reader: str, output: bytes, errors: bytes, returncode: int, becomes: type[RequestError]
) -> None:
    with pytest.raises(becomes) as refusal:
        _piece(reader, output, errors, returncode)
    assert refusal.value.field == "prime"
