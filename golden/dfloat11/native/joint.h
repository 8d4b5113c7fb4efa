// Layout 2: the parts of a compressed tensor, and how its chunks are decoded.
//
// A chunk has 65536 elements, in blocks of 4096. A symbol is `width` bits of an element, the lowest
// of which is bit `shift`. Range coder i mod 32 decodes the symbol of element i (joint_coders.h),
// or more precisely its row in the symbol table. A symbol without a row is an escape: it is coded
// as the last row, and stored in a list. The other bits of an element are its raw bits. They are
// stored as they are, but without low bits that are zero.
//
// The stream is never trusted. A chunk takes words only from its own part of the stream, and in the
// end every coder must have the state with which coding began.
#pragma once

#include <algorithm>

#include "bits.h"
#include "joint_coders.h"

namespace codec::joint {

constexpr int64_t kChunk = 65536, kBlock = 4096;

enum Result : uint8_t { kGood, kWrongCrc, kNotTheEnd, kWrongEscapes };

// The content of a tensor's header, and pointers to its parts. Python declares the same structure.
struct Tensor {
  int32_t bytes, width, shift;  // bytes of an element; bits of a symbol, position of its lowest bit
  int32_t rows, base, escape;   // rows of the table; first symbol; 1 if the last row is the escape
  int64_t elements;
  const uint32_t* table;        // SymbolTable.slots in Python
  uint32_t* crcs;               // of a chunk's elements
  const int64_t* word_starts;   // chunks + 1
  const int64_t* escape_starts;
  const int64_t* raw_starts;
  const uint32_t* zeros;        // by chunk: see left_out
  uint16_t* words;
  uint16_t* escapes;
  uint8_t* raw;

  int64_t first(int64_t chunk) const { return chunk * kChunk; }
  int64_t size(int64_t chunk) const { return std::min(kChunk, elements - first(chunk)); }
  uint32_t symbol_mask() const { return ((1u << width) - 1) << shift; }
  // How many low bits of a block's elements are zero and left out: the lowest byte of the chunk's
  // number in `zeros`, or none if bit 16 + block of this number is 1.
  int left_out(int64_t chunk, int64_t block) const {
    return zeros[chunk] >> (16 + block) & 1 ? 0 : static_cast<int>(zeros[chunk] & 0xFF);
  }
};

// The raw bits of a block: `bits` per element, at the positions where `mask` has ones.
struct Raw {
  int bits;
  uint64_t mask;
  uint8_t *begin, *end;  // begin of the block; end of the chunk

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

#if defined(CODEC_VECTORS) && defined(__AVX512VBMI__)
// Assembles elements of 16 bits with at most 8 raw bits, 64 at a time. Returns how many elements of
// the block were assembled. A group of eight elements has `bits` bytes of raw bits: one permutation
// moves each group to 64 bits of its own, and one shift moves each element's bits to a byte.
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

// Writes the raw bits of a block's elements from `first` on, which is a multiple of 8. The bits of
// the symbols become zeros.
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

// Adds the symbols of a block's elements from `first` on. `is_all` says that there are no raw bits.
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

// Bit i of the result says whether rows[i] is `wanted`, for 64 rows, or for `count` if that is
// less.
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

// Replaces the symbols whose row is the escape by the next symbols of the list of escapes. Returns
// false if the list has too few.
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

// Decodes a chunk in blocks of up to 4096 elements. For each block, `sink.place` gives the memory,
// and `sink.take` takes the decoded elements.
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

  // Tells the coders which memory the next block will use, so that they fetch it into the cache.
  void look_ahead() {
    const Raw raw(tensor_, chunk_, begin_ / kBlock, next_raw_);
    coders.ahead = {reinterpret_cast<uintptr_t>(sink_.place(begin_)),
                    reinterpret_cast<uintptr_t>(next_raw_), kCoders * sizeof(Word),
                    static_cast<uintptr_t>(kCoders / 8 * raw.bits)};
  }

  // Decodes a block, the first `done` rows of which are known already.
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

  // Decodes the remaining blocks, and checks that the chunk ends as it should.
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

// Decodes two chunks at once, block by block, until one of them ends or is found damaged.
template <typename Word, typename Sink>
void decode_together(const Tensor& tensor, Decoding<Word, Sink>& a, Decoding<Word, Sink>& b) {
  while (a.more() && b.more()) {
    a.look_ahead(), b.look_ahead();
    int64_t done = decode_two(tensor.table, a.coders, a.rows, b.coders, b.rows,
                              std::min(a.count(), b.count()));
    a.block(done), b.block(done);
  }
}

// Takes the blocks of a chunk from `Decoding`, keeps the elements in memory, and computes their CRC
// if `check`.
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

// Decodes chunks `first` up to `last` (excluded), two at a time.
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

}  // namespace codec::joint
