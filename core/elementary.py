"""The few functions of real numbers that a network needs, the same bits for an element wherever it stands.

On a CPU they are written as in native/numbers.hpp, by +, -, * and / alone, one operation after another: PyTorch's own `exp`
rounds differently at the end of a tensor, where a vector register is not filled, and on another processor. (In numpy, which
takes a fifth of PyTorch's time to begin an operation.) A GPU computes each element by itself: there PyTorch's functions will do.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Floats = NDArray[np.float32]

ROUNDER = 12582912.0
"""1.5 · 2²³: adding it leaves no fraction bits, rounded half to even."""
ROUNDER_BITS = 0x4B400000
LOWEST, HIGHEST = -87.0, 88.0
EXPONENT_BIAS, FRACTION_BITS = 127, 23
LOG2_E, LN2_HIGH, LN2_LOW = 1.44269504, 0.693359375, 2.12194440e-4
POLYNOMIAL = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
HALF_ROOT = 0.70710678
ERROR_FUNCTION = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


def exponential(x: Tensor) -> Tensor:
    """eˣ of float32, and e⁻⁸⁷ or e⁸⁸ beyond them."""
    return torch.exp(x) if x.is_cuda else torch.from_numpy(_exponential(x.numpy()))


def sigmoid(x: Tensor) -> Tensor:
    return torch.sigmoid(x) if x.is_cuda else torch.from_numpy(1 / (_exponential(-x.numpy()) + 1))


def gelu(x: Tensor) -> Tensor:
    """x Φ(x), arXiv:1606.08415."""
    return F.gelu(x) if x.is_cuda else torch.from_numpy(_gelu(x.numpy()))


def _exponential(x: Floats) -> Floats:
    """Cephes' polynomial: https://www.netlib.org/cephes/ (expf)."""
    x = x.clip(LOWEST, HIGHEST)
    shifted = x * LOG2_E
    shifted += ROUNDER
    n = shifted - ROUNDER
    x -= n * LN2_HIGH
    n *= LN2_LOW
    x += n
    result = x * POLYNOMIAL[0]
    for coefficient in POLYNOMIAL[1:-1]:
        result += coefficient
        result *= x
    result += POLYNOMIAL[-1]
    result *= x * x
    result += x
    result += 1
    power = shifted.view(np.int32)
    power -= ROUNDER_BITS - EXPONENT_BIAS
    power <<= FRACTION_BITS
    result *= power.view(np.float32)
    return result


def _gelu(x: Floats) -> Floats:
    """The error function to 1.5e-7: Abramowitz & Stegun 7.1.26."""
    z: Floats = np.abs(x)
    z *= HALF_ROOT
    t = 1 / (z * 0.3275911 + 1)
    polynomial = t * ERROR_FUNCTION[0]
    for coefficient in ERROR_FUNCTION[1:]:
        polynomial += coefficient
        polynomial *= t
    error = 1 - polynomial * _exponential(-z * z)
    result: Floats = x * 0.5 * (np.where(x < 0, -error, error) + 1)
    return result
