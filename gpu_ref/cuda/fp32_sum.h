// One sum rounded once: an FP32 number plus an integer times a power of two.
//
// Only integers are used, so the result cannot depend on a compiler or on a processor's rounding.
#pragma once

#include "arithmetic.h"

namespace halfbyte {

constexpr int32_t SIGN_BIT = INT32_MIN;
constexpr int32_t QUIET_NAN = 0x7fc00000;
constexpr int FRACTION_BITS = 23, SIGNIFICAND_BITS = FRACTION_BITS + 1;
constexpr int LEAST_PLACE = -149;    // of the last bit of a subnormal number
constexpr int HIGHEST_PLACE = 104;   // of the last bit of the largest numbers
constexpr int EXPONENT_MASK = 0xff;  // the field of infinities and NaN
constexpr int TERM_BITS = 53;        // of the magnitude of a summand
constexpr int ALIGNED_BITS = 62;     // of both magnitudes before they are added

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

// Bits of FP32 for significand * 2^place. The significand has 24 bits, or a carry beyond them, or
// fewer at the least place. The hidden bit adds one to the exponent's field, and so does a carry.
HB_HD int32_t pack_fp32(bool negative, int32_t significand, int place) {
  const int32_t sign = negative ? SIGN_BIT : 0;
  if (place > HIGHEST_PLACE) return sign | INFINITY_BITS;
  return sign | (((place - LEAST_PLACE) << FRACTION_BITS) + significand);
}

// The place of the last bit of an FP32 number, from the place of its highest bit.
HB_HD int last_place(int highest) {
  const int place = highest - FRACTION_BITS;
  return place > LEAST_PLACE ? place : LEAST_PLACE;
}

// magnitude * 2^place, a positive number, rounded to nearest, ties to even.
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

// x / 2^count; the last bit is also set if any lost bit was set.
HB_HD uint64_t shift_right_sticky(uint64_t x, int count) {
  if (count == 0) return x;
  if (count >= 64) return x != 0;
  return x >> count | (x << (64 - count) != 0);
}

// Bits of fl(y + term * 2^place), rounded once to nearest even. The term has at most 53 bits of
// magnitude; 0 counts as +0. NaN and infinities stay.
//
// Both magnitudes are first shifted so that their highest bits lie at one position; at least 9
// zeros then lie below their bits. So alignment loses bits only if it shifts by more than 9. Then
// at most one leading bit cancels, and 37 or more bits of the sum are dropped: one sticky bit is
// enough.
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

// `x` * 2^count, modulo 2^64 or cut off toward zero.
HB_HD int64_t shifted_toward_zero(int64_t x, int count) {
  if (count >= 0) return count < 64 ? static_cast<int64_t>(static_cast<uint64_t>(x) << count) : 0;
  const uint64_t magnitude = count > -64 ? magnitude_of(x) >> -count : 0;
  return x < 0 ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
}

// total * 2^place cut off toward zero; beyond the largest number infinite.
HB_HD int32_t truncate_to_fp32(int64_t total, int place) {
  if (total == 0) return 0;
  const uint64_t magnitude = magnitude_of(total);
  const int last = last_place(place + bit_length(magnitude) - 1);
  const int64_t kept = shifted_toward_zero(static_cast<int64_t>(magnitude), place - last);
  return pack_fp32(total < 0, static_cast<int32_t>(kept), last);
}

}  // namespace halfbyte
