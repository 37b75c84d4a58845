// Sums of products: the one place where a kernel's time goes, and the one part written anew for each kind of processor.
//
// Packed order. A matrix is cut into groups of 64 outputs; within a group the weights of 4 neighbouring inputs stand together,
// output after output:
//
//     [group of 64 outputs][input / 4][64 outputs][4 inputs]
//
// 64 bytes of it are 16 outputs x 4 inputs: one AVX-512 register for vpdpbusd, two AVX2 registers, four NEON registers for sdot,
// one row of an AMX tile (16 such rows, 64 inputs, are a whole tile). All paths read it as it lies on disk; a lone stream reads
// it front to back at the speed of the memory. What a broadcast of 4 activations is multiplied with needs no sum across a
// register afterwards. For an LSTM the 64 outputs are the four gates of 16 units.
//
// A `Numbers` is a precision: what a weight, an activation and a sum are, how a float becomes an activation, and
//     products(weights, quads, activations, stride, rows, sums):
//         sums[row * 64 + output] of one group for `rows` activation vectors of 4 * quads inputs (floats: of `quads` inputs).
// `rows` may be rounded up to a multiple of 16: the buffers have room.
#pragma once

#include "numbers.hpp"

namespace {

constexpr int LANES = 16;         // units whose gates are a group
constexpr int GROUP = 4 * LANES;  // outputs computed together
constexpr int QUAD = 4 * GROUP;   // bytes of a group's weights for 4 inputs
constexpr int ROW_PADDING = 16;

/// Weights and activations are integers from -127 to 127.
struct Int8Portable {
    using Weight = int8_t;
    using Activation = int8_t;
    using Sum = int32_t;
    static constexpr int INPUTS = 4;

    static Activation encode(float x, float inverse_scale) {
        return static_cast<Activation>(nearest(clamp(x * inverse_scale, -127.0f, 127.0f)));
    }

    static void products(const Weight *weights, int quads, const Activation *activations, int stride, int rows, Sum *sums) {
        for (int row = 0; row < rows; row++) {
            const Weight *w = weights;
            const Activation *a = activations + static_cast<int64_t>(row) * stride;
            Sum total[GROUP] = {};
            for (int q = 0; q < quads; q++, w += QUAD, a += 4)
                for (int o = 0; o < GROUP; o++)
                    total[o] += w[4 * o] * a[0] + w[4 * o + 1] * a[1] + w[4 * o + 2] * a[2] + w[4 * o + 3] * a[3];
            std::memcpy(sums + row * GROUP, total, sizeof total);
        }
    }

    static void begin_thread() {}
    static void end_thread() {}
};

/// For checking: the same network in floating point, one input after another, so that the order of each sum is fixed.
template <typename W>
struct Floating {
    using Weight = W;
    using Activation = float;
    using Sum = float;
    static constexpr int INPUTS = 1;

    static float widen(float w) { return w; }
    static float widen(uint16_t w) { return from_bits(static_cast<int32_t>(w) << 16); }

    static Activation encode(float x, float) {
        if (sizeof(W) == 4) return x;
        const uint32_t u = static_cast<uint32_t>(bits(x));  // bfloat16: the upper half, rounded to even
        return from_bits(static_cast<int32_t>((u + 0x7FFF + ((u >> 16) & 1)) & 0xFFFF0000u));
    }

    static void products(const Weight *weights, int inputs, const Activation *activations, int stride, int rows, Sum *sums) {
        for (int row = 0; row < rows; row++) {
            const Weight *w = weights;
            const Activation *a = activations + static_cast<int64_t>(row) * stride;
            Sum total[GROUP] = {};
            for (int i = 0; i < inputs; i++, w += GROUP)
                for (int o = 0; o < GROUP; o++) total[o] += widen(w[o]) * a[i];
            std::memcpy(sums + row * GROUP, total, sizeof total);
        }
    }

    static void begin_thread() {}
    static void end_thread() {}
};

using Float32 = Floating<float>;
using Bfloat16 = Floating<uint16_t>;

}  // namespace

#if defined(RITORNELLO_AVX2)
#include "products_avx2.hpp"
#elif defined(RITORNELLO_AMX)
#include "products_amx.hpp"
#elif defined(RITORNELLO_VNNI)
#include "products_vnni.hpp"
#elif defined(RITORNELLO_NEON)
#include "products_neon.hpp"
#else
namespace {
using Int8 = Int8Portable;
constexpr const char *PATH = "portable";
}  // namespace
#endif
