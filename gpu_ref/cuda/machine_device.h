// The GPU's side of machine.h, which includes this file under nvcc: operations of one thread of a
// thread block.
#pragma once

namespace halfbyte {

// One thread's view of the thread block, of THREADS threads, that it belongs to.
template <int THREADS>
class Machine {
 public:
  // A T for every thread of the block. A kernel must index it by the thread's own number, which the
  // host's machine needs. Here the index is ignored.
  template <class T>
  struct PerThread {
    T own;
    HB_BODY T &operator[](int) { return own; }
  };
  // A T for every lane of the warp.
  template <class T>
  using PerLane = PerThread<T>;

  template <class Step>
  HB_BODY void threads(Step step) {
    step(static_cast<int>(threadIdx.x));
  }
  template <class Step>
  HB_BODY void warps(Step step) {
    step(static_cast<int>(threadIdx.x) / LANES);
  }
  template <class Step>
  HB_BODY void lanes(Step step) {
    step(static_cast<int>(threadIdx.x) % LANES);
  }
  HB_BODY void barrier() { __syncthreads(); }

  // Starts to copy 16 bytes from global to shared memory. The copy may not be complete before
  // wait().
  HB_BODY void copy(void *to, const void *from) {
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(to));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address), "l"(from) : "memory");
  }
  // Closes the group of the copies that were started since the last commit().
  HB_BODY void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
  // Waits until all groups of copies are complete, except the latest PENDING groups. Other threads
  // see the copies after a barrier.
  template <int PENDING>
  HB_BODY void wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
  }

  // Loads four matrices of 8 rows of 16 bytes: lane 8 i + r has the address of row r of matrix i.
  // Word i of lane 4 r + c becomes word c of row r of matrix i (PTX ISA, ldmatrix).
  template <class To>
  HB_BODY void load_matrices(PerLane<const void *> &from, To to) {
    uint32_t *words = to(0);
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(from[0]));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"(address)
                 : "memory");
  }

  // sums = start + A B^T; A (16 x 32) and B (8 x 32) are int8 (PTX ISA, mma.m16n8k32). Lane
  // 4 r + c has:
  // - four words of A: rows r, r + 8, r, r + 8 from bytes 4 c, 4 c, 16 + 4 c, 16 + 4 c on;
  // - two words of B: row r from bytes 4 c and 16 + 4 c on;
  // - four sums: rows r, r, r + 8, r + 8 at columns 2 c, 2 c + 1, 2 c, 2 c + 1.
  template <class Sums, class Start, class A, class B>
  HB_BODY void multiply_matrices(Sums sums, Start start, A a, B b) {
    int32_t *d = sums(0);
    const uint32_t *x = a(0), *y = b(0);
    const int32_t c0 = start(0, 0), c1 = start(0, 1), c2 = start(0, 2), c3 = start(0, 3);
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
        : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
        : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]), "r"(c0), "r"(c1),
          "r"(c2), "r"(c3));
  }

  template <class Step>
  HB_BODY void groups(Step step) {
    step(static_cast<int>(threadIdx.x) / GROUP_THREADS);
  }

  // Before a barrier: makes what this thread copied to shared memory visible to warpgroup products.
  HB_BODY void publish_copies() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
  }

  // Orders earlier writes to a thread's sums before the warpgroup products that follow.
  template <class Sums>
  HB_BODY void begin_products(Sums sums) {
    hold(sums(0));
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
  }

  // The four warps of a group start sums += A B^T, where A (64 x 32) and B (128 x 32) are int8 (PTX
  // ISA, wgmma m64n128k32). A and B point into swizzled rows of 128 bytes. Thread 32 w + 4 r + c
  // has 64 sums: number 4 j + i is at row 16 w + r + i / 2 * 8 and column 8 j + 2 c + i % 2. The
  // sums are ready after end_products().
  template <class Sums>
  HB_BODY void multiply_group(Sums sums, const int8_t *a, const int8_t *b) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    int32_t *d = sums(0);
#define HB_SUMS(i) "+r"(d[i]), "+r"(d[i + 1]), "+r"(d[i + 2]), "+r"(d[i + 3])
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n128k32.s32.s8.s8 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
        "%64, %65, 1;"
        : HB_SUMS(0), HB_SUMS(4), HB_SUMS(8), HB_SUMS(12), HB_SUMS(16), HB_SUMS(20), HB_SUMS(24),
          HB_SUMS(28), HB_SUMS(32), HB_SUMS(36), HB_SUMS(40), HB_SUMS(44), HB_SUMS(48),
          HB_SUMS(52), HB_SUMS(56), HB_SUMS(60)
        : "l"(descriptor(a)), "l"(descriptor(b)));
#undef HB_SUMS
#else
    __trap();  // other GPUs have no such instruction
