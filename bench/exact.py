"""What decoding in integers costs in nats, and that the same request draws the same tokens in every circumstance.

    python -m bench.exact --data DIR [--quick]

Loss: each checkpoint on its test split, by the network as it was trained (float32, PyTorch) and by the kernel's 8 bits, over
exactly the same targets. Floor: the kernel with weights of 4 bits, so that one sees what coarse costs.
Same tokens: one stream's alone, against its tokens in batches of 2 to 512, on two threads, parked and resumed, and on every
dispatch path that runs here (the others are run by tests/integration/test_native_paths.py, emulated); the figure is the share
of tokens that are equal, and anything below 100 % ends the program with an error.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.native_peer import music_model, token_model
from bench.options import DataSet, Options, read_options
from bench.peers.peer import LARGE
from bench.report import Measurement, show
from core.brief import Brief
from core.decoding import Drawing
from core.model import RecurrentModel
from core.music.vocabulary import END
from core.native.decoder import NativeDecoder, NativeStream
from core.native.library import usable_paths
from core.native.packing import LARGEST, Ranges
from core.packed import read_packed
from core.sampling_params import SamplingParams
from core.training.batches import Batch, Score
from core.training.buckets import Sequence as TokenSequence
from core.training.buckets import bucketed
from core.training.calibration import pack_model
from core.training.drums import DrumCorpus
from core.training.folk import FolkCorpus
from core.training.loop import evaluate
from core.training.music_batches import play
from core.training.shakespeare import TextCorpus, windows

CORPORA: dict[str, Any] = {"drums": DrumCorpus, "folk": FolkCorpus, "shakespeare": TextCorpus}
DATA = {
    "drums": DataSet("the Groove MIDI Dataset", "groove_midi", "*.zip"),
    "folk": DataSet("the folk tunes", "folk_tunes_abc", "*.zst"),
    "shakespeare": DataSet("Tiny Shakespeare", "tinyshakespeare", "input.txt"),
}
WINDOW, ROWS, CHUNK = 256, 48, 128
QUICK_SEQUENCES = 6
BATCHES, QUICK_BATCHES = (2, 3, 8, 32, 33, 128, 512), (2, 9)
STEPS = 64


def main(arguments: Sequence[str] | None = None) -> None:
    options = read_options("exact", __doc__, arguments)
    found = [loss(name, options) for name in DATA if (options.checkpoints / name).exists()]
    found += sameness(QUICK_BATCHES if options.quick else BATCHES)
    print()
    show("exact", None, found, options.quick)
    if any(measurement.unit == "% equal" and measurement.value < 100 for measurement in found):
        raise SystemExit("The tokens are not the same in every circumstance.")


# Loss -------------------------------------------------------------------------------------------------------------------


def loss(name: str, options: Options) -> Measurement:
    path, loaded = options.data(DATA[name]), options.load(name)
    corpus = CORPORA[name](path, {})
    sequences = list(scored(corpus))
    if options.quick:
        sequences = sequences[:QUICK_SEQUENCES]
    arrays = read_packed(options.checkpoints, loaded.card)
    coarse = pack_model(in_four_bits(loaded.model), ranges_of(arrays["scales"]))
    ending = name != "drums"
    ours, floor = (
        kernel_score(NativeDecoder(loaded.card, loaded.author, packed), sequences, ending) for packed in (arrays, coarse)
    )
    exact = evaluate(loaded.model, batches(corpus, sequences))
    change, coarse_change = (100 * (score.nats_per_unit / exact.nats_per_unit - 1) for score in (ours, floor))
    print(
        f"{name}: {exact.nats_per_unit:.5f} nats per token in float32, {ours.nats_per_unit:.5f} in 8 bits ({change:+.4f} %), "
        f"{floor.nats_per_unit:.5f} with weights of 4 bits; {exact.units:,} tokens of the test split"
    )
    what = f"{name}: loss by decoding in 8 bits"
    return Measurement(what, change, "%", "lower", "test", coarse_change, "with weights of 4 bits")


def scored(corpus: Any) -> Iterator[Any]:
    """The test split as its own bench scores it; Shakespeare in the windows that begin at the split's start."""
    if not isinstance(corpus, TextCorpus):
        yield from corpus.scored("test")
        return
    tokens = np.array(corpus.tokenizer.encode(corpus.test_text))
    for start in range(0, len(tokens) - WINDOW, WINDOW):
        yield TokenSequence(tokens[start : start + WINDOW + 1], np.ones(WINDOW + 1, np.float32))


