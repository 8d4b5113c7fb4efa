// The loops of the DFloat11 codec, as a shared library. Those that have a counterpart in kernels.py
// or joint_kernels.py give the same results, but are several times as fast. Python checks sizes
// before it calls. The content of streams is checked here.
//
// prefix.h says what chunks, segments and raw bytes are in layout 1. joint.h says what chunks,
// blocks, raw bits and escapes are in layout 2. A range `first` up to `last` does not include
// `last`.

#include <memory>

#include "bits.h"
#include "joint_encode.h"
#include "prefix.h"
#include "product.h"
#include "sha256.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

using namespace codec;

namespace {

// Counts symbols of 8 bits in several histograms, which take turns. In a single one, a symbol that
// is equal to the symbol before it would wait for their common counter.
template <typename Word>
class Counter {
 public:
  Counter(const Word* words, int shift, int64_t* counts)
      : words_(words), shift_(shift), counts_(counts) {}
  ~Counter() { keep(); }

  // Counts the next `count` words.
  void take(int64_t count) {
    const Word* words = words_;
    const int shift = shift_;
    int64_t i = 0;
    for (; i + kTables <= count; i += kTables)
      for (int k = 0; k < kTables; ++k) ++several_[k][words[i + k] >> shift & 0xFF];
    for (; i < count; ++i) ++several_[0][words[i] >> shift & 0xFF];
    words_ = words + count;
  }
  // Counts all words up to `end`.
  void take_to(const Word* end) {
    constexpr int64_t kMost = int64_t{1} << 31;  // words: no 32-bit counter overflows
    for (; words_ < end; keep()) take(std::min(kMost, end - words_));
  }
  // Adds the histograms to `counts_`, and clears them.
  void keep() {
    for (auto& each : several_)
      for (int symbol = 0; symbol < 256; ++symbol)
        counts_[symbol] += each[symbol], each[symbol] = 0;
  }

