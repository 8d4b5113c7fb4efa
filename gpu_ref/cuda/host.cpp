// The host build: runs the same kernel bodies as the CUDA build, on CPU threads.
//   g++ -std=c++17 -O3 -march=native -ffp-contract=off -fPIC -shared -pthread host.cpp
#include "api_common.h"
#include "dfloat11_host.h"
#include "gemm_dp4a.h"
#include "host_emulation.h"
#include "host_gemm.h"
#include "host_parallel.h"

using namespace halfbyte;

namespace {

constexpr int WARP = 32;
constexpr int64_t GRAIN = 64;  // blocks of a tensor, or results, that a thread computes at a time
constexpr int64_t ELEMENT_GRAIN = 4096;  // elements that a thread computes at a time

template <class T>
void run_quantize(const Context &context, const Format &format, const Quantize &q, int32_t kernel) {
  if (kernel == QUANTIZE_SPANS) {
    const int64_t spans = q.rows * q.length / SPAN;
    const int64_t warps = (spans + SPANS_PER_WARP - 1) / SPANS_PER_WARP;
    parallel(context.threads, warps, GRAIN, [&](int64_t warp) {
      Machine<WARP> machine;
      quantize_spans<Machine<WARP>, T>(machine, q, format.encoder, format.largest,
                                       warp * SPANS_PER_WARP);
    });
    return;
  }
  const int64_t units = q.rows * q.units_per_row(format.encoder.bits);
  parallel(context.threads, units, GRAIN, [&](int64_t unit) {
    Machine<WARP> machine;
    quantize_unit<Machine<WARP>, T>(machine, q, format.encoder, format.largest, unit);
  });
}

template <class T>
void run_absmax(const Context &context, const Quantize &q) {
  parallel(context.threads, q.rows * q.blocks(), GRAIN, [&](int64_t block) {
    Machine<WARP> machine;
    absmax_of_block<Machine<WARP>, T>(machine, q, block);
  });
}

}  // namespace

const char *hb_kind() { return "host"; }
const char *hb_simd() { return simd_name(); }

int hb_absmax(const Context *context, const Quantize *q) {
  return guarded([&] {
    if (q->element == ELEMENT_FP32) run_absmax<float>(*context, *q);
    else if (q->element == ELEMENT_FP16) run_absmax<Half>(*context, *q);
    else run_absmax<Bfloat>(*context, *q);
  });
}

int hb_scales(const Context *context, const Format *format, const Quantize *q) {
  return guarded([&] {
    parallel(context->threads, q->rows, ELEMENT_GRAIN,
             [&](int64_t i) { scale_element(*q, format->largest, i); });
  });
}

int hb_encode(const Context *context, const Format *format, const Quantize *q) {
  return guarded([&] {
    parallel(context->threads, q->rows, ELEMENT_GRAIN,
             [&](int64_t i) { encode_element(*q, format->encoder, i); });
  });
}

int hb_quantize(const Context *context, const Format *format, const Quantize *q, int32_t kernel) {
  return guarded([&] {
    if (q->element == ELEMENT_FP32) run_quantize<float>(*context, *format, *q, kernel);
    else if (q->element == ELEMENT_FP16) run_quantize<Half>(*context, *format, *q, kernel);
    else run_quantize<Bfloat>(*context, *format, *q, kernel);
  });
}

int hb_dequantize(const Context *context, const Format *format, const Dequantize *d) {
  return guarded([&] {
    parallel(context->threads, d->rows * d->length, ELEMENT_GRAIN,
             [&](int64_t i) { dequantize_element(*d, format->decoder, i); });
  });
}

int hb_mac_stream(const Context *context, const Format *w, const Format *a, const MacStream *m) {
  return guarded([&] {
    parallel(context->threads, m->streams, 1,
             [&](int64_t stream) { run_stream(*m, w->decoder, a->decoder, stream); });
  });
}

