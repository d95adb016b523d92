#include "tests/query/random_query.h"

#include <cmath>

namespace deckwatch::query {

namespace {

constexpr int64_t kFirstMs = -300'000, kLastMs = 600'000, kScrapeMs = 10'000;

double RandomFloat(std::mt19937_64& random) {
  switch (random() % 12) {
    case 0: return std::nan("");
    case 1: return HUGE_VAL;
    case 2: return 1e300;
    case 3: return -1e-300;
    default: return std::uniform_real_distribution<>(-100, 100)(random);
  }
}

HistogramPtr RandomHistogram(std::mt19937_64& random, double scale, bool custom) {
  auto h = std::make_shared<Histogram>();
  const size_t buckets = 1 + random() % 4;
  if (custom) {
    h->schema = kCustomBucketsSchema;
    h->custom_values = {1, 2, 5};
  } else {
    h->schema = static_cast<int32_t>(random() % 3);
    h->zero_threshold = 0.001;
    h->zero_count = static_cast<double>(random() % 3) * scale;
  }
  h->count = h->zero_count;
  h->positive_spans = {{0, static_cast<uint32_t>(buckets)}};
  for (size_t i = 0; i < buckets; ++i) {
    h->positive_buckets.push_back(scale * static_cast<double>(1 + random() % 5));
    h->count += h->positive_buckets.back();
  }
  h->sum = h->count * 1.5;
  return h;
}

struct Writer {
  MemoryStorage* storage;
  WriteBatch batch;

