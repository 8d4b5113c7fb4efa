// The loops of layout 2: symbols of exponent and upper mantissa bits in 32 interleaved range coders.
//
// A chunk has 65536 elements; element i belongs to coder i mod 32. A coder's state is at least 2^16
// and below 2^32; symbols have frequencies out of 4096. All coders take 16-bit words from one
// stream, in the order of the elements ("Asymmetric numeral systems", J. Duda, arXiv 1311.2540;
// interleaving: F. Giesen, arXiv 1402.3392). The stream is never trusted: words are taken only from
// the chunk, and in the end every state must be the one with which coding began.
#pragma once

#include <algorithm>

#include "bits.h"

namespace codec::joint {

constexpr int64_t kChunk = 65536, kBlock = 4096;
constexpr int kCoders = 32, kStateWords = 2 * kCoders;
constexpr uint32_t kLow = 1u << 16;
constexpr int kScaleBits = 12;
constexpr uint32_t kScale = 1u << kScaleBits;

enum Result : uint8_t { kGood, kWrongCrc, kNotTheEnd, kWrongEscapes };

// The content of a tensor's header, and pointers to its parts. Python declares the same structure.
struct Tensor {
  int32_t bytes, width, shift;  // of an element; of a symbol: bits, place
  int32_t rows, base, escape;
  int64_t elements;
  const uint32_t* table;        // by slot: place in its row (12 bits), frequency - 1 (12), row (8)
  uint32_t* crcs;               // of a chunk's elements
  const int64_t* word_starts;   // chunks + 1
  const int64_t* escape_starts;
  const int64_t* raw_starts;
  const uint32_t* zeros;        // by chunk: low bits left out; from bit 16 on, blocks that keep them
  uint16_t* words;
  uint16_t* escapes;
  uint8_t* raw;

  int64_t first(int64_t chunk) const { return chunk * kChunk; }
  int64_t size(int64_t chunk) const { return std::min(kChunk, elements - first(chunk)); }
  uint32_t symbol_mask() const { return ((1u << width) - 1) << shift; }
  // How many low bits of a block's elements are zero and left out.
  int left_out(int64_t chunk, int64_t block) const {
    return zeros[chunk] >> (16 + block) & 1 ? 0 : static_cast<int>(zeros[chunk] & 0xFF);
  }
};

// The raw bits of a block, outside the symbols: `bits` per element, where `mask` has ones.
struct Raw {
  int bits;
  uint64_t mask;
  uint8_t *begin, *end;  // of the block; of the chunk

  Raw(const Tensor& tensor, int64_t chunk, int64_t block, uint8_t* begin)
      : bits(8 * tensor.bytes - tensor.width - tensor.left_out(chunk, block)),
        mask(((uint64_t{1} << 8 * tensor.bytes) - 1) & ~uint64_t{tensor.symbol_mask()} &
             ~((uint64_t{1} << tensor.left_out(chunk, block)) - 1)),
        begin(begin),
        end(tensor.raw + tensor.raw_starts[chunk + 1]) {}

  // Where the next block begins, after `count` elements.
  uint8_t* after(int64_t count) const { return begin + (count + 7) / 8 * bits; }

