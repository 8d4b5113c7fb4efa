// Kernel body: decodes DFloat11's joint layout, a warp per chunk, in one pass.
//
// docs/dfloat11.md defines the layout. A symbol is the exponent of an element with some bits of its
// mantissa, or all bits of an 8-bit type. The symbols of a chunk are coded by 32 range coders
// (asymmetric numeral systems) that share one stream. Each lane (thread) of the warp decodes the
// symbols of one coder, so that a round gives 32 neighbouring elements. The lanes that
// need a word of the stream take the next words in the order of the lanes. A *sink* receives the
// elements of a round. It stores them, or multiplies them at once (dfloat11_product.h).
//
// Symbols without a row in the code table are stored apart; these are the escapes. The stream and
// the escapes are never trusted: a lane reads only words and escapes of its chunk. index_joint()
// has checked where chunks begin.
#pragma once

#include "dfloat11_joint_container.h"
#include "dfloat11_own.h"

namespace halfbyte {
namespace dfloat11 {

constexpr uint32_t LEAST_STATE = 1u << 16;  // of a coder; in a lower state it reads a word

// A compressed tensor whose parts are in the memory of the device.
struct DecodeJoint {
  const uint32_t *crcs;
  const uint32_t *sizes;    // (chunks, 3); the kernel reads only the last column: see left_out()
  const int64_t *starts;    // as index_joint() writes them
  const uint16_t *words, *escapes;
  const uint32_t *raw;
  const uint32_t *slots;    // see JointContainer
  void *out;                // (elements); null for a product
  int64_t *failure;         // the first damage as a number (see PLACE); INT64_MAX if none
  int64_t elements, chunks;
  int64_t raw_words;        // words of 32 bits of the raw part, with its padding
  int32_t bytes, width, shift, escape, rows, base;  // see JointContainer
  int32_t verify;           // 1: check the CRCs
};

// How far a warp has come in the parts of the chunk that it decodes.
struct JointPlace {
  int64_t chunk, first, size;   // the first element, and the number of elements
  int64_t word, last_word;      // of the stream: the next word, and the end
  int64_t escape, last_escape;  // the next escaped symbol, and the end
  int64_t raw_byte;             // where the current block's raw bits begin
  uint32_t left_out_word;       // which low bits are left out: see left_out()
};

HB_HD JointPlace joint_place(const DecodeJoint &d, int64_t chunk) {
  const int64_t *words = d.starts + chunk, *escapes = words + d.chunks + 1;
  const int64_t first = chunk * JOINT_CHUNK, left = d.elements - first;
  return {chunk,      first,      left < JOINT_CHUNK ? left : JOINT_CHUNK,
          words[0] + STATE_WORDS, words[1], escapes[0], escapes[1],
          escapes[d.chunks + 1],  d.sizes[3 * chunk + 2]};
}

// `count` bits (28 at most) of the raw part, from bit `bit` on.
HB_HD uint32_t raw_bits_at(const DecodeJoint &d, int64_t bit, int count) {
  const int64_t word = bit / WORD;
  uint64_t both = word < d.raw_words ? d.raw[word] : 0;
  if (word + 1 < d.raw_words) both |= uint64_t{d.raw[word + 1]} << WORD;
  return static_cast<uint32_t>(both >> bit % WORD) & ((1u << count) - 1);
}

// Joins a symbol and raw bits into an element. The layout leaves out the `out` low bits, which are
// zero.
HB_HD uint32_t join_joint(const DecodeJoint &d, uint32_t symbol, uint32_t raw, int out) {
  const int below = d.shift - out;
  const uint64_t high = uint64_t{raw >> below} << (d.shift + d.width);
  return static_cast<uint32_t>(high) | symbol << d.shift | (raw & ((1u << below) - 1)) << out;
}

// Decodes one symbol in each of the first `count` lanes. A lane sets its damage if it needs a
// word or an escaped symbol beyond the chunk's end.
template <class M>
HB_BODY void take_joint(M &machine, const DecodeJoint &d, const uint32_t *slots, JointPlace &place,
                        int count, typename M::template PerLane<uint32_t> &states,
                        typename M::template PerLane<uint32_t> &symbols,
                        typename M::template PerLane<int32_t> &damages) {
  typename M::template PerLane<uint32_t> wants, before;
  machine.lanes([&](int lane) {
    wants[lane] = 0;
    if (lane >= count) return;
    // A step of asymmetric numeral systems: frequency * (state >> SCALE_BITS) + place in the row.
    const uint32_t entry = slots[states[lane] & (SLOTS - 1)];
    states[lane] = ((entry >> 12 & 0xFFF) + 1) * (states[lane] >> SCALE_BITS) + (entry & 0xFFF);
    symbols[lane] = entry >> 24;
    wants[lane] = states[lane] < LEAST_STATE;
  });
  machine.lanes([&](int lane) { before[lane] = wants[lane]; });
  const uint32_t taken = machine.flags_before(before);
  machine.lanes([&](int lane) {
    const int64_t word = place.word + before[lane];
    if (wants[lane] && word >= place.last_word) damages[lane] = JOINT_END;
    else if (wants[lane]) states[lane] = states[lane] << 16 | d.words[word];
  });
  place.word += taken;
  if (!d.escape) {
    machine.lanes([&](int lane) { symbols[lane] += static_cast<uint32_t>(d.base); });
    return;
  }
  machine.lanes([&](int lane) {
    wants[lane] = lane < count && symbols[lane] == static_cast<uint32_t>(d.rows - 1);
    before[lane] = wants[lane];
  });
  const uint32_t escaped = machine.flags_before(before);
  machine.lanes([&](int lane) {
    const int64_t next = place.escape + before[lane];
    symbols[lane] += static_cast<uint32_t>(d.base);
    if (wants[lane] && next >= place.last_escape) damages[lane] = JOINT_ESCAPES;
    else if (wants[lane]) symbols[lane] = d.escapes[next] & ((1u << d.width) - 1);
  });
  place.escape += escaped;
}

// Decodes a chunk, and gives the elements of each round to the sink. `slots` is in shared memory.
template <class M, class Sink>
HB_BODY void joint_rounds(M &machine, const DecodeJoint &d, const uint32_t *slots, int64_t chunk,
                          Sink &sink) {
  JointPlace place = joint_place(d, chunk);
  typename M::template PerLane<uint32_t> states, symbols, words;
  typename M::template PerLane<int32_t> damages;
  machine.lanes([&](int lane) {
    const uint16_t *state = d.words + place.word - STATE_WORDS + 2 * lane;
    states[lane] = state[0] | uint32_t{state[1]} << 16;
    symbols[lane] = 0;
    damages[lane] = GOOD;
  });
  for (int64_t begin = 0; begin < place.size; begin += JOINT_BLOCK) {
    const int64_t rest = place.size - begin, size = rest < JOINT_BLOCK ? rest : JOINT_BLOCK;
    const int out = left_out(place.left_out_word, begin / JOINT_BLOCK);
    const int bits = 8 * d.bytes - d.width - out;
    for (int64_t done = 0; done < size; done += LANES) {
      const int count = clamp(size - done, LANES);
      take_joint(machine, d, slots, place, count, states, symbols, damages);
      machine.lanes([&](int lane) {
        const uint32_t raw = raw_bits_at(d, place.raw_byte * 8 + (done + lane) * bits, bits);
        words[lane] = join_joint(d, symbols[lane], raw, out);
      });
      sink.take(machine, place.first + begin + done, count, words);
    }
    place.raw_byte += (size + 7) / 8 * bits;
  }
  machine.lanes([&](int lane) {
    if (states[lane] != LEAST_STATE || place.word != place.last_word) damages[lane] = JOINT_END;
    else if (place.escape != place.last_escape) damages[lane] = JOINT_ESCAPES;
    if (damages[lane] != GOOD) report(machine, d.failure, chunk, damages[lane]);
  });
}

// A sink that stores the elements.
struct JointStore {
  const DecodeJoint &d;

