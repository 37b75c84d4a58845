// AVX2's vpmaddubsw multiplies unsigned by signed bytes and adds neighbours into 16 bits, where 255 * 127 * 2 would not fit.
// So the activation gives its magnitude and lends its sign to the weight: |a| * (w with a's sign), at most 127 * 127 * 2 =
// 32,258, which does. vpmaddwd with ones then adds neighbours into 32 bits.
#pragma once

#include <immintrin.h>

namespace {

constexpr const char *PATH = "avx2";

struct Int8 : Int8Portable {
    /// BLOCKS neighbouring blocks for ROWS activation vectors.
    template <int ROWS, int BLOCKS>
    static void tile_of(const Weight *weights, int groups, const Activation *activations, int stride, Sum *sums) {
        __m256i total[ROWS][2 * BLOCKS];
        for (auto &row : total)
            for (auto &half : row) half = _mm256_setzero_si256();
        const __m256i ones = _mm256_set1_epi16(1);
        for (int g = 0; g < groups; g++)
            for (int half = 0; half < 2 * BLOCKS; half++) {
                const Weight *from = weights + 64 * (static_cast<int64_t>(half / 2) * groups + g) + 32 * (half % 2);
                const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from));
                for (int row = 0; row < ROWS; row++) {
                    int32_t four;
                    std::memcpy(&four, activations + static_cast<int64_t>(row) * stride + 4 * g, 4);
                    const __m256i a = _mm256_set1_epi32(four);
                    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(w, a));
                    total[row][half] = _mm256_add_epi32(total[row][half], _mm256_madd_epi16(pairs, ones));
                }
            }
        for (int row = 0; row < ROWS; row++)
            for (int half = 0; half < 2 * BLOCKS; half++)
                _mm256_storeu_si256(reinterpret_cast<__m256i *>(sums + row * GROUP + 8 * half), total[row][half]);
    }

    template <int BLOCKS>
    static void blocks_of(const Weight *weights, int groups, const Activation *activations, int stride, int rows, Sum *sums) {
        int row = 0;
        for (; row + 2 <= rows; row += 2)
            tile_of<2, BLOCKS>(weights, groups, activations + static_cast<int64_t>(row) * stride, stride, sums + row * GROUP);
        for (; row < rows; row++)
            tile_of<1, BLOCKS>(weights, groups, activations + static_cast<int64_t>(row) * stride, stride, sums + row * GROUP);
    }

    static void products(const Weight *weights, int groups, const Activation *activations, int stride, int rows, int blocks,
                         Sum *sums) {
        if (blocks == 4 && rows == 1) {
            tile_of<1, 4>(weights, groups, activations, stride, sums);
            return;
        }
        int block = 0;
        for (; block + 2 <= blocks; block += 2)
            blocks_of<2>(weights + static_cast<int64_t>(block) * groups * 64, groups, activations, stride, rows,
                         sums + block * LANES);
        for (; block < blocks; block++)
            blocks_of<1>(weights + static_cast<int64_t>(block) * groups * 64, groups, activations, stride, rows,
                         sums + block * LANES);
    }
};

}  // namespace
