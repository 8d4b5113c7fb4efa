// Launches kernels in the CUDA build: checks errors, selects the device, and launches the kernels
// of matrix products in tiles. A tile is the part of the result that a thread block computes.
#pragma once

#include <stdexcept>

#include "api_common.h"
#include "gemm_mma.h"

namespace halfbyte {

#define CUDA_CHECK(call) check(call, #call)

inline void check(cudaError_t status, const char *call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clears the error, so that it is not reported again
  throw std::runtime_error(std::string(call) + ": " + cudaGetErrorString(status));
}

// Makes a device current, and makes the device before it current again at the end.
class DeviceGuard {
 public:
  explicit DeviceGuard(int device) {
    CUDA_CHECK(cudaGetDevice(&before_));
    CUDA_CHECK(cudaSetDevice(device));
  }
  ~DeviceGuard() { cudaSetDevice(before_); }
  DeviceGuard(const DeviceGuard &) = delete;
  DeviceGuard &operator=(const DeviceGuard &) = delete;

 private:
  int before_ = 0;
};

// Runs `launch(stream)` on the context's device and reports errors.
template <class Launch>
int launched(const Context *context, Launch launch) {
  return guarded([&] {
    const DeviceGuard device(context->device);
    launch(static_cast<cudaStream_t>(context->stream));
    CUDA_CHECK(cudaGetLastError());
  });
}

// The number of tiles, as the size of a grid.
inline unsigned tiles(const Tiling &tiling) {
  const int64_t count = tiling.count();
  if (count > INT_MAX)
    throw std::runtime_error("the result has " + std::to_string(count) +
                             " tiles, but a grid can have at most " + std::to_string(INT_MAX));
  return static_cast<unsigned>(count);
}

// Launches a kernel that computes the result in tiles.
template <class Tile>
void launch_tiles(void (*kernel)(Product), const Product &p, cudaStream_t stream) {
  CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  Tile::SHARED_BYTES));
  const unsigned blocks = tiles(Tiling(p, Tile::ROWS, Tile::COLUMNS));
  kernel<<<blocks, Tile::THREADS, Tile::SHARED_BYTES, stream>>>(p);
}

template <class Tile, int BLOCK_SLICES, bool SMALL>
__global__ void __launch_bounds__(Tile::THREADS, Tile::RESIDENT)
    gemm_mma_kernel(const __grid_constant__ Product p) {
  extern __shared__ __align__(128) int8_t shared_bytes[];
  Machine<Tile::THREADS> machine;
  const Corner at = Tiling(p, TILE, Tile::COLUMNS).corner(blockIdx.x);
  gemm_mma<Tile, BLOCK_SLICES, SMALL>(machine, p, at.row, at.column, shared_bytes);
}

template <class Tile>
void launch_mma(const Product &p, bool small, cudaStream_t stream) {
  with_blocks(p.a_layout, small, [&](auto slices, auto is_small) {
    const auto kernel = gemm_mma_kernel<Tile, decltype(slices)::value, decltype(is_small)::value>;
    launch_tiles<Tile>(kernel, p, stream);
  });
}

}  // namespace halfbyte
