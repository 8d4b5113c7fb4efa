// A block-scaled product A W^T of two expanded operands, and the tiles in which kernels compute it.
//
// An expanded operand has been decoded to padded int8 (expand.h). A tile is the part of the result
// that a thread block computes.
#pragma once

#include "expand.h"

namespace halfbyte {

HB_HD bool exceeds_fp32(float x) { return magnitude_bits(x) >= INFINITY_BITS; }

struct Product {
  const int8_t *a, *w;           // as Expand writes them
  const float *a_steps, *w_steps;  // for each block: scale times quantum
  Layout a_layout, w_layout;     // of equal length and block
  float *y;                      // (a rows, w rows)
  int64_t *overflows;            // counts results beyond the range of FP32
};

// The first row and column of a tile of the result.
struct Corner {
  int64_t row, column;
};

// The order in which the tiles of the result are computed: first all tiles in the first GROUP
// columns of tiles, row by row, then the tiles in the next GROUP columns. So operands that
// neighbouring tiles share stay in a GPU's L2 cache.
struct Tiling {
  static constexpr int64_t GROUP = 16;
  int64_t rows, columns, down, across;

  HB_HD Tiling(const Product &p, int64_t rows, int64_t columns)
      : rows(rows),
        columns(columns),
        down((p.a_layout.rows + rows - 1) / rows),
        across((p.w_layout.rows + columns - 1) / columns) {}

  HB_HD int64_t count() const { return down * across; }

  HB_HD Corner corner(int64_t index) const {
    const int64_t first = index / (GROUP * down) * GROUP;
    const int64_t width = across - first < GROUP ? across - first : GROUP;
    const int64_t within = index - first * down;
    return {within / width * rows, (first + within % width) * columns};
  }
};

// Writes y[m, n] unless it lies in the padding, and counts it if it is beyond the range of FP32.
HB_HD void store_result(const Product &p, int64_t m, int64_t n, float y, int64_t &overflows) {
  if (m >= p.a_layout.rows || n >= p.w_layout.rows) return;
  overflows += exceeds_fp32(y);
  p.y[m * p.w_layout.rows + n] = y;
}

}  // namespace halfbyte
