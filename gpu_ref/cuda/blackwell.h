// One instruction of Blackwell's FP4 tensor core, by a published model.
//
// Published model, not verified by us: MMA-Sim (arXiv 2511.10909). Groups of 16 products are summed
// exactly and multiplied by their scales. The results and the accumulator are cut off toward zero,
// 35 bits below the largest exponent, and added. The sum is cut off to FP32. A group whose sum is 0
// does not count for the largest exponent.
#pragma once

#include "dot_unit.h"

namespace halfbyte {

constexpr int BLACKWELL_GROUP = 16, BLACKWELL_PRODUCTS = 64, BLACKWELL_BITS = 35;
constexpr int BLACKWELL_GROUPS = BLACKWELL_PRODUCTS / BLACKWELL_GROUP;
constexpr int32_t BLACKWELL_NAN = 0x7fffffff;
constexpr int MIN_EXPONENT = -126;
constexpr int NO_EXPONENT = INT_MIN;

// A group's products, or the accumulator: term * 2^place, aligned by `exponent`.
struct BlackwellTerm {
  int64_t term;
  int place, exponent;
};

HB_HD BlackwellTerm blackwell_group(const Unit &unit, int64_t sum, const Scale &scale) {
  // The exponents of scales 1.m times a power of two lie above the places of their last bits.
  return {sum * scale.significand, scale.place + unit.quantum_exponent,
          scale.place + 2 * unit.scale.mantissa_bits};
}

// c plus the sums of up to four groups, with the product of each group's scales; bits of FP32.
HB_HD int32_t blackwell_step(const Unit &unit, int32_t c, const int64_t *sums, const Scale *scales,
                             int groups) {
  for (int i = 0; i < groups; ++i)
    if (scales[i].is_nan) return BLACKWELL_NAN;
  if ((c & MAGNITUDE_MASK) >= INFINITY_BITS) return is_nan_bits(c) ? BLACKWELL_NAN : c;
  const Unpacked base = unpack_fp32(c);
  BlackwellTerm terms[BLACKWELL_GROUPS + 1];
  terms[0] = {base.negative ? -base.magnitude : base.magnitude, base.place,
              base.place + FRACTION_BITS};
  for (int i = 0; i < groups; ++i) terms[i + 1] = blackwell_group(unit, sums[i], scales[i]);
  int largest = NO_EXPONENT;
  for (int i = 0; i <= groups; ++i)
    if (terms[i].term != 0 && terms[i].exponent > largest) largest = terms[i].exponent;
  if (largest == NO_EXPONENT) return 0;
  const int unit_place = largest - BLACKWELL_BITS;
  int64_t total = 0;
  for (int i = 0; i <= groups; ++i)
    total += shifted_toward_zero(terms[i].term, terms[i].place - unit_place);
  return truncate_to_fp32(total, unit_place);
}

}  // namespace halfbyte
