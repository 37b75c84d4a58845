"""The decoder that runs on PyTorch: on a GPU, and on a CPU for which the kernel was not built.

Streams sit in slots of a table of fixed width (core/slots.py), of several widths the smallest that holds those of a call; who is
not in the call is parked. Neither width, slot nor company changes a token.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from core.architecture import Architecture
from core.brief import Author, Bools, Ints, Plan
from core.catalog import Card
from core.decoding import Drawing
from core.native.packing import Arrays
from core.quantised import QuantisedNetwork
from core.sampling import RECENT_TOKENS, uniforms
from core.slots import Parked, Slots
from core.text.writer import Writer

NUMERICS = {"cpu": "torch-cpu-2", "cuda": "cuda-2"}
WIDTHS = {"cpu": (1, 8, 32, 128), "cuda": (32, 128, 512, 1024)}
"""Of the tables; a GPU needs as long for 1 row as for 32."""
PLACES_AT_ONCE = 16
"""Of a model that sees nothing but the last token: so many without a word from the host."""
NUMBERS_AHEAD = 256
FOR_EVER = 1 << 30


class TorchStream:
    """Keeps the Stream contract. It is parked, or sits in a slot; `parked` is out of date while it sits."""

    def __init__(self, author: Author, parked: Parked, unread: Iterable[int]) -> None:
        self._author, self.parked = author, parked
        self.seat: tuple[Slots, int] | None = None
        self.tuned = False  # its slot knows how it draws
        self._waiting = deque(unread)
        self._drawing: Drawing | None = None
        self._drawn = 0
        self._recent: deque[int] = deque(maxlen=RECENT_TOKENS)
        self._numbers, self._first_number = np.empty(0), 0

    @property
    def unread(self) -> int:
        return len(self._waiting)

    @property
    def resting(self) -> bool:
        """It has nothing to read, and was not told how to draw."""
        return not self._waiting and self._drawing is None

    @property
    def sure_places(self) -> int:
        """So many places it goes on for certain, whatever is drawn, wanting the same of each."""
        if self._drawing is None:
            return self.unread
        settled = self._drawn + 1 >= len(self._drawing.wanted) and self._drawing.wanted[-1].any()
        return FOR_EVER if settled else max(1, self.unread)

    def copy(self) -> TorchStream:
        self.park()
        other = TorchStream(self._author, self.parked.copy(self._author), self._waiting)
        other._drawing, other._drawn, other._recent = self._drawing, self._drawn, self._recent.copy()
        return other

    def sample(self, drawing: Drawing) -> None:
        self._drawing, self._drawn = drawing, 0
        self._recent.clear()
        self._numbers, self.tuned = np.empty(0), False

    def park(self) -> None:
        if self.seat:
            slots, slot = self.seat
            slots.park(slot, self.parked)
            self.seat, self.tuned = None, False

    def tune(self) -> None:
        """Tell its slot how it draws."""
        slots, slot = self._sits
        if self._drawing:
            slots.tune(slot, self._drawing.sampling, self._recent)
            slots.wanted[slot] = self._wanted(self._drawing)
        self.tuned = True

    def prepare(self, block: int) -> bool:
        """Lay out what it reads and draws with at the next places. Whether it draws."""
        slots, slot = self._sits
        reads = min(block, self.unread)
        if reads:
            slots.forced.host[:reads, slot] = list(islice(self._waiting, reads))
        if reads == block:
            return False
        assert self._drawing is not None
        if self._drawn < len(self._drawing.wanted):
            slots.wanted[slot] = self._wanted(self._drawing)
        slots.uniforms.host[reads:block, slot] = self._next_numbers(self._drawing, block - reads)
        return True

    def note(self, block: Ints) -> Ints:
        """Take over what was read and drawn at these places, (block, width). Those drawn, −1 for those read: (block,)."""
        tokens = block[:, self._sits[1]].copy()
        reads = min(len(tokens), self.unread)
        for place in range(reads):
            self._waiting.popleft()
            tokens[place] = -1
        drawn = [token for token in tokens[reads:].tolist() if token >= 0]
        self._drawn += len(drawn)
        if self._drawing and self._drawing.sampling.repetition_penalty != 1:
            self._recent.extend(drawn)
        return tokens

    @property
    def _sits(self) -> tuple[Slots, int]:
        assert self.seat
        return self.seat

    def _wanted(self, drawing: Drawing) -> Bools:
        row: Bools = drawing.wanted[min(self._drawn, len(drawing.wanted) - 1)]
        return row

    def _next_numbers(self, drawing: Drawing, count: int) -> NDArray[np.float64]:
        start = self._drawn - self._first_number
        if start + count > len(self._numbers):
            seed = drawing.sampling.seed
            assert seed is not None
            self._numbers = uniforms(seed, drawing.variation, drawing.take, self._drawn, NUMBERS_AHEAD)
            self._first_number, start = self._drawn, 0
        return self._numbers[start : start + count]


class TorchDecoder:
    """Keeps the Decoder contract. `widths` of its tables, the smallest first; they are made when they are first needed."""

    def __init__(
        self, card: Card, author: Author, arrays: Arrays, device: str = "cpu", widths: Sequence[int] | None = None
    ) -> None:
        self.card, self.author, self.numerics = card, author, NUMERICS[device]
        self.network = QuantisedNetwork(Architecture.from_json(card.architecture), arrays, device)
        self.size_bytes = self.network.size_bytes
        self._widths = widths or WIDTHS[device]
        self._tables: dict[int, Slots] = {}

    def begin(self, plan: Plan) -> TorchStream:
        context = self.author.context(1)
        context.reset(0, plan.bars_total, plan.bar_ticks)
        return TorchStream(self.author, Parked(context, *self.network.empty_state(1)), plan.prefix[1:])

    @torch.inference_mode()
    def advance(self, streams: Sequence[TorchStream], steps: int) -> Ints:
        tokens = np.full((len(streams), steps), -1, np.int64)
        for first in range(0, len(streams), self._widths[-1]):
            some = slice(first, first + self._widths[-1])
            self._advance(streams[some], tokens[some])
        return tokens

    def _advance(self, streams: Sequence[TorchStream], tokens: Ints) -> None:
        """As many streams as fit into one table; tokens (streams, steps) is filled in."""
        going = {stream: row for row, stream in enumerate(streams) if not stream.resting}
        if not going:
            return
        done, steps = 0, tokens.shape[1]
        slots = self._seated(list(going))
        while going and done < steps:
            most = min(steps - done, *(stream.sure_places for stream in going))
            block = slots.longest if most >= slots.longest else 1
            self._step(slots, going, tokens[:, done : done + block])
            done += block

    def _step(self, slots: Slots, going: dict[TorchStream, int], tokens: Ints) -> None:
        """Read or draw tokens (streams, block). Those for whom it is over are parked where they stand, and go no further."""
        block = tokens.shape[1]
        slots.forced.host[:block] = -1
        draws = [stream.prepare(block) for stream in going]
        places = slots.run(block, any(draws))
        for (stream, row), drew in zip(list(going.items()), draws, strict=True):
            tokens[row] = stream.note(places)
            if drew and tokens[row, -1] < 0:  # it had nothing to choose from
                stream.park()
                del going[stream]
        slots.read(places)
        for stream in [stream for stream in going if stream.resting]:
            stream.park()
            del going[stream]

    def _seated(self, streams: Sequence[TorchStream]) -> Slots:
        """The smallest table that holds these, with them in their slots and everybody else parked."""
        width = next(width for width in self._widths if width >= len(streams))
        if width not in self._tables:
            feeds_itself = isinstance(self.author, Writer)
            self._tables[width] = Slots(self.network, self.author, width, PLACES_AT_ONCE if feeds_itself else 1)
        slots, staying = self._tables[width], set(streams)
        for slot, seat in enumerate(slots.seats):
            seated = seat() if seat else None
            if seated is None and seat is not None:  # it was forgotten
                slots.empty(slot)
            elif seated is not None and seated not in staying:
                seated.park()
        comers = [stream for stream in streams if stream.seat is None or stream.seat[0] is not slots]
        for stream in comers:
            stream.park()
        free = [slot for slot, seat in enumerate(slots.seats) if seat is None]
        seating = list(zip(free, comers, strict=False))
        slots.seat([(slot, stream.parked) for slot, stream in seating])
        for slot, stream in seating:
            slots.seats[slot], stream.seat = weakref.ref(stream), (slots, slot)
        if not all(stream.tuned for stream in streams):
            for stream in streams:
                stream.tune()
            slots.upload_knobs()
        return slots
