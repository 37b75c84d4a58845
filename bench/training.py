"""How fast the networks train: tokens a second, against the textbook's nn.LSTM in float32, and the places wasted on padding.

One process and two of each side, in turns; ratios are medians over the rounds. Peer: embedding, nn.LSTM and linear head in
float32 with AdamW, DistributedDataParallel for two. Floor of the speed: the same without recurrence; of the padding: a row
that idles from the end of its sequence to the end of its chunk, and the sequences in random order. With --data, the padding
of the music corpora is measured too.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from statistics import median

import torch

from bench import drums, folk
from bench.options import Options, read_options
from bench.report import Measurement, show, table
from bench.training_sides import VOCABULARY, Shape, started
from core.training.buckets import Sequence as TokenSequence
from core.training.buckets import lay_out, wasted
from core.training.drums import DrumCorpus
from core.training.folk import FolkCorpus
from core.training.precision import fastest_precision
from core.training.recipes import RECIPES

SHAPES = (Shape("3×512", 512, 512, 3, rows=64, chunk=128), Shape("2×256", 128, 256, 2, rows=64, chunk=128))
QUICK_ROWS, QUICK_CHUNK = 16, 32
ROUNDS, QUICK_ROUNDS = 5, 2
SIDES = (("ours", 1), ("textbook", 1), ("ours", 2), ("textbook", 2), ("floor", 2))
TURN_SECONDS = 1.0
"""A side's turn: as many updates as take it about so long, and one at least."""
PEER_IS = "embedding, nn.LSTM and linear head in float32, as many processes (DistributedDataParallel for two)"
FLOOR_IS = "the textbook's two processes without the nn.LSTM: an embedding and a linear head"
PADDING_FLOOR_IS = "each row idles from the end of its sequence to the end of its chunk"
MATRIX = 2048
CHUNKS = 400

Speeds = dict[tuple[str, int], list[float]]
"""By side and number of processes: tokens a second, by round."""


def race(shapes: Sequence[Shape], rounds: int) -> dict[Shape, Speeds]:
    with ExitStack() as running:
        sides = [running.enter_context(started(name, size)) for name, size in SIDES]
        found: dict[Shape, Speeds] = {}
        for shape in shapes:
            first = [side.speed(shape, 1) for side in sides]  # makes the network, the memory, oneDNN's kernels
            turns = [
                max(1, round(TURN_SECONDS * speed / (side.size * shape.tokens)))
                for side, speed in zip(sides, first, strict=True)
            ]
            speeds: Speeds = {place: [] for place in SIDES}
            for _ in range(rounds):
                for side, turn in zip(sides, turns, strict=True):
                    speeds[side.name, side.size].append(side.speed(shape, turn))
            found[shape] = speeds
    return found


def against(speeds: Speeds, size: int) -> float:
    """Ours to the textbook's: the median of the rounds' ratios."""
    return median(mine / theirs for mine, theirs in zip(speeds["ours", size], speeds["textbook", size], strict=True))


def speed_figures(shape: Shape, speeds: Speeds) -> list[Measurement]:
    found = []
    for size, how in ((1, "one process"), (2, "two processes")):
        here, peer = median(speeds["ours", size]), median(speeds["textbook", size])
        floor = median(speeds["floor", size]) if size == 2 else None
        what = f"training speed, {shape.name}, {how}"
        found += [
            Measurement(what, here, "tokens/s", "higher", "", floor, FLOOR_IS if floor else None, peer, PEER_IS),
            Measurement(f"{what}, to the peer's", against(speeds, size), "×", "higher", peer=1.0, peer_is=PEER_IS),
        ]
    return found


def operations(shape: Shape, head_inputs: int) -> int:
    """Floating-point operations of a token's update: two for each weight of a matrix forward, four backward."""
    widths = [shape.embedding] + [shape.hidden] * (shape.layers - 1)
    return 6 * (sum(4 * shape.hidden * (width + shape.hidden) for width in widths) + head_inputs * VOCABULARY)


