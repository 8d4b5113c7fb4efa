// Feeds damaged data to the DFloat11 decoders of the host build. It is compiled with the address
// and undefined-behaviour sanitizers.
//
// An execution damages one input and decodes it. Inputs are copied to buffers of exactly their
// size, so that an access one byte too far is detected. The seed and the number of an execution
// decide its random numbers. If a sanitizer stops the program, the number is printed, so that this
// execution can be repeated alone.
#include <sanitizer/common_interface_defs.h>

#include <cstdio>
#include <vector>

#include "dfloat11_host.h"

using namespace halfbyte::dfloat11;

namespace {

using Buffer = std::vector<uint8_t>;

constexpr int64_t LARGEST = 1 << 18;  // bytes of a grown input, and elements to decode, at most

int64_t size_of(const Buffer &data) { return static_cast<int64_t>(data.size()); }

int64_t current = 0;  // number of the running execution

void on_death() {
  std::fprintf(stderr, "stopped in execution %lld; this number and the seed repeat it alone\n",
               static_cast<long long>(current));
}

// Random numbers of one execution, by SplitMix64.
class Dice {
 public:
  Dice(uint64_t seed, uint64_t execution) : state_(seed * 0xD1342543DE82EF95 + execution) { next(); }
  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
  }
  int64_t below(int64_t limit) {
    return static_cast<int64_t>(next() % static_cast<uint64_t>(limit));
  }
  // True with a probability of 1 / times.
  bool once_in(int64_t times) { return below(times) == 0; }
  // A number that is hard for a decoder: at the limit of an integer type, or of random size.
  uint64_t hostile() {
    static const uint64_t ends[] = {0, 1, 2, 255, 256, 16384, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
                                    1ull << 32, 1ull << 61, 1ull << 62, ~0ull >> 1, 1ull << 63, ~0ull};
    if (once_in(2)) return ends[below(sizeof ends / sizeof *ends)];
    return next() >> below(64);
  }

 private:
  uint64_t state_;
};

// Writes the low `bytes` bytes of `value` at `at`; bytes beyond the end of the data are dropped.
void put(Buffer &data, int64_t at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes && at + i < size_of(data); ++i)
    data[at + i] = static_cast<uint8_t>(value >> 8 * i);
}

// Damages a few bits or bytes. About half of them are chosen among the first `head` bytes, which
// matter most.
void flip(Buffer &data, Dice &dice, int64_t head) {
  for (int64_t times = 1 + dice.below(dice.once_in(4) ? 16 : 2); times && !data.empty(); --times) {
    const int64_t size = size_of(data);
    const int64_t at = dice.below(dice.once_in(2) ? size : std::min(size, head));
    data[at] = static_cast<uint8_t>(dice.once_in(3) ? dice.hostile() : data[at] ^ 1 << dice.below(8));
  }
}

// Cuts the data short, or appends some bytes.
void resize(Buffer &data, Dice &dice) {
  const int64_t size = size_of(data);
  data.resize(dice.once_in(3) ? size + dice.below(40) : dice.below(size + 1), 0xA5);
}

// Replaces fields of a prefix layout's header by arbitrary numbers: elements, words, shape, element
// type, dimensions, size, or the counts of the code table.
void attack_header(Buffer &data, Dice &dice) {
  const int64_t table = FIXED + 8 * (data.size() > 17 ? data[17] : 0);
  for (int64_t times = 1 + dice.below(2); times; --times) switch (dice.below(8)) {
      case 0: put(data, 24, dice.hostile(), 8); break;
      case 1: put(data, 32, dice.hostile(), 8); break;
      case 2: put(data, FIXED + 8 * dice.below(2), dice.hostile(), 8); break;
      case 3: put(data, 16, 1 + dice.below(6), 1); break;
      case 4: put(data, 17, dice.hostile(), 1); break;
      case 5: put(data, 8, dice.hostile(), 4); break;
      case 6: put(data, table + 2 * dice.below(14), dice.once_in(2) ? dice.below(4) : dice.hostile(), 2); break;
      case 7: {  // Two lengths exchange their numbers of rows: the total stays the same.
        const int64_t a = table + 4 + 2 * dice.below(12), b = table + 4 + 2 * dice.below(12);
        if (std::max(a, b) + 1 < size_of(data))
          for (int i = 0; i < 2; ++i) std::swap(data[a + i], data[b + i]);
      }
    }
  if (dice.once_in(2)) {  // makes elements and shape agree
    const uint64_t elements = dice.once_in(2) ? 1 + dice.below(1 << 20) : dice.hostile();
    put(data, 24, elements, 8);
    put(data, FIXED, elements, 8);
    if (data.size() > 17) data[17] = 1;
  }
}

