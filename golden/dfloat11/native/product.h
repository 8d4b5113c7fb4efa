// Multiplies a matrix in layout 2 by a few vectors. Each block of weights is multiplied as soon as
// it is decoded, and stays in the first cache.
//
// Sums are in FP32, in sixteen parts. The parts depend only on the place in the matrix, so results
// are the same for any number of threads.
#pragma once

#include "joint.h"

namespace codec::product {

constexpr int kParts = 16;

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

// Sums of a chunk's rows, (rows that it touches) x vectors; the first and last row may be partial.
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

// sums: (chunks of the range, rows that a chunk touches at most, vectors), zeros before.
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
