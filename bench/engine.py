"""How fast tokens are drawn: our kernel and engine beside what is usually written, in one process, on one core.

    python -m bench.engine [--quick]

Peers (bench/peers): the naive loop (nn.LSTM called with length 1, sorted nucleus, multinomial), LSTMCell, and a decoder-only
transformer of equal size with a KV cache. All have random weights and draw with temperature 1 and top_p 0.95; they take turns
in every round, and a figure is the median of the rounds' ratios. Floor: what no network takes, a draw from given logits.
The roofline says what the weights' bytes and the multiply-adds alone would take on this core.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch

from bench.native_peer import Native, music_model, token_model, weight_bytes
from bench.options import read_options
from bench.peers.cell import Cell
from bench.peers.naive import Naive
from bench.peers.peer import LARGE, SMALL, Peer, Sizes, race
from bench.peers.sampling import draw_usual
from bench.peers.transformer import faster_transformer
from bench.report import Measurement, show, table
from bench.roofline import Roofline, compiled, measure, read_speed
from bench.whole_engine import jobs_through_the_engine
from core.native.decoder import NativeDecoder

NAIVE_IS = "the naive loop: nn.LSTM called with length 1, sorted nucleus, multinomial"
FLOOR_IS = "tokens/s of the sorted nucleus and multinomial alone, on given logits"
SECONDS, QUICK_SECONDS = 8.0, 1.5
JOBS = 128


def main(arguments: Sequence[str] | None = None) -> None:
    options = read_options("engine", __doc__, arguments)
    seconds = QUICK_SECONDS if options.quick else SECONDS
    with torch.inference_mode():
        roofline = measure()
        if roofline:
            print(f"{roofline}\n")
        found = [*against_naive(LARGE, (1, 32, 128), seconds, roofline), *against_naive(SMALL, (1,), seconds, roofline)]
        found += music_share(seconds)
        found += against_transformer((1000,) if options.quick else (1000, 4000), seconds)
        found.append(whole_engine(8 if options.quick else JOBS, seconds))
    print()
    show("engine", None, found, options.quick)


def against_naive(sizes: Sizes, widths: Sequence[int], seconds: float, roofline: Roofline | None) -> list[Measurement]:
    """Ours against the naive loop (and LSTMCell, for the table) at each number of streams."""
    found, rows = [], []
    decoder = token_model(sizes)
    for streams in widths:
        peers: list[Peer] = [Native(decoder, streams), Naive(sizes, streams), Cell(sizes, streams)]
        ours, naive, cell = race(peers, seconds)
        speed, ratio = median(ours), ratio_of(ours, naive)
        rows.append([f"{sizes}", str(streams), speed, median(naive), median(cell), ratio, ratio_of(ours, cell)])
        what = f"{sizes}, {streams} stream{'s' if streams > 1 else ''}"
        floor = draws_alone(sizes, streams)
        seen = Measurement(f"{what}: tokens a second", speed, "tokens/s", "higher", "", floor, FLOOR_IS, median(naive), NAIVE_IS)
        found.append(seen)
        found.append(Measurement(f"{what}: times the naive loop", ratio, "×", "higher"))
        if roofline:
            print(bound(decoder, streams, speed, roofline))
        if roofline and streams == 1:
            read = bytes_a_second(weight_bytes(decoder))
            share = 100 * weight_bytes(decoder) * speed / read
            found.append(Measurement(f"{what}: share of the measured bandwidth for so many bytes", share, "%", "higher"))
    print(table(["network", "streams", "ours, tokens/s", "naive", "LSTMCell", "× naive", "× LSTMCell"], rows))
    return found


def music_share(seconds: float) -> list[Measurement]:
    """A model with 31 features, a hidden head layer, relative tables and a mask against the plain one of its size."""
    plain, music = token_model(Sizes(LARGE.layers, LARGE.hidden, 160)), music_model(LARGE)
    found = []
    for streams in (1, 128):
        of_music, of_plain = race([Native(music, streams), Native(plain, streams)], seconds)
        share = 100 * ratio_of(of_music, of_plain)
        what = f"31 features, hidden head, relative tables, mask; {streams} streams: share of the plain kernel's speed"
        found.append(Measurement(what, share, "%", "higher", peer=100.0, peer_is="the plain kernel at that size"))
    return found


def against_transformer(positions: Sequence[int], seconds: float) -> list[Measurement]:
    found = []
    ours = token_model(LARGE)
    for position in positions:
        peer = faster_transformer(LARGE, 32, position)
        mine, its = race([Native(ours, 32), peer], seconds)
        what = f"3x512, 32 streams at position {position:,}: times a transformer of equal size"
        its_speed = f"its tokens/s ({peer.name})"
        found.append(Measurement(what, ratio_of(mine, its), "×", "higher", peer=median(its), peer_is=its_speed))
        print(f"{peer.name}: {median(its):,.0f} tokens/s, {peer.state_bytes / 1e6:.1f} MB a stream; ours {median(mine):,.0f}")
    return found


def whole_engine(jobs: int, seconds: float) -> Measurement:
    """So many jobs through the engine, store and all, against one naive job after another."""
    engine_speed = median(jobs_through_the_engine(token_model(LARGE), jobs) for _ in range(3))
    naive = median(race([Naive(LARGE, 1)], seconds)[0])
    print(f"{jobs} jobs through the engine: {engine_speed:,.0f} tokens/s; one naive job after another {naive:,.0f}")
    what = f"{jobs} jobs through the engine: times one naive job after another"
    return Measurement(what, engine_speed / naive, "×", "higher", peer=naive, peer_is="tokens/s of one naive job")


def ratio_of(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return median(one / other for one, other in zip(ours, theirs, strict=True))


def draws_alone(sizes: Sizes, streams: int, count: int = 50) -> float:
    """Tokens a second of the usual sampler on given logits."""
    logits = torch.randn(streams, sizes.vocabulary)
    start = time.perf_counter()
    for _ in range(count):
        draw_usual(logits)
    return streams * count / (time.perf_counter() - start)


def bound(decoder: NativeDecoder, streams: int, speed: float, roofline: Roofline) -> str:
    """The step's time beside the least that its bytes and its multiply-adds would take."""
    size = weight_bytes(decoder)
    least = roofline.least_step_seconds(size, size, streams)
    home = roofline.home(size)
    return (
        f"{size / 1e6:.2f} MB of weights ({home.name}), {size * streams / 1e6:.1f} M multiply-adds a step; a step of {streams} "
        f"takes {1e6 * streams / speed:,.0f} µs, at least {1e6 * least:,.0f}; {size * speed / streams / 1e9:.1f} GB/s, "
        f"{size * speed / 1e9:.1f} G multiply-adds/s"
    )


def bytes_a_second(size: int) -> float:
    """Of reading a buffer of that size again and again."""
    with tempfile.TemporaryDirectory() as folder:
        library = compiled(Path(folder))
        assert library is not None
        return read_speed(library, size)


if __name__ == "__main__":
    main()