#endif
  }

  // Waits until all products that were started are in the sums.
  template <class Sums>
  HB_BODY void end_products(Sums sums) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#endif
    hold(sums(0));
  }

  // sum + the dot product of a and b, each of which holds four int8.
  HB_BODY int32_t dot4(int32_t sum, uint32_t a, uint32_t b) {
    return __dp4a(static_cast<int32_t>(a), static_cast<int32_t>(b), sum);
  }

  // Byte i of the result is byte number n of the bytes of a (0 to 3) and of b (4 to 7), where n is
  // nibble i of `selector`.
  HB_BODY uint32_t permute(uint32_t a, uint32_t b, uint32_t selector) {
    return __byte_perm(a, b, selector);
  }

  // Loads 2 or 4 words. The address must be a multiple of their total size.
  template <int WORDS>
  HB_BODY void load(uint32_t *words, const void *from) {
    if constexpr (WORDS == 4) {
      const uint4 seen = *static_cast<const uint4 *>(from);
      words[0] = seen.x, words[1] = seen.y, words[2] = seen.z, words[3] = seen.w;
    } else {
      static_assert(WORDS == 2);
      const uint2 seen = *static_cast<const uint2 *>(from);
      words[0] = seen.x, words[1] = seen.y;
    }
  }

  // Replaces each lane's number by the sum over its aligned group of `size` lanes (a power of two).
  HB_BODY void sum_of_groups(PerLane<int32_t> &values, int size) {
    for (int distance = size / 2; distance > 0; distance /= 2)
      values[0] += __shfl_xor_sync(~0u, values[0], distance);
  }

  // Replaces each lane's number by the largest number in its aligned group of `size` lanes.
  HB_BODY void max_of_groups(PerLane<int32_t> &values, int size) {
    for (int distance = size / 2; distance > 0; distance /= 2) {
      const int32_t other = __shfl_xor_sync(~0u, values[0], distance);
      if (other > values[0]) values[0] = other;
    }
  }

  // Replaces each lane's number by the sum over the lanes before it; returns the sum of all.
  HB_BODY uint32_t sums_before(PerLane<uint32_t> &values) {
    const int lane = static_cast<int>(threadIdx.x) % LANES;
    uint32_t sum = values[0];
    for (int distance = 1; distance < LANES; distance *= 2) {
      const uint32_t other = __shfl_up_sync(~0u, sum, distance);
      if (lane >= distance) sum += other;
    }
    values[0] = sum - values[0];
    return __shfl_sync(~0u, sum, LANES - 1);
  }

  // Replaces each lane's flag, 0 or 1, by the number of ones in the lanes before it; returns the
  // number of ones in all lanes.
  HB_BODY uint32_t flags_before(PerLane<uint32_t> &flags) {
    const uint32_t all = __ballot_sync(~0u, flags[0]);
    const unsigned lane = threadIdx.x % LANES;
    flags[0] = static_cast<uint32_t>(__popc(all & ((1u << lane) - 1)));
    return static_cast<uint32_t>(__popc(all));
  }

  // Replaces each lane's number by the sum over all lanes, which is rounded after each addition.
  // Lanes that are 16 apart are added first, then those 8, 4, 2 and 1 apart.
  HB_BODY void tree_sum(PerLane<float> &values) {
    for (int distance = LANES / 2; distance > 0; distance /= 2)
      values[0] = __fadd_rn(values[0], __shfl_xor_sync(~0u, values[0], distance));
  }

  // Like sums_before(), over all threads of the block. `scratch` is in shared memory and has room
  // for one number per warp.
  HB_BODY uint32_t block_sums_before(PerThread<uint32_t> &values, uint32_t *scratch) {
    const int warp = static_cast<int>(threadIdx.x) / LANES;
    scratch[warp] = sums_before(values);
    __syncthreads();
    uint32_t total = 0;
    for (int i = 0; i < THREADS / LANES; ++i) {
      if (i == warp) values[0] += total;
      total += scratch[i];
    }
    __syncthreads();
    return total;
  }

  // Returns the exclusive or of the numbers of all lanes.
  HB_BODY uint32_t xor_of_lanes(PerLane<uint32_t> &values) {
    uint32_t all = values[0];
    for (int distance = LANES / 2; distance > 0; distance /= 2)
      all ^= __shfl_xor_sync(~0u, all, distance);
    return all;
  }

  // Like barrier(), for the lanes of a warp.
  HB_BODY void warp_barrier() { __syncwarp(); }

  // *place = min(*place, value), for numbers that are not negative.
  HB_BODY void least(int64_t *place, int64_t value) {
    atomicMin(reinterpret_cast<unsigned long long *>(place),
              static_cast<unsigned long long>(value));
  }

  // *counter += amount, for numbers that are not negative.
  HB_BODY void count(int64_t *counter, int64_t amount) {
    atomicAdd(reinterpret_cast<unsigned long long *>(counter),
              static_cast<unsigned long long>(amount));
  }

 private:
  // Keeps the compiler from moving reads and writes of the sums across this point. The compiler
  // does not know that products may still write to the sums.
  HB_BODY static void hold(int32_t *sums) {
    HB_UNROLL
    for (int i = 0; i < GROUP_SUMS; ++i) asm volatile("" : "+r"(sums[i])::"memory");
  }

  // Describes a matrix with rows of 128 bytes to wgmma (PTX ISA, matrix descriptor): its address,
  // the 1024 bytes from one group of 8 rows to the next, and the 128-byte swizzle.
  HB_BODY static uint64_t descriptor(const int8_t *matrix) {
    const uint64_t address = static_cast<uint64_t>(__cvta_generic_to_shared(matrix));
    return (address & 0x3ffff) >> 4 | uint64_t{1} << 16 | uint64_t{SWIZZLE_BYTES >> 4} << 32 |
           uint64_t{1} << 62;
  }
};

}  // namespace halfbyte