def matrix_peak(dtype: torch.dtype) -> float:
    """Operations a second of this thread in a large matrix product, the best of several."""
    x = torch.randn(MATRIX, MATRIX).to(dtype)
    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        x @ x
        seconds.append(time.perf_counter() - began)
    return 2.0 * MATRIX**3 / min(seconds)


def arithmetic(found: dict[Shape, Speeds], peaks: dict[torch.dtype, float]) -> str:
    """Each side's operations a second, beside `peaks`: what one core does in a matrix product of that type."""
    named = ", ".join(f"{peak / 1e9:.0f} GFLOP/s in {str(kind).removeprefix('torch.')}" for kind, peak in peaks.items())
    rows = []
    for shape, speeds in found.items():
        for (name, size), by_round in speeds.items():
            if name != "floor":
                ours = name == "ours"
                each = operations(shape, shape.hidden + shape.embedding * ours) * median(by_round) / size
                share = 100 * each / peaks[ours_dtype() if ours else torch.float32]
                rows.append((shape.name, name, str(size), median(by_round), each / 1e9, share))
    heads = ["network", "side", "processes", "tokens/s", "GFLOP/s each", "% of the peak"]
    return f"{table(heads, rows)}\none core's product of {MATRIX}×{MATRIX} matrices: {named}"


def ours_dtype() -> torch.dtype:
    return fastest_precision(torch.device("cpu")).dtype


def padding(name: str, sequences: Iterator[TokenSequence]) -> Measurement:
    """Of the recipe's batches, the share of places that are computed in vain."""
    recipe = RECIPES[name]
    taken: list[TokenSequence] = []

    def noted() -> Iterator[TokenSequence]:
        for sequence in sequences:
            taken.append(sequence)
            yield sequence

    share = wasted(itertools.islice(lay_out(noted(), recipe.rows, recipe.chunk), CHUNKS))
    idle = [-sequence.places % recipe.chunk for sequence in taken]
    before = sum(idle) / (sum(idle) + sum(sequence.places for sequence in taken))
    return Measurement(f"places wasted, {name}", 100 * share, "%", "lower", "train", 100 * before, PADDING_FLOOR_IS)


def paddings(options: Options) -> list[Measurement]:
    if options.given is None:
        print("padding: not measured without --data\n")
        return []
    found = []
    for name, corpus in (
        ("folk", FolkCorpus(options.data(folk.DATA), {})),
        ("drums", DrumCorpus(options.data(drums.DATA), {})),
    ):
        recipe = RECIPES[name]
        found.append(padding(name, corpus.sequences(recipe.rows, recipe.chunk, recipe.seed)))
    return found


def measure(options: Options) -> list[Measurement]:
    shapes = [replace(shape, rows=QUICK_ROWS, chunk=QUICK_CHUNK) for shape in SHAPES] if options.quick else SHAPES
    print(f"ours trains in {fastest_precision(torch.device('cpu'))}\n")
    kinds = {torch.float32, ours_dtype()}
    before = {kind: matrix_peak(kind) for kind in kinds}
    found = race(shapes, QUICK_ROUNDS if options.quick else ROUNDS)
    peaks = {kind: max(before[kind], matrix_peak(kind)) for kind in kinds}  # of a machine that others may use too
    print(arithmetic(found, peaks))
    for shape in shapes:
        print(f"{shape.name}: {shape.rows} rows × {shape.chunk} tokens in each process, {VOCABULARY} tokens to choose from")
    print()
    figures = [figure for shape, speeds in found.items() for figure in speed_figures(shape, speeds)] + paddings(options)
    show("training", None, figures, options.quick)
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    options = read_options("training", __doc__, arguments)
    if options.update_card:
        options.stop("writes no card: its figures are the machine's, not a model's")
    measure(options)


if __name__ == "__main__":
    main()