 private:
  static constexpr int kTables = 8;
  const Word* words_;
  const int shift_;
  int64_t* const counts_;
  uint32_t several_[kTables][256] = {};
};

template <typename Word>
void count(const Word* words, int shift, int64_t first, int64_t last, int64_t* counts) {
  Counter<Word>(words + first, shift, counts).take_to(words + last);
}

#ifdef CODEC_SHA
// Counts the symbols and adds the words to `several` SHA-256 messages (one or two), in one pass. It
// takes up to 2^31 words at a time, since a counter has 32 bits.
template <typename Word>
void count_and_digest(const Word* words, int shift, int64_t elements, int64_t* counts,
                      Sha256* const* messages, int several) {
  constexpr int64_t kMost = int64_t{1} << 31, kAtOnce = 64 / sizeof(Word);
  for (int64_t done = 0; done < elements; done += kMost) {
    const int64_t size = std::min(kMost, elements - done);
    Counter<Word> counter(words + done, shift, counts);
    sha_add(messages, several, reinterpret_cast<const uint8_t*>(words + done),
            size * int64_t{sizeof(Word)}, [&] { counter.take(kAtOnce); });
    counter.take_to(words + done + size);
  }
}
#endif

// Layout 1: writes the length in bits of each segment of chunks `first` up to `last` to `lengths`.
template <typename Kind>
void measure(const typename Kind::Word* words, const prefix::Word* code, int64_t elements,
             int64_t first, int64_t last, uint16_t* lengths) {
  const prefix::Lengths bits(code);
  for (int64_t segment = first * prefix::kSegments; segment < last * prefix::kSegments; ++segment) {
    int64_t begin = std::min(segment * prefix::kSegment, elements);
    int64_t end = std::min(begin + prefix::kSegment, elements);
    lengths[segment] = static_cast<uint16_t>(bits.sum<Kind>(words + begin, end - begin));
  }
}

// Layout 1: writes the streams, raw bytes and CRCs of chunks `first` up to `last`.
template <typename Kind>
void encode(const typename Kind::Word* words, const prefix::Word* code, int64_t elements,
            int64_t first, int64_t last, const int64_t* starts, const uint8_t* lengths,
            uint8_t* stream, uint8_t* raw, uint32_t* crcs) {
  for (int64_t chunk = first; chunk < last; ++chunk) {
    int64_t begin = chunk * prefix::kChunk;
    int64_t size = std::min(prefix::kChunk, elements - begin);
    prefix::encode_chunk<Kind>(words + begin, size, code,
                               reinterpret_cast<uint32_t*>(stream) + starts[chunk],
                               Kind::has_raw ? raw + begin : nullptr);
    crcs[chunk] = prefix::chunk_crc(lengths, stream, raw, Kind::has_raw ? elements : 0, chunk,
                                    starts[chunk], starts[chunk + 1]);
  }
}

// Layout 1: decodes chunks `first` up to `last`. `results` gets the Result of each chunk.
template <typename Kind>
void decode(const uint8_t* stream, const uint8_t* raw, const prefix::Code& code,
            const int64_t* starts, int64_t words, const uint8_t* lengths, const uint32_t* crcs,
            int64_t first, int64_t last, bool check, int64_t elements, typename Kind::Word* out,
            uint8_t* results) {
  prefix::Stream source{reinterpret_cast<const uint32_t*>(stream), words};
  auto bits = reinterpret_cast<const uint16_t*>(lengths);
  for (int64_t chunk = first; chunk < last; ++chunk) {
    results[chunk] = prefix::kWrongCrc;
    if (check && prefix::chunk_crc(lengths, stream, raw, Kind::has_raw ? elements : 0, chunk,
                                   starts[chunk], starts[chunk + 1]) != crcs[chunk])
      continue;
    results[chunk] = prefix::decode_chunk<Kind>(source, code, raw, bits + chunk * prefix::kSegments,
                                                starts[chunk], chunk, elements, out);
  }
}

// Layout 2: counts symbols of up to 11 bits in blocks `first` up to `last`, and finds for each
// block the bits that are 1 in any of its elements.
template <typename Word>
void count_joint(const Word* words, int shift, uint32_t mask, int64_t elements, int64_t first,
                 int64_t last, int64_t* counts, uint32_t* ones) {
  constexpr int64_t kMost = int64_t{1} << 19;  // blocks: no 32-bit counter overflows
  auto several = std::make_unique<uint32_t[]>(2 * (mask + 1));
  for (int64_t part = first; part < last; part += kMost) {
    for (int64_t block = part; block < std::min(last, part + kMost); ++block) {
      int64_t i = block * joint::kBlock, end = std::min(i + joint::kBlock, elements);
      uint32_t any = 0;
      for (; i + 2 <= end; i += 2) {
        ++several[words[i] >> shift & mask];
        ++several[(words[i + 1] >> shift & mask) + mask + 1];
        any |= uint32_t{words[i]} | uint32_t{words[i + 1]};
      }
      if (i < end) ++several[words[i] >> shift & mask], any |= words[i];
      ones[block] = any;
    }
    for (uint32_t symbol = 0; symbol <= mask; ++symbol) {
      counts[symbol] += int64_t{several[symbol]} + several[symbol + mask + 1];
      several[symbol] = several[symbol + mask + 1] = 0;
    }
  }
}

// Layout 2: codes chunks `first` up to `last`, two at a time. `sizes` gets two numbers for each
// chunk: how many words its stream has, and how many escapes it has.
template <typename Word>
void encode_joint(const joint::Tensor& tensor, const Word* words, const uint16_t* frequencies,
                  int64_t first, int64_t last, uint16_t* stream, uint16_t* escapes,
                  uint32_t* sizes) {
  const joint::Code code(frequencies, tensor.rows);
  joint::Encoding<Word> two[2];
  for (int64_t chunk = first; chunk < last; chunk += 2) {
    const int count = chunk + 1 < last ? 2 : 1;
    for (int k = 0; k < count; ++k) {
      const Word* begin = words + tensor.first(chunk + k);
      int64_t size = tensor.size(chunk + k);
      int64_t kept = two[k].begin(tensor, code, begin, size, escapes);
      sizes[2 * k + 1] = static_cast<uint32_t>(kept);
      escapes += kept;
    }
    if (count == 2) two[0].rounds(code, &two[1]);
    for (int k = 0; k < count; ++k, sizes += 2) {
      const uint16_t* start = two[k].finish(code);
      int64_t taken = two[k].end() - start;
      std::memcpy(stream, start, 2 * static_cast<size_t>(taken));
      sizes[0] = static_cast<uint32_t>(taken);
      stream += taken;
    }
  }
}

// Layout 2: writes the raw bits and CRCs of chunks `first` up to `last`.
template <typename Word>
void write_raw(const joint::Tensor& tensor, const Word* words, int64_t first, int64_t last) {
  for (int64_t chunk = first; chunk < last; ++chunk) {
    const Word* begin = words + tensor.first(chunk);
    joint::write_raw(tensor, chunk, begin);
    tensor.crcs[chunk] =
        crc32c(reinterpret_cast<const uint8_t*>(begin), tensor.size(chunk) * tensor.bytes);
  }
}

}  // namespace

