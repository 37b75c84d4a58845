from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import NAMES, small

from core import slots
from core.brief import Brief
from core.decoding import Decoder, Drawing
from core.native.decoder import NativeDecoder
from core.sampling_params import SamplingParams
from core.torch_decoder import PLACES_AT_ONCE, TorchDecoder, TorchStream

torch.set_num_threads(1)
PLACES = 60
STREAMS = 40
WIDTHS = (1, 3, 8, 40)
KINDS = ("text", "folk", "drums")
WAYS = (
    SamplingParams(seed=11),
    SamplingParams(seed=12, temperature=0.7, top_k=5, repetition_penalty=1.5),
    SamplingParams(seed=13, temperature=0.0, repetition_penalty=2.0),
    SamplingParams(seed=14, temperature=2.0, top_p=1.0),
)
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@cache
def decoder(name: str, widths: tuple[int, ...] = WIDTHS, device: str = "cpu") -> TorchDecoder:
    example = small(name)
    return TorchDecoder(example.card, example.author, example.arrays, device, widths)


@cache
def native(name: str) -> NativeDecoder:
    return NativeDecoder(small(name).card, small(name).author, small(name).arrays)


def way(number: int) -> SamplingParams:
    return WAYS[number % len(WAYS)]


@cache
def prime(name: str, number: int) -> list[int]:
    """What the stream of that number reads: nothing to speak of, or what the kernel drew for another one."""
    plan = small(name).author.plan(Brief(way(number), prompt="once upon a time"[: number % 17], bars=32))
    prefix = list(plan.prefix)
    if number % 3 and not name.startswith("text"):
        stream = native(name).begin(plan)
        stream.sample(Drawing(SamplingParams(seed=1), number + 1, 1, plan.wanted))
        prefix += native(name).advance([stream], 5 + number)[0].tolist()
    return prefix


def drawing(name: str, number: int) -> Drawing:
    wanted = small(name).author.plan(Brief(way(number), bars=32)).wanted
    known = wanted if len(prime(name, number)) == 1 else wanted[-1:]
    return Drawing(way(number), number + 1, 1, known)


def begun(decoding: Decoder, name: str, number: int, draws: bool = True) -> Any:
    """The stream of that number, at its beginning."""
    stream = decoding.begin(SimpleNamespace(prefix=prime(name, number), bars_total=32, bar_ticks=0))  # type: ignore[arg-type]
    if draws:
        stream.sample(drawing(name, number))
    return stream


@cache
def alone(name: str, number: int) -> list[int]:
    """What the stream draws by itself: on the kernel, which takes no time, and draws the same."""
    return native(name).advance([begun(native(name), name, number)], PLACES)[0].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_place_by_place_and_together_the_tokens_are_the_kernels(name: str) -> None:
    decoding = decoder(name)
    expected = [alone(name, number) for number in range(5)]
    for number in range(5):
        stream = begun(decoding, name, number)
        assert [int(decoding.advance([stream], 1)[0, 0]) for _ in range(PLACES)] == expected[number]
    streams = [begun(decoding, name, number) for number in range(5)]
    together = np.concatenate([decoding.advance(streams, steps) for steps in (1, 30, 2, 27)], axis=1)
    assert together.tolist() == expected