// Damages the starts of chunks and the lengths of segments. The valid header `c` says where they
// lie.
void attack_index(Buffer &data, const Container &c, Dice &dice) {
  for (int64_t times = 1 + dice.below(3); times; --times) {
    if (dice.once_in(2)) put(data, c.starts + 4 * dice.below(c.chunks), dice.hostile(), 4);
    else put(data, c.lengths + 2 * dice.below(SEGMENTS * c.chunks), dice.hostile(), 2);
  }
}

// Stores the correct CRC of the damaged header.
void mend_crc(Buffer &data) {
  if (data.size() < FIXED) return;
  const int64_t header = static_cast<int64_t>(little_endian(data.data() + 8, 4));
  if (header >= 16 && header <= size_of(data))
    put(data, 12, header_crc(data.data(), header), 4);
}

// Damages an input in the prefix layout and decodes it; returns a Damage.
int32_t decode_own(const uint8_t *input, int64_t size, Dice &dice) {
  Buffer data(input, input + size);
  static Container c;  // large, so static; what an earlier call left in it must not matter
  const int64_t kind = dice.below(10);
  if (kind < 4) flip(data, dice, 200);
  else if (kind < 6) attack_header(data, dice);
  else if (kind < 8 && read_container(data.data(), size, size, c) == GOOD) attack_index(data, c, dice);
  else resize(data, dice);
  if (!dice.once_in(5)) mend_crc(data);
  // Often give the data the size that the damaged header demands, so that later checks run, too.
  c.size = 0;
  if (read_container(data.data(), size_of(data), size_of(data), c) == TOTAL_SIZE && c.size > 0 &&
      c.size < LARGEST && !dice.once_in(4))
    data.resize(c.size, static_cast<uint8_t>(dice.next()));
  const int64_t now = size_of(data);
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[now]);
  std::copy(data.begin(), data.end(), exact.get());
  const int64_t head = std::min<int64_t>(now, 2400);
  if (const Damage damage = read_container(exact.get(), head, now, c)) return damage;
  const std::unique_ptr<uint8_t[]> out(new uint8_t[c.elements << c.wide]);
  const std::unique_ptr<uint16_t[]> lookup(new uint16_t[1 << c.max_length]);
  std::copy(c.lookup, c.lookup + (1 << c.max_length), lookup.get());
  int64_t failure = INT64_MAX;
  const uint8_t *base = exact.get();
  const auto words = [&](int64_t at) { return reinterpret_cast<const uint32_t *>(base + at); };
  const Decode call = {words(c.crcs), words(c.starts),
                       reinterpret_cast<const uint16_t *>(base + c.lengths), words(c.stream),
                       c.wide ? base + c.raw : nullptr, lookup.get(), out.get(), &failure,
                       c.elements, c.chunks, c.stream_words, c.max_length, c.wide,
                       dice.once_in(4)};
  decode_on_host(1, call);
  return failure == INT64_MAX ? GOOD : static_cast<int32_t>(failure % PLACE);
}

// Replaces fields of a joint layout's header by arbitrary numbers: the element type, the width,
// shift and escape of symbols, the dimensions, rows, base, totals or shape.
void attack_joint_header(Buffer &data, Dice &dice) {
  for (int64_t times = 1 + dice.below(2); times; --times) switch (dice.below(4)) {
      case 0: put(data, 16 + dice.below(4), dice.below(33), 1); break;
      case 1: put(data, 20 + 2 * dice.below(3), dice.once_in(2) ? dice.below(300) : dice.hostile(), 2); break;
      case 2: put(data, 28 + 8 * dice.below(4), dice.once_in(2) ? dice.below(1 << 20) : dice.hostile(), 8); break;
      case 3: put(data, JOINT_FIXED + 8 * dice.below(2), dice.hostile(), 8);
    }
}

