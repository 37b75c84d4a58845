// AMX: a tile is 16 rows of 64 bytes. tdpbssd multiplies 16 activation vectors (64 inputs of each) with 16 outputs' weights
// for those inputs, which is exactly 1 KB of the packed order, and adds to 16 x 16 sums. Fewer than four rows do not fill a
// tile: they go by VNNI, which every processor with AMX has.
#pragma once

#include "products_vnni.hpp"

namespace {

constexpr const char *PATH = "amx";

struct Int8 : Int8Vnni {
    static void products(const Weight *weights, int groups, const Activation *activations, int stride, int rows, int blocks,
                         Sum *sums) {
        if (rows < 4) {
            Int8Vnni::products(weights, groups, activations, stride, rows, blocks, sums);
            return;
        }
        // Tiles 0-3: sums of two row tiles x two blocks; 4, 5: activations; 6, 7: weights.
        for (int block = 0; block < blocks; block += 2) {
            const Weight *w = weights + static_cast<int64_t>(block) * groups * 64;
            const Weight *w_next = w + static_cast<int64_t>(groups) * 64;
            const bool pair = block + 1 < blocks;
            for (int row = 0; row < rows; row += 32) {
                const Activation *a = activations + static_cast<int64_t>(row) * stride;
                const Activation *a_next = a + 16 * static_cast<int64_t>(stride);
                const bool more = row + 16 < rows;
                _tile_zero(0);
                _tile_zero(1);
                _tile_zero(2);
                _tile_zero(3);
                for (int g = 0; g < groups; g += 16) {
                    _tile_loadd(4, a + 4 * g, stride);
                    _tile_loadd(6, w + 64 * g, 64);
                    _tile_dpbssd(0, 4, 6);
                    if (pair) {
                        _tile_loadd(7, w_next + 64 * g, 64);
                        _tile_dpbssd(1, 4, 7);
                    }
                    if (more) {
                        _tile_loadd(5, a_next + 4 * g, stride);
                        _tile_dpbssd(2, 5, 6);
                        if (pair) _tile_dpbssd(3, 5, 7);
                    }
                }
                Sum *out = sums + row * GROUP + block * LANES;
                _tile_stored(0, out, GROUP * sizeof(Sum));
                if (pair) _tile_stored(1, out + LANES, GROUP * sizeof(Sum));
                if (more) _tile_stored(2, out + 16 * GROUP, GROUP * sizeof(Sum));
                if (more && pair) _tile_stored(3, out + 16 * GROUP + LANES, GROUP * sizeof(Sum));
            }
        }
    }

    /// All eight tiles 16 rows of 64 bytes. The layout: Intel SDM vol. 1, 18.2, palette 1.
    static void begin_thread() {
        alignas(64) uint8_t layout[64] = {1};
        for (int tile = 0; tile < 8; tile++) {
            layout[16 + 2 * tile] = 64;  // bytes of a row, 16 bits
            layout[48 + tile] = 16;      // rows
        }
        _tile_loadconfig(layout);
    }

    static void end_thread() { _tile_release(); }
};

}  // namespace
