// Kernel body: multiplies a few rows of activations by weights with block scales, and reads the
// weights as packed codes.
//
// Text generation multiplies one to sixteen rows of activations by every weight once, so reading
// the weights takes most of the time. A warp processes up to eight rows of weights. Each lane
// (thread) reads 16 codes of a row at a time, a *piece*, so the warp reads 512 codes, a *span*. The
// lane looks up the integer of each code in a table of 16 bytes that it keeps in registers. Lanes
// that share a block (elements with one scale) add their sums. The terms of different blocks, sums
// times scales, are computed in parallel. Then each lane adds the terms of one result in the order
// of the blocks.
#pragma once

#include "machine.h"
#include "product.h"

namespace halfbyte {

constexpr int FEW_ROWS = 16;             // of activations, at most
constexpr int SPAN_CODES = LANES * PIECE;  // codes of a row that a warp reads at once

struct RowsProduct {
  const int8_t *a;        // activations, as Expand writes them
  const float *a_steps;
  Layout a_layout;
  Operand w;              // codes packed in pairs; a row has whole pieces of 16 codes
  int64_t n;              // rows of weights
  float *y;               // (a rows, n)
  int64_t *overflows;     // counts results beyond the range of FP32
};

// What the lanes of a warp share: terms[result][block], for the blocks that end in the current
// span.
struct RowsShared {
  float terms[LANES][LANES + 1];
};

// The integers of the 16 codes of a format, packed as bytes.
struct CodeBytes {
  uint32_t words[4];

