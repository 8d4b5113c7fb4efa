// The loops of layout 1: a prefix code in segments of 512 elements. A chunk has 32 segments. Each
// element has a symbol of 8 bits, which is coded, and perhaps a raw byte, which is stored as it is.
// An escape is a code that is followed by the symbol itself.
//
// In a segment, each look-up waits for the one before. So eight segments are decoded at a time, in
// turn. A look-up gives all symbols whose codes lie in the next twelve bits, up to four. The stream
// is never trusted: near its end, and for escapes, symbols are decoded one by one, and every index
// is checked.
#pragma once

#include <algorithm>

#include "bits.h"

namespace codec::prefix {

constexpr int64_t kChunk = 16384, kSegment = 512, kSegments = kChunk / kSegment;
constexpr int kTogether = 8;        // segments that are decoded at a time
constexpr int kTableBits = 12;      // bits that are looked up in Code::several
constexpr int kLongest = 12 + 8;    // the most bits for a symbol: the escape's code and the symbol
// In four elements of 16 bits: the bits of the symbols, and the raw bits.
constexpr uint64_t kSymbols = 0x7F807F807F807F80, kOthers = 0x807F807F807F807F;

enum Result : uint8_t { kGood, kWrongCrc, kNotACode, kWrongLength };

// The result of a look-up: how many bits its codes have, how many symbols there are, and the
// symbols. If there are none, `Code::one` must decode the next symbol.
struct Several {
  uint8_t bits, count;
  uint8_t symbols[4];
};

struct Stream {
  const uint32_t* words;
  int64_t count;  // of the words

  // The 32 bits from position `bit` on; zeros past the end.
  uint32_t peek(int64_t bit) const {
    int64_t word = bit >> 5;
    uint64_t both = word < count ? static_cast<uint64_t>(words[word]) << 32 : 0;
    if (word + 1 < count) both |= words[word + 1];
    return static_cast<uint32_t>(both << (bit & 31) >> 32);
  }

  // The bits from position `bit` to the end of the next word, left-aligned: 33 to 64 bits. The word
  // of this bit and the next word must exist.
  uint64_t peek_inside(int64_t bit) const {
    uint64_t both = load<uint64_t>(words + (bit >> 5));
    return (both << 32 | both >> 32) << (bit & 31);
  }
};

struct Code {
  const uint16_t* lookup;  // by the next max_length bits: symbol + 512 * length; 0 if none
  int max_length;
  const Several* several;  // by the next kTableBits bits

  // Returns the symbol at position `bit`, and advances `bit`. Returns -1 for bits that are not a
  // code.
  int one(const Stream& stream, int64_t& bit) const {
    uint32_t next = stream.peek(bit);
    uint16_t entry = lookup[next >> (32 - max_length)];
    if (!entry) return -1;
    bit += entry >> 9;
    int symbol = entry & 511;
    if (symbol == 256) {
      symbol = stream.peek(bit) >> 24;
      bit += 8;
    }
    return symbol;
  }
};

// Fills the table of `Code::several` (2^kTableBits entries) from that of `Code::lookup`.
inline void fill_table(const uint16_t* lookup, int max_length, Several* table) {
  for (uint32_t index = 0; index < 1u << kTableBits; ++index) {
    Several entry{};
    while (entry.count < 4) {
      uint32_t rest = index << entry.bits & ((1u << kTableBits) - 1);
      uint16_t found = lookup[rest >> (kTableBits - max_length)];
      int length = found >> 9, symbol = found & 511;
      if (!found || symbol == 256 || length > kTableBits - entry.bits) break;
      entry.symbols[entry.count++] = static_cast<uint8_t>(symbol);
      entry.bits = static_cast<uint8_t>(entry.bits + length);
    }
    table[index] = entry;
  }
}

// How elements are assembled from symbols and raw bytes: Wide for 16 bits, Narrow for 8 bits.
struct Wide {
  using Word = uint16_t;
  static constexpr bool has_raw = true;
  static Word join(uint8_t other, int symbol) {
    return static_cast<Word>((other & 0x80) << 8 | symbol << 7 | (other & 0x7F));
  }
  static void join_four(const Several& entry, const uint8_t* raw, Word* out) {
    uint64_t symbols = deposit(load<uint32_t>(entry.symbols), kSymbols);
    store(out, symbols | deposit(load<uint32_t>(raw), kOthers));
  }
};

struct Narrow {
  using Word = uint8_t;
  static constexpr bool has_raw = false;
  static Word join(uint8_t, int symbol) { return static_cast<Word>(symbol); }
  static void join_four(const Several& entry, const uint8_t*, Word* out) {
    store(out, load<uint32_t>(entry.symbols));
  }
};

// The part of a segment that is not yet decoded: its first bit, its first element, and the element
// after its last.
struct Part {
  int64_t bit, index, end;
};

// Decodes a part one element at a time. `end_bit` is where its segment must end.
template <typename Kind>
Result decode_rest(const Stream& stream, const Code& code, const uint8_t* raw, Part part,
                   int64_t end_bit, typename Kind::Word* out) {
  for (; part.index < part.end; ++part.index) {
    int symbol = code.one(stream, part.bit);
    if (symbol < 0) return kNotACode;
    out[part.index] = Kind::join(Kind::has_raw ? raw[part.index] : 0, symbol);
  }
  return part.bit == end_bit ? kGood : kWrongLength;
}

// Brings the memory of the next eight segments into the cache, a few lines at a time. The processor
// does not do so by itself for eight short streams side by side: without this class, decoding takes
// twice as long.
template <typename Kind>
class Ahead {
 public:
  Ahead(const uint8_t* raw, const typename Kind::Word* out, int64_t first)
      : raw_(reinterpret_cast<uintptr_t>(raw) + static_cast<uintptr_t>(first)),
        out_(reinterpret_cast<uintptr_t>(out) + kBytes * static_cast<uintptr_t>(first)) {}

