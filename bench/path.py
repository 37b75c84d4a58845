"""The whole path as a person waits for it: an eight-bar job from the first byte sent to the last byte of its MIDI file.

Through `ritornello up`: web, store, wake-up, engine, store, event stream, web. One job at a time, then 32 at once. Floor:
the same path with jobs of one bar, which is nearly all fixed cost. Peer: the usual nn.LSTM loop (bench/lstm_loop.py) in
one process without any of that; of 32 jobs at once the last waits there for all the others.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.client import Submitted, percentiles, submit_and_wait
from bench.eight_bars import BARS, job
from bench.lstm_loop import Looped, generate_in_loop
from bench.options import Options, read_options
from bench.report import Measurement, show, table
from bench.stack import running_stack
from core.catalog import Card, Catalog
from core.checkpoint import LoadedModel
from worker.jobs.admission import admit
from worker.jobs.briefing import brief_of
from worker.jobs.request import GenerationRequest

TOGETHER = 32
HOW = ("one at a time", f"{TOGETHER} at once")
FLOOR_IS = "the same path, jobs of one bar"
PEER_IS = "the usual nn.LSTM loop, one job after another in one process"
ALONE_JOBS, ROUNDS = 32, 3
QUICK_JOBS, QUICK_ROUNDS = 3, 1


@dataclass(frozen=True)
class Wave:
    """Jobs that were in hand together: each by itself, and the seconds until the last of them was done."""

    jobs: list[Submitted]
    seconds: float


def wave(address: str, requests: Sequence[dict[str, Any]]) -> Wave:
    """Submit all of them at the same moment."""
    start = time.perf_counter()
    with ThreadPoolExecutor(len(requests)) as clients:
        jobs = list(clients.map(lambda request: submit_and_wait(address, request), requests))
    return Wave(jobs, time.perf_counter() - start)


class Stack:
    """Sends jobs through a running stack, no two with the same seed."""

    def __init__(self, address: str, card: Card) -> None:
        self.address, self.card = address, card
        self._seeds = itertools.count(1)

    def waves(self, count: int, together: int, bars: int) -> list[Wave]:
        """`count` waves of so many jobs at once, one wave after another."""
        return [wave(self.address, [job(self.card, bars, next(self._seeds)) for _ in range(together)]) for _ in range(count)]


def usual_loop(loaded: LoadedModel, catalog: Catalog, jobs: int) -> list[Looped]:
    """The same jobs by the usual loop, one after another."""
    done = []
    for seed in range(jobs):
        admitted = admit(GenerationRequest.model_validate(job(loaded.card, BARS, seed)), catalog)
        done.append(generate_in_loop(loaded, brief_of(admitted.request, admitted.prime)))
    return done


def waits(waves: Iterable[Wave]) -> tuple[float, float]:
    """p50 and p95 of the seconds from submission to file."""
    return percentiles(done.seconds for each in waves for done in each.jobs)


def tokens_a_second(waves: Sequence[Wave]) -> float:
    return sum(done.tokens for each in waves for done in each.jobs) / sum(each.seconds for each in waves)


def figures(
    how: str, waves: Sequence[Wave], one_bar: Sequence[Wave], peer: tuple[float, float], loop_speed: float
) -> list[Measurement]:
    """`how` many jobs were in hand; `peer`: p50 and p95 of the usual loop for as many."""
    found = [
        Measurement(f"submit to file, {how}, {name}", value, "s", "lower", "", floor, FLOOR_IS, other, PEER_IS)
        for name, value, floor, other in zip(("p50", "p95"), waits(waves), waits(one_bar), peer, strict=True)
    ]
    speed = Measurement(
        f"speed of the whole path, {how}", tokens_a_second(waves), "tokens/s", "higher", peer=loop_speed, peer_is=PEER_IS
    )
    return [*found, speed]


def measure(options: Options) -> list[Measurement]:
    loaded = options.load("folk" if (options.checkpoints / "folk").exists() else "drums")
    alone, rounds = (QUICK_JOBS, QUICK_ROUNDS) if options.quick else (ALONE_JOBS, ROUNDS)
    with running_stack(options.checkpoints) as address:
        stack = Stack(address, loaded.card)
        stack.waves(2, 1, BARS)  # the worker has loaded the model then
        one_bar = stack.waves(alone, 1, bars=1), stack.waves(rounds, TOGETHER, bars=1)
        whole = stack.waves(alone, 1, BARS), stack.waves(rounds, TOGETHER, BARS)
    catalog = Catalog(options.checkpoints)
    usual_loop(loaded, catalog, 1)
    looped = usual_loop(loaded, catalog, TOGETHER)
    seconds, tokens = [done.seconds for done in looped], [done.tokens for done in looped]

    print(f"{loaded.card.name}: {BARS} bars after a prime of two bars or less, {np.mean(tokens):.0f} tokens a job on average\n")
    heads = ["medians", "jobs", "submit to file, s", "of it queued, s", "of it running, s"]
    print(table(heads, [_medians(how, waves) for how, waves in zip(HOW, whole, strict=True)]))
    print()
    peers = percentiles(seconds), percentiles(itertools.accumulate(seconds))
    found = [
        figure
        for how, waves, short, peer in zip(HOW, whole, one_bar, peers, strict=True)
        for figure in figures(how, waves, short, peer, sum(tokens) / sum(seconds))
    ]
    show("path", loaded.card, found, options.quick)
    return found


def _medians(how: str, waves: Sequence[Wave]) -> tuple[str | float, ...]:
    jobs = [done for each in waves for done in each.jobs]
    parts = ([done.seconds for done in jobs], [done.queued_seconds for done in jobs], [done.running_seconds for done in jobs])
    return (how, str(len(jobs)), *(float(np.median(part)) for part in parts))


def main(arguments: Sequence[str] | None = None) -> None:
    options = read_options("path", __doc__, arguments)
    if options.update_card:
        options.stop("writes no card: its figures are the machine's, not the model's")
    measure(options)


if __name__ == "__main__":
    main()