  // The mask for all elements of a 64-bit word.
  template <typename Word>
  uint64_t repeated() const {
    uint64_t all = 0;
    for (unsigned k = 0; k < 8 / sizeof(Word); ++k) all |= mask << 8 * sizeof(Word) * k;
    return all;
  }
};

struct Coders {
  uint32_t state[kCoders];
  const uint16_t *next, *end;
};

inline uint32_t advance(uint32_t state, uint32_t entry) {
  return ((entry >> 12 & 0xFFF) + 1) * (state >> kScaleBits) + (entry & 0xFFF);
}

// Decodes up to 32 symbols, and checks before each word that there is one. False if not.
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

#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512VBMI2__)
#define CODEC_VECTORS 1
// Sixteen entries of a table. On Zen 4, single loads take half the time of the gather instruction.
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

// Decodes whole rounds while 32 words are left; returns the number of symbols.
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
#else
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

inline bool decode_rows(const uint32_t* table, Coders& coders, uint8_t* rows, int64_t count) {
  int64_t done = decode_rounds(table, coders, rows, count);
  for (; done < count; done += kCoders)
    if (!decode_round(table, coders, rows + done, std::min<int64_t>(kCoders, count - done)))
      return false;
  return true;
}

// The words of a block; their symbols are still zero.
template <typename Word>
void place_raw(const Raw& raw, int64_t count, Word* out) {
  constexpr int kAtOnce = 8 / sizeof(Word);
  const int bits = raw.bits;
  const uint64_t all = raw.repeated<Word>();
  const uint8_t* place = raw.begin;
  int64_t i = 0;
  for (; i + 8 <= count && raw.end - place >= bits + 8; i += 8, place += bits)
#pragma GCC unroll 8
    for (int k = 0; k < 8; k += kAtOnce)
      store(out + i + k,
            deposit(load<uint64_t>(place + (k * bits >> 3)) >> (k * bits & 7), all));
  for (; i < count; i += 8, place += bits) {
    uint8_t bytes[40] = {};
    std::memcpy(bytes, place, static_cast<size_t>(bits));
    for (int k = 0; k < std::min<int64_t>(8, count - i); ++k)
      out[i + k] = static_cast<Word>(
          deposit(load<uint64_t>(bytes + (k * bits >> 3)) >> (k * bits & 7), raw.mask));
  }
}

template <typename Word>
void place_symbols(const Tensor& tensor, const uint8_t* rows, int64_t count, bool is_all,
                   Word* out) {
  const int base = tensor.base, shift = tensor.shift;
  if (is_all) {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<Word>((rows[i] + base) << shift);
    return;
  }
  for (int64_t i = 0; i < count; ++i) out[i] |= static_cast<Word>((rows[i] + base) << shift);
}

// Corrects the words whose row is the escape. False if there are more of them than escapes.
template <typename Word>
bool place_escapes(const Tensor& tensor, const uint8_t* rows, int64_t count, int64_t& next,
                   int64_t end, Word* out) {
  const Word keep = static_cast<Word>(~tensor.symbol_mask());
  const uint8_t escape = static_cast<uint8_t>(tensor.rows - 1);
  for (int64_t begin = 0; begin < count; begin += 64) {
    int64_t last = std::min<int64_t>(begin + 64, count);
    uint8_t any = 0;
    for (int64_t i = begin; i < last; ++i) any |= rows[i] == escape;
    if (!any) continue;
    for (int64_t i = begin; i < last; ++i) {
      if (rows[i] != escape) continue;
      if (next == end) return false;
      uint32_t symbol = tensor.escapes[next++] & ((1u << tensor.width) - 1);
      out[i] = static_cast<Word>((out[i] & keep) | symbol << tensor.shift);
    }
  }
  return true;
}

// Decodes a chunk, up to 4096 elements at a time. `sink` gives the place for them, and takes them.
template <typename Word, typename Sink>
Result decode_blocks(const Tensor& tensor, int64_t chunk, Sink&& sink) {
  Coders coders;
  const uint16_t* words = tensor.words + tensor.word_starts[chunk];
  std::memcpy(coders.state, words, sizeof coders.state);
  coders.next = words + kStateWords;
  coders.end = tensor.words + tensor.word_starts[chunk + 1];
  int64_t escape = tensor.escape_starts[chunk], last_escape = tensor.escape_starts[chunk + 1];
  const int64_t size = tensor.size(chunk);
  uint8_t* next_raw = tensor.raw + tensor.raw_starts[chunk];
  uint8_t rows[kBlock + 64];
  for (int64_t begin = 0; begin < size; begin += kBlock) {
    int64_t count = std::min(kBlock, size - begin);
    Word* place = sink.place(begin);
    const Raw raw(tensor, chunk, begin / kBlock, next_raw);
    next_raw = raw.after(count);
    if (!decode_rows(tensor.table, coders, rows, count)) return kNotTheEnd;
    if (raw.bits) place_raw(raw, count, place);
    place_symbols(tensor, rows, count, raw.bits == 0, place);
    if (tensor.escape && !place_escapes(tensor, rows, count, escape, last_escape, place))
      return kWrongEscapes;
    sink.take(begin, count, place);
  }
  for (uint32_t state : coders.state)
    if (state != kLow) return kNotTheEnd;
  if (coders.next != coders.end) return kNotTheEnd;
  return escape == last_escape ? kGood : kWrongEscapes;
}

// Elements in memory, and their CRC if it is to be checked.
template <typename Word>
struct Memory {
  Word* out;
  bool check;
  Crc crc;

