// Kernel body: decodes the layout of the Python package dfloat11. A block of threads decodes 4096
// bytes of the stream of codes. These bytes are called a block, too.
//
// As in the package's own kernel, a thread decodes the codes that start in its piece of eight
// bytes. The index has a *gap* for each thread: the bit of the piece at which the first code
// starts. The number of codes that earlier threads found says where a thread's elements go. Unlike
// the package's kernel, this kernel decodes every code only once: the symbols wait in shared memory
// until the places of the elements are known. Stream, tables and index are never trusted.
#pragma once

#include "dfloat11_own.h"

namespace halfbyte {
namespace dfloat11 {

constexpr int PIECE_BITS = 64;                // bits of the stream for a thread
constexpr int THREADS = 512;
constexpr int POINTER = 240;  // an entry of 240 or more leads to table 256 - entry
constexpr int SIDE = 256;                     // entries of a table
constexpr int MAX_TABLES = SIDE - POINTER + 1;
constexpr int LEVELS = 4;                     // bytes of the longest code
constexpr int GAP_BITS = 5;
constexpr int THREAD_ROW = PIECE_BITS / 4 + 1;  // words for a thread's symbols; odd: banks differ
constexpr int64_t BLOCK_BYTES = THREADS * PIECE_BITS / 8;

// A compressed module (one or more layers) whose parts are in the memory of the device.
struct DecodePublished {
  const uint8_t *luts;          // (rows, 256): tables, and a last row with the lengths of codes
  const uint8_t *stream;        // codes of the exponents
  const uint8_t *other;         // (elements): sign and mantissa
  const uint8_t *gaps;          // GAP_BITS for each piece of the stream
  const uint32_t *positions;    // (position_count): first element of each block; then `elements`
  uint16_t *out;                // (elements), aligned to 16 bytes
  int64_t *failure;             // the first damage as a number (see PLACE); INT64_MAX if none
  int64_t rows, bytes, elements, gap_bytes, position_count;

