"""A table of fixed width in which streams of one model step side by side, and the step itself: a CUDA graph on a GPU.

A graph replays what was done once, on the same memory: so every array that a step reads or writes stays where it is, and the
host writes into it between two runs (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs). On a CPU the very same
function is called directly.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.brief import Author, Context, Ints
from core.quantised import QuantisedNetwork, State
from core.sampling import RECENT_TOKENS, Knobs, draw, seen, weigh
from core.sampling_params import SamplingParams

WARM_UPS = 3  # before a capture, as PyTorch's documentation has it


class Replay:
    """A function of arrays that stay in place, made ready to be run again and again. Making it may run the function."""

    def __init__(self, function: Callable[[], None], device: torch.device) -> None:
        self.run: Callable[[], None] = self._captured(function) if device.type == "cuda" else function

    @staticmethod
    def _captured(function: Callable[[], None]) -> Callable[[], None]:
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                function()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            function()
        return graph.replay


def host_memory(tensor: torch.Tensor) -> torch.Tensor:
    """Where the host writes what this tensor is to hold: pinned memory beside a GPU's, on a CPU the tensor itself."""
    return torch.zeros(tensor.shape, dtype=tensor.dtype, pin_memory=True) if tensor.is_cuda else tensor


class Mirrored:
    """One array on both sides: `host` for numpy, `device` for the step."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        self.device = torch.zeros(shape, dtype=dtype, device=device)
        self._host = host_memory(self.device)
        self.host: NDArray[Any] = self._host.numpy()

    def upload(self) -> None:
        if self._host is not self.device:
            self.device.copy_(self._host, non_blocking=True)

    def download(self) -> None:
        """Waits until everything that was asked of the device is done."""
        if self._host is not self.device:
            self._host.copy_(self.device)


@dataclass
class Parked:
    """What a stream carries along while it sits in no slot: a context of one row, and (layers, 1, hidden) of each state."""

    context: Context
    hidden: torch.Tensor
    cell: torch.Tensor

    def copy(self, author: Author) -> Parked:
        context = author.context(1)
        context.copy_row(0, self.context, 0)
        return Parked(context, self.hidden, self.cell)  # nobody writes into these two


@dataclass(eq=False)
class Slots:
    """`width` slots of one network. `longest`: so many places are run at once where the network feeds itself."""

    network: QuantisedNetwork
    author: Author
    width: int
    longest: int = 1

    def __post_init__(self) -> None:
        a, device, width = self.network.architecture, self.network.device, self.width
        self.context = self.author.context(width)
        self.seats: list[weakref.ref[Any] | None] = [None] * width  # whose slot it is, as long as anybody remembers them
        self.wanted = np.zeros((width, a.vocabulary), bool)  # by each slot's stream, of its next token
        self._state: State = self.network.empty_state(width)
        self._features = Mirrored((width, len(a.features)), torch.int64, device)
        self._references = Mirrored((width, a.references), torch.int64, device)
        self._allowed = Mirrored((width, a.vocabulary), torch.bool, device)
        self.forced = Mirrored((self.longest, width), torch.int64, device)  # the token that is read there; −1: one is drawn
        self.uniforms = Mirrored((self.longest, width), torch.float64, device)
        self._tokens = Mirrored((self.longest, width), torch.int64, device)
        self._recent = Mirrored((width, RECENT_TOKENS), torch.int64, device)
        floats = [Mirrored((width, 1), torch.float32, device) for _ in range(3)]
        self._temperature, self._top_p, self._penalty = floats
        self._top_k = Mirrored((width, 1), torch.int64, device)
        self._knobs = Knobs(self._temperature.device, self._top_k.device, self._top_p.device, self._penalty.device)
        self._steps = {
            (block, draws): Replay(partial(self._places, block, draws), device)
            for block in {1, self.longest}
            for draws in (False, True)
        }

    def tune(self, slot: int, sampling: SamplingParams, recent: Sequence[int]) -> None:
        """How the slot draws, and what it has drawn of late. Then `upload_knobs`, for which every slot in use must be tuned."""
        self._temperature.host[slot], self._top_p.host[slot] = sampling.temperature, sampling.top_p
        self._penalty.host[slot], self._top_k.host[slot] = sampling.repetition_penalty, sampling.top_k
        self._recent.host[slot] = self.wanted.shape[1]  # none
        self._recent.host[slot, RECENT_TOKENS - len(recent) :] = recent

    def upload_knobs(self) -> None:
        for array in (self._recent, self._temperature, self._top_k, self._top_p, self._penalty):
            array.upload()

    def seat(self, comers: Sequence[tuple[int, Parked]]) -> None:
        """Take in who is parked, each in its slot."""
        if not comers:
            return
        slots, parked = zip(*comers, strict=True)
        for slot, one in zip(slots, parked, strict=True):
            self.context.copy_row(slot, one.context, 0)
        places = torch.tensor(slots, device=self.network.device)
        for whole, parts in zip(self._state, ([p.hidden for p in parked], [p.cell for p in parked]), strict=True):
            whole[:, places] = torch.cat(parts, dim=1)

    def park(self, slot: int, parked: Parked) -> None:
        """Put out who sits in the slot."""
        parked.context.copy_row(0, self.context, slot)
        parked.hidden, parked.cell = (whole[:, slot : slot + 1].clone() for whole in self._state)
        self.empty(slot)

    def empty(self, slot: int) -> None:
        """Nobody is in the slot any more."""
        self.context.rest(slot)
        self.wanted[slot] = False
        self.seats[slot] = None

    def run(self, block: int, draws: bool) -> Ints:
        """Step `block` places of every slot, as `forced` and `uniforms` say: (block, width), the tokens read and drawn.

        −1 where there was nothing to draw from. The context stays where it is: `read` moves it on. The result holds until the
        next run.
        """
        features, references, allowed = self.context.inputs()
        self._features.host[:], self._references.host[:] = features, references
        np.logical_and(allowed, self.wanted, out=self._allowed.host)
        for array in (self._features, self._references, self._allowed, self.forced, self.uniforms):
            array.upload()
        self._steps[block, draws].run()
        self._tokens.download()
        return self._tokens.host[:block]

    def read(self, tokens: Ints) -> None:
        """Let the context read what `run` gave. An empty slot may be given anything that is a token."""
        for place in np.maximum(tokens, 0):
            self.context.advance(place)

    def _places(self, block: int, draws: bool) -> None:
        """The step, `block` times. Reads and writes only what stays in place, and never waits for the host."""
        features, references, recent = self._features.device, self._references.device, self._recent.device
        for place in range(block):
            read, state = self.network.recur(features, self._state)
            for whole, now in zip(self._state, state, strict=True):
                whole.copy_(now)
            token = self.forced.device[place]
            if draws:
                logits = self.network.read_out(features, references, read)
                weights = weigh(logits, self._allowed.device, seen(recent, logits.shape[1]), self._knobs)
                drawn = draw(weights, self.uniforms.device[place])
                noted = torch.cat([recent[:, 1:], drawn.clamp_min(0)[:, None]], dim=1)
                recent.copy_(torch.where(token[:, None] < 0, noted, recent))
                token = torch.where(token < 0, drawn, token)
            self._tokens.device[place].copy_(token)
            features[:, 0].copy_(token.clamp_min(0))  # for the next place, where the token is all that the network sees
