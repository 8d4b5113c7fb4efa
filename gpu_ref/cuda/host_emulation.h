// The host build's emulation of GPU kernels for matrix products: each CPU thread emulates one
// thread block at a time. A tile is the part of the result that a thread block computes.
#pragma once

#include "api.h"
#include "gemm_mma.h"
#include "host_parallel.h"

namespace halfbyte {

// Calls `compute` with the first row and column of every tile of the result.
template <class Compute>
void over_tiles(const Context &context, const Tiling &tiling, Compute compute) {
  parallel(context.threads, tiling.count(), 1, [&](int64_t i) {
    const Corner corner = tiling.corner(i);
    compute(corner.row, corner.column);
  });
}

// Memory that stands for the shared memory of a thread block, aligned and set to zero.
template <class Tile>
std::unique_ptr<int8_t, decltype(&std::free)> shared_memory() {
  void *memory = std::aligned_alloc(SWIZZLE_BYTES, Tile::SHARED_BYTES);
  if (!memory) throw std::bad_alloc();
  return {static_cast<int8_t *>(std::memset(memory, 0, Tile::SHARED_BYTES)), &std::free};
}

// Emulates a tensor-core product. `compute(machine, slices, is_small, row, column, shared)`
// computes one tile; with_blocks() gives `slices` and `is_small`, objects whose types hold
// constants.
template <class Tile, class Compute>
void emulate_tiles(const Context &context, const Product &p, bool small, Compute compute) {
  with_blocks(p.a_layout, small, [&](auto slices, auto is_small) {
    over_tiles(context, Tiling(p, Tile::ROWS, Tile::COLUMNS), [&](int64_t row, int64_t column) {
      const auto shared = shared_memory<Tile>();
      Machine<Tile::THREADS> machine;
      compute(machine, slices, is_small, row, column, shared.get());
    });
  });
}

template <class Tile>
void emulate_mma(const Context &context, const Product &p, bool small) {
  emulate_tiles<Tile>(context, p, small,
                      [&](auto &machine, auto slices, auto is_small, int64_t row, int64_t column,
                          int8_t *shared) {
                        gemm_mma<Tile, slices(), is_small()>(machine, p, row, column, shared);
                      });
}

}  // namespace halfbyte
