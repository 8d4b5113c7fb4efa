// Kernel body: simulates MAC units (multiply and accumulate) cycle by cycle, exactly as the RTL
// works. Each unit has a separate stream of inputs.
#pragma once

#include "arithmetic.h"

namespace halfbyte {

// `streams` independent accumulators over `cycles` clock cycles. The element of an input for
// stream s and cycle t lies at s * stream_stride + t * cycle_stride.
struct MacStream {
  const uint8_t *w, *a;          // codes, one byte each
  const uint8_t *clear;          // 0 or 1
  const uint8_t *enable;         // 0 or 1, or null: always enabled
  const int64_t *initial;        // (streams): accumulators before the first cycle
  int64_t *acc;                  // accumulators after each cycle, laid out like the inputs
  int64_t streams, cycles;
  int64_t stream_stride, cycle_stride;
  int32_t acc_width;
  int32_t overflow;
};

// One thread computes all cycles of one stream.
HB_HD void run_stream(const MacStream &m, const Decoder &w, const Decoder &a, int64_t stream) {
  int64_t acc = m.initial[stream];
  for (int64_t cycle = 0; cycle < m.cycles; ++cycle) {
    const int64_t at = stream * m.stream_stride + cycle * m.cycle_stride;
    if (!m.enable || m.enable[at]) {
      const int64_t product = int64_t{decode(w, m.w[at])} * decode(a, m.a[at]);
      acc = mac_step(acc, product, m.clear[at], m.acc_width, m.overflow);
    }
    m.acc[at] = acc;
  }
}

}  // namespace halfbyte
