// The few functions of real numbers that an LSTM needs, by +, -, * and / alone: the same bits on every processor.
//
// They are written so that a compiler vectorises the loops around them. libm's exp and tanh would be as right, but each
// library rounds the last bit in its own way, and one bit can change a token.
#pragma once

#include <cstdint>
#include <cstring>

namespace {

constexpr float ROUNDER = 12582912.0f;  // 1.5 * 2^23: adding it leaves no fraction bits, rounded half to even

inline int32_t bits(float x) {
    int32_t i;
    std::memcpy(&i, &x, 4);
    return i;
}

inline float from_bits(int32_t i) {
    float x;
    std::memcpy(&x, &i, 4);
    return x;
}

inline float clamp(float x, float low, float high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

/// The nearest integer of |x| < 2^22.
inline int32_t nearest(float x) { return bits(x + ROUNDER) - bits(ROUNDER); }

/// e^x for -87 <= x <= 88, and the nearer end's beyond; relative error below 2e-7.
/// Cephes' polynomial and its two-part ln 2: https://www.netlib.org/cephes/ (expf).
inline float exponential(float x) {
    x = clamp(x, -87.0f, 88.0f);
    const float shifted = x * 1.44269504f + ROUNDER;
    const float n = shifted - ROUNDER;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    const float power = from_bits((bits(shifted) - bits(ROUNDER) + 127) << 23);
    return (p * (r * r) + r + 1.0f) * power;
}

inline float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

inline float hyperbolic_tangent(float x) { return 1.0f - 2.0f / (exponential(2.0f * x) + 1.0f); }

/// x Phi(x), Hendrycks & Gimpel 2016, arXiv:1606.08415. The error function to 1.5e-7: Abramowitz & Stegun 7.1.26.
inline float gelu(float x) {
    const float z = (x < 0 ? -x : x) * 0.70710678f;
    const float t = 1.0f / (1.0f + 0.3275911f * z);
    const float poly = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    const float erf = 1.0f - poly * exponential(-z * z);
    return 0.5f * x * (1.0f + (x < 0 ? -erf : erf));
}

}  // namespace
