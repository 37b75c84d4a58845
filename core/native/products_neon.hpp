// NEON with the dot-product extension (ARMv8.2): sdot adds four products of signed bytes to each of 4 sums, exactly.
#pragma once

#include <arm_neon.h>

namespace {

constexpr const char *PATH = "neon";

struct Int8 : Int8Portable {
    template <int ROWS>
    static void block_of(const Weight *weights, int groups, const Activation *activations, int stride, Sum *sums) {
        int32x4_t total[ROWS][4];
        for (auto &row : total)
            for (auto &quarter : row) quarter = vdupq_n_s32(0);
        for (int g = 0; g < groups; g++) {
            int8x16_t w[4];
            for (int quarter = 0; quarter < 4; quarter++) w[quarter] = vld1q_s8(weights + 64 * g + 16 * quarter);
            for (int row = 0; row < ROWS; row++) {
                int32_t four;
                std::memcpy(&four, activations + static_cast<int64_t>(row) * stride + 4 * g, 4);
                const int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(four));
                for (int quarter = 0; quarter < 4; quarter++)
                    total[row][quarter] = vdotq_s32(total[row][quarter], w[quarter], a);
            }
        }
        for (int row = 0; row < ROWS; row++)
            for (int quarter = 0; quarter < 4; quarter++) vst1q_s32(sums + row * GROUP + 4 * quarter, total[row][quarter]);
    }

    static void products(const Weight *weights, int groups, const Activation *activations, int stride, int rows, int blocks,
                         Sum *sums) {
        for (int block = 0; block < blocks; block++) {
            const Weight *w = weights + static_cast<int64_t>(block) * groups * 64;
            Sum *out = sums + block * LANES;
            int row = 0;
            for (; row + 4 <= rows; row += 4)
                block_of<4>(w, groups, activations + static_cast<int64_t>(row) * stride, stride, out + row * GROUP);
            for (; row < rows; row++)
                block_of<1>(w, groups, activations + static_cast<int64_t>(row) * stride, stride, out + row * GROUP);
        }
    }
};

}  // namespace
