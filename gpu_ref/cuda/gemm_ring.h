// The loop that both tensor-core kernels share (gemm_mma.h and gemm_wgmma.h). It copies the
// operands to a ring of buffers, and calls the kernel's code for each slice. A slice is the 32
// elements of a row that one matrix instruction multiplies.
//
// Chunks of both operands, 128 bytes of each row, arrive in a ring of STAGES buffers in shared
// memory while earlier chunks are multiplied. In a row of 128 bytes the 16-byte parts are permuted:
// part p of row r lies at place p ^ r % 8, so that reads of eight rows avoid bank conflicts. In
// Hopper's instructions this permutation is called the 128-byte swizzle.
//
// P is the exact sum of the products of a block (elements that share a scale). If the magnitudes
// of P and of all partial sums are below 2^22, the sum starts from the bit pattern of 1.5 * 2^23
// instead of zero. Adding the integer P to the bits of that float adds P to its value. One exact
// subtraction then converts P to FP32. So all four FP32 operations of a block run on the FP32
// units: this subtraction, two multiplications and one addition.
#pragma once

#include "machine.h"
#include "product.h"

#include <type_traits>

namespace halfbyte {

constexpr int PARTS = CHUNK / COPY_BYTES;           // parts of a row in a buffer
constexpr int CHUNK_SLICES = CHUNK / BLOCK_PADDING;  // slices of a row in a buffer

constexpr int32_t INTEGER_BIAS = 0x4B400000;  // the bits of 1.5 * 2^23
constexpr float FLOAT_BIAS = 12582912.0f;     // 1.5 * 2^23

// The sum before the first product of a block. SMALL says that every partial sum of a block is
// below 2^22 in magnitude. Otherwise every partial sum must fit an int32.
template <bool SMALL>
HB_HD int32_t first_sum() {
  return SMALL ? INTEGER_BIAS : 0;
}

// A finished sum, which started with first_sum(), in FP32.
template <bool SMALL>
HB_HD float exact_of(int32_t sum) {
  return SMALL ? add(float_of(sum), -FLOAT_BIAS) : to_fp32(sum);
}

// Calls run(slices, is_small). The type of each argument holds a constant, so that the compiler can
// specialize the kernel. `slices` is the number of slices in a block. It is 1 or 4 if blocks of
// this size fill all chunks and `small` is true. Otherwise it is 0, which stands for any number.
template <class Run>
void with_blocks(const Layout &l, bool small, Run run) {
  const bool whole = l.blocks * l.block_bytes == l.row_length;
  if (l.block_bytes == CHUNK && small)
    run(std::integral_constant<int, CHUNK_SLICES>(), std::true_type());
  else if (l.block_bytes == BLOCK_PADDING && whole && small)
    run(std::integral_constant<int, 1>(), std::true_type());
  else if (small) run(std::integral_constant<int, 0>(), std::true_type());
  else run(std::integral_constant<int, 0>(), std::false_type());
}

// The offset in a buffer of part `part` of row `row` of an operand.
HB_HD int part_offset(int row, int part) {
  return row * CHUNK + ((part ^ (row % PARTS)) * COPY_BYTES);
}

// Starts to copy one chunk of both operands to a buffer. Beyond the last chunk, this copies
// nothing, but still closes a group of copies, since over_slices() waits for groups.
template <class Tile, class M>
HB_BODY void fetch(M &machine, const Product &p, int64_t row0, int64_t column0, int64_t chunk,
                   int8_t *a) {
  constexpr int STRIDE = Tile::THREADS / PARTS;  // rows that all threads copy at once
  const int64_t length = p.a_layout.row_length;
  int8_t *w = a + Tile::A_BYTES;
  if (chunk < length / CHUNK)
    machine.threads([&](int thread) {
      const int row = thread / PARTS, part = thread % PARTS;
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

// Goes through a tile along K. `take(a, w, slice, first, last, b)` multiplies slice number `slice`
// of the chunk in the buffers `a` and `w`. `first` and `last` say whether this slice begins or ends
// block b.
//
// BLOCK_SLICES is the number of slices in a block, or 0 for any number.
template <class Tile, int BLOCK_SLICES, class M, class Take>
HB_BODY void over_slices(M &machine, const Product &p, int64_t row0, int64_t column0,
                        int8_t *shared, Take take) {
  constexpr int STAGE_BYTES = Tile::STAGE_BYTES;
  // If every slice ends a block, an unrolled loop needs too many registers at once.
  [[maybe_unused]] constexpr int TIMES = BLOCK_SLICES == 1 ? 1 : CHUNK_SLICES;
  const int64_t chunks = p.a_layout.row_length / CHUNK, blocks = p.a_layout.blocks;
  const int64_t block_slices =
      BLOCK_SLICES ? BLOCK_SLICES : p.a_layout.block_bytes / BLOCK_PADDING;
  HB_UNROLL
  for (int stage = 0; stage < Tile::STAGES - 1; ++stage)
    fetch<Tile>(machine, p, row0, column0, stage, shared + stage * STAGE_BYTES);

  int read = 0, write = Tile::STAGES - 1;  // buffers of this chunk and of the next to fetch
  int64_t b = 0, slice_in_block = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    machine.template wait<Tile::STAGES - 2>();
    if constexpr (Tile::BY_GROUPS) machine.publish_copies();
    machine.barrier();  // all threads have the chunk, and the one before it is no longer read
    fetch<Tile>(machine, p, row0, column0, chunk + Tile::STAGES - 1, shared + write * STAGE_BYTES);
    const int8_t *a = shared + read * STAGE_BYTES, *w = a + Tile::A_BYTES;
    write = read;
    read = read + 1 == Tile::STAGES ? 0 : read + 1;
    HB_UNROLL_TIMES
    for (int slice = 0; slice < CHUNK_SLICES; ++slice) {
      if (!BLOCK_SLICES && b == blocks) break;  // the rest of the last chunk is padding
      const bool first = BLOCK_SLICES ? slice % BLOCK_SLICES == 0 : slice_in_block == 0;
      const bool last = BLOCK_SLICES ? slice % BLOCK_SLICES == BLOCK_SLICES - 1
                                     : slice_in_block == block_slices - 1;
      take(a, w, slice, first, last, b);
      slice_in_block = last ? 0 : slice_in_block + 1;
      b += last;
    }
  }
}

}  // namespace halfbyte