def batches(corpus: Any, sequences: Sequence[TokenSequence]) -> Iterator[tuple[Batch, int]]:
    """The same targets for the network in PyTorch; the units are tokens."""
    if isinstance(corpus, TextCorpus):
        joined = np.concatenate([each.tokens[:-1] for each in sequences] + [sequences[-1].tokens[-1:]])
        yield from windows(joined, WINDOW, ROWS, (0,))
        return
    ordered = bucketed(list(sequences), ROWS, CHUNK, None)
    ending = not isinstance(corpus, DrumCorpus)
    for batch, _ in play(corpus.tokenizer.vocabulary, iter(ordered), ROWS, CHUNK, ending=ending):
        yield batch, int((batch.weights > 0).sum())


def ranges_of(scales: Any) -> Ranges:
    """What the packed scales were made from."""
    embedded, *layers, hidden = (LARGEST * float(scale) for scale in scales)
    return Ranges(embedded, tuple(layers), hidden)


def in_four_bits(model: RecurrentModel) -> RecurrentModel:
    """A copy whose matrices have 15 values in each row."""
    coarse = copy.deepcopy(model)
    for name, weight in coarse.named_parameters():
        if weight.dim() == 2 and name not in ("tables", "relative"):
            step = weight.abs().amax(dim=1, keepdim=True) / 7
            weight.data = (weight / step).round() * step
    return coarse


def kernel_score(decoder: NativeDecoder, sequences: Sequence[TokenSequence], ending: bool) -> Score:
    """Nats per counted token by the kernel's own reading; without `ending` the end is never offered."""
    wanted = np.ones((1, decoder.architecture.vocabulary), bool)
    wanted[0, END] = ending
    nats, count = 0.0, 0
    ordered = sorted(sequences, key=lambda each: len(each.tokens))
    for first in range(0, len(ordered), ROWS):
        group = ordered[first : first + ROWS]
        streams = []
        for each in group:
            stream = decoder.begin(SimpleNamespace(prefix=each.tokens.tolist(), bars_total=0, bar_ticks=0))  # type: ignore[arg-type]
            if not ending:
                stream.sample(Drawing(SamplingParams(seed=0), 1, 1, wanted))
            streams.append(stream)
        costs = decoder.nats(streams, len(group[-1].tokens) - 1)
        for row, each in enumerate(group):
            counted = each.weights[1:] > 0
            nats += float(costs[: len(counted), row][counted].sum(dtype=np.float64))
            count += int(counted.sum())
    return Score(nats, count)


# Same tokens ------------------------------------------------------------------------------------------------------------


def sameness(widths: Sequence[int]) -> list[Measurement]:
    """Of two 3x512 networks, one fed by a token and one by 31 features."""
    return [equal_share(name, make, widths) for name, make in (("a token", token_model), ("31 features", music_model))]


def equal_share(name: str, make: Any, widths: Sequence[int]) -> Measurement:
    decoder = make(LARGE)
    most = max(widths)
    alone = [decoder.advance([stream_of(decoder, seed)], STEPS)[0] for seed in range(min(most, 40))]
    equal = compared = 0

    def compare(rows: Any, seeds: Sequence[int]) -> None:
        nonlocal equal, compared
        for tokens, seed in zip(rows, seeds, strict=True):
            if seed < len(alone):
                equal += int((tokens == alone[seed]).sum())
                compared += STEPS

    for width in widths:
        for order in (list(range(width)), list(reversed(range(width)))):  # in any slot
            compare(decoder.advance([stream_of(decoder, seed) for seed in order], STEPS), order)
    for path in usable_paths():
        for threads in (1, 2):
            other = make(LARGE, path)
            other.threads = threads
            compare(other.advance([stream_of(other, seed) for seed in range(5)], STEPS), range(5))
    compare(parked(decoder, 12), range(12))
    share = 100 * equal / compared
    print(f"3x512 fed by {name}: {equal:,} of {compared:,} tokens equal ({', '.join(usable_paths())})")
    return Measurement(f"3x512 fed by {name}: same tokens in any circumstance", share, "% equal", "higher")


def parked(decoder: NativeDecoder, count: int) -> Any:
    """Streams that take part in every other call, in changing company."""
    streams = [stream_of(decoder, seed) for seed in range(count)]
    rows: list[list[int]] = [[] for _ in streams]
    for call in range(2 * STEPS // 8):
        present = [seed for seed in range(count) if (seed + call) % 2]
        for seed, tokens in zip(present, decoder.advance([streams[seed] for seed in present], 8).tolist(), strict=True):
            rows[seed] += tokens
    return np.array(rows)


def stream_of(decoder: NativeDecoder, seed: int) -> NativeStream:
    plan = decoder.author.plan(Brief(SamplingParams(seed=seed), bars=64, words=1000))
    stream = decoder.begin(plan)
    stream.sample(Drawing(SamplingParams(seed=seed, top_p=0.95), 1, 1, plan.wanted))
    return stream


if __name__ == "__main__":
    main()
