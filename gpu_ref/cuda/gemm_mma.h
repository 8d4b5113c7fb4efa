// Kernel body: block-scaled GEMM on the tensor cores, int8 operands and int32 sums.
//
// A thread block computes 128 x COLUMNS results, a warp 64 x 32 of them. Chunks of 128 bytes of both
// operands arrive through a ring of STAGES buffers in shared memory. In a row of 128 bytes the
// 16-byte parts are permuted (part ^ row % 8), so that every ldmatrix avoids bank conflicts. Narrow
// tiles leave room for two blocks on a multiprocessor, of which one can multiply while the other
// scales; wide ones read less.
//
// If |P| < 2^22, the sums start from the bit pattern of 1.5 * 2^23 instead of zero. Adding the
// integer P to the bits of that float adds P to its value. One exact subtraction then converts P to
// FP32, so that all four operations of the float stage run on the FP32 units.
//
// Per thread 64 sums, 64 results, 24 words of fragments and 16 steps stay in registers.
#pragma once

#include "expand.h"
#include "machine.h"

#include <type_traits>

namespace halfbyte {

struct Mma {
  static constexpr int WARP_ROWS = 64, WARP_COLUMNS = 32;
  static constexpr int ROW_TILES = WARP_ROWS / 16, COLUMN_TILES = WARP_COLUMNS / 8;
  static constexpr int PARTS = CHUNK / COPY_BYTES;      // of a row in a buffer
  static constexpr int STEPS = CHUNK / BLOCK_PADDING;   // matrix instructions along a chunk

  struct State {
    int32_t exact[ROW_TILES][COLUMN_TILES][4];
    float y[ROW_TILES][COLUMN_TILES][4];
    float a_steps[ROW_TILES][2], w_steps[COLUMN_TILES][2];
    uint32_t a[ROW_TILES][4], w[COLUMN_TILES / 2][4];
  };
};

// The tile of a thread block, and its buffers. That of 128 columns and three buffers needs 96 KiB of
// shared memory, which every GPU from sm_80 on has for one block.
template <int COLUMNS_, int STAGES_>
struct MmaTile {
  static constexpr int ROWS = TILE, COLUMNS = COLUMNS_, STAGES = STAGES_;
  static constexpr int WARPS_ACROSS = COLUMNS / Mma::WARP_COLUMNS;
  static constexpr int THREADS = TILE / Mma::WARP_ROWS * WARPS_ACROSS * LANES;
  static constexpr int RESIDENT = COLUMNS == TILE ? 1 : 2;  // blocks on a multiprocessor
  static constexpr int A_BYTES = TILE * CHUNK;              // one operand's share of a buffer
  static constexpr int STAGE_BYTES = A_BYTES + COLUMNS * CHUNK;
  static constexpr int SHARED_BYTES = STAGES * STAGE_BYTES;
};

// Calls `run` with the matrix instructions along a block, or 0 for any number, and with whether
// partial sums are small, as types. Blocks of one or four instructions must fill all chunks; their
// sums are always small.
template <class Run>
void with_blocks(const Layout &l, bool small, Run run) {
  const bool whole = l.blocks * l.block_bytes == l.row_length;
  if (l.block_bytes == CHUNK && small)
    run(std::integral_constant<int, Mma::STEPS>(), std::true_type());
  else if (l.block_bytes == BLOCK_PADDING && whole && small)
    run(std::integral_constant<int, 1>(), std::true_type());
  else if (small) run(std::integral_constant<int, 0>(), std::true_type());
  else run(std::integral_constant<int, 0>(), std::false_type());
}

constexpr int32_t INTEGER_BIAS = 0x4B400000;  // the bits of 1.5 * 2^23
constexpr float FLOAT_BIAS = 12582912.0f;     // 1.5 * 2^23

// Where part `part` of row `row` of an operand lies in its buffer.
HB_HD int part_offset(int row, int part) {
  return row * CHUNK + ((part ^ (row % Mma::PARTS)) * COPY_BYTES);
}

// Start copying one chunk of both operands to a buffer; beyond the end, close an empty group.
template <class Tile, class M>
HB_BODY void fetch(M &machine, const Product &p, int64_t row0, int64_t column0, int64_t chunk,
                   int8_t *a) {
  constexpr int STRIDE = Tile::THREADS / Mma::PARTS;  // rows that all threads copy at once
  const int64_t length = p.a_layout.row_length;
  int8_t *w = a + Tile::A_BYTES;
  if (chunk < length / CHUNK)
    machine.threads([&](int thread) {
      const int row = thread / Mma::PARTS, part = thread % Mma::PARTS;
      const int64_t at = chunk * CHUNK + part * COPY_BYTES;
      const int8_t *from_a = p.a + (row0 + row) * length + at;
      const int8_t *from_w = p.w + (column0 + row) * length + at;
      HB_UNROLL
      for (int i = 0; i < Tile::ROWS / STRIDE; ++i)
        machine.copy(a + part_offset(row + i * STRIDE, part), from_a + i * STRIDE * length);
      HB_UNROLL
      for (int i = 0; i < Tile::COLUMNS / STRIDE; ++i)
        machine.copy(w + part_offset(row + i * STRIDE, part), from_w + i * STRIDE * length);
    });
  machine.commit();
}

// Read the operands of one warp in step `step` of a chunk.
template <class Tile, class M, class State>
HB_BODY void load_fragments(M &machine, State state, const int8_t *a, const int8_t *w, int warp,
                            int step) {
  typename M::template PerLane<const void *> from;
  HB_UNROLL
  for (int i = 0; i < Mma::ROW_TILES; ++i) {
    machine.lanes([&](int lane) {  // matrices: rows 0-7 and 8-15, then the same 16 bytes on
      const int matrix = lane / 8;
      const int row =
          warp / Tile::WARPS_ACROSS * Mma::WARP_ROWS + i * 16 + matrix % 2 * 8 + lane % 8;
      from[lane] = a + part_offset(row, step * 2 + matrix / 2);
    });
    machine.load_matrices(from, [&](int lane) { return state(lane).a[i]; });
  }
  HB_UNROLL
  for (int j = 0; j < Mma::COLUMN_TILES / 2; ++j) {
    machine.lanes([&](int lane) {  // matrices: 16 and 16 bytes of rows 0-7, then of rows 8-15
      const int matrix = lane / 8;
      const int row =
          warp % Tile::WARPS_ACROSS * Mma::WARP_COLUMNS + j * 16 + matrix / 2 * 8 + lane % 8;
      from[lane] = w + part_offset(row, step * 2 + matrix % 2);
    });
    machine.load_matrices(from, [&](int lane) { return state(lane).w[j]; });
  }
}

// Read the steps of a block for the rows and columns of one thread's results.
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

// The float stage: every finished sum of a block, times its steps, onto its result.
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
          const float exact = SMALL ? add(float_of(s.exact[i][j][e]), -FLOAT_BIAS)
                                    : to_fp32(s.exact[i][j][e]);
          s.y[i][j][e] =
              accumulate_block(s.y[i][j][e], exact, s.a_steps[i][e / 2], s.w_steps[j][e % 2]);
        }
      }
    }
  });
}

