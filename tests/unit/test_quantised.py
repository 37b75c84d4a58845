from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import NAMES, Small, small

from core.brief import Brief
from core.decoding import Drawing
from core.elementary import exponential, gelu, sigmoid
from core.native.decoder import NativeDecoder
from core.native.packing import in_gate_order, in_groups, out_of_gate_order, out_of_groups, padded
from core.quantised import MOST_INPUTS, QuantisedNetwork, State, whole_products
from core.sampling_params import SamplingParams

torch.set_num_threads(1)
few = settings(deadline=None, max_examples=25)
Inputs = tuple[torch.Tensor, torch.Tensor]


def network(name: str, whole: torch.dtype | None = None) -> QuantisedNetwork:
    return QuantisedNetwork(small(name).architecture, small(name).arrays, whole=whole)


def inputs(name: str, rows: int, seed: int) -> Inputs:
    a, generator = small(name).architecture, torch.Generator().manual_seed(seed)
    features = torch.stack([torch.randint(size, (rows,), generator=generator) for size in a.features], dim=-1)
    return features, torch.randint(max(1, a.pitch_tokens[1] + 1), (rows, a.references), generator=generator)


def some_state(name: str, rows: int, seed: int) -> State:
    hidden, cell = network(name).empty_state(rows)
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-127, 128, hidden.shape, generator=generator).to(hidden.dtype), torch.randn(
        cell.shape, generator=generator
    )


def places(example: Small, rows: int, count: int) -> tuple[list[Inputs], np.ndarray]:
    """What the native kernel saw at the first places of some streams, and the logits that it gave there."""
    decoder, sampling = NativeDecoder(example.card, example.author, example.arrays), SamplingParams(seed=5)
    streams = []
    for variation in range(1, rows + 1):
        plan = example.author.plan(Brief(sampling, prompt="once upon", bars=16))
        streams.append(decoder.begin(plan))
        streams[-1].sample(Drawing(sampling, variation, 1, plan.wanted))
    read, logits = [], []
    for _ in range(count):
        seen = torch.from_numpy(decoder.look(streams)[0])
        read.append((seen[:, : len(example.architecture.features)], seen[:, len(example.architecture.features) :]))
        logits.append(decoder.logits(streams, 1)[0])
    return read, np.stack(logits)


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_the_logits_are_the_kernels_bit_for_bit(name: str) -> None:
    read, expected = places(small(name), rows=3, count=40)
    for whole in (torch.float32, torch.int8):
        net = network(name, whole)
        state = net.empty_state(3)
        for (features, references), logits in zip(read, expected, strict=True):
            mine, state = net.step(features, references, state)
            np.testing.assert_array_equal(mine.numpy(), logits)


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_the_logits_are_the_training_networks_but_for_what_is_rounded_off(name: str) -> None:
    example = small(name, hidden=32, spread=0.1)
    read, _ = places(example, rows=4, count=30)
    net = QuantisedNetwork(example.architecture, example.arrays)
    state, exact_state = net.empty_state(4), example.model.empty_state(4)
    for features, references in read:
        mine, state = net.step(features, references, state)
        exact, exact_state = example.model(features[None], references[None], exact_state)
        assert (mine - exact[0]).square().mean().sqrt() < 0.05 * exact.std()


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@few
@torch.inference_mode()
def test_a_row_gives_the_same_bits_in_any_company_and_place(name: str, data: st.DataObject) -> None:
    rows = data.draw(st.integers(2, 40))
    order = torch.tensor(data.draw(st.permutations(range(rows))))[: data.draw(st.integers(1, rows))]
    net, (features, references) = network(name), inputs(name, rows, seed=rows)
    before = some_state(name, rows, seed=rows)
    logits, (hidden, cell) = net.step(features, references, before)
    there = (before[0][:, order], before[1][:, order])
    logits_there, (hidden_there, cell_there) = net.step(features[order], references[order], there)
    assert torch.equal(logits_there, logits[order])
    assert torch.equal(hidden_there, hidden[:, order])
    assert torch.equal(cell_there, cell[:, order])


@torch.inference_mode()
def test_the_state_is_a_value() -> None:
    net, (features, references), before = network("folk"), inputs("folk", 5, 1), some_state("folk", 5, 1)
    kept = (before[0].clone(), before[1].clone())
    first, _ = net.step(features, references, before)
    assert torch.equal(before[0], kept[0])
    assert torch.equal(before[1], kept[1])
    assert torch.equal(net.step(features, references, before)[0], first)


@pytest.mark.parametrize("inputs", [MOST_INPUTS, 2 * MOST_INPUTS + 24])
def test_the_largest_sums_of_products_are_exact(inputs: int) -> None:
    assert 127 * 127 * MOST_INPUTS < 2**24
    weights = torch.full((16, inputs), 127.0)
    activations = torch.full((2, inputs), -127.0)
    weights[:, 0] = torch.arange(16)
    exact = (activations.long() @ weights.long().T).float()
    assert torch.equal(whole_products(activations, weights), exact)
    assert torch.equal(whole_products(activations.to(torch.int8), weights.to(torch.int8)), exact)


@given(st.integers(1, 3), st.integers(1, 200), st.integers(0, 1000))
@few
def test_products_are_those_of_integers(rows: int, columns: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    activations = torch.randint(-127, 128, (rows, 8 * columns), generator=generator)
    weights = torch.randint(-127, 128, (16, 8 * columns), generator=generator)
    exact = (activations @ weights.T).float()
    for whole in (torch.float32, torch.int8):
        assert torch.equal(whole_products(activations.to(whole), weights.to(whole)), exact)


@given(st.integers(1, 5), st.integers(1, 5))
@few
def test_weights_come_out_of_their_packed_order(groups: int, quads: int) -> None:
    weight = np.arange(groups * 64 * quads * 4).reshape(groups * 64, quads * 4)
    np.testing.assert_array_equal(out_of_groups(in_groups(weight, 4)), weight)
    gates = np.arange(4 * quads * 12 * 2).reshape(4 * quads * 12, 2)
    with_padding = padded(gates.reshape(4, -1, 2), 1, 16).reshape(-1, 2)
    np.testing.assert_array_equal(out_of_gate_order(in_gate_order(gates)), with_padding)


def test_elementary_functions_are_what_their_names_say() -> None:
    x = torch.linspace(-30, 30, 4001)
    torch.testing.assert_close(exponential(x), torch.exp(x), rtol=3e-7, atol=0)
    torch.testing.assert_close(sigmoid(x), torch.sigmoid(x), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(gelu(x), torch.nn.functional.gelu(x), rtol=0, atol=1e-6)
    assert exponential(torch.tensor([0.0, -1e30]))[0] == 1
    assert exponential(torch.tensor([-1e30])) < 2e-38


@given(st.integers(1, 70), st.integers(0, 100))
@few
def test_an_element_gives_the_same_bits_wherever_it_stands(count: int, seed: int) -> None:
    x = torch.randn(count, generator=torch.Generator().manual_seed(seed)) * 10
    for function in (exponential, sigmoid, gelu):
        alone = torch.cat([function(one) for one in x.split(1)])
        assert torch.equal(function(x), alone)
        assert torch.equal(function(x.flip(0)), alone.flip(0))