  Word* place(int64_t begin) { return out + begin; }
  void take(int64_t, int64_t count, const Word* block) {
    if (check) crc.add(reinterpret_cast<const uint8_t*>(block), count * int64_t{sizeof(Word)});
  }
};

template <typename Word>
Result decode_chunk(const Tensor& tensor, int64_t chunk, bool check, Word* out) {
  Memory<Word> memory{out, check, {}};
  Result result = decode_blocks<Word>(tensor, chunk, memory);
  if (result != kGood) return result;
  return check && memory.crc.value() != tensor.crcs[chunk] ? kWrongCrc : kGood;
}

// How rows are coded.
struct Code {
  double reciprocals[256];  // of the frequencies
  uint32_t rows[256];       // frequency, and from bit 16 on the sum of those before

  Code(const uint16_t* frequencies, int count) : reciprocals{}, rows{} {
    uint32_t start = 0;
    for (int k = 0; k < count; ++k) {
      rows[k] = frequencies[k] | start << 16;
      reciprocals[k] = frequencies[k] ? 1.0 / frequencies[k] : 0.0;
      start += frequencies[k];
    }
  }

  uint32_t step(uint8_t row, uint32_t state, uint16_t*& next) const {
    uint32_t frequency = rows[row] & 0xFFFF;
    uint32_t is_full = state >> 20 >= frequency;  // not a branch, which could not be predicted
    next[-1] = static_cast<uint16_t>(state);
    next -= is_full;
    state >>= 16 * is_full;
    // Half more than the state, so that rounding never crosses a multiple of the frequency.
    uint32_t quotient = static_cast<uint32_t>((state + 0.5) * reciprocals[row]);
    return state + (rows[row] >> 16) + quotient * (kScale - frequency);
  }
};

// Rows of a chunk's elements; symbols without one go to `escapes`, which are counted.
template <typename Word>
int64_t find_rows(const Tensor& tensor, const Word* words, int64_t count, uint8_t* rows,
                  uint16_t* escapes) {
  const int shift = tensor.shift;
  const uint32_t mask = (1u << tensor.width) - 1, base = static_cast<uint32_t>(tensor.base);
  const uint32_t most = static_cast<uint32_t>(tensor.rows - 1);
  for (int64_t i = 0; i < count; ++i)
    rows[i] = static_cast<uint8_t>(std::min((uint32_t{words[i]} >> shift & mask) - base, most));
  int64_t found = 0;
  if (!tensor.escape) return found;
  for (int64_t begin = 0; begin < count; begin += 64) {
    int64_t last = std::min<int64_t>(begin + 64, count);
    uint8_t any = 0;
    for (int64_t i = begin; i < last; ++i) any |= rows[i] == most;
    if (!any) continue;
    for (int64_t i = begin; i < last; ++i)
      if (rows[i] == most) escapes[found++] = static_cast<uint16_t>(words[i] >> shift & mask);
  }
  return found;
}

#ifdef CODEC_VECTORS
inline void encode_sixteen(const Code& code, const uint8_t* rows, __m512i& states,
                           uint16_t*& next) {
  __m512i row = sixteen(code.rows, rows);
  __m512i frequency = _mm512_and_si512(row, _mm512_set1_epi32(0xFFFF));
  __mmask16 is_full = _mm512_cmpge_epu32_mask(_mm512_srli_epi32(states, 20), frequency);
  int count = __builtin_popcount(is_full);
  next -= count;
  __m256i words = _mm256_maskz_compress_epi16(is_full, _mm512_cvtepi32_epi16(states));
  _mm256_mask_storeu_epi16(next, static_cast<__mmask16>((1u << count) - 1), words);
  states = _mm512_mask_srli_epi32(states, is_full, states, 16);
  // Quotients are below 2^20. Single precision is wrong by one at most, which the rest tells.
  __m512i quotient = _mm512_cvttps_epu32(
      _mm512_div_ps(_mm512_cvtepu32_ps(states), _mm512_cvtepi32_ps(frequency)));
  __m512i rest = _mm512_sub_epi32(states, _mm512_mullo_epi32(quotient, frequency));
  const __m512i one = _mm512_set1_epi32(1);
  __mmask16 above = _mm512_cmplt_epi32_mask(rest, _mm512_setzero_si512());
  __mmask16 below = _mm512_cmpge_epi32_mask(rest, frequency);
  rest = _mm512_mask_add_epi32(rest, above, rest, frequency);
  rest = _mm512_mask_sub_epi32(rest, below, rest, frequency);
  quotient = _mm512_mask_sub_epi32(quotient, above, quotient, one);
  quotient = _mm512_mask_add_epi32(quotient, below, quotient, one);
  states = _mm512_add_epi32(_mm512_add_epi32(rest, _mm512_srli_epi32(row, 16)),
                            _mm512_slli_epi32(quotient, kScaleBits));
}
#endif

// Codes a chunk's rows from last to first, downwards from `end`; returns where the words begin.
inline uint16_t* encode_rows(const Code& code, const uint8_t* rows, int64_t count, uint16_t* end) {
  uint32_t state[kCoders];
  std::fill(state, state + kCoders, kLow);
  uint16_t* next = end;
  int64_t i = count;
  for (; i % kCoders; --i) {
    uint32_t& coder = state[(i - 1) % kCoders];
    coder = code.step(rows[i - 1], coder, next);
  }
#ifdef CODEC_VECTORS
  __m512i first = load<__m512i>(state), second = load<__m512i>(state + 16);
  for (; i; i -= kCoders) {
    encode_sixteen(code, rows + i - 16, second, next);
    encode_sixteen(code, rows + i - 32, first, next);
  }
  store(state, first), store(state + 16, second);
#else
  for (; i; i -= kCoders)
#pragma GCC unroll 32
    for (int k = kCoders - 1; k >= 0; --k)
      state[k] = code.step(rows[i - kCoders + k], state[k], next);
#endif
  next -= kStateWords;
  std::memcpy(next, state, sizeof state);
  return next;
}

// Raw bits of a block's elements, in whole groups of eight.
template <typename Word>
void write_block(const Raw& raw, const Word* words, int64_t count) {
  constexpr int kAtOnce = 8 / sizeof(Word);
  const int bits = raw.bits;
  const uint64_t all = raw.repeated<Word>();
  uint8_t* place = raw.begin;
  int64_t i = 0;
  // Stores write up to eight bytes too far. Later stores overwrite these; other chunks stay
  // untouched.
  for (; i + 8 * (1 + 8) <= count; i += 8, place += bits)
#pragma GCC unroll 8
    for (int k = 0; k < 8; k += kAtOnce) {
      const int bit = k * bits, shared = bit & 7;  // bits already in the first byte
      uint64_t found = extract(load<uint64_t>(words + i + k), all) << shared;
      if (shared) found |= place[bit >> 3] & ((1u << shared) - 1);
      store(place + (bit >> 3), found);
    }
  for (; i < count; i += 8, place += bits) {
    Word eight[8] = {};
    std::memcpy(eight, words + i, sizeof(Word) * static_cast<size_t>(std::min<int64_t>(8, count - i)));
    uint8_t bytes[40] = {};
    for (int k = 0; k < 8; k += kAtOnce) {
      int bit = k * bits;
      uint64_t found = extract(load<uint64_t>(eight + k), all) << (bit & 7);
      store(bytes + (bit >> 3), load<uint64_t>(bytes + (bit >> 3)) | found);
    }
    std::memcpy(place, bytes, static_cast<size_t>(bits));
  }
}

template <typename Word>
void write_raw(const Tensor& tensor, int64_t chunk, const Word* words) {
  uint8_t* place = tensor.raw + tensor.raw_starts[chunk];
  for (int64_t begin = 0; begin < tensor.size(chunk); begin += kBlock) {
    int64_t count = std::min(kBlock, tensor.size(chunk) - begin);
    const Raw raw(tensor, chunk, begin / kBlock, place);
    if (raw.bits) write_block(raw, words + begin, count);
    place = raw.after(count);
  }
}

}  // namespace codec::joint