  template <class M, class Words>
  HB_BODY void take(M &machine, int64_t first, int count, Words &words) {
    machine.lanes([&](int lane) {
      if (lane >= count) return;
      const int64_t at = first + lane;
      if (d.bytes == 2) static_cast<uint16_t *>(d.out)[at] = static_cast<uint16_t>(words[lane]);
      else if (d.bytes == 4) static_cast<uint32_t *>(d.out)[at] = words[lane];
      else static_cast<uint8_t *>(d.out)[at] = static_cast<uint8_t>(words[lane]);
    });
  }
};

// One warp decodes one chunk to memory. The elements of a damaged chunk are undefined.
template <class M>
HB_BODY void decode_joint_chunk(M &machine, const DecodeJoint &d, const uint32_t *slots,
                                const uint32_t *crc_table, int64_t chunk) {
  JointStore store{d};
  joint_rounds(machine, d, slots, chunk, store);
  if (!d.verify) return;
  machine.warp_barrier();
  const JointPlace place = joint_place(d, chunk);
  const uint8_t *bytes = static_cast<const uint8_t *>(d.out) + place.first * d.bytes;
  const uint32_t crc = crc_of(machine, crc_table, bytes, place.size * d.bytes);
  machine.lanes([&](int lane) {
    if (lane == 0 && crc != d.crcs[chunk]) report(machine, d.failure, chunk, WRONG_CRC);
  });
}

}  // namespace dfloat11
}  // namespace halfbyte