EXPORT uint32_t hb_crc32c(const uint8_t* data, int64_t size) { return crc32c(data, size); }

// Adds bytes to one SHA-256 message, or to two if `second` is not null. Returns 0, and does
// nothing, if the processor lacks instructions for SHA-256.
EXPORT int hb_sha256_add(Sha256* first, Sha256* second, const uint8_t* data, int64_t size) {
#ifdef CODEC_SHA
  Sha256* messages[] = {first, second};
  if (size) sha_add(messages, second ? 2 : 1, data, size);
  return 1;
#else
  (void)first, (void)second, (void)data, (void)size;
  return 0;
#endif
}

EXPORT void hb_sha256_digest(const Sha256* message, uint8_t* digest) {
#ifdef CODEC_SHA
  sha_digest(*message, digest);
#else
  (void)message, (void)digest;
#endif
}

// In the functions below, `wide` is 0 if elements have 8 bits, and another number if they have 16.
EXPORT void hb_count(const void* words, int wide, int64_t first, int64_t last, int64_t* counts) {
  if (wide)
    count(static_cast<const uint16_t*>(words), 7, first, last, counts);
  else
    count(static_cast<const uint8_t*>(words), 0, first, last, counts);
}

// Counts the symbols of all elements, and adds their bytes to one SHA-256 message, or to two if
// `second` is not null. Returns 0, and does nothing, if the processor lacks instructions for
// SHA-256.
EXPORT int hb_count_and_digest(const void* words, int wide, int64_t elements, int64_t* counts,
                               Sha256* first, Sha256* second) {
#ifdef CODEC_SHA
  Sha256* messages[] = {first, second};
  const int several = second ? 2 : 1;
  if (wide)
    count_and_digest(static_cast<const uint16_t*>(words), 7, elements, counts, messages, several);
  else
    count_and_digest(static_cast<const uint8_t*>(words), 0, elements, counts, messages, several);
  return 1;
#else
  (void)words, (void)wide, (void)elements, (void)counts, (void)first, (void)second;
  return 0;
#endif
}

EXPORT void hb_prefix_measure(const void* words, int wide, const prefix::Word* code,
                              int64_t elements, int64_t first, int64_t last, uint16_t* lengths) {
  if (wide)
    measure<prefix::Wide>(static_cast<const uint16_t*>(words), code, elements, first, last,
                          lengths);
  else
    measure<prefix::Narrow>(static_cast<const uint8_t*>(words), code, elements, first, last,
                            lengths);
}

EXPORT void hb_prefix_encode(const void* words, int wide, const prefix::Word* code,
                             int64_t elements, int64_t first, int64_t last, const int64_t* starts,
                             const uint8_t* lengths, uint8_t* stream, uint8_t* raw,
                             uint32_t* crcs) {
  if (wide)
    encode<prefix::Wide>(static_cast<const uint16_t*>(words), code, elements, first, last, starts,
                         lengths, stream, raw, crcs);
  else
    encode<prefix::Narrow>(static_cast<const uint8_t*>(words), code, elements, first, last, starts,
                           lengths, stream, raw, crcs);
}

