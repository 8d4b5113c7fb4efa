// One instruction of Blackwell's FP4 tensor core, as the model MMA-Sim (arXiv 2511.10909) describes
// it. We have not compared the model with hardware.
//
// Groups of 16 products are summed exactly, and each sum is multiplied by the two scales of its
// group. These terms and the accumulator are truncated toward zero to multiples of 2^(e - 35),
// where e is the largest of their exponents. The exponent of a group is the sum of the exponents of
// its two scales. Terms that are 0 do not count for e. Then the terms and the accumulator are
// added, and the total is truncated to FP32.
#pragma once

#include "dot_unit.h"

namespace halfbyte {

constexpr int BLACKWELL_GROUP = 16, BLACKWELL_PRODUCTS = 64, BLACKWELL_BITS = 35;
constexpr int BLACKWELL_GROUPS = BLACKWELL_PRODUCTS / BLACKWELL_GROUP;
constexpr int32_t BLACKWELL_NAN = 0x7fffffff;
constexpr int NO_EXPONENT = INT_MIN;  // stands for e if all terms are 0

// The scaled sum of a group, or the accumulator: term * 2^place. The largest `exponent` decides
// where all terms are truncated.
struct BlackwellTerm {
  int64_t term;
  int place, exponent;
};

HB_HD BlackwellTerm blackwell_group(const Unit &unit, int64_t sum, const Scale &scale) {
  // scale.place is the exponent of the last bit of the product of both scales' significands. The
  // exponent of each scale is mantissa_bits higher than that of its significand's last bit.
  return {sum * scale.significand, scale.place + unit.quantum_exponent,
          scale.place + 2 * unit.scale.mantissa_bits};
}

// c plus the sums of up to four groups, each sum times the product of its scales. c and the result
// are the bits of FP32 numbers.
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
