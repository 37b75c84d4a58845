from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from core_strategies import primes
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load
from toys import packed_toy, toy, toy_decoder

from core.brief import Brief, Plan
from core.decoding import Drawing
from core.native.decoder import NativeDecoder, NativeStream
from core.native.library import load as load_library
from core.native.library import usable_paths
from core.native.packing import Ranges
from core.sampling_params import SamplingParams
from core.training.calibration import pack_model

NAMES = ("folk", "drums", "shakespeare")
BRIEFS: dict[str, dict[str, Any]] = {
    "folk": {"bars": 3},
    "drums": {"bars": 1},
    "shakespeare": {"prompt": "to be or not", "words": 20},
}


def stream_of(decoder: NativeDecoder, plan: Plan, seed: int = 1, **sampling: Any) -> NativeStream:
    """One that has read its plan's prefix and is about to draw."""
    stream = decoder.begin(plan)
    if stream.unread:
        decoder.advance([stream], stream.unread)
    stream.sample(Drawing(SamplingParams(seed=seed, **sampling), 1, 1, plan.wanted))
    return stream


def plan_of(name: str, **brief: Any) -> Plan:
    return toy(name).author.plan(Brief(SamplingParams(seed=1), **(brief or BRIEFS[name])))


def check_sight(name: str, plan: Plan, numbers: list[int]) -> None:
    """Along a walk over allowed tokens the kernel sees what core.music.context sees."""
    decoder = toy_decoder(name)
    context, stream = toy(name).author.context(1), decoder.begin(plan)
    context.reset(0, plan.bars_total, plan.bar_ticks)
    walk = plan.prefix[1:]
    for place in range(len(walk) + len(numbers)):
        features, references, allowed = context.inputs()
        seen, may = decoder.look([stream])
        np.testing.assert_array_equal(seen, np.concatenate([features, references], axis=1))
        np.testing.assert_array_equal(may, allowed)
        if place < len(walk):
            token = walk[place]
        else:
            choices = np.flatnonzero(allowed[0])
            if len(choices) == 0:
                return
            token = int(choices[numbers[place - len(walk)] % len(choices)])
            stream.read([token])
        context.advance(np.array([token]))
        decoder.advance([stream], 1)


@given(st.sampled_from(NAMES), st.integers(0, 4), st.lists(st.integers(0, 10**6), max_size=80))
@settings(deadline=None, max_examples=60)
def test_the_kernel_sees_what_the_context_sees(name: str, bars: int, numbers: list[int]) -> None:
    plan = plan_of(name)
    plan.bars_total = 0 if name == "shakespeare" else bars
    check_sight(name, plan, numbers)


@given(primes(), st.lists(st.integers(0, 10**6), max_size=20))
@settings(deadline=None, max_examples=15)
def test_the_kernel_sees_what_the_context_sees_after_a_prime(prime: Any, numbers: list[int]) -> None:
    check_sight("folk", plan_of("folk", prime=prime, bars=2), numbers)


def test_the_kernel_sees_the_same_after_more_than_the_match_remembers() -> None:
    check_sight("folk", plan_of("folk", bars=128), [7 * place % 5 for place in range(1400)])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("precision", "within"), [("fp32", 2e-5), ("bf16", 0.03), ("int8", 0.1)])
def test_the_logits_are_those_of_the_network_that_was_trained(name: str, precision: Any, within: float) -> None:
    loaded = toy(name)
    arrays = pack_model(loaded.model, Ranges(8.0, (1.0, 2.0), 8.0), precision)
    decoder = NativeDecoder(loaded.card, loaded.author, arrays)
    plan = plan_of(name)
    stream, context = decoder.begin(plan), loaded.author.context(1)
    stream.sample(Drawing(SamplingParams(seed=3), 1, 1, plan.wanted))
    context.reset(0, plan.bars_total, plan.bar_ticks)
    tokens = [*plan.prefix[1:], *decoder.advance([stream], 40)[0]]
    tokens = [int(token) for token in tokens if token >= 0][:30]
    again = decoder.begin(plan)
    again.read(tokens[again.unread :])
    logits = decoder.logits([again], len(tokens))[:, 0]
    features, references = [], []
    for token in tokens:
        here_features, here_references, _ = context.inputs()
        features.append(here_features)
        references.append(here_references)
        context.advance(np.array([token]))
    seen, referred = torch.from_numpy(np.stack(features)), torch.from_numpy(np.stack(references))
    expected, _ = loaded.model(seen, referred, loaded.model.empty_state(1))
    difference = np.abs(logits - expected[:, 0].numpy())
    assert float(difference.mean()) < within * float(expected.std())


