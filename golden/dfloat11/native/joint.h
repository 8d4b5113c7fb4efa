// The loops of layout 2: symbols of exponent and upper mantissa bits in 32 interleaved range coders.
//
// A chunk has 65536 elements; element i belongs to coder i mod 32. A coder's state is at least 2^16
// and below 2^32; symbols have frequencies out of 4096. All coders take 16-bit words from one
// stream, in the order of the elements ("Asymmetric numeral systems", J. Duda, arXiv 1311.2540;
// interleaving: F. Giesen, arXiv 1402.3392). The stream is never trusted: words are taken only from
// the chunk, and in the end every state must be the one with which coding began.
#pragma once

#include <algorithm>
#include <memory>

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

#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512BW__) && \
    defined(__AVX512VBMI2__)
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

// The same for two chunks at once: each waits for its own loads, and the other fills the time.
inline int64_t decode_two(const uint32_t* table, Coders& a, uint8_t* rows_a, Coders& b,
                          uint8_t* rows_b, int64_t count) {
  __m512i first = load<__m512i>(a.state), second = load<__m512i>(a.state + 16);
  __m512i third = load<__m512i>(b.state), fourth = load<__m512i>(b.state + 16);
  const uint16_t *next_a = a.next, *next_b = b.next;
  int64_t done = 0;
  for (; done + kCoders <= count && a.end - next_a >= kCoders && b.end - next_b >= kCoders;
       done += kCoders) {
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

// Decodes `count` symbols, of which `done` are there already.
inline bool decode_rows(const uint32_t* table, Coders& coders, uint8_t* rows, int64_t done,
                        int64_t count) {
  done += decode_rounds(table, coders, rows + done, count - done);
  for (; done < count; done += kCoders)
    if (!decode_round(table, coders, rows + done, std::min<int64_t>(kCoders, count - done)))
      return false;
  return true;
}

#if defined(CODEC_VECTORS) && defined(__AVX512VBMI__)
// The words of a block, 64 at a time, if a word of 16 bits has 8 raw ones at most; returns how many
// were placed. A group of eight elements has `bits` bytes of raw bits: one permutation gives each
// group a register of 64 bits, and one shift gives each element a byte.
inline int64_t place_words(const Tensor& tensor, const Raw& raw, const uint8_t* rows, int64_t count,
                           uint16_t* out) {
  const int bits = raw.bits, left_out = 16 - tensor.width - bits, below = tensor.shift - left_out;
  if (bits > 8) return 0;
  alignas(64) uint8_t places[64], shifts[64];
  for (int k = 0; k < 64; ++k) {
    places[k] = static_cast<uint8_t>(k / 8 * bits + k % 8);
    shifts[k] = static_cast<uint8_t>(k % 8 * bits);
  }
  const __m512i place_of = load<__m512i>(places), shift_of = load<__m512i>(shifts);
  const __m512i mask = _mm512_set1_epi8(static_cast<char>((1 << bits) - 1));
  const __m512i low_mask = _mm512_set1_epi16(static_cast<short>((1 << below) - 1));
  const __m512i base = _mm512_set1_epi16(static_cast<short>(tensor.base));
  const auto joined = [&](__m256i fields, __m256i symbols) {
    __m512i field = _mm512_cvtepu8_epi16(fields);
    __m512i symbol = _mm512_add_epi16(_mm512_cvtepu8_epi16(symbols), base);
    __m512i high = _mm512_sll_epi16(_mm512_srl_epi16(field, _mm_cvtsi32_si128(below)),
                                    _mm_cvtsi32_si128(tensor.shift + tensor.width));
    __m512i low = _mm512_sll_epi16(_mm512_and_si512(field, low_mask), _mm_cvtsi32_si128(left_out));
    symbol = _mm512_sll_epi16(symbol, _mm_cvtsi32_si128(tensor.shift));
    return _mm512_or_si512(_mm512_or_si512(high, low), symbol);
  };
  const uint8_t* place = raw.begin;
  int64_t i = 0;
  for (; i + 64 <= count && raw.end - place >= 64; i += 64, place += 8 * bits) {
    __m512i groups = _mm512_permutexvar_epi8(place_of, load<__m512i>(place));
    __m512i fields = _mm512_and_si512(_mm512_multishift_epi64_epi8(shift_of, groups), mask);
    __m512i symbols = load<__m512i>(rows + i);
    store(out + i, joined(_mm512_castsi512_si256(fields), _mm512_castsi512_si256(symbols)));
    store(out + i + 32, joined(_mm512_extracti64x4_epi64(fields, 1),
                               _mm512_extracti64x4_epi64(symbols, 1)));
  }
  return i;
}
#else
inline int64_t place_words(const Tensor&, const Raw&, const uint8_t*, int64_t, uint16_t*) {
  return 0;
}
#endif
template <typename Word>
int64_t place_words(const Tensor&, const Raw&, const uint8_t*, int64_t, Word*) {
  return 0;
}

// The words of a block from element `first` on, a multiple of 8; their symbols are still zero.
template <typename Word>
void place_raw(const Raw& raw, int64_t first, int64_t count, Word* out) {
  constexpr int kAtOnce = 8 / sizeof(Word);
  const int bits = raw.bits;
  const uint64_t all = raw.repeated<Word>();
  const uint8_t* place = raw.begin + first / 8 * bits;
  int64_t i = first;
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
void place_symbols(const Tensor& tensor, const uint8_t* rows, int64_t first, int64_t count,
                   bool is_all, Word* out) {
  const int base = tensor.base, shift = tensor.shift;
  if (is_all) {
    for (int64_t i = first; i < count; ++i) out[i] = static_cast<Word>((rows[i] + base) << shift);
    return;
  }
  for (int64_t i = first; i < count; ++i) out[i] |= static_cast<Word>((rows[i] + base) << shift);
}

// Which of 64 rows are `wanted`, or of `count` if these are fewer: a bit for each.
inline uint64_t find_row(const uint8_t* rows, uint8_t wanted, int64_t count) {
#ifdef CODEC_VECTORS
  if (count >= 64)
    return _mm512_cmpeq_epi8_mask(load<__m512i>(rows), _mm512_set1_epi8(static_cast<char>(wanted)));
#endif
  count = std::min<int64_t>(count, 64);
  uint8_t any = 0;
  for (int64_t i = 0; i < count; ++i) any |= rows[i] == wanted;
  uint64_t found = 0;
  for (int64_t i = 0; any && i < count; ++i)
    found |= uint64_t{rows[i] == wanted} << i;
  return found;
}

// Corrects the words whose row is the escape. False if there are more of them than escapes.
template <typename Word>
bool place_escapes(const Tensor& tensor, const uint8_t* rows, int64_t count, int64_t& next,
                   int64_t end, Word* out) {
  const Word keep = static_cast<Word>(~tensor.symbol_mask());
  const uint8_t escape = static_cast<uint8_t>(tensor.rows - 1);
  for (int64_t begin = 0; begin < count; begin += 64) {
    uint64_t found = find_row(rows + begin, escape, count - begin);
    for (; found; found &= found - 1) {
      if (next == end) return false;
      int64_t i = begin + __builtin_ctzll(found);
      uint32_t symbol = tensor.escapes[next++] & ((1u << tensor.width) - 1);
      out[i] = static_cast<Word>((out[i] & keep) | symbol << tensor.shift);
    }
  }
  return true;
}

// A chunk while it is decoded, up to 4096 elements at a time. `sink` gives the place for them, and
// takes them.
template <typename Word, typename Sink>
class Decoding {
 public:
  Decoding(const Tensor& tensor, int64_t chunk, Sink& sink)
      : tensor_(tensor),
        chunk_(chunk),
        size_(tensor.size(chunk)),
        escape_(tensor.escape_starts[chunk]),
        last_escape_(tensor.escape_starts[chunk + 1]),
        next_raw_(tensor.raw + tensor.raw_starts[chunk]),
        sink_(sink) {
    const uint16_t* words = tensor.words + tensor.word_starts[chunk];
    std::memcpy(coders.state, words, sizeof coders.state);
    coders.next = words + kStateWords;
    coders.end = tensor.words + tensor.word_starts[chunk + 1];
  }

  bool more() const { return result_ == kGood && begin_ < size_; }
  int64_t count() const { return std::min(kBlock, size_ - begin_); }  // of the next block

  // Decodes a block, of which `done` rows are there already.
  void block(int64_t done) {
    const int64_t size = count();
    Word* place = sink_.place(begin_);
    const Raw raw(tensor_, chunk_, begin_ / kBlock, next_raw_);
    next_raw_ = raw.after(size);
    if (!decode_rows(tensor_.table, coders, rows, done, size)) {
      result_ = kNotTheEnd;
      return;
    }
    const int64_t placed = place_words(tensor_, raw, rows, size, place);
    if (raw.bits) place_raw(raw, placed, size, place);
    place_symbols(tensor_, rows, placed, size, raw.bits == 0, place);
    if (tensor_.escape && !place_escapes(tensor_, rows, size, escape_, last_escape_, place)) {
      result_ = kWrongEscapes;
      return;
    }
    sink_.take(begin_, size, place);
    begin_ += size;
  }

  // Decodes what is left.
  Result finish() {
    while (more()) block(0);
    if (result_ != kGood) return result_;
    for (uint32_t state : coders.state)
      if (state != kLow) return kNotTheEnd;
    if (coders.next != coders.end) return kNotTheEnd;
    return escape_ == last_escape_ ? kGood : kWrongEscapes;
  }

  Coders coders;
  uint8_t rows[kBlock + 64];

 private:
  const Tensor& tensor_;
  const int64_t chunk_, size_;
  int64_t begin_ = 0, escape_, last_escape_;
  uint8_t* next_raw_;
  Result result_ = kGood;
  Sink& sink_;
};

// Decodes the blocks of two chunks in turn.
template <typename Word, typename Sink>
void decode_together(const Tensor& tensor, Decoding<Word, Sink>& a, Decoding<Word, Sink>& b) {
  while (a.more() && b.more()) {
    int64_t done = decode_two(tensor.table, a.coders, a.rows, b.coders, b.rows,
                              std::min(a.count(), b.count()));
    a.block(done), b.block(done);
  }
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

// Decodes chunks `first` up to `last`, two at a time.
template <typename Word>
void decode_chunks(const Tensor& tensor, int64_t first, int64_t last, bool check, Word* out,
                   uint8_t* results) {
  for (int64_t chunk = first; chunk < last; chunk += 2) {
    Word* place = out + (chunk - first) * kChunk;
    const bool both = chunk + 1 < last;
    Memory<Word> memory{place, check, {}}, other{place + kChunk, check, {}};
    Decoding<Word, Memory<Word>> one(tensor, chunk, memory);
    Decoding<Word, Memory<Word>> two(tensor, both ? chunk + 1 : chunk, other);
    if (both) decode_together(tensor, one, two);
    const auto result = [&](auto& decoding, auto& held, int64_t number) {
      Result found = decoding.finish();
      bool wrong = found == kGood && check && held.crc.value() != tensor.crcs[number];
      results[number - first] = wrong ? kWrongCrc : found;
    };
    result(one, memory, chunk);
    if (both) result(two, other, chunk + 1);
  }
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
    uint64_t some = find_row(rows + begin, static_cast<uint8_t>(most), count - begin);
    for (; some; some &= some - 1)
      escapes[found++] =
          static_cast<uint16_t>(words[begin + __builtin_ctzll(some)] >> shift & mask);
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

// A chunk while it is coded: from last to first, downwards from the end of its place.
template <typename Word>
class Encoding {
 public:
  static constexpr int64_t kWords = kChunk + kStateWords + 1;  // at most

  Encoding() : rows_(new uint8_t[kChunk]), place_(new uint16_t[kWords]) {}

  // Returns the number of escapes.
  int64_t begin(const Tensor& tensor, const Code& code, const Word* words, int64_t size,
                uint16_t* escapes) {
    int64_t found = find_rows(tensor, words, size, rows_.get(), escapes);
    std::fill(state_, state_ + kCoders, kLow);
    next_ = place_.get() + kWords;
    for (left_ = size; left_ % kCoders; --left_) {
      uint32_t& coder = state_[(left_ - 1) % kCoders];
      coder = code.step(rows_[left_ - 1], coder, next_);
    }
    return found;
  }

  // Codes the rest. Returns where the words begin; they end where the next word would begin.
  const uint16_t* finish(const Code& code) {
    rounds(code, nullptr);
    next_ -= kStateWords;
    std::memcpy(next_, state_, sizeof state_);
    return next_;
  }
  const uint16_t* end() const { return place_.get() + kWords; }

  // Codes whole rounds; those of another chunk fill the time that each step waits.
  void rounds(const Code& code, Encoding* other) {
#ifdef CODEC_VECTORS
    int64_t both = other ? std::min(left_, other->left_) : 0;
    if (both) {
      Lanes a(*this), b(*other);
      for (; both; both -= kCoders) a.round(code), b.round(code);
      a.keep(*this), b.keep(*other);
    }
    Lanes lanes(*this);
    while (lanes.left) lanes.round(code);
    lanes.keep(*this);
#else
    (void)other;
    for (; left_; left_ -= kCoders)
#pragma GCC unroll 32
      for (int k = kCoders - 1; k >= 0; --k)
        state_[k] = code.step(rows_[left_ - kCoders + k], state_[k], next_);
#endif
  }

 private:
#ifdef CODEC_VECTORS
  // The states in registers.
  struct Lanes {
    __m512i first, second;
    const uint8_t* rows;
    uint16_t* next;
    int64_t left;

    explicit Lanes(const Encoding& from)
        : first(load<__m512i>(from.state_)),
          second(load<__m512i>(from.state_ + 16)),
          rows(from.rows_.get()),
          next(from.next_),
          left(from.left_) {}
    void round(const Code& code) {
      encode_sixteen(code, rows + left - 16, second, next);
      encode_sixteen(code, rows + left - 32, first, next);
      left -= kCoders;
    }
    void keep(Encoding& to) const {
      store(to.state_, first), store(to.state_ + 16, second);
      to.next_ = next, to.left_ = left;
    }
  };
#endif
  std::unique_ptr<uint8_t[]> rows_;
  std::unique_ptr<uint16_t[]> place_;
  uint32_t state_[kCoders];
  uint16_t* next_ = nullptr;
  int64_t left_ = 0;
};

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