// BLOCK_STEPS: matrix instructions along a block, or 0 for any number. SMALL: every partial sum of
// a block is below 2^22 in magnitude; else it must fit an int32.
template <class Tile, int BLOCK_STEPS, bool SMALL, class M>
HB_BODY void gemm_mma(M &machine, const Product &p, int64_t row0, int64_t column0,
                      int8_t *shared) {
  const int64_t chunks = p.a_layout.row_length / CHUNK, blocks = p.a_layout.blocks;
  const int64_t block_steps =
      BLOCK_STEPS ? BLOCK_STEPS : p.a_layout.block_bytes / BLOCK_PADDING;
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
  constexpr int STAGE_BYTES = Tile::STAGE_BYTES;
  // Steps that each end a block would need too many registers at once.
  [[maybe_unused]] constexpr int TIMES = BLOCK_STEPS == 1 ? 1 : Mma::STEPS;
  HB_UNROLL
  for (int stage = 0; stage < Tile::STAGES - 1; ++stage)
    fetch<Tile>(machine, p, row0, column0, stage, shared + stage * STAGE_BYTES);

  int read = 0, write = Tile::STAGES - 1;  // buffers of this chunk, and of the next to be fetched
  int64_t b = 0, step_in_block = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    machine.template wait<Tile::STAGES - 2>();
    machine.barrier();  // all threads have the chunk, and the one before it is no longer read
    fetch<Tile>(machine, p, row0, column0, chunk + Tile::STAGES - 1, shared + write * STAGE_BYTES);
    const int8_t *a = shared + read * STAGE_BYTES, *w = a + Tile::A_BYTES;
    write = read;
    read = read + 1 == Tile::STAGES ? 0 : read + 1;
    HB_UNROLL_TIMES
    for (int step = 0; step < Mma::STEPS; ++step) {
      if (!BLOCK_STEPS && b == blocks) break;  // the rest of the last chunk is padding
      const bool first = BLOCK_STEPS ? step % BLOCK_STEPS == 0 : step_in_block == 0;
      const bool last =
          BLOCK_STEPS ? step % BLOCK_STEPS == BLOCK_STEPS - 1 : step_in_block == block_steps - 1;
      machine.warps([&](int warp) {
        const auto state = [&](int lane) -> Mma::State & { return states[warp * LANES + lane]; };
        if (first) load_steps<Tile>(machine, state, p, row0, column0, warp, b);
        load_fragments<Tile>(machine, state, a, w, warp, step);
        HB_UNROLL
        for (int i = 0; i < Mma::ROW_TILES; ++i) {
          HB_UNROLL
          for (int j = 0; j < Mma::COLUMN_TILES; ++j)
            machine.multiply_matrices(
                [&](int lane) { return state(lane).exact[i][j]; },
                [&](int lane, int e) {
                  return first ? (SMALL ? INTEGER_BIAS : 0) : state(lane).exact[i][j][e];
                },
                [&](int lane) { return state(lane).a[i]; },
                [&](int lane) { return state(lane).w[j / 2] + j % 2 * 2; });
        }
        if (last) finish_block<SMALL>(machine, state);
      });
      step_in_block = last ? 0 : step_in_block + 1;
      b += last;
    }
  }
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
          if (m >= p.a_layout.rows || n >= p.w_layout.rows) continue;
          const float y = states[thread].y[i][j][e];
          overflows += exceeds_fp32(y);
          p.y[m * p.w_layout.rows + n] = y;
        }
      }
    }
    if (overflows) machine.count(p.overflows, overflows);
  });
}

}  // namespace halfbyte
