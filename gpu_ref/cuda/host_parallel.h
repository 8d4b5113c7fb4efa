// Runs loops on several threads, for the host build.
#pragma once

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace halfbyte {

// While an object of this class exists, its thread rounds as IEEE 754 does by default. Otherwise a
// rounding mode of the caller, or its flushing of subnormals to zero, would change results.
class DefaultFloatingPoint {
 public:
  DefaultFloatingPoint() {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloatingPoint() { std::fesetenv(&saved_); }
  DefaultFloatingPoint(const DefaultFloatingPoint &) = delete;
  DefaultFloatingPoint &operator=(const DefaultFloatingPoint &) = delete;

 private:
  std::fenv_t saved_;
};

// Calls work(i) for i from 0 to `count` - 1, on up to `threads` threads. A thread takes `grain`
// successive numbers at a time. An exception in a thread ends the loop and is thrown again here.
template <class Work>
void parallel(int threads, int64_t count, int64_t grain, Work work) {
  std::atomic<int64_t> next{0};
  std::exception_ptr error;
  std::mutex error_mutex;
  const auto take = [&] {
    const DefaultFloatingPoint environment;
    try {
      for (int64_t begin; (begin = next.fetch_add(grain)) < count;)
        for (int64_t i = begin; i < std::min(begin + grain, count); ++i) work(i);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(error_mutex);
      error = std::current_exception();
      next = count;
    }
  };
  const int64_t useful = std::min<int64_t>(threads, (count + grain - 1) / grain);
  std::vector<std::thread> others;
  try {
    for (int64_t i = 1; i < useful; ++i) others.emplace_back(take);
  } catch (const std::system_error &) {
    // The system gives no more threads. The threads that were started and this one do the work.
  }
  take();
  for (std::thread &thread : others) thread.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace halfbyte
