// Kernel body: block-scaled GEMM by the warpgroup instructions of Hopper, with int8 operands and
// int32 sums.
//
// A warpgroup of four warps computes 64 x 128 results. It reads both operands from shared memory. A
// thread block has one or two warpgroups and computes a tile of the result. Thread blocks of one
// warpgroup share a multiprocessor in pairs: while one applies scales, the other can multiply.
//
// After each block of products (elements that share a scale), the exact integer sum is multiplied
// by the steps of both operands and added to the FP32 result. A step is a scale times the quantum
// of the format (expand.h).
#pragma once

#include "gemm_ring.h"

namespace halfbyte {

// The tile of a thread block of GROUPS warpgroups, and its ring of buffers (gemm_ring.h).
template <int GROUPS, int STAGES_>
struct GroupTile {
  static constexpr int ROWS = GROUPS * GROUP_ROWS, COLUMNS = GROUP_COLUMNS, STAGES = STAGES_;
  static constexpr int THREADS = GROUPS * GROUP_THREADS;
  static constexpr bool BY_GROUPS = true;               // warpgroups multiply
  static constexpr int RESIDENT = GROUPS == 1 ? 2 : 1;  // thread blocks on a multiprocessor
  static constexpr int A_BYTES = ROWS * CHUNK;          // bytes of A in a buffer
  static constexpr int STAGE_BYTES = A_BYTES + COLUMNS * CHUNK;
  static constexpr int SHARED_BYTES = STAGES * STAGE_BYTES;
};

// What a thread holds: sums of the current block, and results.
struct GroupState {
  int32_t exact[GROUP_SUMS];
  float y[GROUP_SUMS];
};

// The row and the column, in the tile, of the first result of a thread.
HB_HD int first_row(int thread) { return thread / LANES * 16 + thread % LANES / 4; }
HB_HD int first_column(int thread) { return thread % 4 * 2; }

// Sets the sums to their value before the first product of a block.
template <bool SMALL>
HB_BODY void start_sums(GroupState &s) {
  HB_UNROLL
  for (int e = 0; e < GROUP_SUMS; ++e) s.exact[e] = first_sum<SMALL>();
}

// Adds the sums of block b, times the block's steps, to one thread's FP32 results.
template <bool SMALL>
HB_BODY void finish_sums(GroupState &s, const Product &p, int64_t row0, int64_t column0, int thread,
                         int64_t b) {
  const float *a = p.a_steps + b * p.a_layout.padded_rows + row0 + first_row(thread);
  const float *w = p.w_steps + b * p.w_layout.padded_rows + column0 + first_column(thread);
  const float a_steps[2] = {a[0], a[8]};
  HB_UNROLL
  for (int j = 0; j < GROUP_SUMS / 4; ++j) {
    const float w_steps[2] = {w[j * 8], w[j * 8 + 1]};
    HB_UNROLL
    for (int i = 0; i < 4; ++i) {
      const float exact = exact_of<SMALL>(s.exact[j * 4 + i]);
      s.y[j * 4 + i] = accumulate_block(s.y[j * 4 + i], exact, a_steps[i / 2], w_steps[i % 2]);
    }
  }
}

// Writes one thread's results.
template <class M>
HB_BODY void store_results(M &machine, const GroupState &s, const Product &p, int64_t row0,
                           int64_t column0, int thread) {
  int64_t overflows = 0;
  HB_UNROLL
  for (int e = 0; e < GROUP_SUMS; ++e) {
    const int64_t m = row0 + first_row(thread) + e % 4 / 2 * 8;
    const int64_t n = column0 + first_column(thread) + e / 4 * 8 + e % 2;
    store_result(p, m, n, s.y[e], overflows);
  }
  if (overflows) machine.count(p.overflows, overflows);
}

// Computes the tile of the result at (row0, column0). gemm_ring.h explains BLOCK_SLICES and
// SMALL. `shared` is aligned to SWIZZLE_BYTES.
template <class Tile, int BLOCK_SLICES, bool SMALL, class M>
HB_BODY void gemm_wgmma(M &machine, const Product &p, int64_t row0, int64_t column0,
                        int8_t *shared) {
  typename M::template PerThread<GroupState> states;
  machine.threads([&](int thread) {
    HB_UNROLL
    for (int e = 0; e < GROUP_SUMS; ++e) states[thread].y[e] = 0;
  });
  const auto take = [&](const int8_t *a, const int8_t *w, int slice, bool first, bool last,
                        int64_t b) {
    // The thread waits for the sums at the end of a block, and at the end of a buffer, which will
    // be overwritten.
    const bool begins = first || slice == 0, ends = last || slice == CHUNK_SLICES - 1;
    if (first) machine.threads([&](int thread) { start_sums<SMALL>(states[thread]); });
    machine.groups([&](int group) {
      const auto sums = [&states, group](int thread) {
        return states[group * GROUP_THREADS + thread].exact;
      };
      if (begins) machine.begin_products(sums);
      machine.multiply_group(sums, a + group * GROUP_ROWS * CHUNK + slice * GROUP_BYTES,
                             w + slice * GROUP_BYTES);
      if (ends) machine.end_products(sums);
    });
    if (last)
      machine.threads([&](int thread) {
        finish_sums<SMALL>(states[thread], p, row0, column0, thread, b);
      });
  };
  over_slices<Tile, BLOCK_SLICES>(machine, p, row0, column0, shared, take);
  machine.threads(
      [&](int thread) { store_results(machine, states[thread], p, row0, column0, thread); });
}

}  // namespace halfbyte
