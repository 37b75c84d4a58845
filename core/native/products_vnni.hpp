// AVX-512 VNNI: vpdpbusd adds four products of an unsigned and a signed byte to each of 16 sums, exactly. The activations are
// the unsigned side: a + 128, so that 128 times the weights' sum has to be taken off again; one more vpdpbusd with a constant sums
// that beside, once for all rows of a tile.
#pragma once

#ifdef RITORNELLO_EMULATED
#include "emulated.hpp"
#else
#include <immintrin.h>
#endif

namespace {

#ifndef RITORNELLO_AMX
constexpr const char *PATH = "avx512vnni";
#endif

struct Int8Vnni : Int8Portable {
    /// All 64 outputs for ROWS activation vectors.
    template <int ROWS>
    static void tile_of(const Weight *weights, int quads, const Activation *activations, int stride, Sum *sums) {
        __m512i total[ROWS][4], excess[4];
        for (int part = 0; part < 4; part++) {
            excess[part] = _mm512_setzero_si512();
            for (int row = 0; row < ROWS; row++) total[row][part] = _mm512_setzero_si512();
        }
        const __m512i offset = _mm512_set1_epi32(static_cast<int32_t>(0x80808080));
        for (int q = 0; q < quads; q++) {
            __m512i w[4];
            for (int part = 0; part < 4; part++) {
                w[part] = _mm512_loadu_si512(weights + QUAD * q + 64 * part);
                excess[part] = _mm512_dpbusd_epi32(excess[part], offset, w[part]);
            }
            for (int row = 0; row < ROWS; row++) {
                int32_t four;
                std::memcpy(&four, activations + static_cast<int64_t>(row) * stride + 4 * q, 4);
                const __m512i a = _mm512_set1_epi32(four ^ static_cast<int32_t>(0x80808080));
                for (int part = 0; part < 4; part++) total[row][part] = _mm512_dpbusd_epi32(total[row][part], a, w[part]);
            }
        }
        for (int row = 0; row < ROWS; row++)
            for (int part = 0; part < 4; part++)
                _mm512_storeu_si512(sums + row * GROUP + 16 * part, _mm512_sub_epi32(total[row][part], excess[part]));
    }

    static void products(const Weight *weights, int quads, const Activation *activations, int stride, int rows, Sum *sums) {
        int row = 0;
        for (; row + 4 <= rows; row += 4)
            tile_of<4>(weights, quads, activations + static_cast<int64_t>(row) * stride, stride, sums + row * GROUP);
        for (; row < rows; row++)
            tile_of<1>(weights, quads, activations + static_cast<int64_t>(row) * stride, stride, sums + row * GROUP);
    }
};

#ifndef RITORNELLO_AMX
using Int8 = Int8Vnni;
#endif

}  // namespace
