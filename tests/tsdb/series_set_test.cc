// Reading stretches of series over parts and open windows, against a map.
#include <algorithm>
#include <bit>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/tsdb/test_directory.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {
namespace {

constexpr int64_t kNow = 1'800'000'000'000;
constexpr int64_t kMinute = 60'000;

class SeriesSetTest : public ::testing::Test {
 protected:
  using Samples = std::map<int64_t, double>;
  enum class Need { kAll, kLatest, kLatestFloat };

  void SetUp() override {
    options_.path = FreshDirectory(::testing::UnitTest::GetInstance()->current_test_info()->name());
    options_.clock = &clock_;
    options_.background = false;
    auto db = Db::Open(options_);
    ASSERT_TRUE(db.ok()) << db.status().message();
    db_ = std::move(db).value();
  }
  void TearDown() override {
    db_.reset();
    std::filesystem::remove_all(options_.path);
  }

  Labels RandomLabels() {
    LabelsBuilder b;
    b.Set("__name__", random_() % 2 == 0 ? "up" : "down");
    b.Set("job", std::string(1, static_cast<char>('a' + random_() % 3)));
    if (random_() % 2 == 0) b.Set("zone", std::string(1, static_cast<char>('x' + random_() % 2)));
    return b.Build();
  }
  int64_t RandomTime() { return kNow - static_cast<int64_t>(random_() % 300) * kMinute; }

  void Append() {
    std::vector<Labels> labels;
    WriteBatch batch;
    const int64_t t_ms = random_() % 3 == 0 ? RandomTime() : newest_ms_ += 1000;
    for (int k = 0; k < 8; ++k) {
      const Labels l = RandomLabels();
      const LabelsView view = l;
      SeriesRef ref = kNoSeries;
      ASSERT_TRUE(db_->Resolve({&view, 1}, 1 + l.Hash() % 3, {&ref, 1}).ok());
      const uint64_t kind = random_() % 5;
      const double value = kind == 4 ? StaleNan() : static_cast<double>(kind);
      if (want_[l].emplace(t_ms, value).second) batch.Add(ref, t_ms, value);
    }
    ASSERT_TRUE(db_->Commit(batch).ok());
  }
  void Delete() {
    const std::string job(1, static_cast<char>('a' + random_() % 3));
    const int64_t a = RandomTime(), b = RandomTime();
    const int64_t start = std::min(a, b), end = std::max(a, b);
    ASSERT_TRUE(db_->DeleteSeries({Matcher::Equal("job", job)}, start, end).ok());
    for (auto& [labels, samples] : want_) {
      if (labels.Get("job") != job) continue;
      samples.erase(samples.lower_bound(start), samples.upper_bound(end));
    }
  }
  void Change() {
    for (uint64_t k = 1 + random_() % 6; k > 0; --k) Append();
    switch (random_() % 6) {
      case 0: Delete(); break;
      case 1: ASSERT_TRUE(db_->Compact().ok()); break;
      case 2:
        clock_.AdvanceMs(20 * kMinute);
        ASSERT_TRUE(db_->Maintain().ok());
        break;
      default: break;
    }
  }

  std::map<Labels, Samples> Wanted(int64_t start, int64_t end, Need need) const {
    std::map<Labels, Samples> out;
    for (const auto& [labels, samples] : want_) {
      Samples in(samples.lower_bound(start), samples.upper_bound(end));
      if (in.empty()) continue;
      const bool one =
          need == Need::kLatest || (need == Need::kLatestFloat && !IsStale(in.rbegin()->second));
      if (one) in.erase(in.begin(), std::prev(in.end()));
      out[labels] = in;
    }
    return out;
  }
  static auto Bits(const std::map<Labels, Samples>& all) {
    std::map<std::pair<Labels, int64_t>, uint64_t> out;
    for (const auto& [labels, samples] : all) {
      for (const auto& [t_ms, v] : samples) out[{labels, t_ms}] = std::bit_cast<uint64_t>(v);
    }
    return out;
  }
  // All ways of reading give the same. With `any_value` the times and stale markers are right.
  void Check(int64_t start, int64_t end, Need need, bool any_value) {
    const auto seen = [any_value](double v) { return any_value && !IsStale(v) ? 0 : v; };
    const auto querier = db_->NewQuerier();
    SelectHints hints;
    hints.latest_only = need == Need::kLatest;
    hints.latest_float = need == Need::kLatestFloat;
    hints.any_value = any_value;
    const auto set = (*querier)->Select(start, end, {Matcher::Equal("__name__", "up")}, hints);
    ASSERT_TRUE(set.ok()) << set.status().message();
    auto want = Wanted(start, end, need);
    std::erase_if(want, [](const auto& w) { return w.first.MetricName() != "up"; });
    for (auto& [labels, samples] : want) {
      for (auto& [t_ms, v] : samples) v = seen(v);
    }

    const size_t n = (*set)->size();
    const size_t begin = n == 0 ? 0 : random_() % n, middle = begin + (n - begin) / 2;
    std::map<Labels, Samples> got;
    const auto keep = [&](size_t i, Columns* c) -> Status {
      const Labels labels((*set)->LabelsAt(i));
      for (size_t k = 0; k < c->size(); ++k) got[labels][c->t_ms[k]] = seen(c->value[k]);
      return {};
    };
    ASSERT_TRUE((*set)->ReadEach(0, begin, keep).ok());
    ASSERT_TRUE((*set)->ReadEach(middle, n, keep).ok());
    for (size_t i = begin; i < middle; ++i) {
      Columns c;
      ASSERT_TRUE((*set)->Read(i, &c).ok());
      ASSERT_TRUE(keep(i, &c).ok());
    }
    ASSERT_EQ(Bits(got), Bits(want));

    LatestSamples latest;
    ASSERT_TRUE((*set)->ReadLatest(begin, n, &latest).ok());
    ASSERT_EQ(latest.size(), n - begin);
    for (size_t i = begin; i < n; ++i) {
      const auto w = want.find(Labels((*set)->LabelsAt(i)));
      const int64_t t_ms = w == want.end() ? LatestSamples::kNone : w->second.rbegin()->first;
      ASSERT_EQ(latest.t_ms[i - begin], t_ms) << (*set)->LabelsAt(i).ToString();
      if (w == want.end()) continue;
      ASSERT_EQ(std::bit_cast<uint64_t>(seen(latest.value[i - begin])),
                std::bit_cast<uint64_t>(w->second.rbegin()->second));
    }
  }
  // What has a sample is listed.
  void CheckLists() {
    std::set<std::string> jobs, zones_up;
    for (const auto& [labels, samples] : want_) {
      if (samples.empty()) continue;
      jobs.insert(std::string(labels.Get("job")));
      if (labels.MetricName() == "up" && labels.Has("zone")) {
        zones_up.insert(std::string(labels.Get("zone")));
      }
    }
    const auto querier = db_->NewQuerier();
    LabelQuery up;
    up.matcher_sets = {{Matcher::Equal("__name__", "up")}};
    const auto all = (*querier)->LabelValues("job", {}), some = (*querier)->LabelValues("zone", up);
    ASSERT_TRUE(all.ok() && some.ok());
    ASSERT_TRUE(std::is_sorted(all->begin(), all->end()));
    ASSERT_TRUE(std::includes(all->begin(), all->end(), jobs.begin(), jobs.end()));
    ASSERT_TRUE(std::includes(some->begin(), some->end(), zones_up.begin(), zones_up.end()));
    const auto names = (*querier)->LabelNames(up);
    ASSERT_TRUE(names.ok() && names->size() <= 3);
    ASSERT_EQ(std::adjacent_find(names->begin(), names->end()), names->end());
  }

