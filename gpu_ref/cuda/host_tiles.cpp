// The host build of the tensor-core kernels with tile sizes that host.cpp does not use. It emulates
// the GPU's instructions, so that these kernels can be checked without a GPU.
#include "api_common.h"
#include "host_emulation.h"
#include "tiles.h"

using namespace halfbyte;

namespace {

template <class Tile>
void emulate_groups(const Context &context, const Product &p, bool small) {
  emulate_tiles<Tile>(context, p, small,
                      [&](auto &machine, auto slices, auto is_small, int64_t row, int64_t column,
                          int8_t *shared) {
                        gemm_wgmma<Tile, slices(), is_small()>(machine, p, row, column, shared);
                      });
}

}  // namespace

const char *hb_kind() { return "host"; }

int32_t hb_has_groups() { return 1; }

int hb_gemm_tile(const Context *context, const Product *p, int32_t small, int32_t tile) {
  return guarded([&] {
    if (tile == NARROW_MMA) {
      emulate_mma<NarrowTile>(*context, *p, small);
      return;
    }
    with_group_tile(tile, [&](auto chosen) {
      emulate_groups<decltype(chosen)>(*context, *p, small);
    });
  });
}
