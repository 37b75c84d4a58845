"""Our decoder as a peer of the others: the same sizes, random weights, its own next tokens; and one fed like a music model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bench.peers.peer import Sizes
from core.architecture import Architecture
from core.authors import AUTHORS
from core.brief import Brief
from core.catalog import Card
from core.decoding import Drawing
from core.music.context import MusicContext
from core.native.decoder import NativeDecoder
from core.native.library import load, usable_paths
from core.native.packing import Arrays, Ranges, pack
from core.sampling_params import SamplingParams
from core.training import folk

TOP_P = 0.95
FEATURES_LAGS = (6, 12, 18, 24, 36)  # with these the folk vocabulary's context has 31 features
WIDE_EMBEDDING, HEAD = 256, 256
STREAM_WORDS = 5000  # a text that does not end while it is measured


class Native:
    """`streams` sequences of one model; `path` names a dispatch path (default: the fastest)."""

    def __init__(self, decoder: NativeDecoder, streams: int) -> None:
        self.name, self.streams, self.decoder = f"ours, int8, {decoder.path}", streams, decoder
        self._seed = 0
        self._seat()

    def _seat(self) -> None:
        brief = Brief(SamplingParams(seed=1), words=STREAM_WORDS, bars=128)
        self._plan = self.decoder.author.plan(brief)
        self._taking_part = []
        for _ in range(self.streams):
            self._seed += 1
            stream = self.decoder.begin(self._plan)
            stream.sample(Drawing(SamplingParams(seed=self._seed, top_p=TOP_P), 1, 1, self._plan.wanted))
            self._taking_part.append(stream)

    def run(self, steps: int) -> None:
        """Streams that have ended (a piece has its bars) begin anew."""
        if self.decoder.advance(self._taking_part, steps)[:, -1].min() < 0:
            self._seat()


def token_model(sizes: Sizes, path: str | None = None, seed: int = 1) -> NativeDecoder:
    """Embedding → LSTM layers → linear head, as the peers."""
    alphabet = "\n" + "".join(chr(0x100 + letter) for letter in range(sizes.vocabulary - 2))
    return _decoder(
        {"kind": "characters", "alphabet": alphabet},
        Architecture(sizes.vocabulary, (sizes.vocabulary,), sizes.hidden, sizes.hidden, sizes.layers),
        path,
        seed,
    )


def music_model(sizes: Sizes, path: str | None = None, seed: int = 1) -> NativeDecoder:
    """As large, with 31 input features, a hidden layer in the head, relative tables, and the grammar's mask."""
    vocabulary = replace(folk.VOCABULARY, lags=FEATURES_LAGS)
    context = MusicContext(vocabulary, 1)
    features = context.feature_sizes()
    assert len(features) == 31
    architecture = Architecture(
        vocabulary.size, features, WIDE_EMBEDDING, sizes.hidden, sizes.layers, True, HEAD, context.reference_count(),
        (vocabulary.first_pitch, len(vocabulary.pitches)),
    )  # fmt: skip
    return _decoder(vocabulary.config(), architecture, path, seed)


def _decoder(tokenizer: dict[str, Any], a: Architecture, path: str | None, seed: int) -> NativeDecoder:
    card = Card.model_construct(name="random", architecture=a.to_json(), tokenizer=tokenizer)
    author = AUTHORS[tokenizer["kind"]](tokenizer)
    arrays = pack(random_weights(a, seed), a, Ranges(4.0, (1.0, *[2.0] * (a.layers - 1)), 4.0))
    return NativeDecoder(card, author, arrays, load(path or usable_paths()[-1]))


def random_weights(a: Architecture, seed: int) -> Arrays:
    """As PyTorch draws them at the start, by a RecurrentModel's names."""
    random = np.random.default_rng(seed)

    def uniform(reach: float, *shape: int) -> Any:
        return random.uniform(-reach, reach, shape).astype(np.float32)

    weights: Arrays = {"tables": random.normal(0, 0.1, (a.feature_starts[-1], a.embedding)).astype(np.float32)}
    for depth in range(a.layers):
        width, reach = a.hidden if depth else a.embedding, a.hidden**-0.5
        weights[f"lstm.{depth}.weight_ih_l0"] = uniform(reach, 4 * a.hidden, width)
        weights[f"lstm.{depth}.weight_hh_l0"] = uniform(reach, 4 * a.hidden, a.hidden)
        weights[f"lstm.{depth}.bias_ih_l0"] = uniform(reach, 4 * a.hidden)
        weights[f"lstm.{depth}.bias_hh_l0"] = uniform(reach, 4 * a.hidden)
    top = a.hidden + a.embedding
    if a.head:
        weights["head_hidden.weight"], weights["head_hidden.bias"] = uniform(top**-0.5, a.head, top), uniform(0.1, a.head)
    weights["head.weight"] = uniform((a.head or top) ** -0.5, a.vocabulary, a.head or top)
    weights["head.bias"] = uniform(0.1, a.vocabulary)
    weights["relative"] = uniform(0.1, a.references, max(0, 2 * a.pitch_tokens[1] - 1))
    return weights


def weight_bytes(decoder: NativeDecoder) -> int:
    """The 8-bit weights that a step of a lone stream reads: layers and head, not the tables, of which it reads single rows."""
    a = decoder.architecture
    folded = len(a.features) == 1
    layers = sum(4 * a.hidden * (a.hidden + (a.hidden if depth else 0 if folded else a.embedding)) for depth in range(a.layers))
    top = a.hidden + (0 if folded else a.embedding)
    return layers + (a.head * top + a.vocabulary * a.head if a.head else a.vocabulary * top)
