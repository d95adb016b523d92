#include "tsdb/interval_coder.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/status.h"
#include "tsdb/bits.h"

namespace deckwatch::tsdb {

namespace {

constexpr uint64_t kSign = uint64_t{1} << 63;
constexpr uint8_t kGap = 64;
constexpr uint32_t kFloor = 1 << 16;  // a numeral below takes in a word

uint64_t ToUnsigned(int64_t v) {
  return static_cast<uint64_t>(v) ^ kSign;
}
int64_t ToSigned(uint64_t u) {
  return static_cast<int64_t>(u ^ kSign);
}

// The distinct integers of a column with how often they occur, and the cheapest cover of them by
// aligned intervals. An interval either stays whole or is cut in the middle, whichever is cheaper,
// from the finest up: optimal among all aligned covers, in two nodes per distinct integer at most.
class Cover {
 public:
  struct Leaf {
    size_t from = 0, to = 0;  // of the distinct integers
    uint8_t width = 0;
  };
  explicit Cover(std::span<const int64_t> sorted) : total_(static_cast<double>(sorted.size())) {
    for (size_t i = 0, from = 0; i < sorted.size(); ++i) {
      if (i + 1 < sorted.size() && sorted[i + 1] == sorted[i]) continue;
      value_.push_back(ToUnsigned(sorted[i]));
      before_.push_back(static_cast<uint32_t>(from));
      from = i + 1;
    }
    before_.push_back(static_cast<uint32_t>(sorted.size()));
  }
  // Chooses the leaves, where each costs `interval_bits` beside its integers.
  void Choose(double interval_bits) {
    interval_bits_ = interval_bits;
    leaves_.clear();
    cost_bits_ = Cut(0, value_.size());
  }
  const std::vector<Leaf>& leaves() const { return leaves_; }
  double cost_bits() const { return cost_bits_; }
  uint64_t first(const Leaf& l) const { return value_[l.from]; }
  uint32_t count(const Leaf& l) const { return before_[l.to] - before_[l.from]; }

 private:
  static constexpr int kMaxWidth = 48;

  // Appends the leaves of distinct integers [from, to); their cost.
  double Cut(size_t from, size_t to) {
    const int width = std::bit_width(value_[from] ^ value_[to - 1]);
    const double count = before_[to] - before_[from];
    const double whole = count * (width + std::log2(total_ / count)) + interval_bits_;
    const size_t leaves = leaves_.size();
    if (width <= kMaxWidth && count * width <= interval_bits_) {  // no cut can pay
      leaves_.push_back({from, to, static_cast<uint8_t>(width)});
      return whole;
    }
    const uint64_t middle = value_[to - 1] >> (width - 1) << (width - 1);
    const auto at = std::lower_bound(value_.begin() + static_cast<std::ptrdiff_t>(from),
                                     value_.begin() + static_cast<std::ptrdiff_t>(to), middle);
    const auto cut = static_cast<size_t>(at - value_.begin());
    const double low = Cut(from, cut);
    const double halves = low + Cut(cut, to);
    if (halves < whole || width > kMaxWidth) return halves;
    leaves_.resize(leaves);
    leaves_.push_back({from, to, static_cast<uint8_t>(width)});
    return whole;
  }

  const double total_;
  std::vector<uint64_t> value_;   // ascending
  std::vector<uint32_t> before_;  // how many integers are less; and how many there are
  std::vector<Leaf> leaves_;
  double interval_bits_ = 0;
  double cost_bits_ = 0;
};

// One numeral, written from the last integer to the first.
class LaneWriter {
 public:
  void Put(uint32_t start, uint32_t weight, uint32_t scale_bits) {
    if (x_ >= uint64_t{weight} << (32 - scale_bits)) {
      words_.push_back(static_cast<uint16_t>(x_));
      x_ >>= 16;
    }
    x_ = (x_ / weight << scale_bits) + x_ % weight + start;
  }
  size_t Finish() {
    for (; x_ != 0; x_ >>= 16) words_.push_back(static_cast<uint16_t>(x_));
    return words_.size();
  }
  void AppendTo(std::string* out) const {
    for (auto it = words_.rbegin(); it != words_.rend(); ++it) {
      out->push_back(static_cast<char>(*it & 0xff));
      out->push_back(static_cast<char>(*it >> 8));
    }
  }

