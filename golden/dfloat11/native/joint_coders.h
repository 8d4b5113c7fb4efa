// The decoder for layout 2 of compressed tensors: it decodes the symbols of 32 interleaved range
// coders (rANS). Each symbol is given as the number of its row in the symbol table.
//
// A coder's state is at least 2^16 and below 2^32; rows have frequencies out of 4096. All coders
// take 16-bit words from one stream, in the order of the elements ("Asymmetric numeral systems", J.
// Duda, arXiv 1311.2540; interleaving: F. Giesen, arXiv 1402.3392). In a round, each coder decodes
// one symbol.
#pragma once

#include <algorithm>

#include "bits.h"

namespace codec::joint {

constexpr int kCoders = 32, kStateWords = 2 * kCoders;
constexpr uint32_t kLow = 1u << 16;
constexpr int kScaleBits = 12;
constexpr uint32_t kScale = 1u << kScaleBits;

// Memory that the next block's elements and raw bits will use. Each round brings one cache line of
// each into the cache, and moves on by `out_step` and `raw_step` bytes. This makes decoding a third
// faster.
struct Ahead {
  uintptr_t out, raw, out_step, raw_step;

  void step(const uint16_t* next) {
    constexpr uintptr_t kFar = 1024;  // bytes of the stream: for BF16, about 47 rounds ahead
    fetch_to_write(out), fetch(raw), fetch(reinterpret_cast<uintptr_t>(next) + kFar);
    out += out_step, raw += raw_step;
  }
};

// The states of a chunk's coders, and the part of its stream that is left.
struct Coders {
  uint32_t state[kCoders];
  const uint16_t *next, *end;
  Ahead ahead;
};

// The state after a symbol with this entry of the table. The state may be below kLow. Bits of an
// entry: [31:24] row, [23:12] frequency - 1, [11:0] place in the row.
inline uint32_t advance(uint32_t state, uint32_t entry) {
  return ((entry >> 12 & 0xFFF) + 1) * (state >> kScaleBits) + (entry & 0xFFF);
}

// Decodes one symbol with each of the first `count` coders. Returns false if the stream has too few
// words.
inline bool decode_round(const uint32_t* table, Coders& coders, uint8_t* rows, int64_t count) {
  for (int64_t k = 0; k < count; ++k) {
    uint32_t entry = table[coders.state[k] & (kScale - 1)];
    rows[k] = static_cast<uint8_t>(entry >> 24);
    uint32_t state = advance(coders.state[k], entry);
    if (state < kLow) {
      if (coders.next == coders.end) return false;
      state = state << 16 | *coders.next++;
    }
    coders.state[k] = state;
  }
  return true;
}

#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512BW__) && \
    defined(__AVX512VBMI2__)
#define CODEC_VECTORS 1
// Loads sixteen entries of a table. On Zen 4, single loads take half the time of the gather
// instruction.
template <typename Index>
inline __m512i sixteen(const uint32_t* table, const Index* places) {
  __m128i quarters[4];
  for (int k = 0; k < 4; ++k) {
    const Index* place = places + 4 * k;
    __m128i four = _mm_cvtsi32_si128(static_cast<int>(table[place[0]]));
    four = _mm_insert_epi32(four, static_cast<int>(table[place[1]]), 1);
    four = _mm_insert_epi32(four, static_cast<int>(table[place[2]]), 2);
    quarters[k] = _mm_insert_epi32(four, static_cast<int>(table[place[3]]), 3);
  }
  __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(quarters[0]), quarters[1], 1);
  __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(quarters[2]), quarters[3], 1);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

