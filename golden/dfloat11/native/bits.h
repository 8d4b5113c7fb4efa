// Words of a stream, bytes of memory, and CRC-32C, as all loops of the codec use them.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__SSE4_2__) || defined(__BMI2__)
#include <immintrin.h>
#endif

namespace codec {

constexpr int kLanes = 4;  // elements of 16 bits in a word of 64

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

// The bits of `source`, from the lowest on, to the places where `mask` has ones.
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

// CRC-32C (Castagnoli), reflected, as RFC 3720 has it. 0 of nothing.
#ifdef __SSE4_2__
inline uint32_t crc32c(const uint8_t* data, int64_t size) {
  uint64_t crc = 0xFFFFFFFF;
  for (; size >= 8; data += 8, size -= 8) crc = _mm_crc32_u64(crc, load<uint64_t>(data));
  uint32_t rest = static_cast<uint32_t>(crc);
  for (; size > 0; ++data, --size) rest = _mm_crc32_u8(rest, *data);
  return ~rest;
}
#else
struct CrcTables {
  uint32_t of[8][256];
  CrcTables() {
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

inline uint32_t crc32c(const uint8_t* data, int64_t size) {
  static const CrcTables tables;
  uint32_t crc = 0xFFFFFFFF;
  for (; size >= 8; data += 8, size -= 8) {
    crc ^= data[0] | data[1] << 8 | data[2] << 16 | static_cast<uint32_t>(data[3]) << 24;
    crc = tables.of[7][crc & 0xFF] ^ tables.of[6][crc >> 8 & 0xFF] ^
          tables.of[5][crc >> 16 & 0xFF] ^ tables.of[4][crc >> 24] ^ tables.of[3][data[4]] ^
          tables.of[2][data[5]] ^ tables.of[1][data[6]] ^ tables.of[0][data[7]];
  }
  for (; size > 0; ++data, --size) crc = (crc >> 8) ^ tables.of[0][(crc ^ *data) & 0xFF];
  return ~crc;
}
#endif

}  // namespace codec
