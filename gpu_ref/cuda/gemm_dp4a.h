// Kernel body: block-scaled GEMM by dp4a, which adds four products of int8 to an int32.
//
// A thread block computes a tile of the result. After each block of products (elements that share a
// scale), the exact integer sum is multiplied by the steps of both operands and added to the FP32
// result. A step is a scale times the quantum of the format (expand.h).
#pragma once

#include "machine.h"
#include "product.h"

namespace halfbyte {

struct Dp4a {
  // A thread block computes SIDE x SIDE results. A thread computes EACH x EACH of them, from rows
  // and columns that are GRID apart. A slice is 32 bytes of a row; a block has a whole number of
  // slices.
  static constexpr int THREADS = 256, SIDE = 64;
  static constexpr int GRID = 16, EACH = SIDE / GRID;
  static constexpr int WORDS = CHUNK / 4;
  static constexpr int SLICES = CHUNK / BLOCK_PADDING, SLICE_WORDS = BLOCK_PADDING / 4;
  static constexpr int PITCH = WORDS + 1;  // words of a row in shared memory; odd: banks differ

  struct Shared {
    uint32_t a[SIDE][PITCH], w[SIDE][PITCH];
  };
  struct State {
    int32_t exact[EACH][EACH];
    float y[EACH][EACH];
  };
};

// Adds the products of one slice of a chunk to one thread's sums.
template <class M>
HB_BODY void sum_slice(M &machine, Dp4a::State &state, int thread, int slice,
                       const Dp4a::Shared &shared) {
  using D = Dp4a;
  const int row = thread / D::GRID, column = thread % D::GRID;
  HB_UNROLL
  for (int word = slice * D::SLICE_WORDS; word < (slice + 1) * D::SLICE_WORDS; ++word) {
    HB_UNROLL
    for (int i = 0; i < D::EACH; ++i) {
      HB_UNROLL
      for (int j = 0; j < D::EACH; ++j)
        state.exact[i][j] = machine.dot4(state.exact[i][j], shared.a[row + i * D::GRID][word],
                                         shared.w[column + j * D::GRID][word]);
    }
  }
}

// Adds the sums of block b, times the block's steps, to one thread's FP32 results.
HB_BODY void finish_block(Dp4a::State &state, const Product &p, int64_t row0, int64_t column0,
                        int thread, int64_t b) {
  using D = Dp4a;
  const float *a_steps =
      p.a_steps + b * p.a_layout.padded_rows + row0 + thread / D::GRID;
  const float *w_steps =
      p.w_steps + b * p.w_layout.padded_rows + column0 + thread % D::GRID;
  HB_UNROLL
  for (int i = 0; i < D::EACH; ++i) {
    HB_UNROLL
    for (int j = 0; j < D::EACH; ++j) {
      state.y[i][j] = accumulate_block(state.y[i][j], to_fp32(state.exact[i][j]),
                                       a_steps[i * D::GRID], w_steps[j * D::GRID]);
      state.exact[i][j] = 0;
    }
  }
}

// Computes the tile of the result at (row0, column0). Every partial sum of a block must fit an
// int32.
template <class M>
HB_BODY void gemm_dp4a(M &machine, const Product &p, int64_t row0, int64_t column0,
                       Dp4a::Shared &shared) {
  using D = Dp4a;
  const int64_t length = p.a_layout.row_length, blocks = p.a_layout.blocks;
  const int64_t block_slices = p.a_layout.block_bytes / BLOCK_PADDING;
  typename M::template PerThread<D::State> states;
  machine.threads([&](int thread) {
    HB_UNROLL
    for (int i = 0; i < D::EACH; ++i) {
      HB_UNROLL
      for (int j = 0; j < D::EACH; ++j) {
        states[thread].exact[i][j] = 0;
        states[thread].y[i][j] = 0;
      }
    }
  });
  int64_t b = 0, slice_in_block = 0;
  for (int64_t chunk = 0; chunk < length / CHUNK; ++chunk) {
    machine.threads([&](int thread) {
      for (int i = thread; i < D::SIDE * D::WORDS; i += D::THREADS) {
        const int row = i / D::WORDS, word = i % D::WORDS;
        const int64_t at = chunk * CHUNK + word * 4;
        std::memcpy(&shared.a[row][word], p.a + (row0 + row) * length + at, 4);
        std::memcpy(&shared.w[row][word], p.w + (column0 + row) * length + at, 4);
      }
    });
    machine.barrier();
    for (int slice = 0; slice < D::SLICES && b < blocks; ++slice) {
      const bool last = slice_in_block == block_slices - 1;
      machine.threads([&](int thread) {
        sum_slice(machine, states[thread], thread, slice, shared);
        if (last) finish_block(states[thread], p, row0, column0, thread, b);
      });
      slice_in_block = last ? 0 : slice_in_block + 1;
      b += last;
    }
    machine.barrier();
  }
  machine.threads([&](int thread) {
    const int64_t row = row0 + thread / D::GRID, column = column0 + thread % D::GRID;
    int64_t overflows = 0;
    HB_UNROLL
    for (int i = 0; i < D::EACH; ++i) {
      HB_UNROLL
      for (int j = 0; j < D::EACH; ++j) {
        const int64_t m = row + i * D::GRID, n = column + j * D::GRID;
        store_result(p, m, n, states[thread].y[i][j], overflows);
      }
    }
    if (overflows) machine.count(p.overflows, overflows);
  });
}

}  // namespace halfbyte