  SeriesRef Ref(const Labels& labels) {
    const LabelsView view = labels;
    SeriesRef ref = kNoSeries;
    CHECK(storage->Resolve(std::span(&view, 1), 1, std::span(&ref, 1)).ok());
    return ref;
  }
};

}  // namespace

void FillRandomly(std::mt19937_64& random, bool histograms, MemoryStorage* storage) {
  Writer w{storage, {}};
  for (const char* name : {"gauge", "requests_total", "other_total"}) {
    for (int i = 0; i < 5; ++i) {
      const SeriesRef ref =
          w.Ref(Labels{{"__name__", name}, {"a", std::to_string(i % 2)}, {"b", std::to_string(i)}});
      const bool counter = name[0] != 'g';
      double value = 0;
      for (int64_t t = kFirstMs; t <= kLastMs; t += kScrapeMs) {
        if (random() % 7 == 0) continue;
        const int64_t jitter = static_cast<int64_t>(random() % 3);
        if (random() % 23 == 0) {
          w.batch.Add(ref, t + jitter, StaleNan());
          continue;
        }
        if (counter) {
          value = random() % 11 == 0 ? 0 : value + static_cast<double>(random() % 1000) / 8;
        } else {
          value = RandomFloat(random);
        }
        w.batch.Add(ref, t + jitter, value);
      }
    }
  }
  for (int i = 0; histograms && i < 4; ++i) {
    const SeriesRef ref = w.Ref(
        Labels{{"__name__", "sizes"}, {"a", std::to_string(i % 2)}, {"b", std::to_string(i)}});
    for (int64_t t = kFirstMs; t <= kLastMs; t += kScrapeMs) {
      if (i == 3 && t > 200'000) {
        w.batch.Add(ref, t, static_cast<double>(t));
      } else {
        w.batch.histograms.push_back(
            {ref, t, RandomHistogram(random, static_cast<double>(t - kFirstMs + 1), i == 2)});
      }
    }
  }
  CHECK(storage->Commit(w.batch).ok());
}

std::string QueryGenerator::Pick(const std::vector<std::string>& of) {
  return of[random_() % of.size()];
}

bool QueryGenerator::Chance(double p) {
  return std::uniform_real_distribution<>(0, 1)(random_) < p;
}

std::string QueryGenerator::Modifiers() {
  std::string out;
  if (Chance(0.2)) out += Pick({" offset 30s", " offset -20s", " offset 3m"});
  if (Chance(0.1)) out += Pick({" @ 100", " @ 333.5"});
  return out;
}

std::string QueryGenerator::Selector() {
  std::vector<std::string> names = {"gauge", "requests_total", "other_total", "missing",
                                    "{__name__=~\".*_total\"}"};
  if (!floats_only_) names.insert(names.end(), {"sizes", "{b=~\"[23]\"}"});
  std::string s = Pick(names);
  if (s[0] != '{') s += Pick({"", "", "{a=\"1\"}", "{b!=\"2\"}", "{b=~\"1|3\"}"});
  return s;
}

std::string QueryGenerator::RangeVector(int depth) {
  const std::string range = Pick({"15s", "30s", "1m", "2m30s"});
  if (depth > 0 && Chance(0.25)) {
    return "(" + Vector(depth - 1) + ")[" + range + ":" + Pick({"5s", "10s", "25s"}) + "]" +
           Modifiers();
  }
  return Selector() + "[" + range + "]" + Modifiers();
}

std::string QueryGenerator::RangeFunction(int depth) {
  const std::string name = Pick({"rate",
                                 "increase",
                                 "delta",
                                 "irate",
                                 "idelta",
                                 "resets",
                                 "changes",
                                 "sum_over_time",
                                 "avg_over_time",
                                 "min_over_time",
                                 "max_over_time",
                                 "count_over_time",
                                 "stddev_over_time",
                                 "stdvar_over_time",
                                 "last_over_time",
                                 "first_over_time",
                                 "present_over_time",
                                 "deriv",
                                 "quantile_over_time",
                                 "predict_linear"});
  if (name == "quantile_over_time") return name + "(0.3, " + RangeVector(depth) + ")";
  if (name == "predict_linear") return name + "(" + RangeVector(depth) + ", 60)";
  return name + "(" + RangeVector(depth) + ")";
}

std::string QueryGenerator::Aggregation(int depth) {
  const std::string name = Pick({"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar",
                                 "quantile", "topk", "bottomk"});
  const std::string grouping = Pick({"", " by (a)", " by (b)", " without (b)", " by (a, b)"});
  const std::string param = name == "quantile"                    ? "0.7, "
                            : name == "topk" || name == "bottomk" ? "2, "
                                                                  : "";
  return name + grouping + " (" + param + Vector(depth - 1) + ")";
}

std::string QueryGenerator::Binary(int depth) {
  const std::string op = Pick({"+", "-", "*", "/", "%", "==", "!=", ">", "<=", "> bool"});
  if (Chance(0.4)) {
    const std::string scalar = Pick({"2", "-0.5", "0", "time()"});
    return Chance(0.5) ? "(" + Vector(depth - 1) + ") " + op + " " + scalar
                       : scalar + " " + op + " (" + Vector(depth - 1) + ")";
  }
  if (Chance(0.3)) {
    return "(" + Vector(depth - 1) + ") " + Pick({"and", "or", "unless"}) +
           Pick({"", " on (a)", " ignoring (b)"}) + " (" + Vector(depth - 1) + ")";
  }
  if (Chance(0.4)) {
    return "(" + Vector(depth - 1) + ") " + op + " on (a) group_left () (sum by (a) (" +
           Vector(depth - 1) + "))";
  }
  return "(" + Vector(depth - 1) + ") " + op + Pick({"", " on (a, b)", " ignoring (a)"}) + " (" +
         Vector(depth - 1) + ")";
}

std::string QueryGenerator::Function(int depth) {
  const std::string v = Vector(depth - 1);
  return Pick({"abs(" + v + ")", "-(" + v + ")", "clamp(" + v + ", -10, 10)", "round(" + v + ", 5)",
               "absent(" + v + ")", "timestamp(" + v + ")",
               "label_replace(" + v + ", \"a\", \"x$1\", \"b\", \"([0-9])\")",
               "vector(scalar(" + v + "))", "hour(" + v + ")", "histogram_count(" + v + ")",
               "histogram_quantile(0.9, " + v + ")", "histogram_fraction(0, 2, " + v + ")"});
}

std::string QueryGenerator::Vector(int depth) {
  if (depth == 0) return Chance(0.5) ? Selector() + Modifiers() : RangeFunction(0);
  switch (random_() % 5) {
    case 0: return RangeFunction(depth);
    case 1:
    case 2: return Aggregation(depth);
    case 3: return Binary(depth);
    default: return Function(depth);
  }
}

}  // namespace deckwatch::query