 private:
  uint64_t x_ = 0;
  std::vector<uint16_t> words_;
};

}  // namespace

std::optional<IntervalCoder> IntervalCoder::For(std::span<const int64_t> sorted) {
  constexpr double kIntervalBits = 20;  // about what EncodeTo writes of one
  constexpr double kDearest = kIntervalBits * 1024;
  Cover cover(sorted);
  double price = kIntervalBits;
  for (cover.Choose(price); cover.leaves().size() > kMaxIntervals; cover.Choose(price)) {
    if ((price *= 4) > kDearest) return std::nullopt;
  }
  IntervalCoder c;
  c.cost_bits_ = cover.cost_bits();
  std::vector<uint32_t> counts;
  for (const Cover::Leaf& l : cover.leaves()) {
    c.intervals_.push_back({.from = cover.first(l) >> l.width << l.width, .width = l.width});
    counts.push_back(cover.count(l));
  }
  c.SetWeights(counts);
  CHECK(c.SetStarts());
  return c;
}

// Shares of kScale, none below 1: the largest give to the others or take what is left over.
void IntervalCoder::SetWeights(std::span<const uint32_t> counts) {
  uint64_t total = 0;
  for (uint32_t n : counts) total += n;
  uint32_t sum = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const uint64_t share = (uint64_t{counts[i]} * kScale + total / 2) / total;
    intervals_[i].weight = static_cast<uint32_t>(std::max<uint64_t>(share, 1));
    sum += intervals_[i].weight;
  }
  const auto largest = [this] {
    return std::max_element(intervals_.begin(), intervals_.end(),
                            [](const auto& a, const auto& b) { return a.weight < b.weight; });
  };
  for (; sum > kScale; --sum) --largest()->weight;
  largest()->weight += kScale - sum;
}

bool IntervalCoder::SetStarts() {
  uint32_t sum = 0;
  for (Interval& s : intervals_) {
    s.start = sum;
    if (s.weight == 0 || s.weight > kScale - sum) return false;
    sum += s.weight;
  }
  return sum == kScale;
}

// Eight at once; what goes past an interval is written over by the next.
void IntervalCoder::SetSlots() {
  slots_ = std::make_unique_for_overwrite<uint32_t[]>(kScale + 8);
  for (size_t i = 0; i < intervals_.size(); ++i) {
    const Interval& s = intervals_[i];
    const uint32_t first = (s.weight - 1) << 20 | static_cast<uint32_t>(i);
    uint32_t* out = slots_.get() + s.start;
    for (uint32_t at = 0; at < s.weight; at += 8, out += 8) {
      for (uint32_t k = 0; k < 8; ++k) out[k] = first + ((at + k) << 8);
    }
  }
}

void IntervalCoder::EncodeTo(std::string* out) const {
  out->push_back(static_cast<char>(intervals_.size()));
  uint64_t last = 0;
  for (size_t i = 0; i < intervals_.size(); ++i) {
    const Interval& s = intervals_[i];
    const uint64_t gap = i == 0 ? 0 : (s.from >> s.width) - (last >> s.width) - 1;
    out->push_back(static_cast<char>(s.width | (gap > 0 ? kGap : 0)));
    if (i == 0) PutSignedVarint(out, ToSigned(s.from) >> s.width);
    if (gap > 0) PutVarint(out, gap);
    if (intervals_.size() > 1) PutVarint(out, s.weight);
    last = s.from + ((uint64_t{1} << s.width) - 1);
  }
}

