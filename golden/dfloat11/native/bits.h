// Loads and stores, moves of bits within a word, and CRC-32C, for all loops of the codec.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__SSE4_2__) || defined(__BMI2__)
#include <immintrin.h>
#endif

namespace codec {

// Reads or writes a value at any address, aligned or not.
template <typename T>
inline T load(const void* place) {
  T value;
  std::memcpy(&value, place, sizeof value);
  return value;
}

template <typename T>
inline void store(void* place, T value) {
  std::memcpy(place, &value, sizeof value);
}

// Bring the cache line of an address into the cache, to be read or to be written. The address may
// be invalid.
inline void fetch(uintptr_t address) { __builtin_prefetch(reinterpret_cast<const void*>(address)); }
inline void fetch_to_write(uintptr_t address) {
  __builtin_prefetch(reinterpret_cast<const void*>(address), 1);
}

// Moves the bits of `source`, from the lowest on, to the places where `mask` has ones.
inline uint64_t deposit(uint64_t source, uint64_t mask) {
#ifdef __BMI2__
  return _pdep_u64(source, mask);
#else
  uint64_t result = 0;
  for (; mask; mask &= mask - 1, source >>= 1)
    if (source & 1) result |= mask & (~mask + 1);
  return result;
#endif
}

// The reverse of deposit: moves the bits of `source` at the ones of `mask` to the lowest places.
inline uint64_t extract(uint64_t source, uint64_t mask) {
#ifdef __BMI2__
  return _pext_u64(source, mask);
#else
  uint64_t result = 0;
  int place = 0;
  for (; mask; mask &= mask - 1, ++place)
    if (source & mask & (~mask + 1)) result |= uint64_t{1} << place;
  return result;
#endif
}

// CRC-32C (Castagnoli), reflected, as in RFC 3720; for data that comes in pieces.
class Crc {
 public:
  void add(const uint8_t* data, int64_t size) {
#ifdef __SSE4_2__
    for (; size >= 3 * kLane; data += 3 * kLane, size -= 3 * kLane) three(data);
#endif
    for (; size >= 8; data += 8, size -= 8) eight(data);
    for (; size > 0; ++data, --size) one(*data);
  }
  uint32_t value() const { return ~static_cast<uint32_t>(crc_); }

 private:
#ifdef __SSE4_2__
  static constexpr int64_t kLane = 512;

  // Maps a state of the CRC to the state after kLane zero bytes. The map is linear, so it is the
  // exclusive or of what the four bytes of the state map to.
  struct Moved {
    uint32_t of[4][256] = {};
    Moved() {
      for (int bit = 0; bit < 32; ++bit) {
        uint64_t state = uint64_t{1} << bit;
        for (int64_t k = 0; k < kLane; k += 8) state = _mm_crc32_u64(state, 0);
        for (int byte = 0; byte < 256; ++byte)
          if (byte >> (bit & 7) & 1) of[bit / 8][byte] ^= static_cast<uint32_t>(state);
      }
    }
    uint64_t operator()(uint64_t state) const {
      return of[0][state & 0xFF] ^ of[1][state >> 8 & 0xFF] ^ of[2][state >> 16 & 0xFF] ^
             of[3][state >> 24];
    }
  };

  // Adds three neighbouring runs of kLane bytes at once, since the result of a CRC instruction is
  // available only after three cycles.
  void three(const uint8_t* data) {
    static const Moved moved;
    uint64_t second = 0, third = 0;
    for (int64_t k = 0; k < kLane; k += 8) {
      crc_ = _mm_crc32_u64(crc_, load<uint64_t>(data + k));
      second = _mm_crc32_u64(second, load<uint64_t>(data + kLane + k));
      third = _mm_crc32_u64(third, load<uint64_t>(data + 2 * kLane + k));
    }
    crc_ = moved(moved(crc_) ^ second) ^ third;
  }

  void eight(const uint8_t* data) { crc_ = _mm_crc32_u64(crc_, load<uint64_t>(data)); }
  void one(uint8_t byte) { crc_ = _mm_crc32_u8(static_cast<uint32_t>(crc_), byte); }
#else
  struct Tables {
    uint32_t of[8][256];
    Tables() {
      for (uint32_t byte = 0; byte < 256; ++byte) {
        uint32_t value = byte;
        for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0x82F63B78u : 0);
        of[0][byte] = value;
      }
      for (int step = 1; step < 8; ++step)
        for (int byte = 0; byte < 256; ++byte)
          of[step][byte] = (of[step - 1][byte] >> 8) ^ of[0][of[step - 1][byte] & 0xFF];
    }
  };
  static const Tables& tables() {
    static const Tables made;
    return made;
  }
  void eight(const uint8_t* data) {
    uint64_t mixed = crc_ ^ load<uint64_t>(data);
    crc_ = 0;
    for (int k = 0; k < 8; ++k) crc_ ^= tables().of[7 - k][mixed >> 8 * k & 0xFF];
  }
  void one(uint8_t byte) { crc_ = (crc_ >> 8) ^ tables().of[0][(crc_ ^ byte) & 0xFF]; }
#endif
  uint64_t crc_ = 0xFFFFFFFF;
};

inline uint32_t crc32c(const uint8_t* data, int64_t size) {
  Crc crc;
  crc.add(data, size);
  return crc.value();
}

}  // namespace codec
