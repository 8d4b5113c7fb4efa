// The arithmetic of formats of 2 to 8 bits: codes, values, products, MACs, block scales and sums.
//
// One header serves the device (nvcc) and the host (any C++17 compiler). It is written from the
// definitions, independently of the PyTorch model in golden/ and of the RTL: they share only the
// formats. Tables of formats are generated headers (tables.py). Each FP32 operation rounds once, to
// nearest, ties to even.
#pragma once

#include <cfloat>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define HB_HD __host__ __device__ __forceinline__
#else
#define HB_HD inline
#endif

#if defined(__FAST_MATH__) || (FLT_EVAL_METHOD != 0 && !defined(__CUDA_ARCH__))
#error "FP32 operations must round once each: no fast math, no x87"
#endif

namespace halfbyte {

constexpr int MAX_CODES = 256;  // formats have 2 to 8 bits

// The table that encode() searches to turn a number into a code.
struct Encoder {
  int32_t bits;
  // For each value in ascending order: the smallest float that rounds to a higher value. For the
  // highest value, and in all entries after it, this is NaN: no float is at least NaN.
  float thresholds[MAX_CODES];
  uint8_t codes[MAX_CODES];       // in ascending order of their values
};

// The table that turns codes into values. A value is an integer times the quantum.
struct Decoder {
  int32_t bits;
  int32_t magnitude;  // the largest absolute integer
  float quantum;
  int32_t integers[MAX_CODES];  // indexed by code
};

// The largest value of a format, in two forms: `value` is the FP32 number nearest to it, and
// `significand` * 2^(exponent - 23) is the largest value rounded down.
struct Largest {
  float value;
  int32_t exponent;
  int32_t significand;  // 2^23 to 2^24 - 1
  // The smallest significand, at the same exponent, of a number that is at least as near to the
  // next power of two as to the largest value.
  int32_t middle;
};

struct Format {
  Encoder encoder;
  Decoder decoder;
  Largest largest;
};

// Whether a generated table is valid: encode() can search it, and no integer is beyond `magnitude`.
constexpr bool well_formed(const Format &format) {
  const Encoder &encoder = format.encoder;
  if (encoder.bits < 2 || encoder.bits > 8 || encoder.bits != format.decoder.bits) return false;
  for (int i = 1; i < MAX_CODES; ++i)
    if (encoder.thresholds[i] < encoder.thresholds[i - 1]) return false;
  for (int code = 0; code < 1 << encoder.bits; ++code) {
    const int32_t integer = format.decoder.integers[code];
    if (integer > format.decoder.magnitude || -integer > format.decoder.magnitude) return false;
  }
  return format.largest.significand >= 1 << 23 && format.largest.significand < 1 << 24;
}

// ---------------------------------------------------------------- FP32 operations, each rounded

HB_HD float multiply(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  return a * b;  // compiled with -ffp-contract=off
#endif
}

HB_HD float add(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fadd_rn(a, b);
#else
  return a + b;
#endif
}

HB_HD float divide(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fdiv_rn(a, b);
#else
  return a / b;
#endif
}

HB_HD float to_fp32(int64_t integer) {
#if defined(__CUDA_ARCH__)
  return __ll2float_rn(integer);
#else
  return static_cast<float>(integer);
#endif
}

HB_HD float to_fp32(int32_t integer) {
#if defined(__CUDA_ARCH__)
  return __int2float_rn(integer);
#else
  return static_cast<float>(integer);
#endif
}

HB_HD int32_t bits_of(float x) {
#if defined(__CUDA_ARCH__)
  return __float_as_int(x);
#else
  int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
#endif
}

HB_HD float float_of(int32_t bits) {
#if defined(__CUDA_ARCH__)
  return __int_as_float(bits);
#else
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
#endif
}

constexpr int32_t INFINITY_BITS = 0x7f800000;
constexpr int32_t QUIET_NAN = 0x7fc00000;
constexpr int32_t MAGNITUDE_MASK = 0x7fffffff;

// The bits of |x|. A larger magnitude has larger bits; infinities and NaN have INFINITY_BITS or
// more.
HB_HD int32_t magnitude_bits(float x) { return bits_of(x) & MAGNITUDE_MASK; }

// ---------------------------------------------------------------- codes

// The code of the value nearest to x, for formats of at most BITS bits. x may be infinite, but not
// NaN. A binary search counts the thresholds that x reaches.
template <int BITS>
HB_HD uint8_t encode_within(const Encoder &encoder, float x) {
  int position = 0;
  for (int bit = BITS - 1; bit >= 0; --bit)
    if (x >= encoder.thresholds[position + (1 << bit) - 1]) position += 1 << bit;
  return encoder.codes[position];
}

// Whether two codes share a byte. Then the code with the even index is in the low half. Codes of
// more than 4 bits have a byte each.
HB_HD bool packs_pairs(int bits) { return bits <= 4; }

HB_HD uint8_t encode(const Encoder &encoder, float x) {
  return packs_pairs(encoder.bits) ? encode_within<4>(encoder, x) : encode_within<8>(encoder, x);
}

// Value of a code in units of the quantum.
HB_HD int32_t decode(const Decoder &decoder, uint8_t code) { return decoder.integers[code]; }

// Bytes of a row of codes.
HB_HD int64_t row_bytes(int bits, int64_t length) {
  return packs_pairs(bits) ? (length + 1) / 2 : length;
}

HB_HD uint8_t load_code(const uint8_t *row, int bits, int64_t index) {
  if (!packs_pairs(bits)) return row[index];
  return (row[index / 2] >> (index % 2 * 4)) & 15;
}

// ---------------------------------------------------------------- the MAC

enum Overflow : int32_t { WRAP = 0, SATURATE = 1 };

// One clock cycle of a MAC: acc <= (clear ? 0 : acc) + product, in acc_width bits (2 to 64).
// `product` may be any 64-bit number: dot-product units pass a sum of products.
HB_HD int64_t mac_step(int64_t acc, int64_t product, bool clear, int acc_width, int overflow) {
  const int64_t base = clear ? 0 : acc;
  const int64_t high = INT64_MAX >> (64 - acc_width);
  const int64_t low = -high - 1;
  if (overflow == SATURATE) {
    if (product > 0 && base > high - product) return high;  // also correct if product > high
    if (product < 0 && base < low - product) return low;
    return base + product;
  }
  const int spare = 64 - acc_width;
  const uint64_t sum = static_cast<uint64_t>(base) + static_cast<uint64_t>(product);
  return static_cast<int64_t>(sum << spare) >> spare;
}

// ---------------------------------------------------------------- block scales

// Types of block scales, with the rules for rounding to them; see ScaleFormat in golden/scales.py.
enum ScaleRule : int32_t {
  FP32 = 0, FP16 = 1, BF16 = 2, E8M0_FLOOR = 3, E8M0_UP = 4, E4M3 = 5,
  E8M0_CEIL = 6, E8M0_NEAREST = 7, E8M0_RCEIL = 8, E4M3_MODELOPT = 9, UE5M3 = 10
};

constexpr float FP16_SMALLEST = 0x1p-24f, FP16_LARGEST = 65504.0f;
constexpr float BF16_SMALLEST = 0x1p-133f, BF16_LARGEST = 0x1.fep127f;
constexpr float E4M3_SMALLEST = 0x1p-9f, E4M3_LARGEST = 448.0f;
constexpr float UE5M3_SMALLEST = 0x1p-17f, UE5M3_LARGEST = 0x1.cp16f;
constexpr float FP32_SMALLEST = 0x1p-149f;
constexpr int E8M0_LOWEST = -127, E8M0_HIGHEST = 127;

HB_HD float clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

// floor(log2 x) of a positive finite x.
HB_HD int exponent_of(float x) {
  int exponent;
  std::frexp(x, &exponent);  // x = f * 2^exponent, 1/2 <= f < 1
  return exponent - 1;
}

// x >= 0 rounded to `significant_bits` bits, ties to even. If the last of these bits would stand
// for less than 2^lowest, the result has fewer bits: its last bit stands for 2^lowest.
HB_HD float round_significand(float x, int significant_bits, int lowest) {
  if (x == 0 || bits_of(x) >= INFINITY_BITS) return x;
  const int place = exponent_of(x) - significant_bits + 1;
  const int last = place > lowest ? place : lowest;
  return std::ldexp(std::rint(std::ldexp(x, -last)), last);
}

// Roundings of block scales. A scale is never 0: the least result is the smallest positive value.
HB_HD float round_to_fp16(float x) {
  return clamp(round_significand(x, 11, -24), FP16_SMALLEST, FP16_LARGEST);
}

HB_HD float round_to_bf16(float x) {
  return clamp(round_significand(x, 8, -133), BF16_SMALLEST, BF16_LARGEST);
}

// E4M3 of OCP OFP8: 4 significant bits, multiples of 2^-9, largest value 448.
HB_HD float round_to_e4m3(float x) {
  return clamp(round_significand(x, 4, -9), E4M3_SMALLEST, E4M3_LARGEST);
}

// Unsigned E5M3: 4 significant bits, multiples of 2^-17, largest value 1.75 * 2^16.
HB_HD float round_to_ue5m3(float x) {
  return clamp(round_significand(x, 4, -17), UE5M3_SMALLEST, UE5M3_LARGEST);
}

// 2^exponent, limited to the range of E8M0.
HB_HD float power_of_two(int exponent) {
  const int limited = exponent < E8M0_LOWEST ? E8M0_LOWEST
                      : exponent > E8M0_HIGHEST ? E8M0_HIGHEST : exponent;
  return std::ldexp(1.0f, limited);
}

// The smallest power of two that is at least x, for positive x; limited to the range of E8M0.
HB_HD float rounded_up(float x) {
  const int exponent = exponent_of(x);
  return power_of_two(std::ldexp(1.0f, exponent) == x ? exponent : exponent + 1);
}

// The scale 2^(floor(log2 absmax) - floor(log2 largest)), where absmax > 0 is the largest magnitude
// of a block, and `largest` is the largest value of the format. The scale is limited to the range
// of E8M0. Some rules double it before that:
// - E8M0_UP, if absmax divided by the scale exceeds the format's largest value;
// - E8M0_CEIL, if absmax is not a power of two;
// - E8M0_NEAREST, unless absmax divided by the scale is nearer to the format's largest value than
//   to the power of two above that value.
HB_HD float power_of_two_scale(float absmax, const Largest &largest, int rule) {
  const int exponent = exponent_of(absmax);
  const int32_t significand = static_cast<int32_t>(std::ldexp(absmax, 23 - exponent));  // exact
  const bool more = (rule == E8M0_UP && significand > largest.significand) ||
                    (rule == E8M0_CEIL && significand > 1 << 23) ||
                    (rule == E8M0_NEAREST && significand >= largest.middle);
  return power_of_two(exponent - largest.exponent + more);
}

// The scale of a whole tensor with E4M3 block scales. `absmax` is the largest magnitude of the
// tensor. Without clipping, the block that contains this number gets the largest block scale, 448.
HB_HD float tensor_scale(float absmax, const Largest &largest, int rule) {
  if (absmax == 0) return 1;
  const float scale = rule == E4M3_MODELOPT
                          ? divide(absmax, multiply(largest.value, E4M3_LARGEST))
                          : divide(divide(absmax, largest.value), E4M3_LARGEST);
  return scale < FP32_SMALLEST ? FP32_SMALLEST : scale;
}

// The scale of a block: `absmax` times `clip`, divided by the format's largest value, and rounded
// as `rule` says. `whole` is the result of tensor_scale() for E4M3 scales; other scales ignore it.
// The result is not valid if absmax / largest is infinite.
HB_HD float block_scale(float absmax, float clip, float whole, const Largest &largest, int rule) {
  const float clipped = multiply(absmax, clip);
  const float scale = divide(clipped, largest.value);
  if (rule == FP32) return scale == 0 ? 1 : scale;
  if (rule == E4M3) {
    const float stored = absmax == 0 ? 1 : round_to_e4m3(divide(scale, whole));
    return clamp(multiply(stored, whole), FP32_SMALLEST, FLT_MAX);
  }
  if (rule == E4M3_MODELOPT) {
    const float divisor = multiply(largest.value, whole);
    const float ratio = divide(clipped, divisor < FP32_SMALLEST ? FP32_SMALLEST : divisor);
    const float stored = absmax == 0 || ratio == 0 ? 1 : round_to_e4m3(ratio);
    return clamp(multiply(stored, whole), FP32_SMALLEST, FLT_MAX);
  }
  if (absmax == 0) return 1;
  if (rule == FP16) return round_to_fp16(scale);
  if (rule == BF16) return round_to_bf16(scale);
  if (rule == UE5M3) return round_to_ue5m3(scale);
  if (rule == E8M0_RCEIL) return scale == 0 ? power_of_two(E8M0_LOWEST) : rounded_up(scale);
  if (clipped == 0) return power_of_two(E8M0_LOWEST);
  return power_of_two_scale(clipped, largest, rule);
}

// The step of a block: its scale times the quantum. A value is an integer times the step. The step
// is negative if the block is mirrored (negated).
HB_HD float block_step(float scale, const Decoder &decoder) {
  return multiply(scale, decoder.quantum);
}

HB_HD float dequantize(const Decoder &decoder, uint8_t code, float scale) {
  return multiply(to_fp32(decode(decoder, code)), block_step(scale, decoder));
}

// ---------------------------------------------------------------- block-scaled sums

// P * (step_a * step_w), where each multiplication is rounded. P is the exact sum of a block's
// products of integers; `exact` is P rounded to FP32.
HB_HD float block_term(float exact, float step_a, float step_w) {
  return multiply(exact, multiply(step_a, step_w));
}

HB_HD float accumulate_block(float y, float exact, float step_a, float step_w) {
  return add(y, block_term(exact, step_a, step_w));
}

// A (rows, length) matrix of packed codes with one scale per block of a row.
struct Operand {
  const uint8_t *codes;  // (rows, row_bytes)
  const float *scales;   // (rows, ceil(length / block))
};

// Result (m, n) of the block-scaled product A W^T: row m of A times row n of W.
HB_HD float gemm_cell(const Operand &a, const Operand &w, const Decoder &a_decoder,
                      const Decoder &w_decoder, int64_t m, int64_t n, int64_t length,
                      int64_t block) {
  const uint8_t *a_row = a.codes + m * row_bytes(a_decoder.bits, length);
  const uint8_t *w_row = w.codes + n * row_bytes(w_decoder.bits, length);
  const int64_t blocks = (length + block - 1) / block;
  float y = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t end = (b + 1) * block < length ? (b + 1) * block : length;
    int64_t exact = 0;
    for (int64_t k = b * block; k < end; ++k) {
      const int64_t a_integer = decode(a_decoder, load_code(a_row, a_decoder.bits, k));
      exact += a_integer * decode(w_decoder, load_code(w_row, w_decoder.bits, k));
    }
    y = accumulate_block(y, to_fp32(exact), block_step(a.scales[m * blocks + b], a_decoder),
                         block_step(w.scales[n * blocks + b], w_decoder));
  }
  return y;
}

}  // namespace halfbyte
