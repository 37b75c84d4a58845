// AVX-512 VNNI: vpdpbusd adds four products of an unsigned and a signed byte to each of 16 sums, exactly. The activations are
// the unsigned side: a + 128, so that 128 times the weights' sum has to be taken off again; it is summed beside, by one more
// vpdpbusd with a constant, only where rows are many enough to share it (or the memory is slow enough to hide it).
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
    /// BLOCKS neighbouring blocks for ROWS activation vectors.
    template <int ROWS, int BLOCKS>
    static void tile_of(const Weight *weights, int groups, const Activation *activations, int stride, Sum *sums) {
        __m512i total[ROWS][BLOCKS], excess[BLOCKS];
        for (int block = 0; block < BLOCKS; block++) {
            excess[block] = _mm512_setzero_si512();
            for (int row = 0; row < ROWS; row++) total[row][block] = _mm512_setzero_si512();
        }
        const __m512i offset = _mm512_set1_epi32(static_cast<int32_t>(0x80808080));
        for (int g = 0; g < groups; g++) {
            __m512i w[BLOCKS];
            for (int block = 0; block < BLOCKS; block++) {
                w[block] = _mm512_loadu_si512(weights + 64 * (static_cast<int64_t>(block) * groups + g));
                excess[block] = _mm512_dpbusd_epi32(excess[block], offset, w[block]);
            }
            for (int row = 0; row < ROWS; row++) {
                int32_t four;
                std::memcpy(&four, activations + static_cast<int64_t>(row) * stride + 4 * g, 4);
                const __m512i a = _mm512_set1_epi32(four ^ static_cast<int32_t>(0x80808080));
                for (int block = 0; block < BLOCKS; block++)
                    total[row][block] = _mm512_dpbusd_epi32(total[row][block], a, w[block]);
            }
        }
        for (int row = 0; row < ROWS; row++)
            for (int block = 0; block < BLOCKS; block++)
                _mm512_storeu_si512(sums + row * GROUP + block * LANES, _mm512_sub_epi32(total[row][block], excess[block]));
    }

    template <int BLOCKS>
    static void blocks_of(const Weight *weights, int groups, const Activation *activations, int stride, int rows, Sum *sums) {
        int row = 0;
        for (; row + 4 <= rows; row += 4)
            tile_of<4, BLOCKS>(weights, groups, activations + static_cast<int64_t>(row) * stride, stride, sums + row * GROUP);
        for (; row < rows; row++)
            tile_of<1, BLOCKS>(weights, groups, activations + static_cast<int64_t>(row) * stride, stride, sums + row * GROUP);
    }

    static void products(const Weight *weights, int groups, const Activation *activations, int stride, int rows, int blocks,
                         Sum *sums) {
        if (blocks == 4) {
            blocks_of<4>(weights, groups, activations, stride, rows, sums);
            return;
        }
        for (int block = 0; block < blocks; block++)
            blocks_of<1>(weights + static_cast<int64_t>(block) * groups * 64, groups, activations, stride, rows,
                         sums + block * LANES);
    }
};

#ifndef RITORNELLO_AMX
using Int8 = Int8Vnni;
#endif

}  // namespace
