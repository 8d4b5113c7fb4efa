// Adds an integer times a power of two to an FP32 number, and rounds the sum once.
//
// Only integers are used, so the result cannot depend on a compiler or on a processor's rounding. A
// number is written as magnitude * 2^place: `place` is the exponent of the magnitude's last bit.
#pragma once

#include "arithmetic.h"

namespace halfbyte {

constexpr int32_t SIGN_BIT = INT32_MIN;
constexpr int FRACTION_BITS = 23, SIGNIFICAND_BITS = FRACTION_BITS + 1;
constexpr int LEAST_PLACE = -149;    // of subnormal numbers
constexpr int HIGHEST_PLACE = 104;   // of the largest numbers
constexpr int EXPONENT_MASK = 0xff;  // also the exponent field of infinities and NaN
constexpr int ALIGNED_BITS = 62;     // in both magnitudes before they are added

HB_HD int bit_length(uint64_t x) {
#if defined(__CUDA_ARCH__)
  return 64 - __clzll(static_cast<long long>(x));
#else
  return x ? 64 - __builtin_clzll(x) : 0;
#endif
}

HB_HD uint64_t magnitude_of(int64_t x) {
  return x < 0 ? 0 - static_cast<uint64_t>(x) : static_cast<uint64_t>(x);
}

HB_HD bool is_nan_bits(int32_t bits) { return (bits & MAGNITUDE_MASK) > INFINITY_BITS; }

// A finite FP32 number as magnitude * 2^place.
struct Unpacked {
  bool negative;
  int32_t magnitude;
  int place;
};

HB_HD Unpacked unpack_fp32(int32_t bits) {
  const int field = bits >> FRACTION_BITS & EXPONENT_MASK;
  const int32_t fraction = bits & ((1 << FRACTION_BITS) - 1);
  const int32_t hidden = field ? 1 << FRACTION_BITS : 0;
  return {bits < 0, fraction | hidden, (field ? field : 1) - 1 + LEAST_PLACE};
}

// Bits of FP32 for significand * 2^place. The significand has 24 bits, or is 2^24 after a carry. At
// the least place it may have fewer bits. The hidden bit adds one to the exponent field; a carry
// adds one more.
HB_HD int32_t pack_fp32(bool negative, int32_t significand, int place) {
  const int32_t sign = negative ? SIGN_BIT : 0;
  if (place > HIGHEST_PLACE) return sign | INFINITY_BITS;
  return sign | (((place - LEAST_PLACE) << FRACTION_BITS) + significand);
}

// The place of an FP32 number whose highest bit stands for 2^highest.
HB_HD int last_place(int highest) {
  const int place = highest - FRACTION_BITS;
  return place > LEAST_PLACE ? place : LEAST_PLACE;
}

// Bits of FP32: magnitude * 2^place, rounded to nearest, ties to even, with a sign. The magnitude
// is not 0.
HB_HD int32_t round_to_fp32(bool negative, uint64_t magnitude, int place) {
  const int last = last_place(place + bit_length(magnitude) - 1);
  const int dropped = last - place;
  if (dropped <= 0) return pack_fp32(negative, static_cast<int32_t>(magnitude << -dropped), last);
  uint64_t kept = dropped < 64 ? magnitude >> dropped : 0;
  const uint64_t rest = dropped <= 64 ? magnitude << (64 - dropped) : 1;
  const uint64_t half = uint64_t{1} << 63;
  if (rest > half || (rest == half && kept % 2 == 1)) ++kept;
  return pack_fp32(negative, static_cast<int32_t>(kept), last);
}

// x / 2^count, rounded down; the last bit is also set if any lost bit was set.
HB_HD uint64_t shift_right_sticky(uint64_t x, int count) {
  if (count == 0) return x;
  if (count >= 64) return x != 0;
  return x >> count | (x << (64 - count) != 0);
}

// Bits of FP32: y + term * 2^place, rounded once to nearest, ties to even. `y` holds the bits of an
// FP32 number. If it is NaN or infinite, so is the result. The term has at most 53 bits of
// magnitude; a term of 0 counts as +0.
//
// Both magnitudes are first shifted left until they have 62 bits, of which at least the last 9 are
// zero. Then the magnitude with the lower place is shifted right. It loses bits only if the shift
// is above 9. In this case at most one leading bit of the sum cancels, and rounding drops 37 or
// more bits of the sum. So one sticky bit is enough.
HB_HD int32_t add_rounded_once(int32_t y, int64_t term, int place) {
  if ((y & MAGNITUDE_MASK) >= INFINITY_BITS) return is_nan_bits(y) ? QUIET_NAN : y;
  const Unpacked base = unpack_fp32(y);
  if (term == 0) return base.magnitude ? y : 0;
  if (base.magnitude == 0) return round_to_fp32(term < 0, magnitude_of(term), place);
  uint64_t one = static_cast<uint64_t>(base.magnitude), other = magnitude_of(term);
  const int one_up = ALIGNED_BITS - bit_length(one), other_up = ALIGNED_BITS - bit_length(other);
  one <<= one_up;
  other <<= other_up;
  const int one_place = base.place - one_up, other_place = place - other_up;
  const int highest = one_place > other_place ? one_place : other_place;
  one = shift_right_sticky(one, highest - one_place);
  other = shift_right_sticky(other, highest - other_place);
  const int64_t total = (base.negative ? -static_cast<int64_t>(one) : static_cast<int64_t>(one)) +
                        (term < 0 ? -static_cast<int64_t>(other) : static_cast<int64_t>(other));
  return total == 0 ? 0 : round_to_fp32(total < 0, magnitude_of(total), highest);
}

// x * 2^count: modulo 2^64 if the count is positive, truncated toward zero if it is negative.
HB_HD int64_t shifted_toward_zero(int64_t x, int count) {
  if (count >= 0) return count < 64 ? static_cast<int64_t>(static_cast<uint64_t>(x) << count) : 0;
  const uint64_t magnitude = count > -64 ? magnitude_of(x) >> -count : 0;
  return x < 0 ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
}

// Bits of FP32: total * 2^place, truncated toward zero; infinite beyond the largest number.
HB_HD int32_t truncate_to_fp32(int64_t total, int place) {
  if (total == 0) return 0;
  const uint64_t magnitude = magnitude_of(total);
  const int last = last_place(place + bit_length(magnitude) - 1);
  const int64_t kept = shifted_toward_zero(static_cast<int64_t>(magnitude), place - last);
  return pack_fp32(total < 0, static_cast<int32_t>(kept), last);
}

}  // namespace halfbyte