  std::mt19937_64 random_;
  int64_t newest_ms_ = kNow - 100 * kMinute;
  std::map<Labels, Samples> want_;
  FakeClock clock_{kNow};
  DbOptions options_;
  std::unique_ptr<Db> db_;
};

TEST_F(SeriesSetTest, AllWaysOfReadingGiveWhatWasWritten) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  random_.seed(seed);
  for (int round = 0; round < 60; ++round) {
    Change();
    for (int k = 0; k < 4; ++k) {
      const int64_t a = RandomTime(), b = k == 0 ? newest_ms_ : RandomTime();
      Check(std::min(a, b), std::max(a, b), k == 0 ? Need::kLatestFloat : Need{k - 1},
            random_() % 2 == 0);
      if (HasFatalFailure()) return;
    }
    CheckLists();
    if (HasFatalFailure()) return;
  }
}

// A newest float suffices; a histogram's counter reset hint asks for what is before it.
TEST_F(SeriesSetTest, ANewestHistogramComesWithAllBeforeIt) {
  const Labels labels = {{"__name__", "up"}};
  const LabelsView view = labels;
  SeriesRef ref = kNoSeries;
  ASSERT_TRUE(db_->Resolve({&view, 1}, 1, {&ref, 1}).ok());
  WriteBatch batch;
  for (const int64_t at : {1, 2, 5}) batch.Add(ref, kNow + at, 1);
  for (const int64_t at : {3, 4}) {
    auto h = std::make_shared<Histogram>();
    h->sum = static_cast<double>(at);
    batch.histograms.push_back({ref, kNow + at, std::move(h)});
  }
  ASSERT_TRUE(db_->Commit(batch).ok());
  for (const bool in_part : {false, true}) {
    SCOPED_TRACE(in_part);
    if (in_part) {
      ASSERT_TRUE(db_->Compact().ok());
    }
    for (const int64_t end : {2, 4, 5}) {
      const auto querier = db_->NewQuerier();
      SelectHints hints;
      hints.latest_float = true;
      const auto set =
          (*querier)->Select(kNow, kNow + end, {Matcher::Equal("__name__", "up")}, hints);
      ASSERT_TRUE(set.ok());
      Columns c;
      ASSERT_TRUE((*set)->Read(0, &c).ok());
      EXPECT_EQ(c.size(), end == 4 ? 4u : 1u);
      EXPECT_EQ(c.t_ms.back(), kNow + end);
      EXPECT_EQ(!c.histogram.empty() && c.histogram.back() != nullptr, end == 4);
    }
  }
}

TEST_F(SeriesSetTest, ListsSeeNewSeriesAtOnce) {
  const auto append = [&](std::string_view job) {
    const Labels labels = {{"__name__", "up"}, {"job", job}};
    const LabelsView view = labels;
    SeriesRef ref = kNoSeries;
    ASSERT_TRUE(db_->Resolve({&view, 1}, 1, {&ref, 1}).ok());
    WriteBatch batch;
    batch.Add(ref, kNow, 1);
    ASSERT_TRUE(db_->Commit(batch).ok());
  };
  const auto jobs = [&](const LabelQuery& query) {
    return *(*db_->NewQuerier())->LabelValues("job", query);
  };
  LabelQuery up;
  up.matcher_sets = {{Matcher::Equal("__name__", "up")}};
  append("b");
  EXPECT_EQ(jobs({}), std::vector<std::string>{"b"});
  EXPECT_EQ(jobs(up), std::vector<std::string>{"b"});
  ASSERT_TRUE(db_->Compact().ok());
  append("a");
  EXPECT_EQ(jobs({}), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(jobs(up), (std::vector<std::string>{"a", "b"}));
  up.limit = 1;
  EXPECT_EQ(jobs(up), std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace deckwatch::tsdb
