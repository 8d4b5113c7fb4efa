// Kernel bodies: compute the absolute maxima of blocks, quantize to packed codes, and dequantize.
//
// A block is a run of elements in a row that share a scale.
#pragma once

#include "machine.h"

namespace halfbyte {

// Element types of tensors that are quantized; each widens to FP32 exactly.
enum ElementType : int32_t { ELEMENT_FP32 = 0, ELEMENT_FP16 = 1, ELEMENT_BF16 = 2 };

struct Half {
  uint16_t bits;
};
struct Bfloat {
  uint16_t bits;
};

HB_HD float widen(float x) { return x; }
HB_HD float widen(Bfloat x) { return float_of(static_cast<int32_t>(uint32_t{x.bits} << 16)); }
HB_HD float widen(Half x) {
  // Once the bits are shifted into place, the exponent is 112 too small, also for subnormals. The
  // multiplication by 2^112 is exact.
  const uint32_t sign = uint32_t{x.bits} >> 15 << 31, rest = uint32_t{x.bits} & 0x7fff;
  const bool finite = rest < 0x7c00;
  const float scaled = multiply(float_of(static_cast<int32_t>(rest << 13)), 0x1p112f);
  const uint32_t wide = finite ? static_cast<uint32_t>(bits_of(scaled))
                               : static_cast<uint32_t>(INFINITY_BITS) | rest << 13;
  return float_of(static_cast<int32_t>(sign | wide));
}

// Counts of what cannot be quantized.
struct Refusals {
  int64_t nans;
  int64_t infinities;
  int64_t scales;  // blocks whose scale exceeds the range of FP32
};

// The arguments of the kernels: a (rows, length) matrix in blocks along its rows. The last block of
// a row may be shorter. Some kernels use only some of the fields.
struct Quantize {
  const void *x;
  int32_t element;  // ElementType
  int32_t rule;     // ScaleRule
  int64_t rows, length, block;
  const float *clips;  // (rows, blocks): factors of absolute maxima; null: `clip` for all blocks
  float clip;
  float whole;      // tensor_scale() of the whole tensor, for E4M3
  uint8_t *codes;   // (rows, row_bytes)
  float *scales;    // (rows, blocks)
  Refusals *refusals;

