// Multiplies a matrix in layout 2 (joint.h) by a few vectors. Each block of weights is multiplied
// as soon as it is decoded, while it is in the first-level cache.
//
// A dot product is computed as sixteen partial sums in FP32, which are then added. Only the place
// of a weight in the matrix decides to which partial sum its product is added. So results are the
// same for any number of threads.
#pragma once

#include "joint.h"

namespace codec::product {

constexpr int kParts = 16;

// The value of a BF16 number.
inline float value_of(uint16_t bits) {
  uint32_t wide = uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

inline float dot(const uint16_t* weights, const float* x, int64_t count) {
  float parts[kParts] = {};
  int64_t i = 0;
  for (; i + kParts <= count; i += kParts)
    for (int k = 0; k < kParts; ++k) parts[k] += value_of(weights[i + k]) * x[i + k];
  for (int k = 0; i < count; ++i, ++k) parts[k] += value_of(weights[i]) * x[i];
  for (int width = kParts / 2; width; width /= 2)
    for (int k = 0; k < width; ++k) parts[k] += parts[k + width];
  return parts[0];
}

// Gets the blocks of a chunk from `Decoding` (joint.h) and multiplies them. `sums` gets the sums
// of the matrix rows that lie in the chunk, (rows, vectors). Only a part of the first and of
// the last of these rows may lie in the chunk.
struct Rows {
  int64_t start, inputs;  // first element of the chunk; elements of a row
  const float* x;         // (vectors, inputs)
  int64_t vectors;
  float* sums;
  uint16_t block[joint::kBlock];

  uint16_t* place(int64_t) { return block; }
  void take(int64_t begin, int64_t count, const uint16_t* weights) {
    const int64_t first_row = start / inputs;
    int64_t element = start + begin;
    while (count) {
      int64_t row = element / inputs, column = element % inputs;
      int64_t part = std::min(count, inputs - column);
      float* row_sums = sums + (row - first_row) * vectors;
      for (int64_t v = 0; v < vectors; ++v)
        row_sums[v] += dot(weights, x + v * inputs + column, part);
      element += part, weights += part, count -= part;
    }
  }
};

// Multiplies chunks `first` up to `last` (excluded). Adds to `sums`: (chunks of this range,
// most_rows, vectors). A chunk holds at most `most_rows` rows of the matrix, or parts of them.
// Returns false if a chunk is damaged.
inline bool multiply(const joint::Tensor& tensor, int64_t first, int64_t last, const float* x,
                     int64_t vectors, int64_t inputs, int64_t most_rows, float* sums) {
  const auto rows = [&](int64_t chunk) {
    return Rows{tensor.first(chunk), inputs, x, vectors,
                sums + (chunk - first) * most_rows * vectors, {}};
  };
  for (int64_t chunk = first; chunk < last; chunk += 2) {
    const bool both = chunk + 1 < last;
    Rows some = rows(chunk), others = rows(both ? chunk + 1 : chunk);
    joint::Decoding<uint16_t, Rows> one(tensor, chunk, some);
    joint::Decoding<uint16_t, Rows> two(tensor, both ? chunk + 1 : chunk, others);
    if (both) joint::decode_together(tensor, one, two);
    if (one.finish() != joint::kGood) return false;
    if (both && two.finish() != joint::kGood) return false;
  }
  return true;
}

}  // namespace codec::product
