"""Runs a reader of other people's bytes in a process of its own, with little time and little memory.

Reading has one second of processor time, counted from when the new process says that it is ready, so that a busy machine, where
starting Python takes long, refuses no good file. Whatever becomes of the process, the caller gets a Piece or a RequestError.
"""

from __future__ import annotations

import json
import logging
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal

from core.errors import InputTooCostly, MidiError, NotationError, RequestError
from core.music.codec import piece_from_json
from core.music.piece import Piece

logger = logging.getLogger(__name__)

READING_SECONDS = 1  # of processor time
WAITING_SECONDS = 5  # by the clock on the wall, where other processes take their share
STARTING_SECONDS = 20
MEMORY_BYTES = 256 * 1024 * 1024
TOO_COSTLY_SIGNALS = (signal.SIGPROF, signal.SIGXCPU, signal.SIGKILL)  # out of processor time; killed, as for memory
REFUSALS: dict[str, type[RequestError]] = {error.code: error for error in (MidiError, NotationError, InputTooCostly)}
READERS: dict[str, type[RequestError]] = {"midi": MidiError, "abc": NotationError}  # and what to call input that breaks one


def read_in_sandbox(reader: Literal["midi", "abc"], data: bytes, memory_bytes: int = MEMORY_BYTES) -> Piece:
    """Raises MidiError, NotationError or InputTooCostly, all of field "prime"."""
    # neither the environment nor the current folder decides what is imported, and no secret goes in
    command = [sys.executable, "-I", str(Path(__file__).with_name("reader_process.py"))]
    command += [reader, str(READING_SECONDS), str(memory_bytes)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, env={}) as process:
        try:
            assert process.stdout is not None
            started = select.select([process.stdout], [], [], STARTING_SECONDS)[0] and process.stdout.read(1)
            output, errors = process.communicate(data if started else None, timeout=WAITING_SECONDS)
        except subprocess.TimeoutExpired:
            raise InputTooCostly(field="prime") from None
        finally:
            process.kill()
    return _piece(reader, output, errors, process.returncode)


def _piece(reader: str, output: bytes, errors: bytes, returncode: int) -> Piece:
    """What the process answered, or what its death means."""
    try:
        answer = json.loads(output)
    except ValueError:
        if -returncode in TOO_COSTLY_SIGNALS or b"MemoryError" in errors:
            raise InputTooCostly(field="prime") from None
        logger.error("the %s reader ended with %d: %s", reader, returncode, errors.decode(errors="replace")[-2000:])
        raise READERS[reader]("Our reader broke down over this input, so it cannot be used.", field="prime") from None
    if refused := answer.get("refused"):
        raise REFUSALS.get(refused["code"], READERS[reader])(refused["message"], field=refused["field"])
    return piece_from_json(json.dumps(answer["piece"]))
