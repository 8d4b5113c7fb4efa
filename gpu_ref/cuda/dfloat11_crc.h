// Computes a CRC-32C (RFC 3720) with a warp. Every lane (thread of the warp) computes the CRC of a
// piece of the data, and the CRCs of the pieces are combined.
//
// A CRC is linear: apart from complements, the CRC of the data is the exclusive or of the CRCs of
// the pieces, each multiplied by x^(8 n), where n bytes follow the piece. Polynomials are
// reflected: bit 31 is the coefficient of x^0.
#pragma once

#include "machine.h"

namespace halfbyte {
namespace dfloat11 {

constexpr uint32_t POLYNOMIAL = 0x82F63B78;
constexpr int BYTES = 256;  // entries of the table

// An entry of the table: how a byte that is shifted out changes the register.
HB_HD uint32_t crc_entry(uint32_t byte) {
  for (int bit = 0; bit < 8; ++bit) byte = byte >> 1 ^ (byte & 1 ? POLYNOMIAL : 0);
  return byte;
}

// The CRC register after `size` bytes if it was `crc` before. The caller complements the
// register before the first byte and after the last.
HB_HD uint32_t crc_register(const uint32_t *table, uint32_t crc, const uint8_t *data,
                            int64_t size) {
  for (int64_t i = 0; i < size; ++i) crc = table[(crc ^ data[i]) & 0xFF] ^ crc >> 8;
  return crc;
}

// The product a b modulo the polynomial.
HB_HD uint32_t multiply_modulo(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (; a; a <<= 1) {
    if (a >> 31) product ^= b;
    b = b >> 1 ^ (b & 1 ? POLYNOMIAL : 0);
  }
  return product;
}

// The CRC register after `size` zero bytes if it was `crc` before.
HB_HD uint32_t crc_shift(uint32_t crc, int64_t size) {
  uint32_t power = 1u << 23;  // x^8
  for (; size; size >>= 1) {
    if (size & 1) crc = multiply_modulo(crc, power);
    power = multiply_modulo(power, power);
  }
  return crc;
}

// Returns the CRC-32C of `size` bytes to every lane. The CRC of no bytes is 0.
template <class M>
HB_BODY uint32_t crc_of(M &machine, const uint32_t *table, const uint8_t *data, int64_t size) {
  const int64_t piece = (size + LANES - 1) / LANES;
  typename M::template PerLane<uint32_t> parts;
  machine.lanes([&](int lane) {
    const int64_t begin = lane * piece < size ? lane * piece : size;
    const int64_t end = begin + piece < size ? begin + piece : size;
    parts[lane] = crc_shift(crc_register(table, 0, data + begin, end - begin), size - end);
  });
  return ~(crc_shift(~0u, size) ^ machine.xor_of_lanes(parts));
}

}  // namespace dfloat11
}  // namespace halfbyte
