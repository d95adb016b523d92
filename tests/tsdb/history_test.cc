#include "tsdb/history.h"

#include <filesystem>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/tsdb/store_fixture.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {
namespace {

constexpr int64_t kDay = 86'400'000;
constexpr int64_t kNow = 20'000 * kDay + kDay / 2;  // noon
constexpr size_t kSmall = 64 << 10;                 // runs of some 1,300 samples

using Samples = std::map<int64_t, double>;
using Model = std::map<std::string, Samples>;

class HistoryTest : public StoreFixture {
 protected:
  HistoryTest() : StoreFixture(kNow) { options_.retention_ms = 0; }
  std::unique_ptr<History> NewHistory() {
    auto h = db_->NewHistory(kSmall);
    EXPECT_TRUE(h.ok()) << h.status().message();
    return std::move(h).value();
  }
  static void Add(History* h, const Labels& labels, int64_t t_ms, double v) {
    const auto series = h->SeriesOf(labels);
    ASSERT_TRUE(series.ok());
    ASSERT_TRUE(h->Add(*series, t_ms, v).ok());
  }
  AppendResult Store(History* h) {
    AppendResult result;
    const Status s = db_->StoreHistory(
        h, [](double) {}, &result);
    EXPECT_TRUE(s.ok()) << s.message();
    return result;
  }
  void Commit(const Labels& labels, int64_t t_ms, double v) {
    const LabelsView view = labels;
    WriteBatch b;
    b.Add(kNoSeries, t_ms, v);
    ASSERT_TRUE(db_->Resolve({&view, 1}, 0, b.ref).ok());
    ASSERT_TRUE(db_->Commit(b).ok());
  }
  Model All() const {
    Model out;
    const auto querier = db_->NewQuerier();
    const auto set = (*querier)->Select(INT64_MIN, INT64_MAX, {}, {});
    EXPECT_TRUE(set.ok());
    for (size_t i = 0; i < (*set)->size(); ++i) {
      Columns c;
      EXPECT_TRUE((*set)->Read(i, &c).ok());
      for (size_t k = 0; k < c.size(); ++k) {
        EXPECT_TRUE(out[(*set)->LabelsAt(i).ToString()].emplace(c.t_ms[k], c.value[k]).second);
      }
    }
    return out;
  }
  std::vector<uint64_t> PartNumbers() const {
    std::vector<uint64_t> out;
    for (const Db::PartInfo& p : db_->Parts()) out.push_back(p.id);
    return out;
  }
};

TEST_F(HistoryTest, BecomesDaysAndHoursOfToday) {
  const Labels up{{"__name__", "up"}};
  const auto h = NewHistory();
  for (int64_t t = kNow; t > kNow - 3 * kDay; t -= 60'000) Add(h.get(), up, t, 1);  // backwards
  Add(h.get(), up, kNow + 3'600'000, 1);
  const AppendResult r = Store(h.get());
  EXPECT_EQ(r.appended, 3u * 1440);
  EXPECT_EQ(r.too_far_ahead, 1u);
  const std::vector<Db::PartInfo> parts = db_->Parts();
  ASSERT_EQ(parts.size(), 3u + 7);  // half a day, two days, and 12 hours and a minute of today
  for (size_t i = 0; i < parts.size(); ++i) {
    EXPECT_EQ(parts[i].level, i < 3 ? "day" : "2h");
    EXPECT_GT(parts[i].min_ms, i == 0 ? 0 : parts[i - 1].max_ms);
  }
  EXPECT_EQ(All().at("up").size(), 3u * 1440);
}

TEST_F(HistoryTest, BecomesFewPartsHoweverFarItGoesBack) {
  const auto h = NewHistory();
  const Labels up{{"__name__", "up"}};
  Samples expected;
  for (int64_t day = 0; day < 2000; ++day) {
    const int64_t t = kNow - (day * 37 % 2000) * kDay;  // from run to run all over the years
    Add(h.get(), up, t, static_cast<double>(day));
    expected[t] = static_cast<double>(day);
  }
  EXPECT_EQ(Store(h.get()).appended, 2000u);
  const std::vector<Db::PartInfo> parts = db_->Parts();
  EXPECT_LT(parts.size(), 2000u / 31 + 33);
  EXPECT_EQ(parts.front().level, "range");
  EXPECT_EQ(parts.back().level, "2h");
  EXPECT_EQ(All().at("up"), expected);
}

TEST_F(HistoryTest, StoredAgainChangesNothing) {
  const auto store = [&] {
    const auto h = NewHistory();
    for (int64_t i = 0; i < 5000; ++i) {
      Add(h.get(), Labels{{"__name__", "m"}, {"n", std::to_string(i % 7)}}, kNow - i * 60'000,
          static_cast<double>(i));
    }
    return Store(h.get());
  };
  EXPECT_EQ(store().appended, 5000u);
  const auto parts = PartNumbers();
  const Model all = All();
  const AppendResult again = store();
  EXPECT_EQ(again.appended, 0u);
  EXPECT_EQ(again.duplicate, 5000u);
  EXPECT_EQ(PartNumbers(), parts);
  Open();
  EXPECT_EQ(All(), all);
}

TEST_F(HistoryTest, TheStoredSampleStaysAndADeletedOneDoesNot) {
  const Labels up{{"__name__", "up"}};
  for (int64_t t = 0; t < 4; ++t) Commit(up, kNow + t, 1);
  ASSERT_TRUE(db_->DeleteSeries({Matcher::Equal("__name__", "up")}, kNow + 3, kNow + 3).ok());
  const auto h = NewHistory();
  for (int64_t t = 1; t < 5; ++t) Add(h.get(), up, kNow + t, t == 1 ? 1 : 2);
  Add(h.get(), up, kNow + 4, 3);  // of two in the file the first
  const AppendResult r = Store(h.get());
  EXPECT_EQ(r.appended, 2u);
  EXPECT_EQ(r.duplicate, 1u);
  EXPECT_EQ(r.conflicting, 2u);
  EXPECT_EQ(All().at("up"),
            (Samples{{kNow, 1}, {kNow + 1, 1}, {kNow + 2, 1}, {kNow + 3, 2}, {kNow + 4, 2}}));
}

TEST_F(HistoryTest, SharesTheClockOfWhatIsWrittenTogether) {
  const auto h = NewHistory();
  std::mt19937_64 rng(1);
  std::vector<int64_t> times;
  for (int64_t t = kNow - 2 * kDay; t < kNow - kDay;
       t += 14'000 + static_cast<int64_t>(rng() % 2000)) {
    times.push_back(t);
  }
  for (int i = 0; i < 20; ++i) {
    for (const int64_t t : times)
      Add(h.get(), Labels{{"__name__", "m"}, {"i", std::to_string(i)}}, t, i);
  }
  Store(h.get());
  const auto bytes = db_->Bytes();
  ASSERT_TRUE(bytes.ok());
  // Twenty columns of times would be twenty times as large.
  EXPECT_LT(bytes->values + bytes->clocks, times.size() * 4);
}

TEST_F(HistoryTest, KeepsExemplarsInTimeOrderAndMetadata) {
  const auto h = NewHistory();
  const auto series = h->SeriesOf(Labels{{"__name__", "m_total"}});
  h->AddExemplar(*series, {Labels{{"id", "2"}}, 2, kNow - 1});
  h->AddExemplar(*series, {Labels{{"id", "1"}}, 1, kNow - 2});
  h->AddMetadata({"m", MetricType::kCounter, "help", "bytes"});
  Store(h.get());
  Open();
  const auto querier = db_->NewQuerier();
  const auto found = (*querier)->Exemplars({});
  ASSERT_EQ(found->size(), 1u);
  ASSERT_EQ((*found)[0].exemplars.size(), 2u);
  EXPECT_EQ((*found)[0].exemplars[0].value, 1);
  ASSERT_EQ(db_->Metadata("m").size(), 1u);
  EXPECT_EQ(db_->Metadata("m")[0].unit, "bytes");
}

TEST_F(HistoryTest, RefusesEndlessLabels) {
  const auto h = NewHistory();
  EXPECT_EQ(h->SeriesOf(Labels{{"__name__", std::string(70'000, 'x')}}).status().code(),
            StatusCode::kInvalidArgument);
}

// Random samples by both ways, deletes and restarts between, against a map.
TEST_F(HistoryTest, AgreesWithAMapUnderRandomWork) {
  const uint64_t seed = 20'26;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 rng(seed);
  const auto pick = [&](uint64_t n) { return static_cast<int64_t>(rng() % n); };
  Model model;
  AppendResult expected;
  const auto note = [&](const Labels& l, int64_t t, double v) {
    const auto [it, added] = model[l.ToString()].emplace(t, v);
    (added ? expected.appended : it->second == v ? expected.duplicate : expected.conflicting)++;
  };
  for (int round = 0; round < 12; ++round) {
    const auto h = NewHistory();
    const int64_t days = 1 + pick(5), series = 1 + pick(40), grid = pick(2) == 0 ? 60'000 : 7;
    expected = {};
    // What is there twice in the file counts once as appended: the first of the file.
    for (int64_t i = pick(6000); i >= 0; --i) {
      const Labels l{{"__name__", "m" + std::to_string(pick(3))},
                     {"job", std::to_string(pick(2))},
                     {"n", std::to_string(pick(static_cast<uint64_t>(series)))}};
      const int64_t t = kNow - pick(static_cast<uint64_t>(days * kDay)) / grid * grid;
      const double v = static_cast<double>(pick(3)) / 10;
      Add(h.get(), l, t, v);
      note(l, t, v);
    }
    const AppendResult got = Store(h.get());
    EXPECT_EQ(got.appended, expected.appended);
    EXPECT_EQ(got.duplicate + got.conflicting, expected.duplicate + expected.conflicting);
    for (int i = 0; i < 20; ++i) {
      const Labels l{{"__name__", "m0"}, {"job", "0"}, {"n", std::to_string(i)}};
      const int64_t t = kNow - pick(2 * kDay) / 60'000 * 60'000;
      Commit(l, t, 9);
      note(l, t, 9);
    }
    if (pick(3) == 0) {
      ASSERT_TRUE(db_->Compact().ok());
    }
    if (pick(3) == 0) Open();
    EXPECT_EQ(All(), model);
  }
}

}  // namespace
}  // namespace deckwatch::tsdb
