// The prefix layout of DFloat11 (version 1): reads and checks its header, on the host.
//
// DFloat11 is a lossless compression of weights; docs/dfloat11.md defines its layouts. The prefix
// layout stores eight bits of each element, its symbol, as a code of 1 to 12 bits. A symbol without
// a code is stored as the escape, which is a code of its own, followed by the symbol's eight bits.
// The other bits of an element are raw: they are stored without a change.
#pragma once

#include "dfloat11_crc.h"

namespace halfbyte {
namespace dfloat11 {

constexpr int64_t CHUNK = 16384;   // elements of a chunk, which is decoded by itself
constexpr int64_t SEGMENT = 512;   // elements of a segment, whose length in bits is stored
constexpr int SEGMENTS = 32;       // in a chunk
constexpr int WORD = 32;           // bits of a word of the stream
constexpr int LENGTH_LIMIT = 12;   // bits of the longest code
constexpr int ROWS_LIMIT = 257;    // rows of the code table, at most: symbols, and the escape
constexpr int ESCAPE = 256;        // the escape's number among the symbols
constexpr int MAX_DIMENSIONS = 255;
constexpr int64_t ALIGNMENT = 8;   // every part begins at a multiple of 8 bytes
constexpr int FIXED = 72;          // bytes of the header before the shape
constexpr int TYPES = 6;           // element types: 1 and 2 have 16 bits, 3 to 6 have 8

// Kinds of damage; damage.py has the messages in the same order. PUBLISHED_ marks damage in the
// layout of the Python package dfloat11, JOINT_ damage in the joint layout.
enum Damage : int32_t {
  GOOD,
  NO_TENSOR,      // the first bytes are wrong
  VERSION,
  HEADER_SIZE,
  HEADER_CRC,
  TYPE,
  CODE_TABLE,     // not a complete prefix code
  COUNTS,         // elements, shape and size of the header contradict each other
  TOTAL_SIZE,
  SHORT_STREAM,   // the stream has less than a bit for each element
  WRONG_INDEX,    // of a chunk: where it starts and ends contradicts the lengths of its segments
  WRONG_CRC,
  NOT_A_CODE,
  WRONG_LENGTH,   // of a chunk: a segment ends elsewhere than its length says
  PUBLISHED_PARTS,      // sizes of the parts do not match
  PUBLISHED_LOST,       // the tensor had exponents that the layout cannot store
  PUBLISHED_POSITIONS,  // of a block: output positions do not ascend to the number of elements
  PUBLISHED_CODE,
  PUBLISHED_GAP,
  PUBLISHED_END,        // of a block: it holds a wrong number of codes
  JOINT_FIELDS,   // symbols that do not fit an element, or rows that do not fit the symbols
  JOINT_TABLE,    // frequencies that do not sum to 4096
  JOINT_INDEX,    // the chunks' sizes, or the numbers of bits left out, contradict the header
  JOINT_END,      // of a chunk: the coders do not reach their last state at the stream's end
  JOINT_ESCAPES,  // of a chunk: the number of its escapes is not the stored one
  DAMAGES
};
// A failure is one number: the index of a damaged chunk or block, times PLACE, plus the Damage. So
// the least failure belongs to the first damaged chunk or block.
constexpr int64_t PLACE = 32;
static_assert(DAMAGES <= PLACE, "every damage must be below PLACE");

// The content of a checked header. The parts lie at these offsets in bytes: CRCs of the chunks,
// their first words in the stream, the lengths of their segments in bits, the stream, and the raw
// bytes. `size` is the size of the compressed tensor.
struct Container {
  int64_t elements, chunks, stream_words;
  int64_t crcs, starts, lengths, stream, raw, size;
  int32_t type;        // the layout's number for the element type
  int32_t dimensions;
  int32_t max_length;  // bits of the longest code
  int32_t wide;        // 1: elements have 16 bits, 0: they have 8
  uint64_t shape[MAX_DIMENSIONS + 1];
  // Indexed by the next max_length bits of the stream: length of the code << 9 | symbol; 0 if these
  // bits do not begin with a code.
  uint16_t lookup[1 << LENGTH_LIMIT];
};

inline uint64_t little_endian(const uint8_t *bytes, int count) {
  uint64_t value = 0;
  while (count--) value = value << 8 | bytes[count];
  return value;
}

// The CRC-32C of a header, computed with zeros in place of the stored CRC.
inline uint32_t header_crc(const uint8_t *data, int64_t size) {
  uint32_t table[BYTES];
  for (int byte = 0; byte < BYTES; ++byte) table[byte] = crc_entry(byte);
  const uint8_t zeros[4] = {};
  uint32_t crc = crc_register(table, ~0u, data, 12);
  crc = crc_register(table, crc, zeros, 4);
  return ~crc_register(table, crc, data + 16, size - 16);
}

// Writes the canonical code to the look-up table. Each row of the code table has a symbol, except
// row number `escape`, which is for the escape; 0xFFFF means that there is no such row. `counts`
// has the number of rows for each length of code. Returns false if the code is not a complete
// prefix code. A table of only one row, with a code of one bit, is also allowed.
inline bool fill_lookup(Container &c, const uint8_t *counts, const uint8_t *symbols, int rows,
                        int escape) {
  bool seen[BYTES] = {};
  int room = 1 << LENGTH_LIMIT, row = 0;
  c.max_length = 0;
  for (int length = 1; length <= LENGTH_LIMIT; ++length) {
    const int count = static_cast<int>(little_endian(counts + 2 * (length - 1), 2));
    if (count) c.max_length = length;
    room -= count << (LENGTH_LIMIT - length);
    row += count;
    if (room < 0 || row > rows) return false;
  }
  const bool lone = rows == 1 && c.max_length == 1;
  if (row != rows || (room && !lone)) return false;
  int entry = 0;
  row = 0;
  std::memset(c.lookup, 0, sizeof c.lookup);
  for (int length = 1; length <= c.max_length; ++length)
    for (int count = static_cast<int>(little_endian(counts + 2 * (length - 1), 2)); count; --count) {
      const int symbol = row == escape ? ESCAPE : symbols[row];
      if (row == escape ? symbols[row] != 0 : seen[symbol]) return false;
      if (symbol != ESCAPE) seen[symbol] = true;
      for (int end = entry + (1 << (c.max_length - length)); entry < end; ++entry)
        c.lookup[entry] = static_cast<uint16_t>(length << 9 | symbol);
      ++row;
    }
  return true;
}

// Computes where the parts lie. `size`, the size of the data, limits the number of words, and that
// limits the number of elements. So the offsets stay below 2^63.
inline Damage place_parts(Container &c, uint64_t elements, uint64_t words, int64_t header,
                          int64_t size) {
  if (words > static_cast<uint64_t>(size) / 4) return TOTAL_SIZE;
  if (elements > words * WORD) return SHORT_STREAM;
  c.elements = static_cast<int64_t>(elements);
  c.stream_words = static_cast<int64_t>(words);
  c.chunks = (c.elements + CHUNK - 1) / CHUNK;
  const auto aligned = [](int64_t count) {
    return (count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  };
  c.crcs = header;
  c.starts = c.crcs + aligned(4 * c.chunks);
  c.lengths = c.starts + aligned(4 * c.chunks);
  c.stream = c.lengths + 2 * SEGMENTS * c.chunks;
  c.raw = c.stream + aligned(4 * c.stream_words);
  c.size = c.raw + (c.wide ? aligned(c.elements) : 0);
  return c.size == size ? GOOD : TOTAL_SIZE;
}

// Reads the header of a tensor of `size` bytes. `data` points to its first `available` bytes.
inline Damage read_container(const uint8_t *data, int64_t available, int64_t size, Container &c) {
  static const char magic[] = "hbdf11";
  if (available < FIXED || std::memcmp(data, magic, 6)) return NO_TENSOR;
  if (little_endian(data + 6, 2) != 1) return VERSION;
  const int64_t header = static_cast<int64_t>(little_endian(data + 8, 4));
  if (header % ALIGNMENT || header < FIXED || header > available) return HEADER_SIZE;
  if (header_crc(data, header) != little_endian(data + 12, 4)) return HEADER_CRC;
  c.type = data[16];
  c.dimensions = data[17];
  if (c.type < 1 || c.type > TYPES) return TYPE;
  c.wide = c.type <= 2;
  const uint64_t elements = little_endian(data + 24, 8), words = little_endian(data + 32, 8);
  const int64_t table = FIXED + 8 * c.dimensions, symbols = table + 4 + 2 * LENGTH_LIMIT;
  if (symbols > header) return HEADER_SIZE;
  uint64_t product = 1;
  for (int i = 0; i < c.dimensions; ++i) {
    c.shape[i] = little_endian(data + FIXED + 8 * i, 8);
    if (c.shape[i] == 0 || product > elements / c.shape[i]) return COUNTS;
    product *= c.shape[i];
  }
  if (elements == 0 || product != elements) return COUNTS;
  const int rows = static_cast<int>(little_endian(data + table, 2));
  const int escape = static_cast<int>(little_endian(data + table + 2, 2));
  if (rows < 1 || rows > ROWS_LIMIT || symbols + rows > header) return CODE_TABLE;
  if (escape != 0xFFFF && escape >= rows) return CODE_TABLE;
  if (!fill_lookup(c, data + table + 4, data + symbols, rows, escape)) return CODE_TABLE;
  if (header - symbols - rows >= ALIGNMENT) return COUNTS;
  for (int64_t i = symbols + rows; i < header; ++i)
    if (data[i]) return COUNTS;
  return place_parts(c, elements, words, header, size);
}

}  // namespace dfloat11
}  // namespace halfbyte
