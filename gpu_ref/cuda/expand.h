// Kernel body: expands packed codes to int8, the type of the operands that the dp4a instruction and
// the tensor cores multiply.
//
// A tile is the part of the result that a thread block computes. A GEMM reads every element of an
// operand once for each tile that uses it. If a GEMM of (M, K) and (N, K) operands decoded them
// itself, tiles of 128 x 128 would take M N K / 64 table look-ups. Decoding the operands beforehand
// takes (M + N) K look-ups, and the inner loop of the GEMM only copies and multiplies.
#pragma once

#include "arithmetic.h"

namespace halfbyte {

constexpr int TILE = 128;         // rows are padded to a multiple of this, the side of a tile
constexpr int CHUNK = 128;        // bytes of a row that kernels fetch at once
constexpr int BLOCK_PADDING = 32; // bytes of a row that a matrix instruction multiplies at once
constexpr int PIECE = 16;         // elements that a thread expands, to a byte each

HB_HD int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Where the elements of a (rows, length) operand lie after expansion. Each block is padded with
// zeros to a multiple of BLOCK_PADDING.
struct Layout {
  int64_t rows, length, block;
  // complete() derives these. They are computed once, since 64-bit division is slow on a GPU.
  int64_t blocks;       // of a row
  int64_t padded_rows;
  int64_t block_bytes;  // of an expanded block
  int64_t row_length;   // bytes of an expanded row
};

// Computes the fields of a layout that follow from the first three.
inline void complete(Layout &l) {
  l.blocks = (l.length + l.block - 1) / l.block;
  l.padded_rows = round_up(l.rows, TILE);
  l.block_bytes = round_up(l.block, BLOCK_PADDING);
  l.row_length = round_up(l.blocks * l.block_bytes, CHUNK);
}

// The packed operand, and where its integers and steps are written. A step is a block's scale times
// the quantum of the format.
struct Expand {
  Operand from;
  Layout layout;
  int8_t *integers;  // (padded_rows, row_length)
  float *steps;      // (blocks, padded_rows)
};

// The number of pieces of an operand; a thread expands each by expand_piece().
HB_HD int64_t pieces(const Layout &layout) {
  return layout.padded_rows * (layout.row_length / PIECE);
}

// Decodes sixteen codes of 4 bits that lie in eight aligned bytes.
HB_HD void expand_pairs(const uint8_t *codes, const Decoder &decoder, int8_t *bytes) {
  uint64_t word;
  std::memcpy(&word, codes, sizeof word);
  for (int i = 0; i < PIECE; ++i)
    bytes[i] = static_cast<int8_t>(decode(decoder, word >> 4 * i & 15));
}

// One thread expands PIECE elements of a row. The thread of a block's first piece also writes the
// block's step.
HB_HD void expand_piece(const Expand &e, const Decoder &decoder, int64_t piece) {
  const Layout &l = e.layout;
  // expand() in multiply.py limits expanded rows to less than 2^31 bytes, so 32 bits are enough. On
  // a GPU, a division of 32-bit numbers is much cheaper than one of 64-bit numbers.
  const uint32_t row_pieces = static_cast<uint32_t>(l.row_length / PIECE);
  const int64_t row = piece / row_pieces;
  const uint32_t at = static_cast<uint32_t>(piece - row * row_pieces) * PIECE;
  const uint32_t block = at / static_cast<uint32_t>(l.block_bytes);
  const int64_t within = at - block * l.block_bytes, begin = block * l.block + within;
  const bool real = row < l.rows && block < l.blocks;
  const uint8_t *codes = e.from.codes + row * row_bytes(decoder.bits, l.length);
  alignas(PIECE) int8_t bytes[PIECE] = {};
  const bool full = real && within + PIECE <= l.block && begin + PIECE <= l.length;
  const uint8_t *first = codes + begin / 2;
  if (full && packs_pairs(decoder.bits) && begin % 2 == 0 &&
      reinterpret_cast<uintptr_t>(first) % sizeof(uint64_t) == 0) {
    expand_pairs(first, decoder, bytes);
  } else if (real) {
    for (int i = 0; i < PIECE; ++i)
      if (within + i < l.block && begin + i < l.length)
        bytes[i] = static_cast<int8_t>(decode(decoder, load_code(codes, decoder.bits, begin + i)));
  }
  std::memcpy(e.integers + row * l.row_length + at, bytes, PIECE);
  if (within == 0 && block < l.blocks)
    e.steps[block * l.padded_rows + row] =
        real ? block_step(e.from.scales[row * l.blocks + block], decoder) : 0;
}

}  // namespace halfbyte
