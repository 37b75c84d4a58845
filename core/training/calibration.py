"""How far a network's activations reach, measured on held-out sequences: what fixes the scales of the 8-bit weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from core.model import RecurrentModel
from core.native.packing import Arrays, Precision, Ranges, pack
from core.training.batches import Batch
from core.training.loop import advance

BATCHES = 24


@torch.no_grad()
def measure_ranges(model: RecurrentModel, batches: Iterator[tuple[Batch, int]]) -> Ranges:
    """The largest magnitudes over the first batches. What a later sequence has beyond them is clipped."""
    a = model.architecture
    seen: dict[str, float] = {}

    def note(name: str, values: Tensor) -> None:
        seen[name] = max(seen.get(name, 0.0), float(values.abs().max()))

    reads_top = model.head_hidden if model.head_hidden is not None else model.head
    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, depth=depth: note(f"layer {depth}", inputs[0]))
        for depth, layer in enumerate(model.lstm)
    ]
    hooks.append(reads_top.register_forward_pre_hook(lambda _, inputs: note("top", inputs[0][..., : a.hidden])))
    if model.head_hidden is not None:
        hooks.append(model.head.register_forward_pre_hook(lambda _, inputs: note("hidden", inputs[0])))
    model.eval()
    state = None
    for _, (batch, _) in zip(range(BATCHES), batches, strict=False):
        if state is None or state[0].shape[1] != batch.fresh.shape[0]:
            state = model.empty_state(batch.fresh.shape[0])
        _, state = advance(model, batch, state)
    for hook in hooks:
        hook.remove()
    layers = tuple(seen[f"layer {depth}"] for depth in range(1, a.layers))
    return Ranges(seen["layer 0"], (*layers, seen["top"]), seen.get("hidden", 1.0))


def pack_model(model: RecurrentModel, ranges: Ranges, precision: Precision = "int8") -> Arrays:
    """What the decoders read of a model."""
    weights = {name: np.asarray(weight.detach().cpu().float()) for name, weight in model.state_dict().items()}
    return pack(weights, model.architecture, ranges, precision)
