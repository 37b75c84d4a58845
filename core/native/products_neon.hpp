// NEON with the dot-product extension (ARMv8.2): sdot adds four products of signed bytes to each of 4 sums, exactly.
#pragma once

#include <arm_neon.h>

namespace {

constexpr const char *PATH = "neon";

struct Int8 : Int8Portable {
    /// 16 outputs for ROWS activation vectors.
    template <int ROWS>
    static void tile_of(const Weight *weights, int quads, const Activation *activations, int stride, Sum *sums) {
        int32x4_t total[ROWS][4];
        for (auto &row : total)
            for (auto &part : row) part = vdupq_n_s32(0);
        for (int q = 0; q < quads; q++) {
            int8x16_t w[4];
            for (int part = 0; part < 4; part++) w[part] = vld1q_s8(weights + QUAD * q + 16 * part);
            for (int row = 0; row < ROWS; row++) {
                int32_t four;
                std::memcpy(&four, activations + static_cast<int64_t>(row) * stride + 4 * q, 4);
                const int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(four));
                for (int part = 0; part < 4; part++) total[row][part] = vdotq_s32(total[row][part], w[part], a);
            }
        }
        for (int row = 0; row < ROWS; row++)
            for (int part = 0; part < 4; part++) vst1q_s32(sums + row * GROUP + 4 * part, total[row][part]);
    }

    static void products(const Weight *weights, int quads, const Activation *activations, int stride, int rows, Sum *sums) {
        for (int first = 0; first < GROUP; first += 16) {
            const Weight *w = weights + 4 * first;
            Sum *out = sums + first;
            int row = 0;
            for (; row + 4 <= rows; row += 4)
                tile_of<4>(w, quads, activations + static_cast<int64_t>(row) * stride, stride, out + row * GROUP);
            for (; row < rows; row++)
                tile_of<1>(w, quads, activations + static_cast<int64_t>(row) * stride, stride, out + row * GROUP);
        }
    }
};

}  // namespace
