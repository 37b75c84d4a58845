"""The process in which a reader meets a stranger's bytes. Run by `sandbox` as a script; never imported.

Says one byte when it has started and is limited, reads all of stdin, writes one JSON object: {"piece": …} or {"refused": …}.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

READY = b"\n"


def main() -> None:
    reader, seconds, memory_bytes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from core.errors import InputTooCostly, RequestError

    read = _reader(reader)
    _limit(seconds, memory_bytes)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    try:
        try:
            answer = json.dumps({"piece": read(sys.stdin.buffer.read())}, default=_fields)
        except MemoryError:
            raise InputTooCostly(field="prime") from None
    except RequestError as error:
        answer = json.dumps({"refused": {"code": error.code, "message": error.message, "field": error.field}})
    sys.stdout.buffer.write(answer.encode())


def _reader(name: str) -> Callable[[bytes], Any]:
    """Only the reader that is asked for is imported: starting is most of what this process does."""
    if name == "midi":
        # symusic brings a downloader of soundfonts along, whose imports would be half of this process's start
        downloader = types.ModuleType("pySmartDL")
        downloader.SmartDL = None  # type: ignore[attr-defined]
        sys.modules["pySmartDL"] = downloader
        import symusic  # noqa: F401  (now, for read_midi would import it under the limits)

        from core.music.midi import read_midi

        return read_midi
    if name == "abc":
        from core.music.abc_in import read_abc

        return lambda data: read_abc(data.decode())
    raise ValueError(name)


def _limit(seconds: int, memory_bytes: int) -> None:
    """Limits to what is still to come. macOS knows no limit of address space; there the time has to do."""
    signal.setitimer(signal.ITIMER_PROF, seconds)  # processor time, to the millisecond
    hard = int(time.process_time()) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "darwin":
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _fields(thing: Any) -> dict[str, Any]:
    """A dataclass with slots, for json: ten times faster than dataclasses.asdict."""
    return {name: getattr(thing, name) for name in thing.__slots__}


if __name__ == "__main__":
    main()
