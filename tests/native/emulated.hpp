// The few AVX-512 and AMX instructions that the kernel uses, in plain C++, after Intel's descriptions of them: so that the code
// written for processors that have them runs, and is tested, on any other. Included only where RITORNELLO_EMULATED is defined.
#pragma once

#include <cstdint>
#include <cstring>

struct __m512i {
    int32_t lane[16];
};

inline __m512i _mm512_set1_epi32(int32_t x) {
    __m512i r;
    for (int32_t &lane : r.lane) lane = x;
    return r;
}

inline __m512i _mm512_setzero_si512() { return _mm512_set1_epi32(0); }

inline __m512i _mm512_loadu_si512(const void *from) {
    __m512i r;
    std::memcpy(&r, from, sizeof r);
    return r;
}

inline void _mm512_storeu_si512(void *to, __m512i x) { std::memcpy(to, &x, sizeof x); }

inline __m512i _mm512_sub_epi32(__m512i a, __m512i b) {
    for (int i = 0; i < 16; i++) a.lane[i] -= b.lane[i];
    return a;
}

/// VPDPBUSD: unsigned bytes of a times signed bytes of b, four at a time, without saturation.
inline __m512i _mm512_dpbusd_epi32(__m512i sum, __m512i a, __m512i b) {
    uint8_t left[64];
    int8_t right[64];
    std::memcpy(left, &a, 64);
    std::memcpy(right, &b, 64);
    for (int i = 0; i < 64; i++) sum.lane[i / 4] += left[i] * right[i];
    return sum;
}

namespace emulated {
struct Tile {
    int8_t bytes[16][64];
};
inline thread_local Tile tiles[8];
inline thread_local bool configured = false;
}  // namespace emulated

inline void _tile_loadconfig(const void *layout) {
    const auto *bytes = static_cast<const uint8_t *>(layout);
    emulated::configured = bytes[0] == 1;
    for (int tile = 0; tile < 8; tile++)
        emulated::configured &= bytes[16 + 2 * tile] == 64 && bytes[17 + 2 * tile] == 0 && bytes[48 + tile] == 16;
}

inline void _tile_release() { emulated::configured = false; }

inline void _tile_zero(int tile) { std::memset(&emulated::tiles[tile], 0, sizeof(emulated::Tile)); }

inline void _tile_loadd(int tile, const void *from, long stride) {
    for (int row = 0; row < 16; row++)
        std::memcpy(emulated::tiles[tile].bytes[row], static_cast<const char *>(from) + row * stride, 64);
}

inline void _tile_stored(int tile, void *to, long stride) {
    for (int row = 0; row < 16; row++)
        std::memcpy(static_cast<char *>(to) + row * stride, emulated::tiles[tile].bytes[row], 64);
}

/// TDPBSSD: sums[m][n] += sum over k, i of a[m][4k + i] * b[k][4n + i]. Garbage where the tiles were not configured.
inline void _tile_dpbssd(int sums, int a, int b) {
    if (!emulated::configured) return;
    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 16; n++) {
            int32_t sum;
            std::memcpy(&sum, &emulated::tiles[sums].bytes[m][4 * n], 4);
            for (int k = 0; k < 16; k++)
                for (int i = 0; i < 4; i++)
                    sum += emulated::tiles[a].bytes[m][4 * k + i] * emulated::tiles[b].bytes[k][4 * n + i];
            std::memcpy(&emulated::tiles[sums].bytes[m][4 * n], &sum, 4);
        }
}
