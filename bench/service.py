"""The whole service against the textbook design, on this machine, in the same run.

Two hundred eight-bar jobs submitted at once until the last file is there; one job at a time; and what a worker process costs.
Peer: Flask, a Celery task for each job in a prefork pool of two, and the usual nn.LSTM loop (bench/textbook), with the same
server, model, prime, grammar and client. Floor: the same path with jobs of one bar, which is nearly all fixed cost; of the
worker process: a Python process that has imported Celery, redis-py and numpy.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.client import OURS, TEXTBOOK, Batch, percentiles, submit_all, submit_and_look, submit_and_wait
from bench.eight_bars import BARS, job
from bench.options import Options, read_options
from bench.processes import resident_bytes
from bench.report import Measurement, show, table
from bench.stack import running_stack
from bench.textbook.stack import CONCURRENCY, Textbook, running_textbook
from bench.worker_process import WorkerFigures, bare_process, measure_textbook_worker, measure_worker
from core.catalog import Card

QUEUE_LIMIT = "10000"
FLOOR_IS = "the same path, jobs of one bar"
PEER_IS = f"the textbook design: a Celery task for each job, prefork pool of {CONCURRENCY}, the usual nn.LSTM loop"
BARE_IS = "a Python process with Celery, redis-py and numpy imported"
CHILD_IS = f"one of the textbook's {CONCURRENCY} children"
RESULT_IS = "the textbook's worker, until the result of a one-bar job, as it shows no token before"


@dataclass(frozen=True)
class Extent:
    """How much is measured: `together` jobs at once in each of `rounds`, `alone` jobs one at a time, so many worker starts."""

    together: int
    rounds: int
    alone: int
    starts: int


FULL, QUICK = Extent(200, 3, 32, 3), Extent(16, 1, 3, 1)


@dataclass(frozen=True)
class Figures:
    """What was measured of one kind of job: batches round by round, and seconds of single jobs."""

    batches: list[Batch] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def jobs_per_second(self) -> float:
        return median(batch.jobs_per_second for batch in self.batches)

    @property
    def client_share(self) -> float:
        return max(batch.client_share for batch in self.batches)


class Services:
    """Ours and the textbook's, both running; what is measured alternates between them, so that a disturbance meets both."""

    def __init__(self, address: str, textbook: Textbook, card: Card) -> None:
        self.address, self.textbook, self.card = address, textbook, card
        self.ours, self.one_bar, self.theirs = Figures(), Figures(), Figures()
        self._seeds = itertools.count(1)

    def warm_up(self) -> None:
        """Every process has loaded the model then: as many jobs as the children take, and as many again."""
        submit_all(self.address, OURS, self._requests(2 * CONCURRENCY, 1))
        submit_all(self.textbook.address, TEXTBOOK, self._requests(2 * CONCURRENCY, 1))

    def round_of_batches(self, jobs: int) -> None:
        self.ours.batches.append(submit_all(self.address, OURS, self._requests(jobs, BARS)))
        self.theirs.batches.append(submit_all(self.textbook.address, TEXTBOOK, self._requests(jobs, BARS)))
        self.one_bar.batches.append(submit_all(self.address, OURS, self._requests(jobs, 1)))

    def round_of_one(self) -> None:
        """Ours is followed by its events, as a page does; the textbook has none, and is asked again and again."""
        (ours,), (theirs,), (short,) = self._requests(1, BARS), self._requests(1, BARS), self._requests(1, 1)
        self.ours.seconds.append(submit_and_wait(self.address, ours).seconds)
        self.theirs.seconds.append(submit_and_look(self.textbook.address, TEXTBOOK, theirs))
        self.one_bar.seconds.append(submit_and_wait(self.address, short).seconds)

    def _requests(self, count: int, bars: int) -> list[dict[str, Any]]:
        """No two with the same seed."""
        return [job(self.card, bars, next(self._seeds)) for _ in range(count)]