std::optional<IntervalCoder> IntervalCoder::Decode(Reader* in) {
  IntervalCoder c;
  uint8_t count, width;
  if (!in->GetByte(&count) || count == 0) return std::nullopt;
  c.intervals_.resize(count);
  uint64_t last = 0;
  for (size_t i = 0; i < count; ++i) {
    Interval& s = c.intervals_[i];
    if (!in->GetByte(&width)) return std::nullopt;
    s.width = width & (kGap - 1);
    const uint64_t most = UINT64_MAX >> s.width;
    if (width >= 2 * kGap || s.width > kMaxWidth) return std::nullopt;
    if (i == 0) {
      int64_t at;
      if (!in->GetSignedVarint(&at) || width >= kGap) return std::nullopt;
      if (at != at << s.width >> s.width) return std::nullopt;
      s.from = ToUnsigned(at << s.width);
    } else {
      uint64_t gap = 0;
      if (width >= kGap && !in->GetVarint(&gap)) return std::nullopt;
      if ((last >> s.width) == most || gap >= most - (last >> s.width)) return std::nullopt;
      s.from = ((last >> s.width) + 1 + gap) << s.width;
    }
    uint64_t weight = kScale;
    if (count > 1 && !in->GetVarint(&weight)) return std::nullopt;
    if (weight > kScale) return std::nullopt;
    s.weight = static_cast<uint32_t>(weight);
    last = s.from + ((uint64_t{1} << s.width) - 1);
  }
  if (!c.SetStarts()) return std::nullopt;
  if (count > 1) c.SetSlots();
  return c;
}

void IntervalCoder::EncodeBlock(std::span<const int64_t> v, std::string* out) const {
  std::vector<uint8_t> symbols(v.size());
  std::string raw;
  BitWriter bits(&raw);
  for (size_t i = 0; i < v.size(); ++i) {
    const uint64_t u = ToUnsigned(v[i]);
    const auto after = std::upper_bound(intervals_.begin(), intervals_.end(), u,
                                        [](uint64_t x, const Interval& s) { return x < s.from; });
    CHECK(after != intervals_.begin());
    symbols[i] = static_cast<uint8_t>(after - intervals_.begin() - 1);
    bits.Put(u, intervals_[symbols[i]].width);
  }
  bits.Finish();
  if (intervals_.size() > 1) {
    LaneWriter lanes[2];
    for (size_t i = v.size(); i-- > 0;) {
      const Interval& s = intervals_[symbols[i]];
      lanes[i & 1].Put(s.start, s.weight, kScaleBits);
    }
    PutVarint(out, lanes[0].Finish());
    PutVarint(out, lanes[1].Finish());
    lanes[0].AppendTo(out);
    lanes[1].AppendTo(out);
  }
  out->append(raw);
}

namespace {

// One numeral being read.
struct LaneReader {
  explicit LaneReader(std::string_view words) : at(words.data()), end(at + words.size()) {
    for (int i = 0; i < 2 && at != end; ++i, at += 2) x = x << 16 | Word();
  }
  uint32_t Word() const {
    uint16_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
  }
  uint32_t x = 0;
  const char* at;
  const char* end;
};

}  // namespace

// The symbols of a block, and where its lower bits lie.
struct IntervalCoder::Symbols {
  std::string_view words[2], raw;
  uint8_t of[kMaxBlock];
};

bool IntervalCoder::Split(const Block& block, Symbols* s) const {
  CHECK(block.n <= kMaxBlock);
  Reader in(block.bytes);
  uint64_t count0, count1;
  if (intervals_.size() == 1) {
    std::memset(s->of, 0, block.n);
  } else if (!in.GetVarint(&count0) || !in.GetVarint(&count1) || count0 > block.n + 2 ||
             count1 > block.n + 2 || !in.GetBytes(2 * count0, &s->words[0]) ||
             !in.GetBytes(2 * count1, &s->words[1])) {
    return false;
  }
  s->raw = in.rest();
  return true;
}