  void step() {
    constexpr uintptr_t kLine = 64;
    for (uintptr_t k = 0; k < kBytes; ++k, out_ += kLine) fetch_to_write(out_);
    if (Kind::has_raw) fetch(raw_), raw_ += kLine;
  }

 private:
  static constexpr uintptr_t kBytes = sizeof(typename Kind::Word);
  uintptr_t raw_, out_;
};

// Decodes the symbols of two look-ups. If a look-up gives none, decodes one symbol with `Code::one`
// and stops. Returns false for bits that are not a code. At least 33 bits and eight elements must
// be left.
template <typename Kind>
inline bool decode_some(const Stream& stream, const Code& code, const uint8_t* raw, int64_t& bit,
                        int64_t& index, typename Kind::Word* out) {
  uint64_t window = stream.peek_inside(bit);
#pragma GCC unroll 2
  for (int twice = 0; twice < 2; ++twice) {
    const Several entry = code.several[window >> (64 - kTableBits)];
    Kind::join_four(entry, raw + index, out + index);
    if (__builtin_expect(entry.count == 0, 0)) {
      int symbol = code.one(stream, bit);
      out[index] = Kind::join(Kind::has_raw ? raw[index] : 0, symbol);
      ++index;
      return symbol >= 0;
    }
    index += entry.count;
    bit += entry.bits;
    window <<= entry.bits;
  }
  return true;
}

// Decodes eight whole segments inside the stream, until fewer than eight elements are left in each.
// Returns false for bits that are not a code.
template <typename Kind>
bool decode_together(const Stream& stream, const Code& code, const uint8_t* raw, Part* parts,
                     typename Kind::Word* out) {
  int64_t bits[kTogether], index[kTogether], last[kTogether];
  for (int k = 0; k < kTogether; ++k) {
    bits[k] = parts[k].bit, index[k] = parts[k].index, last[k] = parts[k].end - 8;
  }
  bool is_good = true;
  Ahead<Kind> ahead(raw, out, parts[kTogether - 1].end);
  for (;;) {
    ahead.step();
    bool more = is_good;
    for (int k = 0; k < kTogether; ++k) more &= index[k] <= last[k];
    if (!more) break;
#pragma GCC unroll 8
    for (int k = 0; k < kTogether; ++k)
      is_good &= decode_some<Kind>(stream, code, raw, bits[k], index[k], out);
  }
  for (int k = 0; k < kTogether; ++k) {
    while (is_good && index[k] <= last[k])
      is_good = decode_some<Kind>(stream, code, raw, bits[k], index[k], out);
    parts[k].bit = bits[k], parts[k].index = index[k];
  }
  return is_good;
}

// Decodes a chunk whose first word is `start`. `lengths` are the bits of its segments.
template <typename Kind>
Result decode_chunk(const Stream& stream, const Code& code, const uint8_t* raw,
                    const uint16_t* lengths, int64_t start, int64_t chunk, int64_t elements,
                    typename Kind::Word* out) {
  int64_t begins[kSegments + 1];
  begins[0] = start * 32;
  for (int64_t k = 0; k < kSegments; ++k) begins[k + 1] = begins[k] + lengths[k];
  for (int64_t group = 0; group < kSegments; group += kTogether) {
    Part parts[kTogether];
    for (int k = 0; k < kTogether; ++k) {
      int64_t first = std::min(chunk * kChunk + (group + k) * kSegment, elements);
      parts[k] = {begins[group + k], first, std::min(first + kSegment, elements)};
    }
    bool is_whole = parts[kTogether - 1].end - parts[0].index == kTogether * kSegment;
    int64_t reach = begins[group + kTogether - 1] + kSegment * kLongest;
    if (is_whole && reach / 32 + 2 < stream.count &&
        !decode_together<Kind>(stream, code, raw, parts, out))
      return kNotACode;
    for (int k = 0; k < kTogether; ++k) {
      Result result =
          decode_rest<Kind>(stream, code, raw, parts[k], begins[group + k + 1], out);
      if (result != kGood) return result;
    }
  }
  return kGood;
}

// The exclusive or of the CRCs of a chunk's lengths, stream and raw bytes.
inline uint32_t chunk_crc(const uint8_t* lengths, const uint8_t* stream, const uint8_t* raw,
                          int64_t raw_size, int64_t chunk, int64_t start, int64_t end) {
  uint32_t crc = crc32c(lengths + chunk * 2 * kSegments, 2 * kSegments);
  crc ^= crc32c(stream + start * 4, (end - start) * 4);
  if (raw_size)
    crc ^= crc32c(raw + chunk * kChunk, std::min(kChunk, raw_size - chunk * kChunk));
  return crc;
}

// The bits to write for a symbol, the first one most significant, and their number.
struct Word {
  uint32_t value, bits;
};

inline Word join(Word first, Word second) {
  return {first.value << second.bits | second.value, first.bits + second.bits};
}

// Adds up the code lengths of the symbols in a segment.
class Lengths {
 public:
  explicit Lengths(const Word* code) {
    for (int symbol = 0; symbol < 256; ++symbol)
      of_[symbol] = static_cast<uint8_t>(code[symbol].bits);
  }

