// The CUDA build of the tensor-core kernels with tile sizes that device.cu does not use. They are
// checked and timed (`gpu-bench --sweep`), but never chosen automatically.
//   nvcc ... as for device.cu, plus -gencode arch=compute_90a,code=sm_90a -DHB_WARPGROUPS
#include "gemm_wgmma.h"
#include "launch.h"
#include "tiles.h"

using namespace halfbyte;

namespace {

template <class Tile, int BLOCK_SLICES, bool SMALL>
__global__ void __launch_bounds__(Tile::THREADS, Tile::RESIDENT)
    gemm_wgmma_kernel(const __grid_constant__ Product p) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)  // matmul() in multiply.py refuses other GPUs
  extern __shared__ __align__(SWIZZLE_BYTES) int8_t group_bytes[];
  Machine<Tile::THREADS> machine;
  const Corner at = Tiling(p, Tile::ROWS, Tile::COLUMNS).corner(blockIdx.x);
  gemm_wgmma<Tile, BLOCK_SLICES, SMALL>(machine, p, at.row, at.column, group_bytes);
#endif
}

}  // namespace

const char *hb_kind() { return "cuda"; }

int32_t hb_has_groups() {
#if defined(HB_WARPGROUPS)  // defined if sm_90a is one of the architectures
  return 1;
#else
  return 0;
#endif
}

int hb_gemm_tile(const Context *context, const Product *p, int32_t small, int32_t tile) {
  return launched(context, [&](cudaStream_t stream) {
    if (tile == NARROW_MMA) {
      launch_mma<NarrowTile>(*p, small, stream);
      return;
    }
    with_group_tile(tile, [&](auto chosen) {
      with_blocks(p->a_layout, small, [&](auto slices, auto is_small) {
        using Tile = decltype(chosen);
        const auto kernel =
            gemm_wgmma_kernel<Tile, decltype(slices)::value, decltype(is_small)::value>;
        launch_tiles<Tile>(kernel, *p, stream);
      });
    });
  });
}