  HB_HD int64_t blocks() const { return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES; }
  HB_HD int64_t tables() const { return rows - 1; }
  // The index of a block's first element. The package omits the last of the positions if no code
  // starts in the last block.
  HB_HD int64_t position(int64_t block) const {
    return positions[block < position_count ? block : position_count - 1];
  }
};

// GOOD if the parts have the sizes that the kernel relies on, else PUBLISHED_PARTS.
inline Damage check_sizes(const DecodePublished &d) {
  const int64_t blocks = d.blocks();
  const bool tables = d.rows >= 2 && d.rows <= MAX_TABLES + 1;
  const bool counts = d.bytes >= 1 && d.bytes <= INT32_MAX && d.elements >= 1 &&
                      d.elements <= INT32_MAX;
  const bool index = d.position_count == blocks + 1 || (d.position_count == blocks && blocks > 1);
  const bool gaps = d.gap_bytes == blocks * THREADS * GAP_BITS / 8;
  return tables && counts && index && gaps ? GOOD : PUBLISHED_PARTS;
}

// What a block of threads shares.
struct PublishedShared {
  uint8_t luts[(MAX_TABLES + 1) * SIDE];
  uint32_t staged[THREADS * THREAD_ROW];                       // symbols by thread
  alignas(8) uint8_t symbols[THREADS * PIECE_BITS + 2 * PIECE];  // in the order of the elements
  uint32_t sums[THREADS / LANES];
};

// The bit of a piece at which its first code starts.
HB_HD int gap_of(const DecodePublished &d, int64_t piece) {
  const int64_t bit = piece * GAP_BITS, byte = bit / 8;
  const int shift = 16 - GAP_BITS - static_cast<int>(bit % 8);
  const uint32_t next = byte + 1 < d.gap_bytes ? d.gaps[byte + 1] : 0;
  return static_cast<int>((uint32_t{d.gaps[byte]} << 8 | next) >> shift & 31);
}

// Four bytes of the stream, the first most significant; zeros beyond its end.
HB_HD uint32_t four_bytes(const DecodePublished &d, int64_t byte) {
  uint32_t word = 0;
  for (int i = 0; i < 4; ++i) word = word << 8 | (byte + i < d.bytes ? d.stream[byte + i] : 0);
  return word;
}

// The symbol of the code with which `window` begins. Sets `bits` to the length of the code, or to 0
// if the window does not begin with a code.
HB_HD uint32_t look_up(const uint8_t *luts, int tables, uint32_t window, int &bits) {
  int level = 0;
  uint32_t entry = luts[window >> 24];
  for (; entry >= POINTER; ++level) {
    const int table = SIDE - static_cast<int>(entry);
    if (table >= tables || level == LEVELS - 1) {
      bits = 0;
      return 0;
    }
    entry = luts[table * SIDE + (window >> (16 - 8 * level) & 0xFF)];
  }
  bits = luts[tables * SIDE + entry];
  if (bits <= 8 * level || bits > 8 * level + 8) bits = 0;
  return entry;
}

// What a thread found in its piece.
struct Found {
  int32_t count;   // number of codes
  int32_t end;     // the bit after the last code, counted from the first bit of the piece
  int32_t failed;  // 1 if the bits at `end` do not begin with a code
};

// Decodes the codes that start in a piece of the stream, and writes their symbols to `staged`.
HB_HD Found decode_piece(const DecodePublished &d, const uint8_t *luts, int64_t piece,
                         uint32_t *staged) {
  const int64_t byte = piece * (PIECE_BITS / 8), left = 8 * (d.bytes - byte);
  const int limit = clamp(left, PIECE_BITS), tables = static_cast<int>(d.tables());
  Found found = {0, gap_of(d, piece), 0};
  if (limit == 0) return found;
  const uint32_t words[3] = {four_bytes(d, byte), four_bytes(d, byte + 4), four_bytes(d, byte + 8)};
  uint32_t four = 0;
  while (found.end < limit) {
    const bool second = found.end >= 32;
    const uint64_t two =
        uint64_t{second ? words[1] : words[0]} << 32 | (second ? words[2] : words[1]);
    const uint32_t window = static_cast<uint32_t>(two << found.end % 32 >> 32);
    int bits;
    const uint32_t symbol = look_up(luts, tables, window, bits);
    if (bits == 0) {
      found.failed = 1;
      break;
    }
    four |= symbol << 8 * (found.count % 4);
    ++found.count;
    found.end += bits;
    if (found.count % 4 == 0) {
      staged[found.count / 4 - 1] = four;
      four = 0;
    }
  }
  if (found.count % 4) staged[found.count / 4] = four;
  return found;
}

HB_HD uint32_t staged_symbol(const uint32_t *staged, int index) {
  return staged[index / 4] >> 8 * (index % 4) & 0xFF;
}

// Checks a thread's codes against the index; returns a Damage. `left` elements of the module remain
// for this thread and the threads after it.
HB_HD int32_t check_found(const DecodePublished &d, const uint8_t *luts, const uint32_t *staged,
                          const Found &found, int64_t piece, int64_t left) {
  if (left <= 0) return GOOD;
  if (found.count < left) {
    if (found.failed) return PUBLISHED_CODE;
    // The next piece's gap must say where the next code starts.
    const bool within = piece + 1 < d.blocks() * THREADS;
    return within && found.end == PIECE_BITS + gap_of(d, piece + 1) ? GOOD : PUBLISHED_GAP;
  }
  // The last element is in this piece. Less than a byte of padding may follow it.
  int64_t end = piece * PIECE_BITS + gap_of(d, piece);
  for (int i = 0; i < left; ++i) end += luts[d.tables() * SIDE + staged_symbol(staged, i)];
  return end <= 8 * d.bytes && 8 * d.bytes < end + 8 ? GOOD : PUBLISHED_END;
}

// One block of threads decodes one block of the stream. Elements of a damaged block are undefined.
template <class M>
HB_BODY void decode_published(M &machine, const DecodePublished &d, PublishedShared &shared,
                              int64_t block) {
  const int64_t first = d.position(block), last = d.position(block + 1);
  const bool is_last = block + 1 == d.blocks();
  const bool ascend = first <= last && last <= d.elements && (block > 0 || first == 0) &&
                      (!is_last || last == d.elements);
  if (!ascend) {
    machine.threads([&](int thread) {
      if (thread == 0) report(machine, d.failure, block, PUBLISHED_POSITIONS);
    });
    return;
  }
  machine.threads([&](int thread) {
    for (int i = thread; i < d.rows * SIDE; i += THREADS) shared.luts[i] = d.luts[i];
    if (block == 0 && thread >= POINTER && thread < SIDE && d.luts[d.tables() * SIDE + thread])
      report(machine, d.failure, block, PUBLISHED_LOST);
  });
  machine.barrier();

  typename M::template PerThread<Found> found;
  typename M::template PerThread<uint32_t> before;
  machine.threads([&](int thread) {
    uint32_t *staged = shared.staged + thread * THREAD_ROW;
    found[thread] = decode_piece(d, shared.luts, block * THREADS + thread, staged);
    before[thread] = static_cast<uint32_t>(found[thread].count);
  });
  const int64_t total = machine.block_sums_before(before, shared.sums);
  const int64_t expected = last - first;
  if (total < expected || (total > expected && !is_last)) {
    machine.threads([&](int thread) {
      if (thread == 0) report(machine, d.failure, block, PUBLISHED_END);
    });
    return;
  }

  const int shift = static_cast<int>(first % PIECE);  // aligns groups of PIECE elements
  machine.threads([&](int thread) {
    const uint32_t *staged = shared.staged + thread * THREAD_ROW;
    const int64_t left = d.elements - first - before[thread];
    const int32_t damage = check_found(d, shared.luts, staged, found[thread],
                                       block * THREADS + thread, left);
    if (damage != GOOD) report(machine, d.failure, block, damage);
    const int kept = clamp(expected - before[thread], found[thread].count);
    for (int i = 0; i < kept; ++i)
      shared.symbols[shift + before[thread] + i] =
          static_cast<uint8_t>(staged_symbol(staged, i));
  });
  machine.barrier();
  machine.threads([&](int thread) {
    for (int64_t place = int64_t{thread} * PIECE; place < shift + expected;
         place += THREADS * PIECE) {
      const int64_t element = first - shift + place;
      if (element >= first && element + PIECE <= last) {
        const uint32_t *four = reinterpret_cast<const uint32_t *>(shared.symbols + place);
        join_piece(d.other, d.out, element, PIECE, four[0], four[1]);
        continue;
      }
      for (int i = 0; i < PIECE; ++i)
        if (element + i >= first && element + i < last)
          join_piece(d.other, d.out, element + i, 1, shared.symbols[place + i], 0);
    }
  });
}

}  // namespace dfloat11
}  // namespace halfbyte
