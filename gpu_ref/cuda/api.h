// The C interface of the kernels, which is the same for the CUDA build and the host build.
//
// Pointers in argument structures point to memory of the context's device. Format tables and the
// structures themselves are always on the host. A function with a context returns 0, or 1 with a
// message in hb_error(). The Python side checks shapes, sizes and element types; the
// functions here do not check them again.
#pragma once

#include "dfloat11_product.h"
#include "dfloat11_published.h"
#include "expand.h"
#include "gemm_rows.h"
#include "mac_stream.h"
#include "quantize.h"
#include "unit_kernels.h"

namespace halfbyte {

struct Context {
  int32_t device;   // CUDA build: number of the GPU
  int32_t threads;  // host build: number of CPU threads
  void *stream;     // CUDA build: a cudaStream_t
};

// A block-scaled product A W^T of packed operands: each block of elements of a row has a scale.
struct PlainProduct {
  Operand a, w;
  int64_t m, n, length, block;
  float *y;            // (m, n)
  int64_t *overflows;  // counts results beyond the range of FP32
};

// Kernels that quantize: block by block for any shape, or in spans of 256 elements (quantize.h).
enum QuantizeKernel : int32_t { QUANTIZE_UNITS = 0, QUANTIZE_SPANS = 1 };

}  // namespace halfbyte

#define HB_API extern "C" __attribute__((visibility("default")))

HB_API const char *hb_kind();   // "cuda" or "host"
HB_API const char *hb_error();  // the message of this thread's last failed call
// Writes the sizes, in bytes, of the first `count` structures of STRUCTURES in abi.py.
HB_API void hb_sizes(int64_t *sizes, int32_t count);
// Fills in the fields of a layout that follow from rows, length and block.
HB_API void hb_complete(halfbyte::Layout *layout);
// Whether the kernel QUANTIZE_SPANS can quantize this tensor.
HB_API int32_t hb_in_spans(const halfbyte::Quantize *call);
// The FP32 scale of a whole tensor whose block scales are E4M3. `rule` is a ScaleRule.
HB_API float hb_tensor_scale(float absmax, const halfbyte::Format *format, int32_t rule);

HB_API int hb_absmax(const halfbyte::Context *, const halfbyte::Quantize *);
HB_API int hb_scales(const halfbyte::Context *, const halfbyte::Format *,
                     const halfbyte::Quantize *);
HB_API int hb_encode(const halfbyte::Context *, const halfbyte::Format *,
                     const halfbyte::Quantize *);
HB_API int hb_quantize(const halfbyte::Context *, const halfbyte::Format *,
                       const halfbyte::Quantize *, int32_t kernel);
HB_API int hb_dequantize(const halfbyte::Context *, const halfbyte::Format *,
                         const halfbyte::Dequantize *);
HB_API int hb_mac_stream(const halfbyte::Context *, const halfbyte::Format *w,
                         const halfbyte::Format *a, const halfbyte::MacStream *);
HB_API int hb_unit_stream(const halfbyte::Context *, const halfbyte::Format *w,
                          const halfbyte::Format *a, const halfbyte::Unit *,
                          const halfbyte::UnitStream *);
HB_API int hb_unit_product(const halfbyte::Context *, const halfbyte::Format *w,
                           const halfbyte::Format *a, const halfbyte::Unit *,
                           const halfbyte::UnitProduct *);
// Decodes an operand to int8, for the kernels that multiply int8: dp4a, mma and rows.
HB_API int hb_expand(const halfbyte::Context *, const halfbyte::Format *,
                     const halfbyte::Expand *);
HB_API int hb_gemm_plain(const halfbyte::Context *, const halfbyte::Format *a,
                         const halfbyte::Format *w, const halfbyte::PlainProduct *);
HB_API int hb_gemm_dp4a(const halfbyte::Context *, const halfbyte::Product *);
// For at most FEW_ROWS rows of activations. The comment at gemm_rows() says which block sizes are
// supported.
HB_API int hb_gemm_rows(const halfbyte::Context *, const halfbyte::Format *w,
                        const halfbyte::RowsProduct *);
// `small` says that every partial sum of a block is below 2^22 in magnitude.
HB_API int hb_gemm_mma(const halfbyte::Context *, const halfbyte::Product *, int32_t small);

// DFloat11 is a lossless compression of weights; docs/dfloat11.md defines its layouts.
//
// Prefix layout. hb_dfloat11_read() reads the header of a compressed tensor of `size` bytes. `data`
// points to its first `available` bytes, on the host. The functions for DFloat11 that have no
// context return a dfloat11::Damage.
HB_API int32_t hb_dfloat11_read(const uint8_t *data, int64_t available, int64_t size,
                                halfbyte::dfloat11::Container *);
HB_API int hb_dfloat11_decode(const halfbyte::Context *, const halfbyte::dfloat11::Decode *);
// Joint layout. hb_dfloat11_index() checks the sizes of the chunks and writes where the data of
// each chunk begins: 3 (chunks + 1) numbers, on the host. The kernels trust these numbers.
HB_API int32_t hb_dfloat11_read_joint(const uint8_t *data, int64_t available, int64_t size,
                                      halfbyte::dfloat11::JointContainer *);
HB_API int32_t hb_dfloat11_index(const halfbyte::dfloat11::JointContainer *, const uint8_t *sizes,
                                 int64_t *starts);
HB_API int hb_dfloat11_joint(const halfbyte::Context *, const halfbyte::dfloat11::DecodeJoint *);
HB_API int hb_dfloat11_product(const halfbyte::Context *, const halfbyte::dfloat11::JointProduct *);
// Layout of the Python package dfloat11. hb_dfloat11_check() checks the sizes of the parts. Only if
// it returns GOOD may hb_dfloat11_published() be called.
HB_API int32_t hb_dfloat11_check(const halfbyte::dfloat11::DecodePublished *);
HB_API int hb_dfloat11_published(const halfbyte::Context *,
                                 const halfbyte::dfloat11::DecodePublished *);

// The functions from here on exist only in the host build. hb_gemm_pairs() and hb_gemm_doubles()
// compute products by vector instructions. hb_gemm_pairs() multiplies integers from -32767 to
// 32767; a block's partial sums must fit an int32. hb_gemm_doubles() multiplies in FP64; a block's
// partial sums must be at most 2^53 in magnitude. hb_simd() names the vector instructions in use.
HB_API int hb_gemm_pairs(const halfbyte::Context *, const halfbyte::Format *a,
                         const halfbyte::Format *w, const halfbyte::PlainProduct *);
HB_API int hb_gemm_doubles(const halfbyte::Context *, const halfbyte::Format *a,
                           const halfbyte::Format *w, const halfbyte::PlainProduct *);
HB_API const char *hb_simd();