// Each integer waits for the one before it in its lane, so that four lanes take little longer than
// two.
void IntervalCoder::DecodeLanes(Symbols* a, size_t n_a, Symbols* b, size_t n_b) const {
  LaneReader a0(a->words[0]), a1(a->words[1]), b0(b->words[0]), b1(b->words[1]);
  const uint32_t* slots = slots_.get();
  const auto step = [slots](LaneReader& lane) {
    const uint32_t slot = slots[lane.x & (kScale - 1)];
    lane.x = ((slot >> 20) + 1) * (lane.x >> kScaleBits) + ((slot >> 8) & (kScale - 1));
    if (lane.x < kFloor && lane.at != lane.end) {
      lane.x = lane.x << 16 | lane.Word();
      lane.at += 2;
    }
    return static_cast<uint8_t>(slot);
  };
  const auto rest = [&step](LaneReader even, LaneReader odd, size_t i, size_t n, uint8_t* out) {
    for (; i + 1 < n; i += 2) {
      out[i] = step(even);
      out[i + 1] = step(odd);
    }
    if (i < n) out[i] = step(even);
  };
  size_t i = 0;
  for (const size_t both = std::min(n_a, n_b); i + 1 < both; i += 2) {
    a->of[i] = step(a0);
    b->of[i] = step(b0);
    a->of[i + 1] = step(a1);
    b->of[i + 1] = step(b1);
  }
  rest(a0, a1, i, n_a, a->of);
  rest(b0, b1, i, n_b, b->of);
}

bool IntervalCoder::DecodeBlocks(std::span<const Block> blocks) const {
  Symbols a, b;
  for (; blocks.size() > 1; blocks = blocks.subspan(2)) {
    if (!Split(blocks[0], &a) || !Split(blocks[1], &b)) return false;
    if (intervals_.size() > 1) DecodeLanes(&a, blocks[0].n, &b, blocks[1].n);
    if (!DecodeRaw(a, blocks[0]) || !DecodeRaw(b, blocks[1])) return false;
  }
  if (blocks.empty()) return true;
  if (!Split(blocks[0], &a)) return false;
  if (intervals_.size() > 1) DecodeLanes(&a, blocks[0].n, &b, 0);
  return DecodeRaw(a, blocks[0]);
}

bool IntervalCoder::DecodeRaw(const Symbols& symbols, const Block& block) const {
  uint64_t from[256];
  uint8_t width[256];
  bool any_width = false;
  for (size_t i = 0; i < intervals_.size(); ++i) {
    from[i] = intervals_[i].from ^ kSign;
    width[i] = intervals_[i].width;
    any_width |= width[i] > 0;
  }
  const size_t n = block.n;
  int64_t* const out = block.out;
  const uint8_t* const of = symbols.of;
  if (!any_width) {
    for (size_t i = 0; i < n; ++i) out[i] = static_cast<int64_t>(from[of[i]]);
    return symbols.raw.empty();
  }
  const std::string_view raw = symbols.raw;
  const size_t bits = raw.size() * 8;
  size_t at = 0, i = 0;
  // Eight bytes are read at a time: 7 + kMaxWidth bits of them at most count.
  for (; i < n && (at >> 3) + 8 <= raw.size(); ++i) {
    uint64_t word;
    std::memcpy(&word, raw.data() + (at >> 3), 8);
    const uint8_t w = width[of[i]];
    out[i] = static_cast<int64_t>(from[of[i]] + ((word >> (at & 7)) & ((uint64_t{1} << w) - 1)));
    at += w;
  }
  BitReader rest(raw.substr(std::min(at >> 3, raw.size())));
  (void)rest.Get(static_cast<int>(at & 7));
  for (; i < n; ++i) {
    const uint8_t w = width[of[i]];
    out[i] = static_cast<int64_t>(from[of[i]] + rest.Get(w));
    at += w;
  }
  return at <= bits && (at + 7) / 8 == raw.size();
}

}  // namespace deckwatch::tsdb
