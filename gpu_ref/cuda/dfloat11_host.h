// The host build's loops over the chunks and blocks of DFloat11 data (losslessly compressed
// weights).
#pragma once

#include <memory>

#include "dfloat11_product.h"
#include "dfloat11_published.h"
#include "host_parallel.h"

namespace halfbyte {
namespace dfloat11 {

inline void decode_on_host(int threads, const Decode &d) {
  uint32_t crc_table[BYTES];
  for (int byte = 0; byte < BYTES; ++byte) crc_table[byte] = crc_entry(byte);
  parallel(threads, d.chunks, 1, [&](int64_t chunk) {
    const std::unique_ptr<uint32_t[]> symbols(new uint32_t[STAGED]());
    Machine<LANES> machine;
    decode_chunk(machine, d, d.lookup, crc_table, symbols.get(), chunk);
  });
}

inline void decode_joint_on_host(int threads, const DecodeJoint &d) {
  uint32_t crc_table[BYTES];
  for (int byte = 0; byte < BYTES; ++byte) crc_table[byte] = crc_entry(byte);
  parallel(threads, d.chunks, 1, [&](int64_t chunk) {
    Machine<LANES> machine;
    decode_joint_chunk(machine, d, d.slots, crc_table, chunk);
  });
}

inline void multiply_joint_on_host(int threads, const JointProduct &p) {
  parallel(threads, p.weights.chunks, 1, [&](int64_t chunk) {
    Machine<LANES> machine;
    multiply_joint_chunk(machine, p, p.weights.slots, chunk);
  });
  parallel(threads, p.outputs, 256, [&](int64_t row) { gather_joint_row(p, row); });
}

inline void decode_published_on_host(int threads, const DecodePublished &d) {
  parallel(threads, d.blocks(), 1, [&](int64_t block) {
    const std::unique_ptr<PublishedShared> shared(new PublishedShared());
    Machine<THREADS> machine;
    decode_published(machine, d, *shared, block);
  });
}

}  // namespace dfloat11
}  // namespace halfbyte
