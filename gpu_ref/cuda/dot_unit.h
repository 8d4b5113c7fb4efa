// The arithmetic of dot-product units: block scales of up to eight bits, and accumulators.
//
// A dot-product unit multiplies a pair of codes in each of its lanes. Each cycle adds P, the exact
// sum of these products, to an accumulator. A format's values are integers times its quantum, so P
// is an integer in units of the product of both quanta. An FP32 accumulator includes the power of
// two in this product, but not the product's other factors: the caller must multiply the result by
// those. A number is written as an integer times 2^place, where `place` is the exponent of the
// integer's last bit.
#pragma once

#include "fp32_sum.h"

namespace halfbyte {

// The type of block scales: [exponent][mantissa] without a sign; all ones is NaN. If there is a
// mantissa, the exponent 0 marks subnormal numbers.
struct ScaleFormat {
  int32_t bits;  // 0: there are no scales
  int32_t mantissa_bits;
  int32_t quantum_exponent;  // every value is a multiple of 2^quantum_exponent
};

// A decoded scale: significand * 2^place.
struct Scale {
  int32_t significand, place;
  bool is_nan;
};

HB_HD Scale decode_scale(const ScaleFormat &format, uint8_t code) {
  if (format.bits == 0) return {1, 0, false};
  const int32_t field = code >> format.mantissa_bits;
  const int32_t mantissa = code & ((1 << format.mantissa_bits) - 1);
  const bool has_subnormals = format.mantissa_bits > 0, hidden = !has_subnormals || field > 0;
  return {mantissa | static_cast<int32_t>(hidden) << format.mantissa_bits,
          format.quantum_exponent + field - (has_subnormals && field > 0),
          code == (1 << format.bits) - 1};
}

// The product of two scales, of a block of weights and of a block of activations.
HB_HD Scale product_of(const ScaleFormat &format, uint8_t one_code, uint8_t other_code) {
  const Scale one = decode_scale(format, one_code), other = decode_scale(format, other_code);
  return {one.significand * other.significand, one.place + other.place,
          one.is_nan || other.is_nan};
}

// INTEGER adds P to an integer. FP32_SUM adds the scaled sum of a block to an FP32 number, rounded
// once. EXACT adds the scaled P to a fixed-point number. blackwell.h computes BLACKWELL.
enum Accumulator : int32_t { INTEGER = 0, FP32_SUM = 1, EXACT = 2, BLACKWELL = 3 };

// The parameters of a unit's accumulator.
struct Unit {
  int32_t accumulator;
  int32_t acc_width;        // bits of INTEGER and EXACT, 2 to 64
  int32_t overflow;         // of INTEGER: an Overflow
  int32_t quantum_exponent; // the power of two in the product of both quanta
  int32_t window_low, window_high;  // of EXACT: the lowest and highest place of a product of scales
  ScaleFormat scale;
};

// An accumulator between two cycles. `acc` is an integer or the bits of an FP32 number. `gathered`
// is the sum of the current block, for FP32_SUM.
struct UnitState {
  int64_t acc, gathered;
  bool is_nan;
};

// The inputs of one cycle: P, the codes of the scales, `clear`, which starts a new sum, and `last`,
// which ends a block.
struct UnitCycle {
  int64_t sum;
  uint8_t w_scale, a_scale;
  bool clear, last;
};

// acc <= fl((clear ? +0 : acc) + P * scales), where fl rounds to FP32. Here P is the sum over all
// cycles of a block, and is added in the last of these cycles. `clear` sets acc and the sum of the
// current block to 0 at once.
HB_HD void fp32_step(const Unit &unit, UnitState &state, const UnitCycle &cycle) {
  if (cycle.clear) state.acc = state.gathered = 0;
  state.gathered += cycle.sum;
  if (!cycle.last) return;
  const Scale scale = product_of(unit.scale, cycle.w_scale, cycle.a_scale);
  const int32_t total = add_rounded_once(static_cast<int32_t>(state.acc),
                                         state.gathered * scale.significand,
                                         scale.place + unit.quantum_exponent);
  state.acc = scale.is_nan ? QUIET_NAN : total;
  state.gathered = 0;
}

// acc <= (clear ? 0 : acc) + P * scales in fixed point, modulo 2^acc_width. If a scale is NaN or
// the product of the scales lies outside the window, nothing is added, and the accumulator is NaN
// until a clear.
HB_HD void exact_step(const Unit &unit, UnitState &state, const UnitCycle &cycle) {
  if (cycle.clear) state.acc = 0, state.is_nan = false;
  const Scale scale = product_of(unit.scale, cycle.w_scale, cycle.a_scale);
  const bool outside = scale.place < unit.window_low || scale.place > unit.window_high;
  state.is_nan = state.is_nan || scale.is_nan || outside;
  if (scale.is_nan || outside) return;
  const uint64_t term = static_cast<uint64_t>(cycle.sum) * scale.significand;
  state.acc = mac_step(state.acc,
                       shifted_toward_zero(static_cast<int64_t>(term),
                                           scale.place - unit.window_low),
                       false, unit.acc_width, WRAP);
}

HB_HD void unit_step(const Unit &unit, UnitState &state, const UnitCycle &cycle) {
  if (unit.accumulator == INTEGER)
    state.acc = mac_step(state.acc, cycle.sum, cycle.clear, unit.acc_width, unit.overflow);
  else if (unit.accumulator == FP32_SUM)
    fp32_step(unit, state, cycle);
  else
    exact_step(unit, state, cycle);
}

}  // namespace halfbyte
