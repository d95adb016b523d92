#include "tests/simulation/workload.h"

#include <array>
#include <bit>

namespace deckwatch::simulation {

namespace {

constexpr uint64_t kSeries = 24;
constexpr uint64_t kHistograms = 3;
constexpr uint64_t kStateKeys = 20;
constexpr uint64_t kStepsPerGeneration = 60;  // churn: names that go idle

Labels SeriesLabels(uint64_t i, uint64_t step) {
  const std::string job(1, static_cast<char>('a' + i % 3));
  const std::string n = std::to_string(i);
  if (i % 6 == 5) {
    const std::string pod = "p" + std::to_string(step / kStepsPerGeneration);
    return Labels{{"__name__", "churn"}, {"job", job}, {"n", n}, {"pod", pod}};
  }
  return Labels{{"__name__", "m" + std::to_string(i % 4)}, {"job", job}, {"n", n}};
}

Labels HistogramLabels(uint64_t i) {
  return Labels{{"__name__", "h"}, {"job", "h"}, {"n", std::to_string(100 + i)}};
}

// Every form of block is met: constants, counters, decimals, arbitrary bits, special values.
double ValueOf(uint64_t seed, uint64_t i, int64_t t_ms, uint64_t variant) {
  const uint64_t h = Mix(seed ^ (i + 1) * 0x9e37ULL ^ variant << 40, static_cast<uint64_t>(t_ms));
  const double steps = static_cast<double>((t_ms - kStartMs) / 1'000);
  const auto extra = static_cast<double>(variant);
  switch (i % 5) {
    case 0: return 1 + extra;
    case 1: return steps * static_cast<double>(i + 1) + extra;
    case 2: return static_cast<double>(h % 100'000) / 100 + extra * 2'000;
    case 3: return std::bit_cast<double>(h);
    default:
      constexpr std::array<uint64_t, 5> kSpecial = {kStaleNanBits, kNormalNanBits,
                                                    0x8000000000000000, 0x7ff0000000000000, 0};
      if (variant > 0) return static_cast<double>(h >> 11) + extra;
      return h % 3 == 0 ? std::bit_cast<double>(kSpecial[h / 3 % kSpecial.size()]) : steps / 8;
  }
}

HistogramPtr HistogramOf(uint64_t seed, uint64_t i, int64_t t_ms) {
  Random random(Mix(seed + i, static_cast<uint64_t>(t_ms)));
  auto h = std::make_shared<Histogram>();
  h->integer = i % 2 == 0;
  h->schema = i == 2 ? kCustomBucketsSchema : 3;
  const size_t buckets = 4;
  h->positive_spans = {{static_cast<int32_t>(random.Below(2)), 2}, {1, 2}};
  if (h->schema == kCustomBucketsSchema) {
    h->positive_spans = {{0, static_cast<uint32_t>(buckets)}};
    h->custom_values = {0.5, 1, 2.5, 10};
  } else {
    h->zero_threshold = 0.001;
    h->zero_count = static_cast<double>(random.Below(10));
  }
  h->count = h->zero_count;
  for (size_t b = 0; b < buckets; ++b) {
    h->positive_buckets.push_back(static_cast<double>(random.Below(1'000)));
    h->count += h->positive_buckets.back();
  }
  h->sum = static_cast<double>(random.Below(1'000'000)) / 8;
  return h;
}

Sample FloatSample(uint64_t seed, uint64_t i, uint64_t step, int64_t t_ms, uint64_t variant) {
  Sample s{.labels = SeriesLabels(i, step), .t_ms = t_ms};
  s.value = ValueOf(seed, i, t_ms, variant);
  if (i % 4 == 1) s.start_ms = kStartMs - 1'000 * static_cast<int64_t>(i);
  return s;
}

// Older than what the series holds: new, exact duplicates, and other values at a time that is
// taken.
void AddLate(uint64_t seed, uint64_t step, Random* random, std::vector<Sample>* out) {
  const uint64_t n = 1 + random->Below(6);
  for (uint64_t k = 0; k < n; ++k) {
    const uint64_t back = 1 + random->Below(random->OneIn(3) ? 470 : 30);
    const uint64_t then = step > back ? step - back : 1;
    const uint64_t i = random->Below(kSeries);
    const uint64_t form = random->Below(4);
    const int64_t t_ms =
        WallMsAt(then) + (form < 2 ? 1'000 * static_cast<int64_t>(1 + random->Below(29)) : 0);
    out->push_back(FloatSample(seed, i, then, t_ms, form == 3 ? 1 : 0));
  }
}

void MakeCommit(uint64_t seed, Random* random, Step* step) {
  const int64_t now_ms = WallMsAt(step->number);
  if (random->OneIn(6)) AddLate(seed, step->number, random, &step->samples);
  const uint64_t job = random->Below(5);  // one job, or all of them
  for (uint64_t i = 0; i < kSeries; ++i) {
    if (job < 3 && i % 3 != job) continue;
    if (random->OneIn(10)) continue;
    step->samples.push_back(FloatSample(seed, i, step->number, now_ms, 0));
  }
  for (uint64_t i = 0; i < kHistograms; ++i) {
    if (!random->OneIn(3)) continue;
    Sample s{.labels = HistogramLabels(i), .t_ms = now_ms};
    s.histogram = HistogramOf(seed, i, now_ms);
    step->samples.push_back(std::move(s));
  }
  Sample marker{.labels = Labels{{"__name__", kMarkerSeries}, {"job", "sim"}}, .t_ms = now_ms};
  marker.value = static_cast<double>(step->number);
  step->samples.push_back(std::move(marker));
  if (random->OneIn(8)) {
    step->metadata = MetricMetadata{.name = "m" + std::to_string(random->Below(4)),
                                    .type = MetricType::kGauge,
                                    .help = "as of step " + std::to_string(step->number),
                                    .unit = ""};
  }
  if (random->OneIn(4)) {
    step->exemplar = Exemplar{.labels = Labels{{"trace", std::to_string(step->number)}},
                              .value = static_cast<double>(random->Below(1'000)) / 8,
                              .t_ms = now_ms};
  }
}

void MakeApply(Random* random, Step* step) {
  const uint64_t n = 1 + random->Below(4);
  for (uint64_t k = 0; k < n; ++k) {
    StateChange change{.key = "k" + std::to_string(random->Below(kStateKeys)), .value = {}};
    if (!random->OneIn(4)) change.value = "v" + std::to_string(random->Next());
    step->changes.push_back(std::move(change));
  }
  step->changes.push_back({std::string(kMarkerKey), std::to_string(step->number)});
}

void MakeDelete(Random* random, Step* step) {
  step->matcher = random->OneIn(3) ? Matcher::Equal("job", std::string(1, "abh"[random->Below(3)]))
                                   : Matcher::Equal("n", std::to_string(random->Below(kSeries)));
  const int64_t now_ms = WallMsAt(step->number);
  step->start_ms = now_ms - static_cast<int64_t>(1 + random->Below(200)) * kStepMs;
  step->end_ms = step->start_ms + static_cast<int64_t>(random->Below(60)) * kStepMs;
}

}  // namespace

uint64_t Random::Next() {
  uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

uint64_t Mix(uint64_t a, uint64_t b) {
  return Random(a ^ Random(b).Next()).Next();
}

Step MakeStep(uint64_t seed, uint64_t number) {
  Random random(Mix(seed, number));
  Step step;
  step.number = number;
  const uint64_t die = random.Below(200);
  if (die < 150) {
    step.kind = StepKind::kCommit;
    MakeCommit(seed, &random, &step);
  } else if (die < 180) {
    step.kind = StepKind::kApply;
    MakeApply(&random, &step);
  } else if (die < 184) {
    step.kind = StepKind::kDelete;
    MakeDelete(&random, &step);
  } else if (die < 195) {
    step.kind = StepKind::kMaintain;
  } else if (die < 197) {
    step.kind = StepKind::kCompact;
  } else if (die < 199) {
    step.kind = StepKind::kClean;
  } else {
    step.kind = StepKind::kSnapshot;
  }
  return step;
}

}  // namespace deckwatch::simulation