  HB_HD explicit CodeBytes(const Decoder &decoder) {
    for (int word = 0; word < 4; ++word) {
      words[word] = 0;
      for (int byte = 0; byte < 4; ++byte) {
        const uint32_t integer = static_cast<uint8_t>(decoder.integers[word * 4 + byte]);
        words[word] |= integer << byte * 8;
      }
    }
  }
};

// Looks up four codes, one in each nibble of `codes`; returns their integers as four bytes.
template <class M>
HB_BODY uint32_t bytes_of_codes(M &machine, const CodeBytes &table, uint32_t codes) {
  const uint32_t within = codes & 0x7777;
  const uint32_t low = machine.permute(table.words[0], table.words[1], within);
  const uint32_t high = machine.permute(table.words[2], table.words[3], within);
  return machine.permute(low, high, 0x3210 | (codes & 0x8888) >> 1);
}

// A warp computes ROWS x WEIGHTS results, from ROWS rows of activations and WEIGHTS rows of
// weights. The State of a lane has the lane's sums for all of these results, and one finished
// result.
template <int ROWS>
struct FewRows {
  static constexpr int WEIGHTS = LANES / ROWS < 8 ? LANES / ROWS : 8;
  struct State {
    int32_t exact[WEIGHTS][ROWS];
    float y;
  };
};

// Adds the products of the piece of 16 codes at `at` to one lane's sums. `first` is the warp's
// first row of weights.
template <int ROWS, class M>
HB_BODY void sum_piece(M &machine, typename FewRows<ROWS>::State &state, const RowsProduct &p,
                       const CodeBytes &table, int64_t first, int64_t at) {
  const Layout &l = p.a_layout;
  if (at >= l.length) return;
  const int64_t block = at / l.block;
  const int8_t *a = p.a + block * l.block_bytes + (at - block * l.block);
  uint32_t packed[FewRows<ROWS>::WEIGHTS][2];
  HB_UNROLL
  for (int r = 0; r < FewRows<ROWS>::WEIGHTS; ++r)
    if (first + r < p.n)
      machine.template load<2>(packed[r], p.w.codes + ((first + r) * l.length + at) / 2);
  uint32_t activations[ROWS][4];
  HB_UNROLL
  for (int m = 0; m < ROWS; ++m) machine.template load<4>(activations[m], a + m * l.row_length);
  HB_UNROLL
  for (int r = 0; r < FewRows<ROWS>::WEIGHTS; ++r) {
    if (first + r >= p.n) continue;
    HB_UNROLL
    for (int quarter = 0; quarter < 4; ++quarter) {
      const uint32_t codes = packed[r][quarter / 2] >> quarter % 2 * 16 & 0xffff;
      const uint32_t weights = bytes_of_codes(machine, table, codes);
      HB_UNROLL
      for (int m = 0; m < ROWS; ++m)
        state.exact[r][m] = machine.dot4(state.exact[r][m], activations[m][quarter], weights);
    }
  }
}

// Computes the results of one warp; `first` is its first row of weights. Every partial sum of a
// block must fit an int32. The number of pieces in a block is a power of two, or a multiple of 32.
template <int ROWS, class M>
HB_BODY void gemm_rows(M &machine, const RowsProduct &p, const CodeBytes &table,
                       float quantum, int64_t first, RowsShared &shared) {
  using F = FewRows<ROWS>;
  const Layout &l = p.a_layout;
  const int64_t block_pieces = l.block / PIECE;
  const int group = static_cast<int>(block_pieces < LANES ? block_pieces : LANES);
  const int64_t block_spans = block_pieces < LANES ? 1 : block_pieces / LANES;
  const int64_t spans = (l.length + SPAN_CODES - 1) / SPAN_CODES;
  typename M::template PerLane<typename F::State> states;
  machine.lanes([&](int lane) { states[lane] = {}; });
  for (int64_t span = 0; span < spans; ++span) {
    machine.lanes([&](int lane) {
      sum_piece<ROWS>(machine, states[lane], p, table, first, span * SPAN_CODES + lane * PIECE);
    });
    if ((span + 1) % block_spans != 0 && span + 1 < spans) continue;
    const int64_t block0 = span / block_spans * (LANES / group);
    const int64_t left = l.blocks - block0;
    const int ended = static_cast<int>(left < LANES / group ? left : LANES / group);
    HB_UNROLL
    for (int r = 0; r < F::WEIGHTS; ++r) {
      HB_UNROLL
      for (int m = 0; m < ROWS; ++m) {
        typename M::template PerLane<int32_t> sums;
        machine.lanes([&](int lane) {
          sums[lane] = states[lane].exact[r][m];
          states[lane].exact[r][m] = 0;
        });
        machine.sum_of_groups(sums, group);
        machine.lanes([&](int lane) {
          const int which = lane / group;
          if (lane % group != 0 || which >= ended || first + r >= p.n) return;
          const int64_t b = block0 + which;
          const float step = multiply(p.w.scales[(first + r) * l.blocks + b], quantum);
          shared.terms[r * ROWS + m][which] =
              block_term(to_fp32(sums[lane]), p.a_steps[b * l.padded_rows + m], step);
        });
      }
    }
    machine.warp_barrier();
    machine.lanes([&](int lane) {
      if (lane >= F::WEIGHTS * ROWS) return;
      for (int which = 0; which < ended; ++which)
        states[lane].y = add(states[lane].y, shared.terms[lane][which]);
    });
    machine.warp_barrier();
  }
  machine.lanes([&](int lane) {
    const int64_t m = lane % ROWS, n = first + lane / ROWS;
    if (lane >= F::WEIGHTS * ROWS || m >= l.rows || n >= p.n) return;
    p.y[m * p.n + n] = states[lane].y;
    if (exceeds_fp32(states[lane].y)) machine.count(p.overflows, 1);
  });
}

// Calls `run` with the smallest power of two that is at least `rows`, up to FEW_ROWS. The
// argument's type holds this constant, so that the compiler can specialize the kernel.
template <class Run>
void with_rows(int64_t rows, Run run) {
  if (rows <= 1) run(std::integral_constant<int, 1>());
  else if (rows <= 2) run(std::integral_constant<int, 2>());
  else if (rows <= 4) run(std::integral_constant<int, 4>());
  else if (rows <= 8) run(std::integral_constant<int, 8>());
  else run(std::integral_constant<int, FEW_ROWS>());
}

}  // namespace halfbyte
