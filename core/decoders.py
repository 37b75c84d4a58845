"""Which decoder serves here: the native kernel on any CPU, torch on CUDA, and torch on the CPU where the kernel was not built.

Torch is imported only when it is to compute: a worker on the native kernel never loads it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.authors import author_of
from core.catalog import Card
from core.decoding import Decoder
from core.errors import CheckpointError, KernelUnavailable
from core.native.decoder import NUMERICS, NativeDecoder
from core.native.library import best_path
from core.packed import read_packed

logger = logging.getLogger(__name__)

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Decoders:
    """`load(folder, card)` opens a checkpoint; raises CheckpointError."""

    numerics: str
    load: Callable[[Path, Card], Decoder]


def choose_decoders(device: Device = "auto", threads: int = 1) -> Decoders:
    """`threads` share each step of the native kernel.

    Raises KernelUnavailable, with what to do, when nothing here can serve (`cuda`: when there is no CUDA device).
    """
    if device == "cuda" and not (cuda_device_here() and torch_installed()):
        raise KernelUnavailable("The device is to be cuda, but here is no CUDA device, or torch is not installed.")
    if device != "cpu" and torch_installed() and cuda_device_here():
        return _torch("cuda")
    try:
        logger.info("decoding on the native kernel (%s)", best_path())
        return Decoders(NUMERICS, lambda folder, card: _load_native(folder, card, threads))
    except KernelUnavailable as error:
        if not torch_installed():
            raise KernelUnavailable(
                f"{error.message} Without it torch can decode, more slowly: pip install 'ritornello[torch]'."
            ) from error
        logger.warning("%s Until then torch decodes, more slowly.", error.message)
        return _torch("cpu")


def torch_installed() -> bool:
    return importlib.util.find_spec("torch") is not None


def cuda_device_here() -> bool:
    """Asks the driver, which costs milliseconds; torch would take seconds to import."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int()
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def _load_native(folder: Path, card: Card, threads: int) -> Decoder:
    arrays, author = read_packed(folder, card), author_of(card)
    try:
        return NativeDecoder(card, author, arrays, threads=threads)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"The packed weights of {card.name!r} do not fit its card: {error!r}") from error


def _torch(device: Literal["cpu", "cuda"]) -> Decoders:
    import torch

    from core.torch_decoder import NUMERICS as TORCH_NUMERICS
    from core.torch_decoder import TorchDecoder

    torch.set_num_threads(1)  # more workers fill more cores

    def load(folder: Path, card: Card) -> Decoder:
        arrays, author = read_packed(folder, card), author_of(card)
        try:
            return TorchDecoder(card, author, arrays, device)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"The packed weights of {card.name!r} do not fit its card: {error!r}") from error

    return Decoders(TORCH_NUMERICS[device], load)