int hb_unit_stream(const Context *context, const Format *w, const Format *a, const Unit *unit,
                   const UnitStream *u) {
  return guarded([&] {
    parallel(context->threads, u->streams, 1,
             [&](int64_t stream) { run_unit(*u, *unit, w->decoder, a->decoder, stream); });
  });
}

int hb_unit_product(const Context *context, const Format *w, const Format *a, const Unit *unit,
                    const UnitProduct *p) {
  return guarded([&] {
    parallel(context->threads, p->m * p->n, GRAIN,
             [&](int64_t cell) { unit_result(*p, *unit, w->decoder, a->decoder, cell); });
  });
}

int hb_expand(const Context *context, const Format *format, const Expand *e) {
  return guarded([&] {
    parallel(context->threads, pieces(e->layout), ELEMENT_GRAIN,
             [&](int64_t piece) { expand_piece(*e, format->decoder, piece); });
  });
}

int hb_gemm_plain(const Context *context, const Format *a, const Format *w,
                  const PlainProduct *p) {
  return guarded([&] {
    parallel(context->threads, p->m * p->n, GRAIN, [&](int64_t cell) {
      const float y = gemm_cell(p->a, p->w, a->decoder, w->decoder, cell / p->n, cell % p->n,
                                p->length, p->block);
      p->y[cell] = y;
      if (exceeds_fp32(y)) __atomic_fetch_add(p->overflows, 1, __ATOMIC_RELAXED);
    });
  });
}

int hb_gemm_dp4a(const Context *context, const Product *p) {
  return guarded([&] {
    over_tiles(*context, Tiling(*p, Dp4a::SIDE, Dp4a::SIDE), [&](int64_t row, int64_t column) {
      const std::unique_ptr<Dp4a::Shared> shared(new Dp4a::Shared());
      Machine<Dp4a::THREADS> machine;
      gemm_dp4a(machine, *p, row, column, *shared);
    });
  });
}

int hb_gemm_rows(const Context *context, const Format *w, const RowsProduct *p) {
  return guarded([&] {
    const CodeBytes table(w->decoder);
    with_rows(p->a_layout.rows, [&](auto rows) {
      constexpr int WEIGHTS = FewRows<rows()>::WEIGHTS;
      parallel(context->threads, (p->n + WEIGHTS - 1) / WEIGHTS, 1, [&](int64_t warp) {
        Machine<WARP> machine;
        RowsShared shared;
        gemm_rows<rows()>(machine, *p, table, w->decoder.quantum, warp * WEIGHTS, shared);
      });
    });
  });
}

int hb_gemm_mma(const Context *context, const Product *p, int32_t small) {
  return guarded([&] { emulate_mma<MmaTile<TILE, 3>>(*context, *p, small); });
}

int hb_gemm_pairs(const Context *context, const Format *a, const Format *w,
                  const PlainProduct *p) {
  return guarded([&] { gemm_in_panels<Pairs>(*context, a->decoder, w->decoder, *p); });
}

int hb_gemm_doubles(const Context *context, const Format *a, const Format *w,
                    const PlainProduct *p) {
  return guarded([&] { gemm_in_panels<Wide>(*context, a->decoder, w->decoder, *p); });
}

int hb_dfloat11_decode(const Context *context, const dfloat11::Decode *call) {
  return guarded([&] { dfloat11::decode_on_host(context->threads, *call); });
}

int hb_dfloat11_joint(const Context *context, const dfloat11::DecodeJoint *call) {
  return guarded([&] { dfloat11::decode_joint_on_host(context->threads, *call); });
}

int hb_dfloat11_product(const Context *context, const dfloat11::JointProduct *call) {
  return guarded([&] { dfloat11::multiply_joint_on_host(context->threads, *call); });
}

int hb_dfloat11_published(const Context *context, const dfloat11::DecodePublished *call) {
  return guarded([&] { dfloat11::decode_published_on_host(context->threads, *call); });
}
