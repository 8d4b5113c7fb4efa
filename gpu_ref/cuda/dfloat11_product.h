// Kernel bodies: multiply a matrix in the joint layout of DFloat11 by a few vectors. A warp decodes
// a chunk of the matrix (see dfloat11_joint.h) and multiplies the weights at once, in registers.
//
// A lane adds up the products of its own elements of a row, in FP32 and in the order of the row. At
// the end of the row, or of the chunk, the lanes' sums are added as a tree. Then the sums of the
// chunks that share a row are added in order. Every product and every sum is rounded. The same body
// also multiplies uncompressed weights; its results are then bit for bit the same. So every result
// that is NaN is 7FC00000: which NaN a sum of two gives depends on the compiler.
#pragma once

#include "dfloat11_joint.h"

namespace halfbyte {
namespace dfloat11 {

constexpr int MOST_VECTORS = 8;

struct JointProduct {
  DecodeJoint weights;
  const uint16_t *plain;  // uncompressed weights, or null: decode `weights`
  const float *x;         // (vectors, inputs)
  float *sums;            // (chunks, parts, vectors): over the part of a row that lies in a chunk
  float *y;               // (vectors, outputs)
  int64_t outputs, inputs;
  int64_t parts;          // the most rows that have elements in one chunk
  int32_t vectors;        // at most MOST_VECTORS
};

// A lane's sums of the current row, one for each vector.
struct LaneSums {
  float of[MOST_VECTORS];
};

// A sink that multiplies the elements of a chunk by the vectors.
template <class M>
struct JointMultiply {
  const JointProduct &p;
  float *sums;            // where the sums of the current row are written
  int64_t row_begin;      // element at which the current row begins
  int64_t end;            // element at which the chunk ends
  typename M::template PerLane<LaneSums> own;

  HB_BODY JointMultiply(M &machine, const JointProduct &p, int64_t chunk)
      : p(p), sums(p.sums + chunk * p.parts * p.vectors),
        row_begin(chunk * JOINT_CHUNK / p.inputs * p.inputs),
        end((chunk + 1) * JOINT_CHUNK < p.weights.elements ? (chunk + 1) * JOINT_CHUNK
                                                          : p.weights.elements) {
    clear(machine);
  }

  HB_BODY void clear(M &machine) {
    machine.lanes([&](int lane) {
      HB_UNROLL
      for (int v = 0; v < MOST_VECTORS; ++v) own[lane].of[v] = 0;
    });
  }

  // Adds the lanes' sums of the current row, and writes the results. Called at the end of the row
  // or of the chunk.
  HB_BODY void finish_row(M &machine) {
    HB_UNROLL
    for (int v = 0; v < MOST_VECTORS; ++v) {
      if (v >= p.vectors) break;
      typename M::template PerLane<float> values;
      machine.lanes([&](int lane) { values[lane] = own[lane].of[v]; });
      machine.tree_sum(values);
      machine.lanes([&](int lane) {
        if (lane == 0) sums[v] = values[lane];
      });
    }
    sums += p.vectors;
    row_begin += p.inputs;
    clear(machine);
  }

  // Multiplies `count` weights, one in each lane; `first` is the index of the first.
  template <class Words>
  HB_BODY void take(M &machine, int64_t first, int count, Words &words) {
    const int64_t last = first + count;
    for (;;) {
      const int64_t row_end = row_begin + p.inputs;
      machine.lanes([&](int lane) {
        const int64_t element = first + lane;
        if (lane >= count || element < row_begin || element >= row_end) return;
        const float weight = float_of(static_cast<int32_t>(words[lane] << 16));
        HB_UNROLL
        for (int v = 0; v < MOST_VECTORS; ++v)
          if (v < p.vectors)
            own[lane].of[v] =
                add(own[lane].of[v], multiply(weight, p.x[v * p.inputs + element - row_begin]));
      });
      if (row_end > last && last < end) return;
      finish_row(machine);
      if (row_end >= last) return;
    }
  }
};

// One warp multiplies the weights of one chunk. `slots` is the decoding table in shared memory.
template <class M>
HB_BODY void multiply_joint_chunk(M &machine, const JointProduct &p, const uint32_t *slots,
                                  int64_t chunk) {
  JointMultiply<M> product(machine, p, chunk);
  if (p.plain == nullptr) {
    joint_rounds(machine, p.weights, slots, chunk, product);
    return;
  }
  typename M::template PerLane<uint32_t> words;
  for (int64_t first = chunk * JOINT_CHUNK; first < product.end; first += LANES) {
    const int count = clamp(product.end - first, LANES);
    machine.lanes([&](int lane) { words[lane] = lane < count ? p.plain[first + lane] : 0; });
    product.take(machine, first, count, words);
  }
}

// One thread computes the results of row `row`, one for each vector, from the sums of all chunks
// that have a part of the row.
HB_HD void gather_joint_row(const JointProduct &p, int64_t row) {
  const int64_t begin = row * p.inputs, end = begin + p.inputs;
  for (int v = 0; v < p.vectors; ++v) {
    float sum = 0;
    for (int64_t chunk = begin / JOINT_CHUNK; chunk * JOINT_CHUNK < end; ++chunk) {
      const int64_t part = row - chunk * JOINT_CHUNK / p.inputs;
      sum = add(sum, p.sums[(chunk * p.parts + part) * p.vectors + v]);
    }
    p.y[v * p.outputs + row] = sum == sum ? sum : float_of(QUIET_NAN);
  }
}

}  // namespace dfloat11
}  // namespace halfbyte