  template <typename Kind>
  uint32_t sum(const typename Kind::Word* words, int64_t count) const {
    constexpr int shift = Kind::has_raw ? 7 : 0;
    uint32_t total = 0, other = 0;
    int64_t i = 0;
#if defined(__AVX512VBMI__) && defined(__AVX512BW__)
    __m512i table[4], sums = _mm512_setzero_si512();
    for (int k = 0; k < 4; ++k) table[k] = load<__m512i>(of_ + 64 * k);
    for (; i + 64 <= count; i += 64) {
      __m512i symbols = sixty_four(words + i);
      __m512i low = _mm512_permutex2var_epi8(table[0], symbols, table[1]);
      __m512i high = _mm512_permutex2var_epi8(table[2], symbols, table[3]);
      __m512i bits = _mm512_mask_blend_epi8(_mm512_movepi8_mask(symbols), low, high);
      sums = _mm512_add_epi64(sums, _mm512_sad_epu8(bits, _mm512_setzero_si512()));
    }
    total = static_cast<uint32_t>(_mm512_reduce_add_epi64(sums));
#endif
    for (; i + 2 <= count; i += 2) {
      total += of_[words[i] >> shift & 0xFF];
      other += of_[words[i + 1] >> shift & 0xFF];
    }
    return i < count ? total + other + of_[words[i] >> shift & 0xFF] : total + other;
  }

 private:
#if defined(__AVX512VBMI__) && defined(__AVX512BW__)
  static __m512i sixty_four(const uint8_t* words) { return load<__m512i>(words); }
  static __m512i sixty_four(const uint16_t* words) {
    __m256i low = _mm512_cvtepi16_epi8(_mm512_srli_epi16(load<__m512i>(words), 7));
    __m256i high = _mm512_cvtepi16_epi8(_mm512_srli_epi16(load<__m512i>(words + 32), 7));
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  }
#endif
  alignas(64) uint8_t of_[256];
};

// Writes bits to words. Each step stores the current word, complete or not, to avoid a branch.
struct Writer {
  uint32_t* next;
  uint64_t buffer = 0;  // its upper `held` bits belong to a word that is not complete yet
  uint32_t held = 0;    // below 32

  void put(Word word) {  // 1 to 32 bits
    held += word.bits;
    buffer |= static_cast<uint64_t>(word.value) << (64 - held);
    *next = static_cast<uint32_t>(buffer >> 32);
    uint32_t full = held & 32;
    next += full / 32;
    buffer <<= full;
    held -= full;
  }

  void finish() {
    if (held) *next = static_cast<uint32_t>(buffer >> 32);
  }
};

// Writes the stream of a chunk of `count` elements, and its raw bytes if the elements have any.
template <typename Kind>
void encode_chunk(const typename Kind::Word* words, int64_t count, const Word* code,
                  uint32_t* stream, uint8_t* raw) {
  constexpr int shift = Kind::has_raw ? 7 : 0;
  Writer writer{stream};
  int64_t i = 0;
  auto at = [&](int64_t place) { return code[words[place] >> shift & 0xFF]; };
  for (; i + 4 <= count; i += 4) {
    Word first = at(i), second = at(i + 1), third = at(i + 2), fourth = at(i + 3);
    if (__builtin_expect(first.bits + second.bits + third.bits + fourth.bits <= 32, 1)) {
      writer.put(join(join(first, second), join(third, fourth)));
    } else {
      writer.put(first), writer.put(second), writer.put(third), writer.put(fourth);
    }
  }
  for (; i < count; ++i) writer.put(at(i));
  writer.finish();
  if constexpr (Kind::has_raw)
    for (int64_t k = 0; k < count; ++k)
      raw[k] = static_cast<uint8_t>((words[k] >> 8 & 0x80) | (words[k] & 0x7F));
}

}  // namespace codec::prefix
