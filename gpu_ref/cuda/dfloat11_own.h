// Kernel body: decodes the prefix layout of DFloat11, a warp per chunk, in one pass.
//
// docs/dfloat11.md defines the layout: each element has a coded symbol of 8 bits, and a raw byte if
// elements have 16 bits. A chunk has 32 segments, one for each lane (thread) of a warp. The
// segments' lengths, added up, say where each lane begins in the stream. In each round a lane
// decodes 64 symbols to shared memory. Then the warp joins them with the raw bytes: eight
// neighbouring lanes write a line of 128 bytes. The stream, the starts and the lengths are never
// trusted: a lane reads only words of its chunk, and writes only elements of its chunk.
#pragma once

#include "dfloat11_container.h"

namespace halfbyte {
namespace dfloat11 {

constexpr int ROUND = 64;            // symbols that a lane decodes before the warp joins them
constexpr int PIECE = 8;             // elements that a lane joins at once
constexpr int ROW = ROUND / 4 + 1;   // words of a lane's symbols; odd, so that lanes' banks differ
constexpr int STAGED = LANES * ROW;  // words of a warp's symbols

// A compressed tensor whose parts are in the memory of the device.
struct Decode {
  const uint32_t *crcs, *starts;
  const uint16_t *lengths;  // (chunks, SEGMENTS): bits of each segment
  const uint32_t *stream;
  const uint8_t *raw;       // null if elements have 8 bits
  const uint16_t *lookup;   // (2^max_length): see Container
  void *out;                // (elements) of 16 or 8 bits, aligned to 16 bytes
  int64_t *failure;         // the first damage as a number (see PLACE); INT64_MAX if none
  int64_t elements, chunks, stream_words;
  int32_t max_length;
  int32_t wide;
  int32_t verify;           // 1: check the CRCs
};

// How far one lane has come in the stream. The buffer holds the next bits, the first one highest.
struct Reader {
  uint64_t buffer;
  int64_t word;     // the next word to read
  int64_t end_bit;  // the end of the segment
  int32_t held;     // number of bits in the buffer
  int32_t damage;
};

// A word of the stream; zero from `end` on.
HB_HD uint32_t word_at(const Decode &d, int64_t word, int64_t end) {
  return word < end ? d.stream[word] : 0;
}

// A reader of the bits from `bit` up to `end_bit`; `end` is the end of the chunk's words.
HB_HD Reader open_reader(const Decode &d, int64_t bit, int64_t end_bit, int64_t end) {
  const int skip = static_cast<int>(bit % WORD);
  const uint64_t first = word_at(d, bit / WORD, end);
  return {first << WORD << skip, bit / WORD + 1, end_bit, WORD - skip, GOOD};
}

// Takes the next symbol from the stream. It has at most 20 bits: the escape, a code of up to 12
// bits, and a symbol without a code of its own, 8 bits.
HB_HD uint32_t take_symbol(const Decode &d, const uint16_t *lookup, Reader &reader, int64_t end) {
  if (reader.held <= WORD) {
    reader.buffer |= uint64_t{word_at(d, reader.word, end)} << (WORD - reader.held);
    reader.held += WORD;
    ++reader.word;
  }
  const uint32_t entry = lookup[reader.buffer >> (64 - d.max_length)];
  if (entry == 0) reader.damage = NOT_A_CODE;
  uint32_t symbol = entry & 0x1FF;
  int taken = static_cast<int>(entry >> 9);
  if (symbol == ESCAPE) {
    symbol = static_cast<uint32_t>(reader.buffer << taken >> 56);
    taken += 8;
  }
  reader.buffer <<= taken;
  reader.held -= taken;
  return symbol;
}

// Widens two bytes to 16 bits each.
HB_HD uint32_t spread(uint32_t bytes) { return (bytes & 0xFF) | (bytes & 0xFF00) << 8; }

// Two elements of 16 bits from two symbols and two raw bytes.
HB_HD uint32_t join_two(uint32_t symbols, uint32_t raw) {
  const uint32_t low = spread(raw);
  return (low & 0x00800080) << 8 | spread(symbols) << 7 | (low & 0x007F007F);
}

struct alignas(16) Joined {
  uint32_t pairs[PIECE / 2];
};

// Writes `count` elements of 16 bits (PIECE at most) from `first` on. `low` and `high` have their
// symbols, four in a word.
HB_HD void join_piece(const uint8_t *raw, uint16_t *out, int64_t first, int count, uint32_t low,
                      uint32_t high) {
  if (count == PIECE) {
    const uint64_t bytes = *reinterpret_cast<const uint64_t *>(raw + first);
    const uint32_t below = static_cast<uint32_t>(bytes), above = static_cast<uint32_t>(bytes >> 32);
    Joined joined = {{join_two(low, below), join_two(low >> 16, below >> 16),
                      join_two(high, above), join_two(high >> 16, above >> 16)}};
    *reinterpret_cast<Joined *>(out + first) = joined;
    return;
  }
  for (int i = 0; i < count; ++i) {
    const uint32_t symbol = (i < 4 ? low : high) >> 8 * (i % 4) & 0xFF;
    out[first + i] = static_cast<uint16_t>(join_two(symbol, raw[first + i]));
  }
}

// Writes `count` elements as join_piece() does. They have 16 bits if d.wide is 1, else 8.
HB_HD void store_piece(const Decode &d, int64_t first, int count, uint32_t low, uint32_t high) {
  if (d.wide) {
    join_piece(d.raw, static_cast<uint16_t *>(d.out), first, count, low, high);
    return;
  }
  uint8_t *out = static_cast<uint8_t *>(d.out) + first;
  if (count == PIECE) {
    *reinterpret_cast<uint64_t *>(out) = uint64_t{high} << 32 | low;
    return;
  }
  for (int i = 0; i < count; ++i)
    out[i] = static_cast<uint8_t>((i < 4 ? low : high) >> 8 * (i % 4));
}

// `value`, limited to 0 ... `limit`.
HB_HD int clamp(int64_t value, int64_t limit) {
  return static_cast<int>(value < 0 ? 0 : value < limit ? value : limit);
}

// Reports damage of the chunk or block number `index`, unless one with a lower number is damaged.
template <class M>
HB_BODY void report(M &machine, int64_t *failure, int64_t index, int32_t damage) {
  machine.least(failure, index * PLACE + damage);
}

// One warp decodes one chunk. `lookup`, `crc_table` and `symbols` (STAGED words) are in shared
// memory. The elements of a damaged chunk are undefined.
template <class M>
HB_BODY void decode_chunk(M &machine, const Decode &d, const uint16_t *lookup,
                          const uint32_t *crc_table, uint32_t *symbols, int64_t chunk) {
  const int64_t first = chunk * CHUNK;
  const int64_t count = first + CHUNK < d.elements ? CHUNK : d.elements - first;
  typename M::template PerLane<uint32_t> before;
  machine.lanes([&](int lane) { before[lane] = d.lengths[chunk * SEGMENTS + lane]; });
  const int64_t bits = machine.sums_before(before);
  const int64_t start = d.starts[chunk], end = start + (bits + WORD - 1) / WORD;
  const int64_t next = chunk + 1 < d.chunks ? d.starts[chunk + 1] : d.stream_words;
  int32_t damage = GOOD;
  if (end != next || end > d.stream_words || (chunk == 0 && start != 0)) damage = WRONG_INDEX;
  if (damage == GOOD && d.verify) {
    uint32_t crc = crc_of(machine, crc_table,
                          reinterpret_cast<const uint8_t *>(d.lengths + chunk * SEGMENTS),
                          2 * SEGMENTS);
    crc ^= crc_of(machine, crc_table, reinterpret_cast<const uint8_t *>(d.stream + start),
                  (end - start) * (WORD / 8));
    if (d.wide) crc ^= crc_of(machine, crc_table, d.raw + first, count);
    if (crc != d.crcs[chunk]) damage = WRONG_CRC;
  }
  if (damage != GOOD) {
    machine.lanes([&](int lane) {
      if (lane == 0) report(machine, d.failure, chunk, damage);
    });
    return;
  }

  typename M::template PerLane<Reader> readers;
  machine.lanes([&](int lane) {
    const int64_t begin = start * WORD + before[lane];
    readers[lane] = open_reader(d, begin, begin + d.lengths[chunk * SEGMENTS + lane], end);
  });
  for (int64_t done = 0; done < SEGMENT; done += ROUND) {
    machine.lanes([&](int lane) {
      Reader reader = readers[lane];
      const int wanted = clamp(count - (lane * SEGMENT + done), ROUND);
      for (int i = 0; i < wanted; i += 4) {
        uint32_t four = 0;
        HB_UNROLL
        for (int j = 0; j < 4; ++j)
          if (i + j < wanted) four |= take_symbol(d, lookup, reader, end) << 8 * j;
        symbols[lane * ROW + i / 4] = four;
      }
      readers[lane] = reader;
    });
    machine.warp_barrier();
    machine.lanes([&](int lane) {
      for (int step = 0; step < LANES * ROUND / PIECE; step += LANES) {
        const int segment = (step + lane) / (ROUND / PIECE);
        const int piece = (step + lane) % (ROUND / PIECE);
        const int64_t place = segment * SEGMENT + done + piece * PIECE;
        const uint32_t *four = symbols + segment * ROW + piece * 2;
        store_piece(d, first + place, clamp(count - place, PIECE), four[0], four[1]);
      }
    });
    machine.warp_barrier();
  }
  machine.lanes([&](int lane) {
    const Reader &reader = readers[lane];
    if (reader.damage != GOOD) report(machine, d.failure, chunk, reader.damage);
    else if (reader.word * WORD - reader.held != reader.end_bit)
      report(machine, d.failure, chunk, WRONG_LENGTH);
  });
}

}  // namespace dfloat11
}  // namespace halfbyte
