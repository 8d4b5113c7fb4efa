// The C interface of the tensor-core kernels with tile sizes that api.h does not have. They are
// checked and timed (`gpu-bench --sweep`), but never chosen automatically.
//
// A tile is the part of the result that a thread block computes. These kernels are in a library of
// their own, so that the other kernels compile sooner.
#pragma once

#include "api.h"
#include "gemm_mma.h"
#include "gemm_wgmma.h"

namespace halfbyte {

using NarrowTile = MmaTile<TILE / 2, 3>;
constexpr int32_t NARROW_MMA = 0;  // number of NarrowTile; tiles of warpgroups have higher numbers

// Calls `run` with an object whose type is the tile of warpgroups number `tile`.
template <class Run>
void with_group_tile(int32_t tile, Run run) {
  if (tile == 1) run(GroupTile<1, 3>());
  else if (tile == 2) run(GroupTile<1, 4>());
  else run(GroupTile<2, 4>());
}

}  // namespace halfbyte

// Whether the library was built with the warpgroup instructions of compute capability 9.0. The host
// build emulates them.
HB_API int32_t hb_has_groups();
// `small` says that every partial sum of a block is below 2^22 in magnitude. `tile` is NARROW_MMA
// or a number for with_group_tile().
HB_API int hb_gemm_tile(const halfbyte::Context *, const halfbyte::Product *, int32_t small,
                        int32_t tile);