// Decodes a symbol with each of sixteen coders. At least 16 words must be left.
inline void decode_sixteen(const uint32_t* table, __m512i& states, const uint16_t*& next,
                           uint8_t* rows) {
  const __m512i ones = _mm512_set1_epi32(kScale - 1);
  alignas(64) uint32_t slots[16];
  store(slots, _mm512_and_si512(states, ones));
  __m512i entry = sixteen(table, slots);
  __m512i count =
      _mm512_add_epi32(_mm512_and_si512(_mm512_srli_epi32(entry, 12), ones), _mm512_set1_epi32(1));
  states = _mm512_add_epi32(_mm512_mullo_epi32(count, _mm512_srli_epi32(states, kScaleBits)),
                            _mm512_and_si512(entry, ones));
  store(rows, _mm512_cvtepi32_epi8(_mm512_srli_epi32(entry, 24)));
  __mmask16 is_low = _mm512_cmplt_epu32_mask(states, _mm512_set1_epi32(kLow));
  __m256i words = _mm256_maskz_expand_epi16(is_low, load<__m256i>(next));
  states = _mm512_mask_or_epi32(states, is_low, _mm512_slli_epi32(states, 16),
                                _mm512_cvtepu16_epi32(words));
  next += __builtin_popcount(is_low);
}

// Decodes whole rounds while at least 32 words are left; returns how many symbols it decoded.
inline int64_t decode_rounds(const uint32_t* table, Coders& coders, uint8_t* rows, int64_t count) {
  __m512i first = load<__m512i>(coders.state), second = load<__m512i>(coders.state + 16);
  const uint16_t* next = coders.next;
  int64_t done = 0;
  for (; done + kCoders <= count && coders.end - next >= kCoders; done += kCoders) {
    decode_sixteen(table, first, next, rows + done);
    decode_sixteen(table, second, next, rows + done + 16);
  }
  store(coders.state, first), store(coders.state + 16, second);
  coders.next = next;
  return done;
}

// Decodes whole rounds of two chunks at once: while one waits for its loads, the other computes.
// Returns how many symbols of each chunk it decoded.
inline int64_t decode_two(const uint32_t* table, Coders& a, uint8_t* rows_a, Coders& b,
                          uint8_t* rows_b, int64_t count) {
  __m512i first = load<__m512i>(a.state), second = load<__m512i>(a.state + 16);
  __m512i third = load<__m512i>(b.state), fourth = load<__m512i>(b.state + 16);
  const uint16_t *next_a = a.next, *next_b = b.next;
  Ahead ahead_a = a.ahead, ahead_b = b.ahead;
  int64_t done = 0;
  for (; done + kCoders <= count && a.end - next_a >= kCoders && b.end - next_b >= kCoders;
       done += kCoders) {
    ahead_a.step(next_a), ahead_b.step(next_b);
    decode_sixteen(table, first, next_a, rows_a + done);
    decode_sixteen(table, third, next_b, rows_b + done);
    decode_sixteen(table, second, next_a, rows_a + done + 16);
    decode_sixteen(table, fourth, next_b, rows_b + done + 16);
  }
  store(a.state, first), store(a.state + 16, second);
  store(b.state, third), store(b.state + 16, fourth);
  a.next = next_a, b.next = next_b;
  return done;
}
#else
// Decodes nothing: without vector instructions, the caller decodes the chunks one by one.
inline int64_t decode_two(const uint32_t*, Coders&, uint8_t*, Coders&, uint8_t*, int64_t) {
  return 0;
}

inline int64_t decode_rounds(const uint32_t* table, Coders& coders, uint8_t* rows, int64_t count) {
  const uint16_t* next = coders.next;
  int64_t done = 0;
  for (; done + kCoders <= count && coders.end - next >= kCoders; done += kCoders) {
#pragma GCC unroll 32
    for (int k = 0; k < kCoders; ++k) {
      uint32_t entry = table[coders.state[k] & (kScale - 1)];
      rows[done + k] = static_cast<uint8_t>(entry >> 24);
      uint32_t state = advance(coders.state[k], entry);
      uint32_t is_low = state < kLow;  // not a branch, which could not be predicted
      coders.state[k] = is_low ? state << 16 | *next : state;
      next += is_low;
    }
  }
  coders.next = next;
  return done;
}
#endif

// Decodes `count` symbols, the first `done` of which are known already. Returns false if the stream
// has too few words.
inline bool decode_rows(const uint32_t* table, Coders& coders, uint8_t* rows, int64_t done,
                        int64_t count) {
  done += decode_rounds(table, coders, rows + done, count - done);
  for (; done < count; done += kCoders)
    if (!decode_round(table, coders, rows + done, std::min<int64_t>(kCoders, count - done)))
      return false;
  return true;
}

}  // namespace codec::joint
