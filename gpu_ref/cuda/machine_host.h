// The host's side of machine.h, which includes this file without nvcc: emulates a thread block.
// machine_device.h describes its operations.
#pragma once

#include <array>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace halfbyte {

// A thread block of THREADS threads, which execute each step one after the other.
template <int THREADS>
class Machine {
 public:
  template <class T>
  class PerThread {
   public:
    PerThread() : all_(new T[THREADS]) {}
    T &operator[](int thread) { return all_[thread]; }

   private:
    std::unique_ptr<T[]> all_;
  };
  template <class T>
  using PerLane = std::array<T, LANES>;

  template <class Step>
  void threads(Step step) {
    for (int thread = 0; thread < THREADS; ++thread) step(thread);
  }
  template <class Step>
  void warps(Step step) {
    for (int warp = 0; warp < THREADS / LANES; ++warp) step(warp);
  }
  template <class Step>
  void lanes(Step step) {
    for (int lane = 0; lane < LANES; ++lane) step(lane);
  }
  void barrier() {}

  void copy(void *to, const void *from) {
    std::memset(to, 0xA5, COPY_BYTES);  // what a read that is too early, before wait(), finds
    open_.push_back({to, from});
  }
  void commit() {
    groups_.push_back(open_);
    open_.clear();
  }
  template <int PENDING>
  void wait() {
    for (; groups_.size() > PENDING; groups_.pop_front())
      for (const Copy &copy : groups_.front()) std::memcpy(copy.to, copy.from, COPY_BYTES);
  }

  template <class To>
  void load_matrices(PerLane<const void *> &from, To to) {
    for (int lane = 0; lane < LANES; ++lane)
      for (int i = 0; i < 4; ++i) {
        const char *row = static_cast<const char *>(from[8 * i + lane / 4]);
        std::memcpy(&to(lane)[i], row + lane % 4 * 4, sizeof(uint32_t));
      }
  }

  template <class Sums, class Start, class A, class B>
  void multiply_matrices(Sums sums, Start start, A a, B b) {
    int8_t a_rows[16][32], b_rows[8][32];
    for (int lane = 0; lane < LANES; ++lane) {
      const int row = lane / 4, byte = lane % 4 * 4;
      for (int i = 0; i < 4; ++i)
        std::memcpy(&a_rows[row + i % 2 * 8][byte + i / 2 * 16], &a(lane)[i], sizeof(uint32_t));
      for (int i = 0; i < 2; ++i)
        std::memcpy(&b_rows[row][byte + i * 16], &b(lane)[i], sizeof(uint32_t));
    }
    for (int lane = 0; lane < LANES; ++lane)
      for (int i = 0; i < 4; ++i) {
        const int8_t *x = a_rows[lane / 4 + i / 2 * 8], *y = b_rows[lane % 4 * 2 + i % 2];
        int32_t sum = start(lane, i);
        for (int k = 0; k < 32; ++k) sum += x[k] * y[k];
        sums(lane)[i] = sum;
      }
  }

  template <class Step>
  void groups(Step step) {
    for (int group = 0; group < THREADS / GROUP_THREADS; ++group) step(group);
  }

  void publish_copies() {}
  template <class Sums>
  void begin_products(Sums) {}
  template <class Sums>
  void multiply_group(Sums sums, const int8_t *a, const int8_t *b) {
    products_.push_back([=] {
      for (int thread = 0; thread < GROUP_THREADS; ++thread)
        for (int e = 0; e < GROUP_SUMS; ++e) {
          const int row = thread / LANES * 16 + thread % LANES / 4 + e % 4 / 2 * 8;
          const int column = e / 4 * 8 + thread % 4 * 2 + e % 2;
          int32_t sum = 0;
          for (int k = 0; k < GROUP_BYTES; ++k) sum += swizzled(a, row, k) * swizzled(b, column, k);
          sums(thread)[e] += sum;
        }
    });
  }
  template <class Sums>
  void end_products(Sums) {
    for (const auto &product : products_) product();
    products_.clear();
  }

  int32_t dot4(int32_t sum, uint32_t a, uint32_t b) {
    for (int i = 0; i < 4; ++i)
      sum += static_cast<int8_t>(a >> 8 * i) * static_cast<int8_t>(b >> 8 * i);
    return sum;
  }

  uint32_t permute(uint32_t a, uint32_t b, uint32_t selector) {
    const uint64_t bytes = uint64_t{b} << 32 | a;
    uint32_t result = 0;
    for (int i = 0; i < 4; ++i)
      result |= static_cast<uint32_t>(bytes >> (selector >> 4 * i & 7) * 8 & 0xff) << 8 * i;
    return result;
  }

  template <int WORDS>
  void load(uint32_t *words, const void *from) {
    std::memcpy(words, from, WORDS * sizeof(uint32_t));
  }

  void sum_of_groups(PerLane<int32_t> &values, int size) {
    for (int begin = 0; begin < LANES; begin += size) {
      int32_t sum = 0;
      for (int i = 0; i < size; ++i) sum += values[begin + i];
      for (int i = 0; i < size; ++i) values[begin + i] = sum;
    }
  }

  void max_of_groups(PerLane<int32_t> &values, int size) {
    for (int begin = 0; begin < LANES; begin += size) {
      int32_t largest = values[begin];
      for (int i = 1; i < size; ++i) largest = std::max(largest, values[begin + i]);
      for (int i = 0; i < size; ++i) values[begin + i] = largest;
    }
  }

  // Replaces each of `count` numbers by the sum of the numbers before it; returns the sum of all.
  template <class Values>
  static uint32_t sums(Values &values, int count) {
    uint32_t sum = 0;
    for (int i = 0; i < count; ++i) {
      const uint32_t value = values[i];
      values[i] = sum;
      sum += value;
    }
    return sum;
  }
  uint32_t sums_before(PerLane<uint32_t> &values) { return sums(values, LANES); }
  uint32_t flags_before(PerLane<uint32_t> &flags) { return sums(flags, LANES); }
  uint32_t block_sums_before(PerThread<uint32_t> &values, uint32_t *) {
    return sums(values, THREADS);
  }

  void tree_sum(PerLane<float> &values) {
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
      const PerLane<float> before = values;
      for (int lane = 0; lane < LANES; ++lane) values[lane] += before[lane ^ distance];
    }
  }

  uint32_t xor_of_lanes(PerLane<uint32_t> &values) {
    uint32_t all = 0;
    for (int lane = 0; lane < LANES; ++lane) all ^= values[lane];
    return all;
  }

  void warp_barrier() {}

  void least(int64_t *place, int64_t value) {
    int64_t seen = __atomic_load_n(place, __ATOMIC_RELAXED);
    while (value < seen && !__atomic_compare_exchange_n(place, &seen, value, true,
                                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
  }

  void count(int64_t *counter, int64_t amount) {
    __atomic_fetch_add(counter, amount, __ATOMIC_RELAXED);
  }

 private:
  struct Copy {
    void *to;
    const void *from;
  };
  // Byte k of a row of a matrix. The hardware's 128-byte swizzle puts it where bits 4 to 6 of the
  // address are exclusive-ored with bits 7 to 9.
  static int swizzled(const int8_t *matrix, int row, int k) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(matrix) + row * 128 + k;
    return *reinterpret_cast<const int8_t *>(address ^ ((address >> 7 & 7) << 4));
  }

  std::vector<std::function<void()>> products_;
  std::vector<Copy> open_;
  std::deque<std::vector<Copy>> groups_;
};

}  // namespace halfbyte
