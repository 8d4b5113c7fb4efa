// The host build's block-scaled GEMM by SIMD instructions, on several threads.
//
// Operands are decoded first and laid out in panels: groups of neighbouring rows, whose elements
// are interleaved. The lanes of a vector hold different rows of W. The inner loop multiplies an
// element of A, broadcast to all lanes, by a vector of W. Every sum of a block (elements that share
// a scale) is an exact integer. Then FP32 operations, compiled without fused multiply-add, scale
// the sums and add them up, vector by vector. The vector types are those of GCC and Clang, which
// work on any target. Only the product of 16-bit pairs uses intrinsics, since processors have an
// instruction for it.
#pragma once

#include <cstdlib>
#include <memory>
#include <new>

#include "api.h"
#include "host_parallel.h"

// Tests define HB_NO_INTRINSICS to get the code for processors without these instructions.
#if defined(__SSE2__) && !defined(HB_NO_INTRINSICS)
#define HB_SSE2
#include <immintrin.h>
#endif
#if defined(HB_SSE2) && defined(__AVX2__)
#define HB_AVX2
#endif
#if defined(HB_SSE2) && defined(__AVX512BW__)
#define HB_AVX512
#endif

namespace halfbyte {

// Bytes of a vector. PAIR_ROWS rows of PAIR_VECTORS vectors are the results of a tile (see
// compute_tile()).
#if defined(HB_AVX512)
constexpr int VECTOR_BYTES = 64, PAIR_ROWS = 6, PAIR_VECTORS = 4;
#elif defined(HB_AVX2)
constexpr int VECTOR_BYTES = 32, PAIR_ROWS = 6, PAIR_VECTORS = 2;
#else
constexpr int VECTOR_BYTES = 16, PAIR_ROWS = 4, PAIR_VECTORS = 2;
#endif

typedef int16_t Shorts __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t Ints __attribute__((vector_size(VECTOR_BYTES)));
typedef double Doubles __attribute__((vector_size(VECTOR_BYTES)));
typedef float Floats __attribute__((vector_size(VECTOR_BYTES)));
typedef float HalfFloats __attribute__((vector_size(VECTOR_BYTES / 2)));

// For each 32-bit lane: its sum, plus the products of the lower and of the upper 16-bit halves of a
// and b.
inline Ints dot_pairs(Ints sums, Shorts a, Shorts b) {
#if defined(HB_AVX512) && defined(__AVX512VNNI__)
  return (Ints)_mm512_dpwssd_epi32((__m512i)sums, (__m512i)a, (__m512i)b);
#elif defined(HB_AVX512)
  return sums + (Ints)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(HB_AVX2)
  return sums + (Ints)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(HB_SSE2)
  return sums + (Ints)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
  const Ints x = (Ints)a, y = (Ints)b;
  return sums + ((x << 16) >> 16) * ((y << 16) >> 16) + (x >> 16) * (y >> 16);
#endif
}

inline const char *simd_name() {
#if defined(HB_AVX512) && defined(__AVX512VNNI__)
  return "AVX-512 VNNI";
#elif defined(HB_AVX512)
  return "AVX-512";
#elif defined(HB_AVX2)
  return "AVX2";
#elif defined(HB_SSE2)
  return "SSE2";
#else
  return "128-bit vectors";
#endif
}

// A vector that has `value` in every lane.
template <class Vector, class T>
inline Vector broadcast(T value) {
  Vector vector;
  for (unsigned i = 0; i < sizeof(Vector) / sizeof(T); ++i) vector[i] = value;
  return vector;
}

template <class Vector>
inline Vector load(const void *from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

// Products of 16-bit pairs, summed in 32 bits.
struct Pairs {
  using Element = int16_t;
  using Sum = Ints;
  using Rounded = Floats;        // FP32 vector with as many lanes as Sum
  static constexpr int GROUP = 2;  // consecutive elements of a row that stay neighbours
  static constexpr int ROWS = PAIR_ROWS, VECTORS = PAIR_VECTORS;

  static Sum step(Sum sum, const Element *a, const Element *w) {
    int32_t pair;
    std::memcpy(&pair, a, sizeof pair);
    return dot_pairs(sum, (Shorts)broadcast<Ints>(pair), load<Shorts>(w));
  }
};

// Products and sums in FP64, for formats with large integers. They are exact up to 2^53.
struct Wide {
  using Element = double;
  using Sum = Doubles;
  using Rounded = HalfFloats;
  static constexpr int GROUP = 1;
  static constexpr int ROWS = PAIR_ROWS, VECTORS = PAIR_VECTORS;

  static Sum step(Sum sum, const Element *a, const Element *w) {
    return sum + broadcast<Doubles>(*a) * load<Doubles>(w);
  }
};

// The number of results in one row of a tile: one for each lane of the row's vectors.
template <class Kind>
constexpr int COLUMNS = Kind::VECTORS * static_cast<int>(sizeof(typename Kind::Rounded) / 4);

template <class T>
using Buffer = std::unique_ptr<T[], decltype(&std::free)>;

// `count` zeros in memory that is aligned to cache lines.
template <class T>
Buffer<T> zeros(int64_t count) {
  constexpr size_t LINE = 64;
  const size_t bytes = (static_cast<size_t>(count) * sizeof(T) / LINE + 1) * LINE;
  T *memory = static_cast<T *>(std::aligned_alloc(LINE, bytes));
  if (!memory) throw std::bad_alloc();
  std::memset(memory, 0, bytes);
  return {memory, &std::free};
}

// An operand in panels of SIDE rows. Its elements lie in the order
// [panel][block][group within the block][row][GROUP], and the steps of its blocks (scale times
// quantum) in the order [panel][block][row].
template <class Kind, int SIDE>
struct Panels {
  using Element = typename Kind::Element;

  Panels(const Operand &from, const Decoder &decoder, int64_t rows, int64_t length, int64_t block,
         int threads)
      : groups((block + Kind::GROUP - 1) / Kind::GROUP),
        blocks((length + block - 1) / block),
        count((rows + SIDE - 1) / SIDE),
        elements(zeros<Element>(count * blocks * block_elements())),
        steps(zeros<float>(count * blocks * SIDE)) {
    parallel(threads, rows, 1, [&](int64_t row) {
      const uint8_t *codes = from.codes + row * row_bytes(decoder.bits, length);
      for (int64_t b = 0; b < blocks; ++b) {
        const int64_t at = row / SIDE * blocks + b;
        const int64_t end = std::min(block, length - b * block);
        Element *to = &elements[at * block_elements()] + row % SIDE * Kind::GROUP;
        for (int64_t k = 0; k < end; ++k)
          to[k / Kind::GROUP * (SIDE * Kind::GROUP) + k % Kind::GROUP] = static_cast<Element>(
              decode(decoder, load_code(codes, decoder.bits, b * block + k)));
        steps[at * SIDE + row % SIDE] = block_step(from.scales[row * blocks + b], decoder);
      }
    });
  }

  int64_t block_elements() const { return groups * SIDE * Kind::GROUP; }

  int64_t groups, blocks, count;
  Buffer<Element> elements;
  Buffer<float> steps;
};

// Computes ROWS x COLUMNS results, from one panel of each operand.
template <class Kind>
void compute_tile(const Panels<Kind, Kind::ROWS> &a, const Panels<Kind, COLUMNS<Kind>> &w,
                  int64_t a_panel, int64_t w_panel, float (&y)[Kind::ROWS][COLUMNS<Kind>]) {
  using Rounded = typename Kind::Rounded;
  constexpr int ROWS = Kind::ROWS, VECTORS = Kind::VECTORS, GROUP = Kind::GROUP;
  constexpr int LANES_EACH = COLUMNS<Kind> / VECTORS;
  std::memset(y, 0, sizeof y);
  for (int64_t b = 0; b < a.blocks; ++b) {
    const auto *x = &a.elements[(a_panel * a.blocks + b) * a.block_elements()];
    const auto *v = &w.elements[(w_panel * w.blocks + b) * w.block_elements()];
    typename Kind::Sum exact[ROWS][VECTORS] = {};
    for (int64_t group = 0; group < a.groups; ++group) {
#pragma GCC unroll 8  // otherwise the compiler does not keep the sums in registers
      for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 8
        for (int c = 0; c < VECTORS; ++c)
          exact[r][c] = Kind::step(exact[r][c], x + r * GROUP, v + c * LANES_EACH * GROUP);
      x += ROWS * GROUP;
      v += COLUMNS<Kind> * GROUP;
    }
    const float *a_steps = &a.steps[(a_panel * a.blocks + b) * ROWS];
    const float *w_steps = &w.steps[(w_panel * w.blocks + b) * COLUMNS<Kind>];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < VECTORS; ++c) {
        float *to = &y[r][c * LANES_EACH];
        const Rounded scale =
            broadcast<Rounded>(a_steps[r]) * load<Rounded>(w_steps + c * LANES_EACH);
        const Rounded sum =
            load<Rounded>(to) + __builtin_convertvector(exact[r][c], Rounded) * scale;
        std::memcpy(to, &sum, sizeof sum);
      }
  }
}

// Computes the product in tiles, each from one panel of A and one of W. Kind is Pairs or Wide.
template <class Kind>
void gemm_in_panels(const Context &context, const Decoder &a_decoder, const Decoder &w_decoder,
                    const PlainProduct &p) {
  constexpr int ROWS = Kind::ROWS, SIDE = COLUMNS<Kind>;
  // The number of tiles that a thread computes at a time. These tiles use successive panels of A
  // and mostly one panel of W, which stays in the thread's cache.
  constexpr int64_t GRAIN = 16;
  const Panels<Kind, ROWS> a(p.a, a_decoder, p.m, p.length, p.block, context.threads);
  const Panels<Kind, SIDE> w(p.w, w_decoder, p.n, p.length, p.block, context.threads);
  parallel(context.threads, a.count * w.count, GRAIN, [&](int64_t tile) {
    const int64_t a_panel = tile % a.count, w_panel = tile / a.count;
    float y[ROWS][SIDE];
    compute_tile<Kind>(a, w, a_panel, w_panel, y);
    int64_t overflows = 0;
    for (int64_t m = a_panel * ROWS; m < std::min(p.m, (a_panel + 1) * ROWS); ++m)
      for (int64_t n = w_panel * SIDE; n < std::min(p.n, (w_panel + 1) * SIDE); ++n) {
        const float result = y[m % ROWS][n % SIDE];
        overflows += exceeds_fp32(result);
        p.y[m * p.n + n] = result;
      }
    if (overflows) __atomic_fetch_add(p.overflows, overflows, __ATOMIC_RELAXED);
  });
}

}  // namespace halfbyte