// Damages an input in the joint layout and decodes it; returns a Damage.
int32_t decode_joint(const uint8_t *input, int64_t size, Dice &dice) {
  Buffer data(input, input + size);
  static JointContainer c;
  const int64_t kind = dice.below(10);
  if (kind < 4) flip(data, dice, 200);
  else if (kind < 6) attack_joint_header(data, dice);
  else if (kind < 8 && read_joint(data.data(), size, size, c) == GOOD)
    put(data, c.sizes + 4 * dice.below(3 * c.chunks), dice.once_in(2) ? dice.below(70000) : dice.hostile(), 4);
  else resize(data, dice);
  if (!dice.once_in(5)) mend_crc(data);
  c.size = 0;
  if (read_joint(data.data(), size_of(data), size_of(data), c) == TOTAL_SIZE && c.size > 0 &&
      c.size < LARGEST && !dice.once_in(4))
    data.resize(c.size, static_cast<uint8_t>(dice.next()));
  const int64_t now = size_of(data);
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[now]);
  std::copy(data.begin(), data.end(), exact.get());
  if (const Damage damage = read_joint(exact.get(), now, now, c)) return damage;
  if (c.elements > LARGEST) return GOOD;  // valid: a few bytes can hold very many equal elements
  const std::unique_ptr<int64_t[]> starts(new int64_t[3 * (c.chunks + 1)]);
  const uint8_t *base = exact.get();
  if (const Damage damage = index_joint(c, base + c.sizes, starts.get())) return damage;
  const std::unique_ptr<uint8_t[]> out(new uint8_t[c.elements * c.bytes]);
  const std::unique_ptr<uint32_t[]> slots(new uint32_t[SLOTS]);
  std::copy(c.slots, c.slots + SLOTS, slots.get());
  int64_t failure = INT64_MAX;
  const auto words = [&](int64_t at) { return reinterpret_cast<const uint32_t *>(base + at); };
  const auto halves = [&](int64_t at) { return reinterpret_cast<const uint16_t *>(base + at); };
  const DecodeJoint call = {words(c.crcs), words(c.sizes), starts.get(), halves(c.stream),
                            halves(c.escaped), words(c.raw), slots.get(), out.get(), &failure,
                            c.elements, c.chunks, (c.size - c.raw) / 4, c.bytes, c.width, c.shift,
                            c.escape, c.rows, c.base, dice.once_in(4)};
  decode_joint_on_host(1, call);
  return failure == INT64_MAX ? GOOD : static_cast<int32_t>(failure % PLACE);
}

constexpr int PARTS = 5;  // luts, stream, sign and mantissa, gaps, output positions

// Damages a module in the published layout, that of the Python package dfloat11, and decodes it;
// returns a Damage.
int32_t decode_module(const uint8_t *input, const int64_t *ends, Dice &dice) {
  std::unique_ptr<uint8_t[]> parts[PARTS];
  int64_t sizes[PARTS];
  const int64_t victim = dice.below(PARTS);
  for (int part = 0; part < PARTS; ++part) {
    Buffer data(input + ends[part], input + ends[part + 1]);
    if (part == victim || dice.once_in(8)) {
      if (dice.once_in(6)) resize(data, dice);
      else if (part == 4 && dice.once_in(2)) put(data, 4 * dice.below(1 + data.size() / 4), dice.hostile(), 4);
      else flip(data, dice, 256);
    }
    if (part == 0) data.resize(data.size() / SIDE * SIDE);
    if (part == 4) data.resize(data.size() / 4 * 4);
    sizes[part] = size_of(data);
    parts[part].reset(new uint8_t[data.size()]);
    std::copy(data.begin(), data.end(), parts[part].get());
  }
  const std::unique_ptr<uint16_t[]> out(new uint16_t[sizes[2]]);
  int64_t failure = INT64_MAX;
  const DecodePublished call = {parts[0].get(), parts[1].get(), parts[2].get(), parts[3].get(),
                                reinterpret_cast<const uint32_t *>(parts[4].get()), out.get(),
                                &failure, sizes[0] / SIDE, sizes[1], sizes[2], sizes[3],
                                sizes[4] / 4};
  if (const Damage damage = check_sizes(call)) return damage;
  decode_published_on_host(1, call);
  return failure == INT64_MAX ? GOOD : static_cast<int32_t>(failure % PLACE);
}

}  // namespace

// Runs executions `first` up to, but not including, `last`, each on one of `count` inputs. The
// inputs lie one after the other in `data`. `ends` has the offsets at which they begin, and the end
// of the last. For the published layout, `ends` has the offsets of all five parts of each input.
// `kind` is 0 for the prefix layout, 1 for the published one, 2 for the joint one. `outcomes`,
// (DAMAGES), counts the executions by Damage.
extern "C" __attribute__((visibility("default"))) void hb_fuzz(int32_t kind, const uint8_t *data,
                                                              const int64_t *ends, int64_t count,
                                                              uint64_t seed, int64_t first,
                                                              int64_t last, int64_t *outcomes) {
  __sanitizer_set_death_callback(on_death);
  for (current = first; current < last; ++current) {
    Dice dice(seed, static_cast<uint64_t>(current));
    const int64_t i = dice.below(count);
    const int32_t damage = kind == 1 ? decode_module(data, ends + i * PARTS, dice)
                           : kind == 2 ? decode_joint(data + ends[i], ends[i + 1] - ends[i], dice)
                                       : decode_own(data + ends[i], ends[i + 1] - ends[i], dice);
    ++outcomes[damage];
  }
}
