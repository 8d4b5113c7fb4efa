// Layout 2: the encoder of chunks. joint.h says what chunks, rows and escapes are, and
// joint_coders.h what coders and their states are. In a round, each of the 32 coders codes one
// symbol.
#pragma once

#include <memory>

#include "joint.h"

namespace codec::joint {

// What the coders need to code each row of the symbol table.
struct Code {
  double reciprocals[256];  // of the frequencies
  // By row: the frequency in the low 16 bits, the sum of the frequencies before it in the high 16.
  uint32_t rows[256];

  Code(const uint16_t* frequencies, int count) : reciprocals{}, rows{} {
    uint32_t start = 0;
    for (int k = 0; k < count; ++k) {
      rows[k] = frequencies[k] | start << 16;
      reciprocals[k] = frequencies[k] ? 1.0 / frequencies[k] : 0.0;
      start += frequencies[k];
    }
  }

  // Codes a row, and returns the next state. If the state is too large, its low 16 bits are first
  // moved to the stream, in the place before `next`, and `next` moves to that place.
  uint32_t step(uint8_t row, uint32_t state, uint16_t*& next) const {
    uint32_t frequency = rows[row] & 0xFFFF;
    uint32_t is_full = state >> 20 >= frequency;  // not a branch, which could not be predicted
    next[-1] = static_cast<uint16_t>(state);
    next -= is_full;
    state >>= 16 * is_full;
    // 0.5 is added so that rounding errors never lead to a wrong quotient.
    uint32_t quotient = static_cast<uint32_t>((state + 0.5) * reciprocals[row]);
    return state + (rows[row] >> 16) + quotient * (kScale - frequency);
  }
};

// Finds the rows of a chunk's elements. Symbols without a row go to `escapes`. Returns the number
// of escapes.
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
// Codes a row with each of sixteen coders, as `Code::step` does.
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
  // Quotients are below 2^20. In single precision, a quotient may be wrong by one. The remainder
  // shows whether it is.
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

// Codes a chunk, from its last element to its first. The words of its stream go to a buffer, which
// is filled from its end.
template <typename Word>
class Encoding {
 public:
  // The most 16-bit words that a chunk's stream can have, and one more, since `Code::step` stores a
  // word even if it does not keep it.
  static constexpr int64_t kWords = kChunk + kStateWords + 1;

  Encoding() : rows_(new uint8_t[kChunk]), place_(new uint16_t[kWords]) {}

  // Begins a chunk: codes the elements after the last whole round. Returns the number of escapes.
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

  // Codes the remaining elements. Returns where the chunk's words begin; they end at `end`.
  const uint16_t* finish(const Code& code) {
    rounds(code, nullptr);
    next_ -= kStateWords;
    std::memcpy(next_, state_, sizeof state_);
    return next_;
  }
  const uint16_t* end() const { return place_.get() + kWords; }

  // Codes all whole rounds. With vector instructions, and if `other` is not null, rounds of the
  // other chunk are coded at the same time, as long as both chunks have rounds left: while one
  // chunk waits for memory, the other goes on.
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
  // The states of an encoding in registers.
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

// Writes the raw bits of a block's elements, in whole groups of eight elements.
template <typename Word>
void write_block(const Raw& raw, const Word* words, int64_t count) {
  constexpr int kAtOnce = 8 / sizeof(Word);
  const int bits = raw.bits;
  const uint64_t all = raw.repeated<Word>();
  uint8_t* place = raw.begin;
  int64_t i = 0;
  // Stores write up to eight bytes too far. Later stores overwrite these bytes. The loop ends early
  // enough that no store reaches another chunk.
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
    const auto left = static_cast<size_t>(std::min<int64_t>(8, count - i));
    std::memcpy(eight, words + i, sizeof(Word) * left);
    uint8_t bytes[40] = {};
    for (int k = 0; k < 8; k += kAtOnce) {
      int bit = k * bits;
      uint64_t found = extract(load<uint64_t>(eight + k), all) << (bit & 7);
      store(bytes + (bit >> 3), load<uint64_t>(bytes + (bit >> 3)) | found);
    }
    std::memcpy(place, bytes, static_cast<size_t>(bits));
  }
}

// Writes the raw bits of a chunk to their place in the tensor.
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