def measure(options: Options) -> list[Measurement]:
    card = options.load("folk" if (options.checkpoints / "folk").exists() else "drums").card
    extent = QUICK if options.quick else FULL
    with (
        running_stack(options.checkpoints, RITORNELLO_QUEUE_LIMIT=QUEUE_LIMIT) as address,
        running_textbook(options.checkpoints) as textbook,
    ):
        services = Services(address, textbook, card)
        services.warm_up()
        for _ in range(extent.rounds):
            services.round_of_batches(extent.together)
        for _ in range(extent.alone):
            services.round_of_one()
        child_bytes = max(resident_bytes(child) for child in textbook.children)
    starts = [measure_worker(options.checkpoints, job(card, BARS, seed)) for seed in range(extent.starts)]
    bare = [bare_process() for _ in range(extent.starts)]
    result_seconds = median(measure_textbook_worker(options.checkpoints, job(card, 1, seed)) for seed in range(extent.starts))

    print(f"{card.name}: {extent.together} jobs of {BARS} bars at once, {extent.alone} one at a time\n")
    print(table(["", "jobs/s at once", "of one core for the client", "alone, p50 s", "p95 s"], rows(services)))
    print()
    found = service_figures(services, extent) + worker_figures(starts, bare, child_bytes, result_seconds)
    show("service", card, found, options.quick)
    return found


def rows(services: Services) -> list[tuple[str | float, ...]]:
    kinds = (("Ritornello", services.ours), ("the textbook design", services.theirs), ("Ritornello, one bar", services.one_bar))
    return [(name, kind.jobs_per_second, f"{100 * kind.client_share:.0f} %", *percentiles(kind.seconds)) for name, kind in kinds]


def service_figures(services: Services, extent: Extent) -> list[Measurement]:
    """Throughput, its ratio to the textbook's (the median of the rounds' ratios), and the wait for one job."""
    ours, theirs, short = services.ours, services.theirs, services.one_bar
    at_once = f"{extent.together} jobs at once"
    pairs = zip(ours.batches, theirs.batches, strict=True)
    ratio = median(own.jobs_per_second / other.jobs_per_second for own, other in pairs)
    speeds = (short.jobs_per_second, FLOOR_IS, theirs.jobs_per_second, PEER_IS)
    found = [
        Measurement(f"submit to file, {at_once}", ours.jobs_per_second, "jobs/s", "higher", "", *speeds),
        Measurement(f"against the textbook design, {at_once}", ratio, "times", "higher", peer=1.0, peer_is=PEER_IS),
    ]
    waits = zip(("p50", "p95"), *(percentiles(kind.seconds) for kind in (ours, short, theirs)), strict=True)
    for name, own, floor, peer in waits:
        what = f"submit to file, one at a time, {name}"
        found.append(Measurement(what, own, "s", "lower", "", floor, FLOOR_IS, peer, PEER_IS))
    return found


def worker_figures(
    starts: Sequence[WorkerFigures], bare: Sequence[WorkerFigures], child_bytes: int, result_seconds: float
) -> list[Measurement]:
    """Medians of the starts; `child_bytes` and `result_seconds` are the textbook's."""
    seconds, floor_seconds = (median(each.first_token_seconds for each in kind) for kind in (starts, bare))
    held, floor_held = (median(each.resident_bytes for each in kind) / 1e6 for kind in (starts, bare))
    return [
        Measurement(
            "worker's start to first token", seconds, "s", "lower", "", floor_seconds, BARE_IS, result_seconds, RESULT_IS
        ),
        Measurement("worker's memory, one model", held, "MB", "lower", "", floor_held, BARE_IS, child_bytes / 1e6, CHILD_IS),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    options = read_options("service", __doc__, arguments)
    if options.update_card:
        options.stop("writes no card: its figures are the machine's, not the model's")
    measure(options)


if __name__ == "__main__":
    main()
