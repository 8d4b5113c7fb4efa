// Defines the functions of the C interface that are the same in the CUDA build and the host build.
// Each build includes this file in one source file.
#pragma once

#include <exception>
#include <new>
#include <string>

#include "api.h"
#include "host_parallel.h"

namespace halfbyte {

inline std::string &last_error() {
  thread_local std::string message;
  return message;
}

// Runs `body`. Returns 0, or 1 after an exception, whose message hb_error() then returns.
template <class Body>
int guarded(Body body) {
  try {
    body();
    return 0;
  } catch (const std::bad_alloc &) {
    last_error() = "out of memory";
  } catch (const std::exception &error) {
    last_error() = error.what();
  }
  return 1;
}

}  // namespace halfbyte

const char *hb_error() { return halfbyte::last_error().c_str(); }

void hb_sizes(int64_t *sizes, int32_t count) {
  using namespace halfbyte;
  const int64_t all[] = {sizeof(Format),     sizeof(Context), sizeof(Refusals), sizeof(Quantize),
                         sizeof(Dequantize), sizeof(MacStream), sizeof(Layout), sizeof(Expand),
                         sizeof(Product),    sizeof(PlainProduct),
                         sizeof(dfloat11::Container), sizeof(dfloat11::Decode),
                         sizeof(dfloat11::DecodePublished), sizeof(RowsProduct),
                         sizeof(dfloat11::JointContainer), sizeof(dfloat11::DecodeJoint),
                         sizeof(dfloat11::JointProduct),
                         sizeof(Unit), sizeof(UnitStream), sizeof(UnitProduct)};
  for (int32_t i = 0; i < count; ++i)
    sizes[i] = i < static_cast<int32_t>(sizeof all / sizeof *all) ? all[i] : 0;
}

void hb_complete(halfbyte::Layout *layout) { halfbyte::complete(*layout); }

int32_t hb_in_spans(const halfbyte::Quantize *call) { return halfbyte::in_spans(*call); }

float hb_tensor_scale(float absmax, const halfbyte::Format *format, int32_t rule) {
  const halfbyte::DefaultFloatingPoint environment;
  return halfbyte::tensor_scale(absmax, format->largest, rule);
}

int32_t hb_dfloat11_read(const uint8_t *data, int64_t available, int64_t size,
                         halfbyte::dfloat11::Container *container) {
  return halfbyte::dfloat11::read_container(data, available, size, *container);
}

int32_t hb_dfloat11_read_joint(const uint8_t *data, int64_t available, int64_t size,
                               halfbyte::dfloat11::JointContainer *container) {
  return halfbyte::dfloat11::read_joint(data, available, size, *container);
}

int32_t hb_dfloat11_index(const halfbyte::dfloat11::JointContainer *container,
                          const uint8_t *sizes, int64_t *starts) {
  return halfbyte::dfloat11::index_joint(*container, sizes, starts);
}

int32_t hb_dfloat11_check(const halfbyte::dfloat11::DecodePublished *call) {
  return halfbyte::dfloat11::check_sizes(*call);
}