CALLS = st.lists(
    st.tuples(
        st.lists(st.integers(0, STREAMS - 1), min_size=1, max_size=STREAMS, unique=True), st.sampled_from([1, 2, 5, 16, 19])
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("name", KINDS)
@given(CALLS)
@settings(deadline=None, max_examples=10)
def test_neither_company_nor_slot_nor_steps_nor_waiting_change_a_token(name: str, calls: list[tuple[list[int], int]]) -> None:
    decoding = decoder(name)
    streams: dict[int, TorchStream] = {}
    told: dict[int, list[int]] = {}
    for numbers, steps in calls:
        for number in numbers:
            streams.setdefault(number, begun(decoding, name, number))
        tokens = decoding.advance([streams[number] for number in numbers], steps)
        for number, row in zip(numbers, tokens.tolist(), strict=True):
            told.setdefault(number, []).extend(row)
    for number, tokens_told in told.items():
        assert tokens_told[:PLACES] == alone(name, number)[: len(tokens_told)]


@pytest.mark.parametrize("name", KINDS)
@given(st.integers(0, 20), st.integers(1, 20))
@settings(deadline=None, max_examples=6)
def test_a_copy_goes_on_by_itself(name: str, number: int, before: int) -> None:
    decoding = decoder(name)
    stream = begun(decoding, name, number)
    decoding.advance([stream], before)
    copies = [stream.copy(), stream.copy()]
    copies[1].sample(drawing(name, number + 1))  # this one goes another way
    rest = [decoding.advance([one], PLACES - before)[0].tolist() for one in (*copies, stream)]
    assert rest[0] == rest[2] == alone(name, number)[before:]


@pytest.mark.parametrize("name", KINDS)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
@settings(deadline=None, max_examples=6)
def test_a_prime_is_read_alike_in_any_chunks_and_then_waits(name: str, chunks: list[int]) -> None:
    decoding, number = decoder(name), 16
    stream, other = begun(decoding, name, number, draws=False), begun(decoding, name, 5)
    length = len(prime(name, number)) - 1
    read = 0
    for chunk in (*chunks, length + 1):
        assert stream.unread == max(0, length - read)
        tokens = decoding.advance([other, stream], chunk)
        assert (tokens[1] == -1).all()
        read += chunk
    assert stream.unread == 0
    stream.sample(drawing(name, number))
    drawn = decoding.advance([stream], PLACES - length)
    assert drawn[0].tolist() == alone(name, number)[length:]


def test_a_stream_may_be_told_how_to_draw_anew() -> None:
    decoding = decoder("text")
    streams = [begun(decoding, "text", number) for number in (0, 0)]
    decoding.advance(streams, 20)
    for stream in streams:  # one is seated still, one has been parked
        decoding.advance(streams[:1], 0)
        stream.sample(drawing("text", 1))
    tokens = decoding.advance(streams, 20)
    assert tokens[0].tolist() == tokens[1].tolist()


@pytest.mark.parametrize("decoding", [decoder, native])
@pytest.mark.parametrize("name", ["text", "folk"])
def test_a_stream_to_which_nothing_is_allowed_has_ended_and_the_others_go_on(
    name: str, decoding: Callable[[str], Decoder]
) -> None:
    whole = drawing(name, 0)
    rows = [whole.wanted[min(row, len(whole.wanted) - 1)] for row in range(3)]
    wanted = np.stack([*rows, np.zeros_like(rows[0])])
    ending, other = begun(decoding(name), name, 0, draws=False), begun(decoding(name), name, 5)
    ending.sample(Drawing(whole.sampling, whole.variation, whole.take, wanted))
    tokens = decoding(name).advance([ending, other], 30)
    expected = alone(name, 0)[:3]
    assert tokens[0].tolist() == expected + [-1] * 27
    assert tokens[1].tolist() == alone(name, 5)[:30]
    assert decoding(name).advance([ending], 3).tolist() == [[-1, -1, -1]]


def test_more_streams_than_the_widest_table_holds_take_turns() -> None:
    decoding = decoder("drums", (2, 4))
    streams = [begun(decoding, "drums", number) for number in range(11)]
    tokens = np.concatenate([decoding.advance(streams, steps) for steps in (3, 12)], axis=1)
    assert tokens.tolist() == [alone("drums", number)[:15] for number in range(11)]


def test_a_forgotten_stream_leaves_its_slot() -> None:
    decoding = TorchDecoder(small("folk").card, small("folk").author, small("folk").arrays, widths=(2,))
    first, second = (begun(decoding, "folk", number) for number in (0, 1))
    decoding.advance([first, second], 3)
    table, slot = first.seat
    del first
    gc.collect()
    decoding.advance([second], 1)
    assert table.seats[slot] is None
    assert table.context.count[slot] == 0


def test_what_sees_only_its_last_token_feeds_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[int] = []
    run = slots.Slots.run

    def noted(self: slots.Slots, block: int, draws: bool) -> Any:
        blocks.append(block)
        return run(self, block, draws)

    monkeypatch.setattr(slots.Slots, "run", noted)
    for name, expected in (("text", [PLACES_AT_ONCE, PLACES_AT_ONCE, 1]), ("drums", [1] * (2 * PLACES_AT_ONCE + 1))):
        blocks.clear()
        decoding = decoder(name)
        decoding.advance([begun(decoding, name, number) for number in (0, 1)], 2 * PLACES_AT_ONCE + 1)
        assert blocks == expected


class Rehearsed:
    """As a capture does: the function runs several times before it is first wanted."""

    def __init__(self, function: Callable[[], None], device: torch.device) -> None:
        for _ in range(slots.WARM_UPS + 1):
            function()
        self.run = function


@pytest.mark.parametrize("name", KINDS)
def test_memory_apart_and_a_rehearsal_as_on_a_gpu_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "host_memory", torch.zeros_like)
    monkeypatch.setattr(slots, "Replay", Rehearsed)
    example = small(name)
    decoding = TorchDecoder(example.card, example.author, example.arrays, widths=WIDTHS)
    check_some_streams(decoding, name)


def check_some_streams(decoding: TorchDecoder, name: str, exact: Sequence[Sequence[int]] | None = None) -> None:
    """Streams that come and go draw what they draw alone."""
    streams = [begun(decoding, name, number) for number in range(9)]
    told: list[list[int]] = [[] for _ in streams]
    for first, last, steps in ((0, 9, 18), (2, 4, 5), (0, 9, 17), (3, 4, 18), (0, 5, 2)):
        for row, tokens in zip(range(first, last), decoding.advance(streams[first:last], steps).tolist(), strict=True):
            told[row] += tokens
    for number, tokens in enumerate(told):
        assert tokens[:PLACES] == (exact or [alone(name, number) for number in range(9)])[number][: len(tokens)]


@cuda
@pytest.mark.parametrize("name", NAMES)
def test_on_a_gpu_streams_draw_what_they_draw_alone(name: str) -> None:
    decoding = decoder(name, (32, 128), "cuda")
    solo = []
    for number in range(9):
        stream = begun(decoding, name, number)
        solo.append([int(decoding.advance([stream], 1)[0, 0]) for _ in range(PLACES)])
    check_some_streams(decoding, name, solo)
    crowd = [begun(decoding, name, number) for number in range(STREAMS)]  # in a wider table, by another graph
    assert decoding.advance(crowd, PLACES)[:9].tolist() == solo


@cuda
@pytest.mark.parametrize("name", NAMES)
def test_a_gpus_logits_are_the_cpus_but_for_the_last_bits_of_its_functions(name: str) -> None:
    here, there = decoder(name).network, decoder(name, (32,), "cuda").network
    generator = torch.Generator().manual_seed(1)
    state, state_there = here.empty_state(20), there.empty_state(20)
    a = here.architecture
    for _ in range(5):
        features = torch.stack([torch.randint(size, (20,), generator=generator) for size in a.features], dim=-1)
        references = torch.randint(max(1, a.pitch_tokens[1] + 1), (20, a.references), generator=generator)
        logits, state = here.step(features, references, state)
        logits_there, state_there = there.step(features.cuda(), references.cuda(), state_there)
        assert (logits_there.cpu() - logits).abs().mean() < 1e-3 * logits.std()