  HB_HD int64_t blocks() const { return (length + block - 1) / block; }
  // A unit is what a warp quantizes. It is one block, except that two neighbouring blocks of odd
  // size are one unit if codes are packed in pairs: these blocks share a byte.
  HB_HD int64_t blocks_per_unit(int bits) const { return packs_pairs(bits) && block % 2 ? 2 : 1; }
  HB_HD int64_t units_per_row(int bits) const {
    return (blocks() + blocks_per_unit(bits) - 1) / blocks_per_unit(bits);
  }
};

HB_HD void count_refusals(float x, int64_t &nans, int64_t &infinities) {
  const int32_t magnitude = magnitude_bits(x);
  nans += magnitude > INFINITY_BITS;
  infinities += magnitude == INFINITY_BITS;
}

// The scale of block number `index`. `magnitude` has the FP32 bits of the block's absolute maximum.
HB_HD float scale_of(const Quantize &q, const Largest &largest, int32_t magnitude, int64_t index) {
  if (magnitude >= INFINITY_BITS) return 1;  // NaN or infinity; the caller reports an error
  const float clip = q.clips ? q.clips[index] : q.clip;
  return block_scale(float_of(magnitude), clip, q.whole, largest, q.rule);
}

// Whether an absolute maximum, divided by the format's largest value, is infinite in FP32.
HB_HD bool scale_exceeds_fp32(const Largest &largest, int32_t magnitude) {
  return largest.value < 1 && magnitude < INFINITY_BITS &&
         bits_of(divide(float_of(magnitude), largest.value)) >= INFINITY_BITS;
}

// One warp finds the largest magnitude of a block, and counts values that cannot be quantized.
// Returns the FP32 bits of the magnitude.
template <class M, class T>
HB_BODY int32_t block_magnitude(M &machine, const T *row, int64_t begin, int64_t end,
                                Refusals *refusals) {
  typename M::template PerLane<int32_t> magnitudes;
  machine.lanes([&](int lane) {
    int32_t largest = 0;
    int64_t nans = 0, infinities = 0;
    for (int64_t k = begin + lane; k < end; k += LANES) {
      const float x = widen(row[k]);
      const int32_t magnitude = magnitude_bits(x);
      if (magnitude > largest) largest = magnitude;
      count_refusals(x, nans, infinities);
    }
    if (nans) machine.count(&refusals->nans, nans);
    if (infinities) machine.count(&refusals->infinities, infinities);
    magnitudes[lane] = largest;
  });
  machine.max_of_groups(magnitudes, LANES);
  return magnitudes[0];
}

// One warp quantizes one unit; Quantize says what a unit is. Blocks may have any size.
template <class M, class T>
HB_BODY void quantize_unit(M &machine, const Quantize &q, const Encoder &encoder,
                           const Largest &largest, int64_t unit) {
  const int bits = encoder.bits;
  const int64_t row = unit / q.units_per_row(bits);
  const int64_t first = unit % q.units_per_row(bits) * q.blocks_per_unit(bits);
  const T *x = static_cast<const T *>(q.x) + row * q.length;
  uint8_t *codes = q.codes + row * row_bytes(bits, q.length);
  float scale = 1, next_scale = 1;
  int64_t end = first * q.block;
  for (int i = 0; i < q.blocks_per_unit(bits) && first + i < q.blocks(); ++i) {
    const int64_t begin = end, index = row * q.blocks() + first + i;
    end = begin + q.block < q.length ? begin + q.block : q.length;
    const int32_t magnitude = block_magnitude(machine, x, begin, end, q.refusals);
    const float found = scale_of(q, largest, magnitude, index);
    (i == 0 ? scale : next_scale) = found;
    machine.lanes([&](int lane) {
      if (lane != 0) return;
      q.scales[index] = found;
      if (scale_exceeds_fp32(largest, magnitude)) machine.count(&q.refusals->scales, 1);
    });
  }
  const int64_t begin = first * q.block, middle = begin + q.block;
  const auto code = [&](int64_t k) {
    return encode(encoder, divide(widen(x[k]), k < middle ? scale : next_scale));
  };
  machine.lanes([&](int lane) {
    if (!packs_pairs(bits)) {
      for (int64_t k = begin + lane; k < end; k += LANES) codes[k] = code(k);
      return;
    }
    for (int64_t k = begin + 2 * lane; k < end; k += 2 * LANES) {
      const int high = k + 1 < end ? code(k + 1) : 0;  // an odd row is padded with code 0
      codes[k / 2] = static_cast<uint8_t>(code(k) | high << 4);
    }
  });
}

// Number of consecutive elements that a lane (thread of a warp) reads at once.
constexpr int EACH = 8;
template <class T>
struct alignas(16) Several {
  T at[EACH];
};

constexpr int SPAN = EACH * LANES;  // a span: the elements that a warp reads at once
constexpr int SPANS_PER_WARP = 2;   // spans that a warp reads before it processes the first

// Whether quantize_spans() can quantize this tensor: the block size is a power of two from 16 to
// 256, rows have whole blocks, the tensor has whole spans, and addresses are aligned.
HB_HD bool in_spans(const Quantize &q) {
  const bool size = q.block >= 16 && q.block <= 256 && (q.block & (q.block - 1)) == 0;
  return size && q.length % q.block == 0 && q.rows * q.length % SPAN == 0 &&
         reinterpret_cast<uintptr_t>(q.x) % 16 == 0 &&
         reinterpret_cast<uintptr_t>(q.codes) % 8 == 0;
}

// The FP32 bits of the largest magnitude of one lane's elements. Counts values that cannot be
// quantized.
template <class M, class T>
HB_BODY int32_t largest_magnitude(M &machine, const Several<T> &read, Refusals *refusals) {
  int32_t largest = 0;
  HB_UNROLL
  for (int i = 0; i < EACH; ++i) {
    const int32_t magnitude = magnitude_bits(widen(read.at[i]));
    if (magnitude > largest) largest = magnitude;
  }
  if (largest >= INFINITY_BITS) {
    int64_t nans = 0, infinities = 0;
    for (int i = 0; i < EACH; ++i) count_refusals(widen(read.at[i]), nans, infinities);
    if (nans) machine.count(&refusals->nans, nans);
    if (infinities) machine.count(&refusals->infinities, infinities);
  }
  return largest;
}

// Encodes one lane's elements and writes their codes, in 4 or 8 bits each.
template <int BITS, class T>
HB_BODY void store_codes(const Quantize &q, const Encoder &encoder, const Several<T> &read,
                         float scale, int64_t place) {
  alignas(EACH) uint8_t codes[EACH];
  HB_UNROLL
  for (int i = 0; i < EACH; ++i)
    codes[i] = encode_within<BITS>(encoder, divide(widen(read.at[i]), scale));
  if (!packs_pairs(BITS)) {
    std::memcpy(q.codes + place * EACH, codes, EACH);
    return;
  }
  uint32_t pairs = 0;
  HB_UNROLL
  for (int i = 0; i < EACH; ++i) pairs |= uint32_t{codes[i]} << 4 * i;
  reinterpret_cast<uint32_t *>(q.codes)[place] = pairs;
}

// One warp quantizes up to SPANS_PER_WARP spans from span `first` on. Each span is read once.
// The lanes that share a block are an aligned group.
template <class M, class T>
HB_BODY void quantize_spans(M &machine, const Quantize &q, const Encoder &encoder,
                            const Largest &largest, int64_t first) {
  const int64_t spans = q.rows * q.length / SPAN;
  const int group = static_cast<int>(q.block) / EACH;  // a power of two
  int group_shift = 0;
  while (1 << group_shift < group) ++group_shift;
  const Several<T> *x = static_cast<const Several<T> *>(q.x);
  typename M::template PerLane<Several<T>> read[SPANS_PER_WARP];
  HB_UNROLL
  for (int s = 0; s < SPANS_PER_WARP; ++s)
    if (first + s < spans)
      machine.lanes([&](int lane) { read[s][lane] = x[(first + s) * LANES + lane]; });
  HB_UNROLL
  for (int s = 0; s < SPANS_PER_WARP; ++s) {
    if (first + s >= spans) break;
    typename M::template PerLane<int32_t> magnitudes;
    machine.lanes([&](int lane) {
      magnitudes[lane] = largest_magnitude(machine, read[s][lane], q.refusals);
    });
    machine.max_of_groups(magnitudes, group);
    machine.lanes([&](int lane) {
      const int64_t block = (first + s) * (LANES >> group_shift) + (lane >> group_shift);
      const float scale = scale_of(q, largest, magnitudes[lane], block);
      if ((lane & (group - 1)) == 0) {
        q.scales[block] = scale;
        if (scale_exceeds_fp32(largest, magnitudes[lane])) machine.count(&q.refusals->scales, 1);
      }
      const int64_t place = (first + s) * LANES + lane;
      if (packs_pairs(encoder.bits))
        store_codes<4>(q, encoder, read[s][lane], scale, place);
      else
        store_codes<8>(q, encoder, read[s][lane], scale, place);
    });
  }
}

// One warp finds the absolute maximum of one block and writes it to `scales`.
template <class M, class T>
HB_BODY void absmax_of_block(M &machine, const Quantize &q, int64_t index) {
  const int64_t row = index / q.blocks(), begin = index % q.blocks() * q.block;
  const int64_t end = begin + q.block < q.length ? begin + q.block : q.length;
  const T *x = static_cast<const T *>(q.x) + row * q.length;
  const int32_t magnitude = block_magnitude(machine, x, begin, end, q.refusals);
  machine.lanes([&](int lane) {
    if (lane == 0) q.scales[index] = float_of(magnitude);
  });
}

// The arguments of dequantization: the packed codes and scales of a (rows, length) matrix in blocks
// along its rows, and the place of the FP32 values.
struct Dequantize {
  Operand from;
  int64_t rows, length, block;
  float *x;  // (rows, length)
};

// One thread dequantizes one element.
HB_HD void dequantize_element(const Dequantize &d, const Decoder &decoder, int64_t index) {
  const int64_t row = index / d.length, k = index % d.length;
  const int64_t blocks = (d.length + d.block - 1) / d.block;
  const uint8_t *codes = d.from.codes + row * row_bytes(decoder.bits, d.length);
  const float scale = d.from.scales[row * blocks + k / d.block];
  d.x[index] = dequantize(decoder, load_code(codes, decoder.bits, k), scale);
}

// One thread computes the scale for one absolute maximum in q.x, as the quantizer does.
HB_HD void scale_element(const Quantize &q, const Largest &largest, int64_t index) {
  const float absmax = static_cast<const float *>(q.x)[index];
  q.scales[index] = scale_of(q, largest, magnitude_bits(absmax), index);
}

// One thread encodes one number of q.x; the code takes a byte.
HB_HD void encode_element(const Quantize &q, const Encoder &encoder, int64_t index) {
  q.codes[index] = encode(encoder, static_cast<const float *>(q.x)[index]);
}

}  // namespace halfbyte
