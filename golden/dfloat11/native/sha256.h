// SHA-256 (FIPS 180-4) by the processor's own instructions, for one message or for two at a time.
//
// Each round waits for the round before. A second message uses some of this waiting time: two
// messages take only a third longer than one. Other work, which is called after each block, can use
// the waiting time, too.
#pragma once

#include <algorithm>

#include "bits.h"

namespace codec {

// The state of a message to which bytes can still be added. Python provides the memory, filled with
// zeros.
struct Sha256 {
  uint32_t state[8];  // in the order that the instructions use: F E B A, H G D C
  uint64_t size;      // bytes so far
  uint8_t rest[64];   // the last size % 64 bytes, which do not fill a block yet
};

#if defined(__SHA__) && defined(__SSE4_1__)
#define CODEC_SHA 1
alignas(16) constexpr uint32_t kShaConstants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// Adds the next block, 64 bytes, to each of `kCount` messages.
template <int kCount>
inline void sha_block(__m128i (*states)[2], const uint8_t* const* data) {
  const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i words[kCount][4], before[kCount][2];
  for (int n = 0; n < kCount; ++n) {
    before[n][0] = states[n][0], before[n][1] = states[n][1];
    for (int k = 0; k < 4; ++k)
      words[n][k] = _mm_shuffle_epi8(load<__m128i>(data[n] + 16 * k), order);
  }
#pragma GCC unroll 16
  for (int k = 0; k < 16; ++k)
#pragma GCC unroll 2
    for (int n = 0; n < kCount; ++n) {
      __m128i& now = words[n][k & 3];
      const __m128i last = words[n][(k + 3) & 3];
      __m128i sums = _mm_add_epi32(now, load<__m128i>(kShaConstants + 4 * k));
      states[n][1] = _mm_sha256rnds2_epu32(states[n][1], states[n][0], sums);
      states[n][0] =
          _mm_sha256rnds2_epu32(states[n][0], states[n][1], _mm_shuffle_epi32(sums, 0x0E));
      if (k < 12)
        now = _mm_sha256msg2_epu32(
            _mm_add_epi32(_mm_sha256msg1_epu32(now, words[n][(k + 1) & 3]),
                          _mm_alignr_epi8(last, words[n][(k + 2) & 3], 4)),
            last);
    }
  for (int n = 0; n < kCount; ++n)
    for (int half = 0; half < 2; ++half)
      states[n][half] = _mm_add_epi32(states[n][half], before[n][half]);
}

struct NoWork {
  void operator()() const {}
};

// Adds whole blocks to each of `kCount` messages, and calls `work` after each block.
template <int kCount, typename Work = NoWork>
inline void sha_blocks(Sha256* const* messages, const uint8_t** data, int64_t blocks,
                       Work work = {}) {
  __m128i states[kCount][2];
  for (int n = 0; n < kCount; ++n) std::memcpy(states[n], messages[n]->state, 32);
  for (; blocks > 0; --blocks) {
    sha_block<kCount>(states, data);
    for (int n = 0; n < kCount; ++n) data[n] += 64;
    work();
  }
  for (int n = 0; n < kCount; ++n) std::memcpy(messages[n]->state, states[n], 32);
}

// Sets the initial state of a message without bytes.
inline void sha_begin(Sha256& message) {
  if (message.size) return;
  const uint32_t first[8] = {0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667,
                             0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372};
  std::memcpy(message.state, first, sizeof first);
}

// Adds bytes to an incomplete last block; returns how many bytes it took.
inline int64_t sha_complete(Sha256& message, const uint8_t* data, int64_t size) {
  const int64_t held = message.size % 64;
  if (!held) return 0;
  const int64_t taken = std::min(64 - held, size);
  std::memcpy(message.rest + held, data, static_cast<size_t>(taken));
  if (held + taken == 64) {
    Sha256* one[] = {&message};
    const uint8_t* rest[] = {message.rest};
    sha_blocks<1>(one, rest, 1);
  }
  return taken;
}

// Adds the same bytes to one message or to two. Calls `work` after each block that all of the
// messages take at the same time.
template <typename Work = NoWork>
inline void sha_add(Sha256* const* messages, int count, const uint8_t* data, int64_t size,
                    Work work = {}) {
  const uint8_t *next[2] = {data, data}, *end = data + size;
  for (int n = 0; n < count; ++n) {
    sha_begin(*messages[n]);
    next[n] += sha_complete(*messages[n], data, size);
  }
  if (count == 2) {
    sha_blocks<2>(messages, next, std::min((end - next[0]) / 64, (end - next[1]) / 64), work);
  } else {
    sha_blocks<1>(messages, next, (end - next[0]) / 64, work);
  }
  for (int n = 0; n < count; ++n) {
    sha_blocks<1>(messages + n, next + n, (end - next[n]) / 64);
    // Bytes that sha_complete took without completing the block are in `rest` already.
    std::memcpy(messages[n]->rest, next[n], static_cast<size_t>(end - next[n]));
    messages[n]->size += static_cast<uint64_t>(size);
  }
}

// The digest of the bytes so far. More bytes may be added to the message afterwards.
inline void sha_digest(Sha256 message, uint8_t* digest) {
  sha_begin(message);
  const uint64_t bits = message.size * 8;
  uint8_t padding[72] = {0x80};
  // The padding is a byte 0x80, zeros up to byte 56 of a block, and the number of bits.
  const int64_t zeros = (119 - message.size % 64) % 64;
  for (int k = 0; k < 8; ++k) padding[1 + zeros + k] = static_cast<uint8_t>(bits >> (56 - 8 * k));
  Sha256* one[] = {&message};
  sha_add(one, 1, padding, 1 + zeros + 8);
  const int order[8] = {3, 2, 7, 6, 1, 0, 5, 4};  // A to H
  for (int k = 0; k < 8; ++k)
    for (int byte = 0; byte < 4; ++byte)
      digest[4 * k + byte] = static_cast<uint8_t>(message.state[order[k]] >> (24 - 8 * byte));
}
#endif

}  // namespace codec
