// The joint layout of DFloat11 (version 2): reads and checks its header and index, on the host.
//
// DFloat11 is a lossless compression of weights; docs/dfloat11.md defines its layouts. The joint
// layout codes a few neighbouring bits of each element, its symbol: the exponent and upper mantissa
// bits, or all bits of an 8-bit type. Frequent symbols have a row of the code table. Other symbols
// are stored apart: they are escaped. The other bits of an element are raw: they are stored without
// a change. Low bits that are zero in all elements of a block can be left out.
#pragma once

#include "dfloat11_container.h"

namespace halfbyte {
namespace dfloat11 {

constexpr int64_t JOINT_CHUNK = 65536;  // elements of a chunk, which is decoded by itself
constexpr int64_t JOINT_BLOCK = 4096;   // elements of a block; all leave out the same low bits
constexpr int JOINT_FIXED = 60;         // bytes of the header before the shape
constexpr int JOINT_ROWS = 256;         // rows of the code table, at most
constexpr int JOINT_WIDTH = 11;         // bits of a symbol, at most
constexpr int SCALE_BITS = 12;          // all frequencies sum to 2^12
constexpr int SLOTS = 1 << SCALE_BITS;
constexpr int STATE_WORDS = 2 * LANES;  // 16-bit words of the 32 states at the start of a chunk

// The content of a checked header. The parts lie at these offsets in bytes: CRCs and sizes of the
// chunks, the stream, the escaped symbols, and the raw bits. `size` is the size of the
// compressed tensor.
struct JointContainer {
  int64_t elements, chunks, words, escapes, raw_bytes;  // `words` of 16 bits in the stream
  int64_t crcs, sizes, stream, escaped, raw, size;
  int32_t type, bytes;  // number of the element type, bytes of an element
  // A symbol is the `width` bits of an element from bit `shift` on. Row r of the `rows` of the code
  // table has the symbol base + r. `escape` is 1 if the last row stands for all escaped symbols.
  int32_t width, shift, escape, rows, base;
  int32_t dimensions;
  // Indexed by the low 12 bits of a coder's state. An entry has, from bit 0 on, the place
  // within the row's slots (12 bits), the frequency of the row minus 1 (12 bits), and the row (8
  // bits).
  uint32_t slots[SLOTS];
};

// Bytes of an element, by the number of its type.
inline int joint_bytes(int type) { return type == 7 ? 4 : type <= 2 ? 2 : 1; }

// Turns the frequencies of the rows, of one or two bytes each, into slots: a row has as many slots
// as its frequency. Returns where the frequencies end, or null if they are invalid.
inline const uint8_t *fill_slots(JointContainer &c, const uint8_t *at, const uint8_t *end) {
  uint32_t slot = 0;
  for (int row = 0; row < c.rows; ++row) {
    if (at == end) return nullptr;
    uint32_t frequency = *at & 0x7F;
    if (*at++ & 0x80) {
      if (at == end) return nullptr;
      frequency |= uint32_t{*at++} << 7;
    }
    if (frequency > SLOTS - slot) return nullptr;
    for (uint32_t place = 0; place < frequency; ++place)
      c.slots[slot++] = place | (frequency - 1) << 12 | static_cast<uint32_t>(row) << 24;
  }
  return slot == SLOTS ? at : nullptr;
}

// Whether the symbol fits the element, and the raw bits fit the decoders' words of 64 bits.
inline bool fields_fit(const JointContainer &c) {
  const int bits = 8 * c.bytes, raw = bits - c.width;
  return c.width >= 1 && c.width <= JOINT_WIDTH && c.shift + c.width <= bits &&
         raw * (64 / bits) + 7 <= 64;
}

// Computes where the parts lie. Offsets stay below 2^63, since no part is larger than `size`, the
// size of the data.
inline Damage place_joint_parts(JointContainer &c, const uint64_t *totals, int64_t header,
                                int64_t size) {
  const uint64_t most = static_cast<uint64_t>(size);
  const uint64_t chunks = (totals[0] - 1) / JOINT_CHUNK + 1;
  if (chunks > most / 16 || totals[1] > most / 2 || totals[2] > most / 2 || totals[3] > most)
    return TOTAL_SIZE;
  c.elements = static_cast<int64_t>(totals[0]), c.chunks = static_cast<int64_t>(chunks);
  c.words = static_cast<int64_t>(totals[1]), c.escapes = static_cast<int64_t>(totals[2]);
  c.raw_bytes = static_cast<int64_t>(totals[3]);
  const auto aligned = [](int64_t count) {
    return (count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  };
  c.crcs = header;
  c.sizes = c.crcs + aligned(4 * c.chunks);
  c.stream = c.sizes + aligned(12 * c.chunks);
  c.escaped = c.stream + aligned(2 * c.words);
  c.raw = c.escaped + aligned(2 * c.escapes);
  c.size = c.raw + aligned(c.raw_bytes);
  return c.size == size ? GOOD : TOTAL_SIZE;
}

// Reads the header of a tensor of `size` bytes. `data` points to its first `available` bytes.
inline Damage read_joint(const uint8_t *data, int64_t available, int64_t size, JointContainer &c) {
  if (available < JOINT_FIXED || std::memcmp(data, "hbdf11", 6)) return NO_TENSOR;
  if (little_endian(data + 6, 2) != 2) return VERSION;
  const int64_t header = static_cast<int64_t>(little_endian(data + 8, 4));
  if (header % ALIGNMENT || header < JOINT_FIXED || header > available) return HEADER_SIZE;
  if (header_crc(data, header) != little_endian(data + 12, 4)) return HEADER_CRC;
  c.type = data[16], c.width = data[17], c.shift = data[18], c.escape = data[19];
  if (c.type < 1 || c.type > 7) return TYPE;
  c.bytes = joint_bytes(c.type);
  c.dimensions = static_cast<int32_t>(little_endian(data + 20, 2));
  c.rows = static_cast<int32_t>(little_endian(data + 22, 2));
  c.base = static_cast<int32_t>(little_endian(data + 24, 2));
  uint64_t totals[4], product = 1;
  for (int i = 0; i < 4; ++i) totals[i] = little_endian(data + 28 + 8 * i, 8);
  const int64_t table = JOINT_FIXED + 8 * c.dimensions;
  if (table > header) return HEADER_SIZE;
  for (int i = 0; i < c.dimensions; ++i) {
    const uint64_t length = little_endian(data + JOINT_FIXED + 8 * i, 8);
    if (length == 0 || product > totals[0] / length) return COUNTS;
    product *= length;
  }
  if (totals[0] == 0 || totals[0] >> 63 || product != totals[0] || c.escape > 1) return COUNTS;
  if (!fields_fit(c)) return JOINT_FIELDS;
  if (c.rows < 1 || c.rows > JOINT_ROWS || c.base + c.rows > 1 << c.width) return JOINT_FIELDS;
  if (!c.escape && totals[2]) return COUNTS;
  const uint8_t *end = fill_slots(c, data + table, data + header);
  if (end == nullptr) return JOINT_TABLE;
  if (data + header - end >= ALIGNMENT) return COUNTS;
  for (; end < data + header; ++end)
    if (*end) return COUNTS;
  return place_joint_parts(c, totals, header, size);
}

// How many low bits the elements of a block leave out. `word` is the chunk's third size. Its low
// byte is a number of bits. From bit 16 on, it has a flag for each block, which is 1 if the block
// leaves out no bits.
HB_HD int left_out(uint32_t word, int64_t block) {
  return word >> (16 + block) & 1 ? 0 : static_cast<int>(word & 0xFF);
}

// Checks the sizes of the chunks and writes where the data of each chunk begins. `starts` has three
// rows of chunks + 1 numbers: words of the stream, escapes, and raw bytes. `sizes` points to
// the part with the sizes of the chunks: three numbers for each chunk.
inline Damage index_joint(const JointContainer &c, const uint8_t *sizes, int64_t *starts) {
  int64_t *words = starts, *escapes = words + c.chunks + 1, *raw = escapes + c.chunks + 1;
  words[0] = escapes[0] = raw[0] = 0;
  for (int64_t chunk = 0; chunk < c.chunks; ++chunk) {
    const uint8_t *three = sizes + 12 * chunk;
    const int64_t count = static_cast<int64_t>(little_endian(three, 4));
    const uint32_t word = static_cast<uint32_t>(little_endian(three + 8, 4));
    const int64_t left = c.elements - chunk * JOINT_CHUNK;
    const int64_t elements = left < JOINT_CHUNK ? left : JOINT_CHUNK;
    const int64_t blocks = (elements + JOINT_BLOCK - 1) / JOINT_BLOCK;
    if (count < STATE_WORDS || (word & 0xFF) > static_cast<uint32_t>(c.shift) || (word & 0xFF00) ||
        (word >> 16 && !(word & 0xFF)) || word >> 16 >> blocks)
      return JOINT_INDEX;
    words[chunk + 1] = words[chunk] + count;
    escapes[chunk + 1] = escapes[chunk] + static_cast<int64_t>(little_endian(three + 4, 4));
    raw[chunk + 1] = raw[chunk];
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t rest = elements - block * JOINT_BLOCK;
      const int64_t groups = ((rest < JOINT_BLOCK ? rest : JOINT_BLOCK) + 7) / 8;
      raw[chunk + 1] += groups * (8 * c.bytes - c.width - left_out(word, block));
    }
  }
  const bool good = words[c.chunks] == c.words && escapes[c.chunks] == c.escapes &&
                    raw[c.chunks] == c.raw_bytes;
  return good ? GOOD : JOINT_INDEX;
}

}  // namespace dfloat11
}  // namespace halfbyte
