// The CUDA build: defines and launches the kernels, for GPUs of compute capability 8.0 or newer.
// The bodies of the kernels are in headers, which the host build uses, too.
//   nvcc -std=c++17 -O3 -fmad=false -gencode arch=compute_80,code=sm_80
//     -gencode arch=compute_90,code=[sm_90,compute_90] -Xcompiler -fPIC -shared device.cu
#include "api_common.h"
#include "gemm_dp4a.h"
#include "launch.h"

using namespace halfbyte;

namespace {

constexpr int THREADS = 256;
constexpr int WARPS = THREADS / LANES;
constexpr int64_t MAX_BLOCKS = 1 << 16;  // in a launch; with more work, threads loop

unsigned blocks_for(int64_t work, int64_t per_block) {
  const int64_t blocks = (work + per_block - 1) / per_block;
  return static_cast<unsigned>(blocks < MAX_BLOCKS ? blocks : MAX_BLOCKS);
}

// Copies a table from the kernel's arguments to shared memory, where the threads of a warp can read
// different entries at once.
template <class Table>
__device__ void share(Table &to, const Table &from) {
  static_assert(sizeof(Table) % 4 == 0);
  const uint32_t *words = reinterpret_cast<const uint32_t *>(&from);
  for (int i = threadIdx.x; i < static_cast<int>(sizeof(Table) / 4); i += blockDim.x)
    reinterpret_cast<uint32_t *>(&to)[i] = words[i];
  __syncthreads();
}

__device__ int64_t global_thread() { return int64_t{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ int64_t all_threads() { return int64_t{gridDim.x} * blockDim.x; }

template <class T>
__global__ void __launch_bounds__(THREADS)
    quantize_units_kernel(const __grid_constant__ Quantize q,
                          const __grid_constant__ Encoder encoder, const Largest largest) {
  __shared__ Encoder table;
  share(table, encoder);
  Machine<THREADS> machine;
  const int64_t units = q.rows * q.units_per_row(encoder.bits);
  for (int64_t unit = global_thread() / LANES; unit < units; unit += all_threads() / LANES)
    quantize_unit<Machine<THREADS>, T>(machine, q, table, largest, unit);
}

template <class T>
__global__ void __launch_bounds__(THREADS)
    quantize_spans_kernel(const __grid_constant__ Quantize q,
                          const __grid_constant__ Encoder encoder, const Largest largest) {
  __shared__ Encoder table;
  share(table, encoder);
  Machine<THREADS> machine;
  const int64_t spans = q.rows * q.length / SPAN;
  for (int64_t span = global_thread() / LANES * SPANS_PER_WARP; span < spans;
       span += all_threads() / LANES * SPANS_PER_WARP)
    quantize_spans<Machine<THREADS>, T>(machine, q, table, largest, span);
}

template <class T>
__global__ void absmax_kernel(const __grid_constant__ Quantize q) {
  Machine<THREADS> machine;
  for (int64_t block = global_thread() / LANES; block < q.rows * q.blocks();
       block += all_threads() / LANES)
    absmax_of_block<Machine<THREADS>, T>(machine, q, block);
}

__global__ void scales_kernel(const __grid_constant__ Quantize q, const Largest largest) {
  for (int64_t i = global_thread(); i < q.rows; i += all_threads()) scale_element(q, largest, i);
}

__global__ void encode_kernel(const __grid_constant__ Quantize q,
                              const __grid_constant__ Encoder encoder) {
  __shared__ Encoder table;
  share(table, encoder);
  for (int64_t i = global_thread(); i < q.rows; i += all_threads()) encode_element(q, table, i);
}

__global__ void dequantize_kernel(const __grid_constant__ Dequantize d,
                                  const __grid_constant__ Decoder decoder) {
  __shared__ Decoder table;
  share(table, decoder);
  for (int64_t i = global_thread(); i < d.rows * d.length; i += all_threads())
    dequantize_element(d, table, i);
}

__global__ void mac_stream_kernel(const __grid_constant__ MacStream m,
                                  const __grid_constant__ Decoder w,
                                  const __grid_constant__ Decoder a) {
  __shared__ Decoder w_table, a_table;
  share(w_table, w);
  share(a_table, a);
  for (int64_t i = global_thread(); i < m.streams; i += all_threads())
    run_stream(m, w_table, a_table, i);
}

__global__ void unit_stream_kernel(const __grid_constant__ UnitStream u,
                                   const __grid_constant__ Unit unit,
                                   const __grid_constant__ Decoder w,
                                   const __grid_constant__ Decoder a) {
  __shared__ Decoder w_table, a_table;
  share(w_table, w);
  share(a_table, a);
  for (int64_t i = global_thread(); i < u.streams; i += all_threads())
    run_unit(u, unit, w_table, a_table, i);
}

__global__ void unit_product_kernel(const __grid_constant__ UnitProduct p,
                                    const __grid_constant__ Unit unit,
                                    const __grid_constant__ Decoder w,
                                    const __grid_constant__ Decoder a) {
  __shared__ Decoder w_table, a_table;
  share(w_table, w);
  share(a_table, a);
  for (int64_t cell = global_thread(); cell < p.m * p.n; cell += all_threads())
    unit_result(p, unit, w_table, a_table, cell);
}

__global__ void expand_kernel(const __grid_constant__ Expand e,
                              const __grid_constant__ Decoder decoder) {
  __shared__ Decoder table;
  share(table, decoder);
  for (int64_t i = global_thread(); i < pieces(e.layout); i += all_threads())
    expand_piece(e, table, i);
}

__global__ void gemm_plain_kernel(const __grid_constant__ PlainProduct p,
                                  const __grid_constant__ Decoder a,
                                  const __grid_constant__ Decoder w) {
  __shared__ Decoder a_table, w_table;
  share(a_table, a);
  share(w_table, w);
  for (int64_t cell = global_thread(); cell < p.m * p.n; cell += all_threads()) {
    const float y =
        gemm_cell(p.a, p.w, a_table, w_table, cell / p.n, cell % p.n, p.length, p.block);
    p.y[cell] = y;
    if (exceeds_fp32(y)) Machine<THREADS>().count(p.overflows, 1);
  }
}

__global__ void __launch_bounds__(Dp4a::THREADS)
    gemm_dp4a_kernel(const __grid_constant__ Product p) {
  __shared__ Dp4a::Shared shared;
  Machine<Dp4a::THREADS> machine;
  const Corner at = Tiling(p, Dp4a::SIDE, Dp4a::SIDE).corner(blockIdx.x);
  gemm_dp4a(machine, p, at.row, at.column, shared);
}

template <int ROWS>
__global__ void __launch_bounds__(THREADS)
    gemm_rows_kernel(const __grid_constant__ RowsProduct p,
                     const __grid_constant__ Decoder decoder) {
  __shared__ RowsShared shared[WARPS];
  const CodeBytes table(decoder);
  Machine<THREADS> machine;
  constexpr int WEIGHTS = FewRows<ROWS>::WEIGHTS;
  for (int64_t first = global_thread() / LANES * WEIGHTS; first < p.n;
       first += all_threads() / LANES * WEIGHTS)
    gemm_rows<ROWS>(machine, p, table, decoder.quantum, first, shared[threadIdx.x / LANES]);
}

constexpr int CHUNK_WARPS = 4;  // in a thread block; few, so that small tensors use the whole GPU

__global__ void __launch_bounds__(CHUNK_WARPS *LANES)
    dfloat11_kernel(const __grid_constant__ dfloat11::Decode d) {
  __shared__ uint16_t lookup[1 << dfloat11::LENGTH_LIMIT];
  __shared__ uint32_t crc_table[dfloat11::BYTES];
  __shared__ uint32_t symbols[CHUNK_WARPS][dfloat11::STAGED];
  for (int i = threadIdx.x; i < 1 << d.max_length; i += blockDim.x) lookup[i] = d.lookup[i];
  for (int i = threadIdx.x; i < dfloat11::BYTES; i += blockDim.x)
    crc_table[i] = dfloat11::crc_entry(i);
  __syncthreads();
  const int warp = static_cast<int>(threadIdx.x) / LANES;
  Machine<CHUNK_WARPS * LANES> machine;
  for (int64_t chunk = global_thread() / LANES; chunk < d.chunks; chunk += all_threads() / LANES)
    dfloat11::decode_chunk(machine, d, lookup, crc_table, symbols[warp], chunk);
}

// Copies the decoding table of the joint layout to shared memory.
__device__ void share_slots(uint32_t *slots, const uint32_t *from) {
  for (int i = threadIdx.x; i < dfloat11::SLOTS; i += blockDim.x) slots[i] = from[i];
  __syncthreads();
}

__global__ void __launch_bounds__(CHUNK_WARPS *LANES)
    dfloat11_joint_kernel(const __grid_constant__ dfloat11::DecodeJoint d) {
  __shared__ uint32_t slots[dfloat11::SLOTS];
  __shared__ uint32_t crc_table[dfloat11::BYTES];
  for (int i = threadIdx.x; i < dfloat11::BYTES; i += blockDim.x)
    crc_table[i] = dfloat11::crc_entry(i);
  share_slots(slots, d.slots);
  Machine<CHUNK_WARPS * LANES> machine;
  for (int64_t chunk = global_thread() / LANES; chunk < d.chunks; chunk += all_threads() / LANES)
    dfloat11::decode_joint_chunk(machine, d, slots, crc_table, chunk);
}

__global__ void __launch_bounds__(CHUNK_WARPS *LANES)
    dfloat11_product_kernel(const __grid_constant__ dfloat11::JointProduct p) {
  __shared__ uint32_t slots[dfloat11::SLOTS];
  share_slots(slots, p.weights.slots);
  Machine<CHUNK_WARPS * LANES> machine;
  for (int64_t chunk = global_thread() / LANES; chunk < p.weights.chunks;
       chunk += all_threads() / LANES)
    dfloat11::multiply_joint_chunk(machine, p, slots, chunk);
}

__global__ void __launch_bounds__(THREADS)
    dfloat11_gather_kernel(const __grid_constant__ dfloat11::JointProduct p) {
  for (int64_t row = global_thread(); row < p.outputs; row += all_threads())
    dfloat11::gather_joint_row(p, row);
}

__global__ void __launch_bounds__(dfloat11::THREADS)
    dfloat11_published_kernel(const __grid_constant__ dfloat11::DecodePublished d) {
  extern __shared__ __align__(16) uint8_t published_bytes[];
  Machine<dfloat11::THREADS> machine;
  dfloat11::decode_published(machine, d,
                             *reinterpret_cast<dfloat11::PublishedShared *>(published_bytes),
                             blockIdx.x);
}

template <class T>
void launch_quantize(const Format &format, const Quantize &q, int32_t kernel,
                     cudaStream_t stream) {
  if (kernel == QUANTIZE_SPANS) {
    const unsigned blocks = blocks_for(q.rows * q.length / SPAN, SPANS_PER_WARP * WARPS);
    quantize_spans_kernel<T><<<blocks, THREADS, 0, stream>>>(q, format.encoder, format.largest);
  } else {
    const unsigned blocks = blocks_for(q.rows * q.units_per_row(format.encoder.bits), WARPS);
    quantize_units_kernel<T><<<blocks, THREADS, 0, stream>>>(q, format.encoder, format.largest);
  }
}

template <class T>
void launch_absmax(const Quantize &q, cudaStream_t stream) {
  absmax_kernel<T><<<blocks_for(q.rows * q.blocks(), WARPS), THREADS, 0, stream>>>(q);
}

}  // namespace

const char *hb_kind() { return "cuda"; }

int hb_absmax(const Context *context, const Quantize *q) {
  return launched(context, [&](cudaStream_t stream) {
    if (q->element == ELEMENT_FP32) launch_absmax<float>(*q, stream);
    else if (q->element == ELEMENT_FP16) launch_absmax<Half>(*q, stream);
    else launch_absmax<Bfloat>(*q, stream);
  });
}

int hb_scales(const Context *context, const Format *format, const Quantize *q) {
  return launched(context, [&](cudaStream_t stream) {
    scales_kernel<<<blocks_for(q->rows, THREADS), THREADS, 0, stream>>>(*q, format->largest);
  });
}

int hb_encode(const Context *context, const Format *format, const Quantize *q) {
  return launched(context, [&](cudaStream_t stream) {
    encode_kernel<<<blocks_for(q->rows, THREADS), THREADS, 0, stream>>>(*q, format->encoder);
  });
}

int hb_quantize(const Context *context, const Format *format, const Quantize *q, int32_t kernel) {
  return launched(context, [&](cudaStream_t stream) {
    if (q->element == ELEMENT_FP32) launch_quantize<float>(*format, *q, kernel, stream);
    else if (q->element == ELEMENT_FP16) launch_quantize<Half>(*format, *q, kernel, stream);
    else launch_quantize<Bfloat>(*format, *q, kernel, stream);
  });
}

int hb_dequantize(const Context *context, const Format *format, const Dequantize *d) {
  return launched(context, [&](cudaStream_t stream) {
    const unsigned blocks = blocks_for(d->rows * d->length, THREADS);
    dequantize_kernel<<<blocks, THREADS, 0, stream>>>(*d, format->decoder);
  });
}

int hb_mac_stream(const Context *context, const Format *w, const Format *a, const MacStream *m) {
  return launched(context, [&](cudaStream_t stream) {
    const unsigned blocks = blocks_for(m->streams, THREADS);
    mac_stream_kernel<<<blocks, THREADS, 0, stream>>>(*m, w->decoder, a->decoder);
  });
}

int hb_unit_stream(const Context *context, const Format *w, const Format *a, const Unit *unit,
                   const UnitStream *u) {
  return launched(context, [&](cudaStream_t stream) {
    const unsigned blocks = blocks_for(u->streams, THREADS);
    unit_stream_kernel<<<blocks, THREADS, 0, stream>>>(*u, *unit, w->decoder, a->decoder);
  });
}

int hb_unit_product(const Context *context, const Format *w, const Format *a, const Unit *unit,
                    const UnitProduct *p) {
  return launched(context, [&](cudaStream_t stream) {
    const unsigned blocks = blocks_for(p->m * p->n, THREADS);
    unit_product_kernel<<<blocks, THREADS, 0, stream>>>(*p, *unit, w->decoder, a->decoder);
  });
}

int hb_expand(const Context *context, const Format *format, const Expand *e) {
  return launched(context, [&](cudaStream_t stream) {
    const unsigned blocks = blocks_for(pieces(e->layout), THREADS);
    expand_kernel<<<blocks, THREADS, 0, stream>>>(*e, format->decoder);
  });
}

int hb_gemm_plain(const Context *context, const Format *a, const Format *w,
                  const PlainProduct *p) {
  return launched(context, [&](cudaStream_t stream) {
    const unsigned blocks = blocks_for(p->m * p->n, THREADS);
    gemm_plain_kernel<<<blocks, THREADS, 0, stream>>>(*p, a->decoder, w->decoder);
  });
}

int hb_gemm_dp4a(const Context *context, const Product *p) {
  return launched(context, [&](cudaStream_t stream) {
    gemm_dp4a_kernel<<<tiles(Tiling(*p, Dp4a::SIDE, Dp4a::SIDE)), Dp4a::THREADS, 0, stream>>>(*p);
  });
}

int hb_gemm_rows(const Context *context, const Format *w, const RowsProduct *p) {
  return launched(context, [&](cudaStream_t stream) {
    with_rows(p->a_layout.rows, [&](auto rows) {
      const unsigned blocks = blocks_for(p->n, FewRows<rows()>::WEIGHTS * WARPS);
      gemm_rows_kernel<rows()><<<blocks, THREADS, 0, stream>>>(*p, w->decoder);
    });
  });
}

int hb_gemm_mma(const Context *context, const Product *p, int32_t small) {
  return launched(context, [&](cudaStream_t stream) {
    launch_mma<MmaTile<TILE, 3>>(*p, small, stream);
  });
}

int hb_dfloat11_decode(const Context *context, const dfloat11::Decode *call) {
  return launched(context, [&](cudaStream_t stream) {
    const unsigned blocks = blocks_for(call->chunks, CHUNK_WARPS);
    dfloat11_kernel<<<blocks, CHUNK_WARPS * LANES, 0, stream>>>(*call);
  });
}

int hb_dfloat11_joint(const Context *context, const dfloat11::DecodeJoint *call) {
  return launched(context, [&](cudaStream_t stream) {
    const unsigned blocks = blocks_for(call->chunks, CHUNK_WARPS);
    dfloat11_joint_kernel<<<blocks, CHUNK_WARPS * LANES, 0, stream>>>(*call);
  });
}

int hb_dfloat11_product(const Context *context, const dfloat11::JointProduct *call) {
  return launched(context, [&](cudaStream_t stream) {
    const unsigned blocks = blocks_for(call->weights.chunks, CHUNK_WARPS);
    dfloat11_product_kernel<<<blocks, CHUNK_WARPS * LANES, 0, stream>>>(*call);
    CUDA_CHECK(cudaGetLastError());
    dfloat11_gather_kernel<<<blocks_for(call->outputs, THREADS), THREADS, 0, stream>>>(*call);
  });
}

int hb_dfloat11_published(const Context *context, const dfloat11::DecodePublished *call) {
  return launched(context, [&](cudaStream_t stream) {
    constexpr int shared = sizeof(dfloat11::PublishedShared);
    CUDA_CHECK(cudaFuncSetAttribute(dfloat11_published_kernel,
                                    cudaFuncAttributeMaxDynamicSharedMemorySize, shared));
    // check_sizes() limits the stream to less than 2^31 bytes, so a grid can have a thread block
    // for each of its blocks.
    const unsigned blocks = static_cast<unsigned>(call->blocks());
    dfloat11_published_kernel<<<blocks, dfloat11::THREADS, shared, stream>>>(*call);
  });
}
