"""Starts the processes of a run and ends them together: when one dies, all do, and the caller hears which and why."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from core.errors import AppError, WorkerLost
from core.training.team import Team, joined

logger = logging.getLogger(__name__)


@dataclass
class Member:
    process: BaseProcess
    words: Connection
    """What it says when it fails: an AppError, or a traceback."""

    def last_words(self) -> AppError | str | None:
        try:
            words: AppError | str | None = self.words.recv() if self.words.poll() else None
        except EOFError:  # it died without a word
            return None
        return words


def run_together(target: Callable[..., None], size: int, *arguments: Any) -> None:
    """Call target(team, *arguments) in `size` new processes, and return when all have returned.

    Raises the AppError that one of them raised, and WorkerLost for one that died of anything else; the others are killed.
    """
    spawn = multiprocessing.get_context("spawn")  # no fork ever meets CUDA, nor the threads of torch
    with tempfile.TemporaryDirectory(prefix="ritornello-team-") as folder:
        members = []
        try:
            for rank in range(size):
                reader, writer = spawn.Pipe(duplex=False)
                of_member = (target, Team(rank, size), Path(folder) / "meeting", writer, arguments)
                process = spawn.Process(target=_member, args=of_member, daemon=True)
                process.start()
                writer.close()
                members.append(Member(process, reader))
            _watch(members)
        finally:
            for member in members:
                member.process.kill()
                member.process.join()


def _watch(members: list[Member]) -> None:
    running = list(members)
    while running:
        wait([member.process.sentinel for member in running])
        ended = [member for member in running if member.process.exitcode is not None]
        failed = [member for member in ended if member.process.exitcode != 0]
        if failed:
            # Who loses a peer fails too, right after it: a signal, or an error of ours, is nearer to the cause.
            told = [(member, member.last_words()) for member in failed]
            member, words = min(told, key=lambda pair: (pair[0].process.exitcode or 0) > 0 and not isinstance(pair[1], AppError))
            raise _failure(member, words, f"Training process {members.index(member) + 1} of {len(members)}")
        running = [member for member in running if member not in ended]


def _failure(member: Member, words: AppError | str | None, name: str) -> AppError:
    if isinstance(words, AppError):
        return words
    code = member.process.exitcode or 0
    if words:
        logger.error("%s failed:\n%s", name, words)
    how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"failed: {words.splitlines()[-1]}" if words else "ended"
    return WorkerLost(f"{name} {how}, so the others were ended. Started again, the run goes on from where it was last saved.")


def _member(target: Callable[..., None], place: Team, meeting: Path, words: Connection, arguments: tuple[Any, ...]) -> None:
    """The main function of one process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if place.leads:
        logging.basicConfig(level=logging.INFO, format="%(message)s")  # this is an entry point: nobody else sets it up here
    try:
        with joined(place.rank, place.size, meeting) as team:
            target(team, *arguments)
    except AppError as error:
        words.send(error)
        raise SystemExit(1) from None
    except Exception:
        words.send(traceback.format_exc())
        raise SystemExit(1) from None


def _end_with_parent() -> None:
    """A run that was killed must not go on writing behind the back of the one that resumes it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
