// Kernel bodies: simulate dot-product units, cycle by cycle or for products of matrices.
//
// A unit multiplies a pair of codes in each of its lanes, and adds the sum to its accumulator
// (dot_unit.h). A block is a run of products that share a scale of W and a scale of A.
#pragma once

#include "blackwell.h"

namespace halfbyte {

// `streams` units over `cycles` clock cycles. The input of stream s in cycle t lies
// at s * cycles + t.
struct UnitStream {
  const uint8_t *w, *a;              // (streams, cycles, lanes) codes, one byte each
  const uint8_t *clear;              // 0 or 1
  const uint8_t *last;               // 1 in the last cycle of a block; null: every cycle ends one
  const uint8_t *w_scales, *a_scales;  // (streams, cycles, blocks): codes; null without scales
  int64_t initial;                   // the accumulator before the first cycle
  int64_t *acc;                      // after each cycle
  uint8_t *is_nan;                   // after each cycle; can be 1 only for the accumulator EXACT
  int64_t streams, cycles, lanes;
  int64_t blocks;  // in a cycle: added one after the other, each from its own lanes
};

// One thread computes all cycles of one unit.
HB_HD void run_unit(const UnitStream &u, const Unit &unit, const Decoder &w, const Decoder &a,
                    int64_t stream) {
  UnitState state = {u.initial, 0, false};
  for (int64_t cycle = 0; cycle < u.cycles; ++cycle) {
    const int64_t at = stream * u.cycles + cycle;
    for (int64_t block = at * u.blocks; block < (at + 1) * u.blocks; ++block) {
      const int64_t lanes = u.lanes / u.blocks;
      int64_t sum = 0;
      for (int64_t lane = block * lanes; lane < (block + 1) * lanes; ++lane)
        sum += int64_t{decode(w, u.w[lane])} * decode(a, u.a[lane]);
      const uint8_t w_scale = u.w_scales ? u.w_scales[block] : 0;
      const uint8_t a_scale = u.a_scales ? u.a_scales[block] : 0;
      const bool clear = block == at * u.blocks && u.clear[at] != 0;
      unit_step(unit, state,
                {sum, w_scale, a_scale, clear, u.last == nullptr || u.last[at] != 0});
    }
    u.acc[at] = state.acc;
    u.is_nan[at] = state.is_nan;
  }
}

// A matrix of packed codes with the code of a scale for each block of a row.
struct CodedOperand {
  const uint8_t *codes;   // (rows, row_bytes)
  const uint8_t *scales;  // (rows, blocks); null without scales
};

// A product A W^T. Each result is the accumulator of one unit, which adds one block in a cycle.
struct UnitProduct {
  CodedOperand a, w;
  int64_t m, n, length, block, blocks;
  int64_t *acc;     // (m, n)
  uint8_t *is_nan;  // (m, n); can be 1 only for the accumulator EXACT
};

// The exact sum of products `begin` to `end` of row m of A and row n of W.
HB_HD int64_t sum_of_products(const UnitProduct &p, const Decoder &w, const Decoder &a, int64_t m,
                              int64_t n, int64_t begin, int64_t end) {
  const uint8_t *a_row = p.a.codes + m * row_bytes(a.bits, p.length);
  const uint8_t *w_row = p.w.codes + n * row_bytes(w.bits, p.length);
  int64_t sum = 0;
  for (int64_t k = begin; k < end; ++k)
    sum += int64_t{decode(a, load_code(a_row, a.bits, k))} * decode(w, load_code(w_row, w.bits, k));
  return sum;
}

HB_HD int64_t smaller(int64_t one, int64_t other) { return one < other ? one : other; }

// The code of a block's scale; 0 without scales.
HB_HD uint8_t scale_code(const CodedOperand &operand, int64_t row, int64_t blocks, int64_t block) {
  return operand.scales ? operand.scales[row * blocks + block] : 0;
}

// The accumulator of the unit that computes result (m, n), after all blocks.
HB_HD UnitState unit_cell(const UnitProduct &p, const Unit &unit, const Decoder &w,
                          const Decoder &a, int64_t m, int64_t n) {
  UnitState state = {0, 0, false};
  for (int64_t b = 0; b < p.blocks; ++b) {
    const int64_t end = smaller((b + 1) * p.block, p.length);
    const int64_t sum = sum_of_products(p, w, a, m, n, b * p.block, end);
    unit_step(unit, state,
              {sum, scale_code(p.w, n, p.blocks, b), scale_code(p.a, m, p.blocks, b), b == 0,
               true});
  }
  return state;
}

// Result (m, n) as Blackwell's tensor core computes it (blackwell.h): by instructions of 64
// products, in ascending order. The last instruction may have fewer products. The size of a
// block must be a multiple of 16.
HB_HD int32_t blackwell_cell(const UnitProduct &p, const Unit &unit, const Decoder &w,
                             const Decoder &a, int64_t m, int64_t n) {
  int32_t c = 0;
  for (int64_t begin = 0; begin < p.length; begin += BLACKWELL_PRODUCTS) {
    int64_t sums[BLACKWELL_GROUPS];
    Scale scales[BLACKWELL_GROUPS];
    int groups = 0;
    for (; groups < BLACKWELL_GROUPS; ++groups) {
      const int64_t first = begin + groups * BLACKWELL_GROUP;
      if (first >= p.length) break;
      const int64_t b = first / p.block;
      sums[groups] =
          sum_of_products(p, w, a, m, n, first, smaller(first + BLACKWELL_GROUP, p.length));
      scales[groups] = product_of(unit.scale, scale_code(p.w, n, p.blocks, b),
                                  scale_code(p.a, m, p.blocks, b));
    }
    c = blackwell_step(unit, c, sums, scales, groups);
  }
  return c;
}

// One thread computes one result.
HB_HD void unit_result(const UnitProduct &p, const Unit &unit, const Decoder &w, const Decoder &a,
                       int64_t cell) {
  const int64_t m = cell / p.n, n = cell % p.n;
  if (unit.accumulator == BLACKWELL) {
    p.acc[cell] = blackwell_cell(p, unit, w, a, m, n);
    return;
  }
  const UnitState state = unit_cell(p, unit, w, a, m, n);
  p.acc[cell] = state.acc;
  p.is_nan[cell] = state.is_nan;
}

}  // namespace halfbyte
