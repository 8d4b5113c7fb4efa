// Defines the operations of a thread block that kernels need: on the GPU, and emulated on the host.
//
// The body of a kernel is written once, as a sequence of steps. Every thread, lane (thread of a
// warp), warp or warpgroup executes each step. On the GPU, the calling thread executes it. On the
// host, a loop executes it for all threads in turn, before the next step begins. So the index
// arithmetic of a kernel can be tested without a GPU. The emulation spreads matrices over 32 lanes
// as the GPU's instructions do. Its asynchronous copies arrive only after a wait.
#pragma once

#include "arithmetic.h"

#if defined(__CUDACC__)
#define HB_BODY __device__ __forceinline__
#define HB_UNROLL _Pragma("unroll")
#define HB_UNROLL_TIMES _Pragma("unroll TIMES")  // the code around it defines the constant TIMES
#else
#define HB_BODY inline
#define HB_UNROLL
#define HB_UNROLL_TIMES
#endif

namespace halfbyte {

constexpr int LANES = 32;
constexpr int COPY_BYTES = 16;  // bytes of one asynchronous copy

// A warpgroup, and the product that it computes in one instruction: (64, 32) by (128, 32) bytes.
constexpr int GROUP_THREADS = 128;
constexpr int GROUP_ROWS = 64, GROUP_COLUMNS = 128, GROUP_BYTES = 32;
constexpr int GROUP_SUMS = GROUP_ROWS * GROUP_COLUMNS / GROUP_THREADS;  // of one thread
constexpr int SWIZZLE_BYTES = 1024;  // alignment of swizzled matrices (see gemm_ring.h)

}  // namespace halfbyte

#if defined(__CUDACC__)
#include "machine_device.h"
#else
#include "machine_host.h"
#endif
