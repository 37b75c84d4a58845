"""In which numbers a machine trains fastest: bfloat16 where it has units for it, float32 elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

CPU_UNITS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}
"""What torch.cpu.get_capabilities() calls the units that multiply bfloat16, and what people call them."""


@dataclass(frozen=True)
class Precision:
    """The type that a device's matrix products are computed in under autocast. `reason`: a line for the log."""

    device: str
    dtype: torch.dtype
    reason: str

    def autocast(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device, dtype=self.dtype, enabled=self.dtype is not torch.float32)

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')}: {self.reason}"


def fastest_precision(device: torch.device) -> Precision:
    """By what the machine can do, not by a trial: a run that is resumed on the same machine must choose the same.

    oneDNN's LSTM takes 3× fewer seconds in bfloat16 with AMX; without AVX-512 it has no bfloat16 LSTM at all and raises, and
    with AVX-512 alone it would emulate one.
    """
    if device.type != "cpu":
        return Precision(device.type, torch.bfloat16, f"it trains on {device.type}")
    abilities = torch.cpu.get_capabilities()
    units = [name for ability, name in CPU_UNITS.items() if abilities.get(ability)]
    if units:
        return Precision("cpu", torch.bfloat16, f"this CPU has {' and '.join(units)}")
    return Precision("cpu", torch.float32, f"this CPU has neither {' nor '.join(CPU_UNITS.values())}")