EXPORT void hb_prefix_table(const uint16_t* lookup, int max_length, prefix::Several* table) {
  prefix::fill_table(lookup, max_length, table);
}

EXPORT void hb_prefix_decode(const uint8_t* stream, const uint8_t* raw, const uint16_t* lookup,
                             int max_length, const prefix::Several* table, int wide,
                             const int64_t* starts, int64_t words, const uint8_t* lengths,
                             const uint32_t* crcs, int64_t first, int64_t last, int check,
                             int64_t elements, void* out, uint8_t* results) {
  prefix::Code code{lookup, max_length, table};
  if (wide)
    decode<prefix::Wide>(stream, raw, code, starts, words, lengths, crcs, first, last, check,
                         elements, static_cast<uint16_t*>(out), results);
  else
    decode<prefix::Narrow>(stream, raw, code, starts, words, lengths, crcs, first, last, check,
                           elements, static_cast<uint8_t*>(out), results);
}

EXPORT void hb_joint_count(const void* words, int bytes, int shift, int width, int64_t elements,
                           int64_t first, int64_t last, int64_t* counts, uint32_t* ones) {
  uint32_t mask = (1u << width) - 1;
  if (bytes == 4)
    count_joint(static_cast<const uint32_t*>(words), shift, mask, elements, first, last, counts,
                ones);
  else if (bytes == 2)
    count_joint(static_cast<const uint16_t*>(words), shift, mask, elements, first, last, counts,
                ones);
  else
    count_joint(static_cast<const uint8_t*>(words), shift, mask, elements, first, last, counts,
                ones);
}

// Writes the streams of the chunks one after the other to `stream`, and their escapes to `escapes`.
// The arrays must have space for the worst case.
EXPORT void hb_joint_encode(const joint::Tensor* tensor, const void* words,
                            const uint16_t* frequencies, int64_t first, int64_t last,
                            uint16_t* stream, uint16_t* escapes, uint32_t* sizes) {
  if (tensor->bytes == 4)
    encode_joint(*tensor, static_cast<const uint32_t*>(words), frequencies, first, last, stream,
                 escapes, sizes);
  else if (tensor->bytes == 2)
    encode_joint(*tensor, static_cast<const uint16_t*>(words), frequencies, first, last, stream,
                 escapes, sizes);
  else
    encode_joint(*tensor, static_cast<const uint8_t*>(words), frequencies, first, last, stream,
                 escapes, sizes);
}

// Writes raw bits and CRCs of the chunks to the tensor's parts.
EXPORT void hb_joint_raw(const joint::Tensor* tensor, const void* words, int64_t first,
                         int64_t last) {
  if (tensor->bytes == 4)
    write_raw(*tensor, static_cast<const uint32_t*>(words), first, last);
  else if (tensor->bytes == 2)
    write_raw(*tensor, static_cast<const uint16_t*>(words), first, last);
  else
    write_raw(*tensor, static_cast<const uint8_t*>(words), first, last);
}

EXPORT void hb_joint_decode(const joint::Tensor* tensor, int64_t first, int64_t last, int check,
                            void* out, uint8_t* results) {
  if (tensor->bytes == 4)
    joint::decode_chunks(*tensor, first, last, check, static_cast<uint32_t*>(out), results);
  else if (tensor->bytes == 2)
    joint::decode_chunks(*tensor, first, last, check, static_cast<uint16_t*>(out), results);
  else
    joint::decode_chunks(*tensor, first, last, check, static_cast<uint8_t*>(out), results);
}

EXPORT int hb_joint_product(const joint::Tensor* tensor, int64_t first, int64_t last,
                            const float* x, int64_t vectors, int64_t inputs, int64_t most_rows,
                            float* sums) {
  return product::multiply(*tensor, first, last, x, vectors, inputs, most_rows, sums);
}
