// AVX2's vpmaddubsw multiplies unsigned by signed bytes and adds neighbours into 16 bits, where 255 * 127 * 2 would not fit.
// So the activation gives its magnitude and lends its sign to the weight: |a| * (w with a's sign), at most 127 * 127 * 2 =
// 32,258, which does. vpmaddwd with ones then adds neighbours into 32 bits.
#pragma once

#include <immintrin.h>

namespace {

constexpr const char *PATH = "avx2";
constexpr int AHEAD = 1024;  // bytes by which a lone stream asks for its weights before it needs them

struct Int8 : Int8Portable {
    /// 8 * PARTS outputs for ROWS activation vectors.
    template <int ROWS, int PARTS>
    static void tile_of(const Weight *weights, int quads, const Activation *activations, int stride, Sum *sums) {
        __m256i total[ROWS][PARTS];
        for (auto &row : total)
            for (auto &part : row) part = _mm256_setzero_si256();
        const __m256i ones = _mm256_set1_epi16(1);
        for (int q = 0; q < quads; q++)
            for (int part = 0; part < PARTS; part++) {
                const Weight *from = weights + QUAD * q + 32 * part;
                if (ROWS == 1 && part % 2 == 0) _mm_prefetch(reinterpret_cast<const char *>(from) + AHEAD, _MM_HINT_T0);
                const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from));
                for (int row = 0; row < ROWS; row++) {
                    int32_t four;
                    std::memcpy(&four, activations + static_cast<int64_t>(row) * stride + 4 * q, 4);
                    const __m256i a = _mm256_set1_epi32(four);
                    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(w, a));
                    total[row][part] = _mm256_add_epi32(total[row][part], _mm256_madd_epi16(pairs, ones));
                }
            }
        for (int row = 0; row < ROWS; row++)
            for (int part = 0; part < PARTS; part++)
                _mm256_storeu_si256(reinterpret_cast<__m256i *>(sums + row * GROUP + 8 * part), total[row][part]);
    }

    static void products(const Weight *weights, int quads, const Activation *activations, int stride, int rows, Sum *sums) {
        constexpr int HALF = 4;  // parts: 32 outputs for two rows fill the sixteen registers
        int row = 0;
        for (; row + 2 <= rows; row += 2) {
            const Activation *a = activations + static_cast<int64_t>(row) * stride;
            tile_of<2, HALF>(weights, quads, a, stride, sums + row * GROUP);
            tile_of<2, HALF>(weights + QUAD / 2, quads, a, stride, sums + row * GROUP + GROUP / 2);
        }
        if (row < rows)
            tile_of<1, 8>(weights, quads, activations + static_cast<int64_t>(row) * stride, stride, sums + row * GROUP);
    }
};

}  // namespace
