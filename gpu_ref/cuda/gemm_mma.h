// Kernel body: block-scaled GEMM on the tensor cores, with int8 operands and int32 sums.
//
// A thread block computes a tile of 128 x COLUMNS results, and each warp computes 64 x 32 of them.
// Narrow tiles leave room for two thread blocks on a multiprocessor: while one applies scales, the
// other can multiply. Wide tiles read the operands less often.
//
// After each block of products (elements that share a scale), the exact integer sum is multiplied
// by the steps of both operands and added to the FP32 result. A step is a scale times the quantum
// of the format (expand.h).
//
// Each thread keeps 64 sums, 64 results, 24 words of fragments and 16 values of a_steps and w_steps
// in registers.
#pragma once

#include "gemm_ring.h"

namespace halfbyte {

struct Mma {
  static constexpr int WARP_ROWS = 64, WARP_COLUMNS = 32;  // size of a warp's results
  // How many matrix instructions a warp needs down and across. Each gives 16 x 8 results.
  static constexpr int ROW_TILES = WARP_ROWS / 16, COLUMN_TILES = WARP_COLUMNS / 8;

  // What a thread holds: sums of the current block, results, steps of the block, and fragments. A
  // fragment is the thread's share of a matrix that an instruction multiplies.
  struct State {
    int32_t exact[ROW_TILES][COLUMN_TILES][4];
    float y[ROW_TILES][COLUMN_TILES][4];
    float a_steps[ROW_TILES][2], w_steps[COLUMN_TILES][2];
    uint32_t a[ROW_TILES][4], w[COLUMN_TILES / 2][4];
  };
};

// The tile of a thread block, and its ring of buffers (gemm_ring.h). With 128 columns and three
// buffers it needs 96 KiB of shared memory, which every GPU from sm_80 on can give one thread
// block.
template <int COLUMNS_, int STAGES_>
struct MmaTile {
  static constexpr int ROWS = TILE, COLUMNS = COLUMNS_, STAGES = STAGES_;
  static constexpr int WARPS_ACROSS = COLUMNS / Mma::WARP_COLUMNS;
  static constexpr int THREADS = TILE / Mma::WARP_ROWS * WARPS_ACROSS * LANES;
  static constexpr bool BY_GROUPS = false;                  // warps multiply, not warpgroups
  static constexpr int RESIDENT = COLUMNS == TILE ? 1 : 2;  // thread blocks on a multiprocessor
  static constexpr int A_BYTES = TILE * CHUNK;              // bytes of A in a buffer
  static constexpr int STAGE_BYTES = A_BYTES + COLUMNS * CHUNK;
  static constexpr int SHARED_BYTES = STAGES * STAGE_BYTES;
};

// Reads the fragments of one warp for slice number `slice` (32 bytes of each row) of a chunk.
template <class Tile, class M, class State>
HB_BODY void load_fragments(M &machine, State state, const int8_t *a, const int8_t *w, int warp,
                            int slice) {
  typename M::template PerLane<const void *> from;
  HB_UNROLL
  for (int i = 0; i < Mma::ROW_TILES; ++i) {
    // load_matrices() reads four matrices: the first 16 bytes of rows 0-7 and of rows 8-15, then
    // the next 16 bytes of the same rows.
    machine.lanes([&](int lane) {
      const int matrix = lane / 8;
      const int row =
          warp / Tile::WARPS_ACROSS * Mma::WARP_ROWS + i * 16 + matrix % 2 * 8 + lane % 8;
      from[lane] = a + part_offset(row, slice * 2 + matrix / 2);
    });
    machine.load_matrices(from, [&](int lane) { return state(lane).a[i]; });
  }
  HB_UNROLL
  for (int j = 0; j < Mma::COLUMN_TILES / 2; ++j) {
    // The four matrices here are the first and the next 16 bytes of rows 0-7, then those of rows
    // 8-15.
    machine.lanes([&](int lane) {
      const int matrix = lane / 8;
      const int row =
          warp % Tile::WARPS_ACROSS * Mma::WARP_COLUMNS + j * 16 + matrix / 2 * 8 + lane % 8;
      from[lane] = w + part_offset(row, slice * 2 + matrix % 2);
    });
    machine.load_matrices(from, [&](int lane) { return state(lane).w[j]; });
  }
}

// Reads a_steps and w_steps of block b for the rows and columns of each thread's results.
template <class Tile, class M, class State>
HB_BODY void load_steps(M &machine, State state, const Product &p, int64_t row0, int64_t column0,
                        int warp, int64_t b) {
  machine.lanes([&](int lane) {
    const float *a = p.a_steps + b * p.a_layout.padded_rows + row0 +
                     warp / Tile::WARPS_ACROSS * Mma::WARP_ROWS + lane / 4;
    const float *w = p.w_steps + b * p.w_layout.padded_rows + column0 +
                     warp % Tile::WARPS_ACROSS * Mma::WARP_COLUMNS + lane % 4 * 2;
    HB_UNROLL
    for (int half = 0; half < 2; ++half) {
      HB_UNROLL
      for (int i = 0; i < Mma::ROW_TILES; ++i) state(lane).a_steps[i][half] = a[i * 16 + half * 8];
      HB_UNROLL
      for (int j = 0; j < Mma::COLUMN_TILES; ++j) state(lane).w_steps[j][half] = w[j * 8 + half];
    }
  });
}

// Adds every finished sum of a block, times the block's steps, to the FP32 result.
template <bool SMALL, class M, class State>
HB_BODY void finish_block(M &machine, State state) {
  machine.lanes([&](int lane) {
    Mma::State &s = state(lane);
    HB_UNROLL
    for (int i = 0; i < Mma::ROW_TILES; ++i) {
      HB_UNROLL
      for (int j = 0; j < Mma::COLUMN_TILES; ++j) {
        HB_UNROLL
        for (int e = 0; e < 4; ++e) {
          const float exact = exact_of<SMALL>(s.exact[i][j][e]);
          s.y[i][j][e] =
              accumulate_block(s.y[i][j][e], exact, s.a_steps[i][e / 2], s.w_steps[j][e % 2]);
        }
      }
    }
  });
}

// Computes the tile of the result at (row0, column0). For BLOCK_SLICES and SMALL see gemm_ring.h.
template <class Tile, int BLOCK_SLICES, bool SMALL, class M>
HB_BODY void gemm_mma(M &machine, const Product &p, int64_t row0, int64_t column0,
                      int8_t *shared) {
  typename M::template PerThread<Mma::State> states;
  machine.threads([&](int thread) {
    HB_UNROLL
    for (int i = 0; i < Mma::ROW_TILES; ++i) {
      HB_UNROLL
      for (int j = 0; j < Mma::COLUMN_TILES; ++j) {
        HB_UNROLL
        for (int e = 0; e < 4; ++e) states[thread].y[i][j][e] = 0;
      }
    }
  });
  const auto take = [&](const int8_t *a, const int8_t *w, int slice, bool first, bool last,
                        int64_t b) {
    machine.warps([&](int warp) {
      const auto state = [&](int lane) -> Mma::State & { return states[warp * LANES + lane]; };
      if (first) load_steps<Tile>(machine, state, p, row0, column0, warp, b);
      load_fragments<Tile>(machine, state, a, w, warp, slice);
      HB_UNROLL
      for (int i = 0; i < Mma::ROW_TILES; ++i) {
        HB_UNROLL
        for (int j = 0; j < Mma::COLUMN_TILES; ++j)
          machine.multiply_matrices(
              [&](int lane) { return state(lane).exact[i][j]; },
              [&](int lane, int e) {
                return first ? first_sum<SMALL>() : state(lane).exact[i][j][e];
              },
              [&](int lane) { return state(lane).a[i]; },
              [&](int lane) { return state(lane).w[j / 2] + j % 2 * 2; });
      }
      if (last) finish_block<SMALL>(machine, state);
    });
  };
  over_slices<Tile, BLOCK_SLICES>(machine, p, row0, column0, shared, take);
  machine.threads([&](int thread) {
    const int warp = thread / LANES, lane = thread % LANES;
    const int64_t row = row0 + warp / Tile::WARPS_ACROSS * Mma::WARP_ROWS + lane / 4;
    const int64_t column = column0 + warp % Tile::WARPS_ACROSS * Mma::WARP_COLUMNS + lane % 4 * 2;
    int64_t overflows = 0;
    HB_UNROLL
    for (int i = 0; i < Mma::ROW_TILES; ++i) {
      HB_UNROLL
      for (int j = 0; j < Mma::COLUMN_TILES; ++j) {
        HB_UNROLL
        for (int e = 0; e < 4; ++e) {
          const int64_t m = row + i * 16 + e / 2 * 8, n = column + j * 8 + e % 2;
          store_result(p, m, n, states[thread].y[i][j][e], overflows);
        }
      }
    }
    if (overflows) machine.count(p.overflows, overflows);
  });
}

}  // namespace halfbyte