@given(
    st.sampled_from(NAMES),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.7, 1.3])), min_size=1, max_size=40),
    st.integers(1, 2),
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
)
@settings(deadline=None, max_examples=25)
def test_same_tokens_alone_in_any_company_on_any_threads_and_path(
    name: str, company: list[tuple[int, float]], threads: int, calls: list[int]
) -> None:
    plan, decoder = plan_of(name), toy_decoder(name)
    total = sum(calls)
    alone = [decoder.advance([stream_of(decoder, plan, seed, temperature=heat)], total)[0].tolist() for seed, heat in company]
    for path in usable_paths():
        loaded = toy(name)
        other = NativeDecoder(loaded.card, loaded.author, load(packed_toy(loaded.model)), load_library(path), threads)
        streams = [stream_of(other, plan, seed, temperature=heat) for seed, heat in company]
        together = np.concatenate([other.advance(streams, steps) for steps in calls], axis=1)
        assert together.tolist() == alone


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(1, 5)), min_size=1, max_size=30))
@settings(deadline=None, max_examples=25)
def test_a_stream_goes_on_exactly_after_it_has_waited(visits: list[tuple[int, int]]) -> None:
    """Streams join and leave from call to call."""
    plan, decoder = plan_of("folk", bars=50), toy_decoder("folk")
    streams = [stream_of(decoder, plan, seed) for seed in range(8)]
    drawn: list[list[int]] = [[] for _ in streams]
    for who, steps in visits:
        present = sorted({who, (who * 3 + steps) % 8})
        for place, tokens in zip(present, decoder.advance([streams[n] for n in present], steps).tolist(), strict=True):
            drawn[place] += tokens
    for seed, tokens in enumerate(drawn):
        if tokens:
            assert decoder.advance([stream_of(decoder, plan, seed)], len(tokens))[0].tolist() == tokens


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_goes_on_by_itself(name: str) -> None:
    plan, decoder = plan_of(name), toy_decoder(name)
    first = stream_of(decoder, plan)
    decoder.advance([first], 5)
    second = first.copy()
    ahead = decoder.advance([first], 7).tolist()
    assert decoder.advance([second], 7).tolist() == ahead


def test_a_stream_without_a_sampler_stops_where_it_has_read_all() -> None:
    plan, decoder = plan_of("shakespeare"), toy_decoder("shakespeare")
    exact, long = decoder.begin(plan), decoder.begin(plan)
    decoder.advance([exact], exact.unread)
    assert decoder.advance([long], 100).tolist() == [[-1] * 100]
    assert long.unread == 0
    drawing = Drawing(SamplingParams(seed=4), 1, 1, plan.wanted)
    exact.sample(drawing)
    long.sample(drawing)
    assert decoder.advance([exact], 20).tolist() == decoder.advance([long], 20).tolist()


def test_a_stream_to_which_nothing_is_allowed_draws_nothing() -> None:
    plan, decoder = plan_of("folk", bars=1), toy_decoder("folk")
    tokens = decoder.advance([stream_of(decoder, plan)], 400)[0].tolist()
    end = tokens.index(-1)
    assert set(tokens[end:]) == {-1}
    reasons = [plan.take(token) for token in tokens[:end]]
    assert reasons == [None] * (end - 1) + ["bars"]


def test_what_a_read_token_costs_is_its_share_of_what_was_allowed() -> None:
    plan, decoder = plan_of("folk"), toy_decoder("folk")
    stream = stream_of(decoder, plan)
    tokens = decoder.advance([stream], 12)[0].tolist()
    first, second = decoder.begin(plan), decoder.begin(plan)
    for reader in (first, second):
        reader.read(tokens)
    nats, logits = decoder.nats([first], 12)[:, 0], decoder.logits([second], 12)[:, 0].astype(np.float64)
    watcher = decoder.begin(plan)
    for place, token in enumerate(tokens):
        _, allowed = decoder.look([watcher])
        shares = np.where(allowed[0], np.exp(logits[place] - logits[place].max()), 0.0)
        assert nats[place] == pytest.approx(-np.log(shares[token] / shares.sum()), abs=1e-4)
        watcher.read([token])
        decoder.advance([watcher], 1)


def test_two_models_of_one_process_do_not_touch_each_other() -> None:
    folk, text = toy_decoder("folk"), toy_decoder("shakespeare")
    before = folk.advance([stream_of(folk, plan_of("folk"))], 20).tolist()
    text.advance([stream_of(text, plan_of("shakespeare"))], 20)
    assert folk.advance([stream_of(folk, plan_of("folk"))], 20).tolist() == before


def test_the_state_of_a_stream_is_a_few_kilobytes() -> None:
    for name in NAMES:
        decoder = toy_decoder(name)
        assert 0 < stream_of(decoder, plan_of(name)).size_bytes < 20_000
        assert decoder.size_bytes > 0
