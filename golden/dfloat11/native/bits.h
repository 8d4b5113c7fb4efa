// Words of a stream, bytes of memory, and CRC-32C, for all loops of the codec.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__SSE4_2__) || defined(__BMI2__)
#include <immintrin.h>
#endif

namespace codec {

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

// The reverse of deposit.
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
    for (; size >= 8; data += 8, size -= 8) eight(data);
    for (; size > 0; ++data, --size) one(*data);
  }
  uint32_t value() const { return ~static_cast<uint32_t>(crc_); }

 private:
#ifdef __SSE4_2__
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
