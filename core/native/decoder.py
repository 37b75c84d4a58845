"""The decoder that runs on the C++ kernel: weights, contexts and samplers live there, Python only says who takes part."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.architecture import Architecture
from core.brief import Author, Bools, Ints, Plan
from core.catalog import Card
from core.decoding import Drawing
from core.native.contexts import ContextOf
from core.native.library import SamplingSpec, best_path, load
from core.native.networks import NetworkOf
from core.native.packing import Arrays

NUMERICS = "int8-1"


class NativeStream:
    """Keeps the Stream contract; owns one sequence of the kernel."""

    def __init__(self, decoder: NativeDecoder, handle: int) -> None:
        self._decoder, self.handle = decoder, handle

    def __del__(self) -> None:
        self._decoder.kernel.ritornello_sequence_free(self.handle)

    @property
    def unread(self) -> int:
        return int(self._decoder.kernel.ritornello_unread(self.handle))

    @property
    def size_bytes(self) -> int:
        return int(self._decoder.kernel.ritornello_sequence_bytes(self.handle))

    def copy(self) -> NativeStream:
        return NativeStream(self._decoder, self._decoder.kernel.ritornello_copy(self.handle))

    def read(self, tokens: Sequence[int]) -> None:
        """Read these before drawing on."""
        array = np.asarray(tokens, np.int32)
        self._decoder.kernel.ritornello_read(self.handle, array.ctypes.data, len(array))

    def sample(self, drawing: Drawing) -> None:
        wanted = np.ascontiguousarray(drawing.wanted, np.uint8)
        spec = sampling_spec(drawing, wanted)
        self._decoder.kernel.ritornello_sample(self.handle, spec)


def sampling_spec(drawing: Drawing, wanted: NDArray[np.uint8]) -> SamplingSpec:
    """`wanted` must outlive the call that takes the specification, which copies it."""
    params = drawing.sampling
    assert params.seed is not None
    return SamplingSpec(
        temperature=params.temperature,
        top_p=params.top_p,
        repetition_penalty=params.repetition_penalty,
        top_k=params.top_k,
        key=(params.seed, (drawing.variation << 32) | drawing.take),
        wanted=wanted.ctypes.data,
        wanted_rows=len(wanted),
    )


class NativeDecoder:
    """Keeps the Decoder contract. `kernel` is a loaded library (default: the fastest here); `threads` share each step.

    One thread a worker is the default: two that wait for each other on a shared core are slower than one.

    Raises KernelUnavailable when the kernel was not built.
    """

    numerics = NUMERICS

    def __init__(
        self, card: Card, author: Author, arrays: Arrays, kernel: ctypes.CDLL | None = None, threads: int = 1
    ) -> None:
        self.card, self.author, self.threads = card, author, threads
        self.architecture = Architecture.from_json(card.architecture)
        self.kernel = kernel or load(best_path())
        network, context = NetworkOf(self.architecture, arrays), ContextOf(author, self.architecture)
        self._model = self.kernel.ritornello_model(network.spec, context.spec)
        self.size_bytes = int(self.kernel.ritornello_model_bytes(self._model))

    def __del__(self) -> None:
        if hasattr(self, "_model"):
            self.kernel.ritornello_model_free(self._model)

    @property
    def path(self) -> str:
        """The dispatch path in use."""
        return str(self.kernel.ritornello_path().decode())

    def begin(self, plan: Plan) -> NativeStream:
        handle = self.kernel.ritornello_sequence(self._model, plan.prefix[0], plan.bars_total, plan.bar_ticks)
        stream = NativeStream(self, handle)
        stream.read(plan.prefix[1:])
        return stream

    def advance(self, streams: Sequence[NativeStream], steps: int) -> Ints:
        tokens = np.empty((len(streams), steps), np.int32)
        self._advance(streams, steps, tokens)
        return tokens.astype(np.int64)

    def nats(self, streams: Sequence[NativeStream], steps: int) -> NDArray[np.float32]:
        """What each token that is read costs among those allowed at its place: (steps, streams); nothing may be drawn."""
        nats = np.zeros((steps, len(streams)), np.float32)
        self._advance(streams, steps, np.empty((len(streams), steps), np.int32), nats=nats)
        return nats

    def logits(self, streams: Sequence[NativeStream], steps: int) -> NDArray[np.float32]:
        """As advance, but returns the network's logits at every place: (steps, streams, vocabulary)."""
        logits = np.empty((steps, len(streams), self.architecture.vocabulary), np.float32)
        self._advance(streams, steps, np.empty((len(streams), steps), np.int32), logits=logits)
        return logits

    def look(self, streams: Sequence[NativeStream]) -> tuple[Ints, Bools]:
        """What each stream sees at its place: features and references (streams, n + r), allowed (streams, vocabulary)."""
        a = self.architecture
        seen = np.empty((len(streams), len(a.features) + a.references), np.int32)
        allowed = np.empty((len(streams), a.vocabulary), np.uint8)
        handles = self._handles(streams)
        self.kernel.ritornello_look(self._model, handles, len(streams), seen.ctypes.data, allowed.ctypes.data)
        return seen.astype(np.int64), allowed.astype(bool)

    def _advance(
        self,
        streams: Sequence[NativeStream],
        steps: int,
        tokens: NDArray[np.int32],
        nats: NDArray[np.float32] | None = None,
        logits: NDArray[np.float32] | None = None,
    ) -> None:
        self.kernel.ritornello_advance(
            self._model,
            self._handles(streams),
            len(streams),
            steps,
            self.threads,
            tokens.ctypes.data,
            None if nats is None else nats.ctypes.data,
            None if logits is None else logits.ctypes.data,
        )

    @staticmethod
    def _handles(streams: Sequence[NativeStream]) -> Any:
        return (ctypes.c_void_p * len(streams))(*(stream.handle for stream in streams))
