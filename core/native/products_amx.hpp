// AMX: a tile is 16 rows of 64 bytes. tdpbssd multiplies 16 activation vectors (64 inputs of each) with 16 outputs' weights
// for those inputs, which are 16 rows of the packed order, and adds to 16 x 16 sums. Fewer than four activation vectors do not
// fill a tile: they go by VNNI, which every processor with AMX has.
#pragma once

#include "products_vnni.hpp"

namespace {

constexpr const char *PATH = "amx";

struct Int8 : Int8Vnni {
    static void products(const Weight *weights, int quads, const Activation *activations, int stride, int rows, Sum *sums) {
        if (rows < 4) {
            Int8Vnni::products(weights, quads, activations, stride, rows, sums);
            return;
        }
        // Tiles 0-3: sums of two row tiles x two times 16 outputs; 4, 5: activations; 6, 7: weights.
        for (int half = 0; half < 2; half++) {
            const Weight *w = weights + half * QUAD / 2;
            for (int row = 0; row < rows; row += 32) {
                const Activation *a = activations + static_cast<int64_t>(row) * stride;
                const Activation *a_next = a + 16 * static_cast<int64_t>(stride);
                const bool more = row + 16 < rows;
                _tile_zero(0);
                _tile_zero(1);
                _tile_zero(2);
                _tile_zero(3);
                for (int q = 0; q < quads; q += 16) {
                    _tile_loadd(4, a + 4 * q, stride);
                    _tile_loadd(6, w + QUAD * q, QUAD);
                    _tile_dpbssd(0, 4, 6);
                    _tile_loadd(7, w + QUAD * q + 64, QUAD);
                    _tile_dpbssd(1, 4, 7);
                    if (more) {
                        _tile_loadd(5, a_next + 4 * q, stride);
                        _tile_dpbssd(2, 5, 6);
                        _tile_dpbssd(3, 5, 7);
                    }
                }
                Sum *out = sums + row * GROUP + half * GROUP / 2;
                _tile_stored(0, out, GROUP * sizeof(Sum));
                _tile_stored(1, out + LANES, GROUP * sizeof(Sum));
                if (more) _tile_stored(2, out + 16 * GROUP, GROUP * sizeof(Sum));
                if (more) _tile_stored(3, out + 16 * GROUP + LANES, GROUP * sizeof(Sum));
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
