from __future__ import annotations

import pytest
import torch

from core.architecture import Architecture
from core.model import Dropout, RecurrentModel, State

SIZES = (40, 10, 7)
FIRST_PITCH, PITCHES = 5, 20
Inputs = tuple[torch.Tensor, torch.Tensor]


def model(dropout: Dropout | None = None, head: int = 12, layers: int = 2) -> RecurrentModel:
    torch.manual_seed(1)
    architecture = Architecture(40, SIZES, 8, 16, layers, True, head, references=3, pitch_tokens=(FIRST_PITCH, PITCHES))
    made = RecurrentModel(architecture, dropout or Dropout())
    torch.nn.init.normal_(made.relative)
    return made.eval()


def inputs(*shape: int, seed: int = 0) -> Inputs:
    generator = torch.Generator().manual_seed(seed)
    features = torch.stack([torch.randint(size, shape, generator=generator) for size in SIZES], dim=-1)
    return features, torch.randint(PITCHES + 1, (*shape, 3), generator=generator)


def state(rows: int, seed: int = 0) -> State:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, rows, 16, generator=generator), torch.randn(2, rows, 16, generator=generator)


def one_place(network: RecurrentModel, features: torch.Tensor, references: torch.Tensor, before: State) -> torch.Tensor:
    """Logits (rows, vocabulary) at a single place: features (rows, n), references (rows, r)."""
    return network(features[None], references[None], before)[0][0]


@pytest.mark.parametrize("head", [0, 12])
@torch.inference_mode()
def test_place_by_place_is_the_whole_sequence(head: int) -> None:
    network = model(head=head)
    features, references = inputs(30, 5)
    whole, (hidden, cell) = network(features, references, network.empty_state(5))
    now = network.empty_state(5)
    for place in range(30):
        logits, now = network(features[place : place + 1], references[place : place + 1], now)
        torch.testing.assert_close(logits[0], whole[place])
    torch.testing.assert_close(now, (hidden, cell))


@pytest.mark.parametrize("sizes", [{"hidden": 18}, {"head": 5}])
def test_a_width_that_the_kernel_could_not_read_is_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 4"):
        Architecture(**{"vocabulary": 4, "features": (4,), "embedding": 4, "hidden": 8, "layers": 1} | sizes)


ALL = Dropout(rows=0.5, input=0.5, between=0.5, output=0.5, head=0.5, recurrent=0.5)


def test_dropout_is_off_in_evaluation_and_on_in_training() -> None:
    plain, dropping = model(), model(ALL)
    dropping.load_state_dict(plain.state_dict())
    given_ = (*inputs(9, 4), plain.empty_state(4))
    assert torch.equal(dropping(*given_)[0], plain(*given_)[0])
    dropping.train()
    assert not torch.equal(dropping(*given_)[0], plain(*given_)[0])


@pytest.mark.parametrize("kind", ["rows", "input", "between", "output", "head", "recurrent"])
def test_each_dropout_changes_the_output_and_no_weight(kind: str) -> None:
    network = model(Dropout(**{kind: 0.5}))
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    given_ = (*inputs(9, 4), network.empty_state(4))
    sure = network(*given_)[0]
    network.train()
    logits, _ = network(*given_)
    assert not torch.equal(logits, sure)
    assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())
    logits.sum().backward()
    assert all(weight.grad is not None for weight in network.lstm[1].parameters())


def test_locked_dropout_drops_the_same_units_at_every_time_step() -> None:
    network = model(Dropout(input=0.5), head=0, layers=1).train()
    features, references = inputs(1, 3)
    seen: list[torch.Tensor] = []
    network.lstm[0].register_forward_pre_hook(lambda _, given_: seen.append(given_[0]))
    network(features.expand(6, -1, -1), references.expand(6, -1, -1), (torch.zeros(1, 3, 16), torch.zeros(1, 3, 16)))
    assert all(torch.equal(seen[0][0], place) for place in seen[0])
    assert (seen[0] == 0).any()


@torch.inference_mode()
def test_the_state_is_a_value() -> None:
    network = model()
    features, references = inputs(5)
    before = state(5)
    kept = (before[0].clone(), before[1].clone())
    first = one_place(network, features, references, before)
    assert torch.equal(before[0], kept[0])
    assert torch.equal(before[1], kept[1])
    assert torch.equal(one_place(network, features, references, before), first)
    buffers = {name for name, _ in network.named_buffers()}
    assert buffers == {"feature_starts", "distances"}  # shapes, nothing of a sequence


@torch.inference_mode()
def test_a_reference_adds_its_table_at_the_distance_of_each_pitch() -> None:
    network = model()
    features, _ = inputs(1)
    nothing = torch.full((1, 3), PITCHES)
    plain = one_place(network, features, nothing, network.empty_state(1))
    for table in range(3):
        for reference in (0, 7, PITCHES - 1):
            told = nothing.clone()
            told[0, table] = reference
            bonus = one_place(network, features, told, network.empty_state(1)) - plain
            expected = network.relative[table, PITCHES - 1 - reference : 2 * PITCHES - 1 - reference]
            torch.testing.assert_close(bonus[0, FIRST_PITCH : FIRST_PITCH + PITCHES], expected)
            assert torch.equal(bonus[0, :FIRST_PITCH], torch.zeros(FIRST_PITCH))
            assert torch.equal(bonus[0, FIRST_PITCH + PITCHES :], torch.zeros(40 - FIRST_PITCH - PITCHES))


@torch.inference_mode()
def test_a_transposed_reference_moves_the_bonus_with_it() -> None:
    network = model()

    def bonus(reference: int) -> torch.Tensor:
        return network._bonuses(torch.tensor([PITCHES, reference, PITCHES]))

    assert torch.equal(bonus(3)[:-4], bonus(7)[4:])
    assert torch.equal(bonus(PITCHES), torch.zeros(PITCHES))


def test_an_embedding_is_the_sum_of_its_features_rows() -> None:
    network = model()
    features = torch.tensor([[3, 9, 0]])
    expected = network.tables[3] + network.tables[40 + 9] + network.tables[40 + 10 + 0]
    torch.testing.assert_close(network._embed(features, 0.0)[0], expected)
