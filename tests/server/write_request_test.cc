#include "server/write_request.h"

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "server/remote_write.h"
#include "tests/server/write_request_builder.h"

namespace deckwatch::server {
namespace {

TEST(WriteRequest, DecodesSeriesSamplesAndMetadata) {
  WriteRequestBuilder b;
  b.Series({{"__name__", "up"}, {"job", "a"}}, {{1.5, 1000}, {-2, 2000}});
  b.Series({{"__name__", "down"}}, {});
  b.Series({{"__name__", "odd"}}, {{0, -5}});
  b.Metadata("up", 2, "Whether it is up.");
  const std::string message = b.Build();
  WriteRequest r;
  ASSERT_TRUE(DecodeWriteRequest(message, &r).ok());
  EXPECT_EQ(r.batch.t_ms, (std::vector<int64_t>{1000, 2000, -5}));
  EXPECT_EQ(r.batch.value, (std::vector<double>{1.5, -2, 0}));
  ASSERT_EQ(r.series.size(), 3u);
  EXPECT_EQ(r.series[0].samples_end, 2u);
  EXPECT_EQ(r.series[1].samples_end, 2u);
  EXPECT_EQ(r.series[2].samples_end, 3u);
  EXPECT_EQ(*DecodeWireLabels(r.series[0].labels), (Labels{{"__name__", "up"}, {"job", "a"}}));
  ASSERT_EQ(r.batch.metadata.size(), 1u);
  EXPECT_EQ(r.batch.metadata[0].type, MetricType::kGauge);
  EXPECT_EQ(r.batch.metadata[0].help, "Whether it is up.");
}

// Fields of one series may come in any order: label fields around a sample are still one label set.
TEST(WriteRequest, GathersLabelsThatAreNotContiguous) {
  WriteRequestBuilder b;
  std::string series = WriteRequestBuilder::Label("__name__", "m");
  series += WriteRequestBuilder::Sample(1, 1);
  series += WriteRequestBuilder::Label("a", "1");
  b.RawSeries(series);
  const std::string message = b.Build();
  WriteRequest r;
  ASSERT_TRUE(DecodeWriteRequest(message, &r).ok());
  EXPECT_EQ(*DecodeWireLabels(r.series[0].labels), (Labels{{"__name__", "m"}, {"a", "1"}}));
}

TEST(WriteRequest, RefusesBadLabelSets) {
  const auto labels = [](std::string wire) { return DecodeWireLabels(wire).ok(); };
  using B = WriteRequestBuilder;
  EXPECT_TRUE(labels(B::Label("__name__", "m") + B::Label("a", "")));
  EXPECT_FALSE(labels(B::Label("a", "1")));
  EXPECT_FALSE(labels(B::Label("__name__", "m") + B::Label("", "1")));
  EXPECT_FALSE(labels(B::Label("__name__", "m") + B::Label("a", "1") + B::Label("a", "2")));
  EXPECT_FALSE(labels(B::Label("__name__", "m") + B::Label("a", "\xff")));
}

TEST(WriteRequest, DecodesAnIntegerHistogram) {
  std::string h;
  const auto packed = [&h](uint32_t field, const std::string& bytes) {
    PutVarint(&h, field << 3 | 2);
    PutString(&h, bytes);
  };
  PutVarint(&h, 1 << 3);
  PutVarint(&h, 6);  // count
  PutVarint(&h, 4 << 3);
  PutVarint(&h, ZigZag(2));  // schema
  std::string span;
  PutVarint(&span, 1 << 3);
  PutVarint(&span, ZigZag(-1));
  PutVarint(&span, 2 << 3);
  PutVarint(&span, 3);
  packed(11, span);
  std::string deltas;
  for (const int64_t d : {1, 2, -1}) PutSignedVarint(&deltas, d);
  packed(12, deltas);
  PutVarint(&h, 15 << 3);
  PutVarint(&h, 77);
  WriteRequestBuilder b;
  std::string series = WriteRequestBuilder::Label("__name__", "m");
  series += '\x22';
  PutString(&series, h);
  b.RawSeries(series);
  const std::string message = b.Build();
  WriteRequest r;
  ASSERT_TRUE(DecodeWriteRequest(message, &r).ok());
  ASSERT_EQ(r.batch.histograms.size(), 1u);
  const Histogram& got = *r.batch.histograms[0].value;
  EXPECT_TRUE(got.integer);
  EXPECT_EQ(got.schema, 2);
  EXPECT_EQ(got.positive_spans, (std::vector<HistogramSpan>{{-1, 3}}));
  EXPECT_EQ(got.positive_buckets, (std::vector<double>{1, 3, 2}));
  EXPECT_EQ(r.batch.histograms[0].t_ms, 77);
}

// One bad histogram or exemplar takes nothing else of the request with it.
TEST(WriteRequest, LeavesOutWhatCannotBe) {
  using B = WriteRequestBuilder;
  std::string no_schema = "\x08";  // count
  no_schema += '\0';
  no_schema += '\x20';  // schema 99
  PutVarint(&no_schema, ZigZag(99));
  std::string series = B::Label("__name__", "m") + B::Sample(1, 5) + B::EmptyHistogram(6);
  series += '\x22';
  PutString(&series, no_schema);
  series += B::Exemplar({{"id", std::string(126, 'x')}}, 1, 5);
  series += B::Exemplar({{"id", std::string(127, 'x')}}, 1, 5);
  std::string accents;
  for (int i = 0; i < 126; ++i) accents += "\u00e9";
  series += B::Exemplar({{"id", accents}}, 1, 5);
  series += B::Exemplar({{"id", "\xff"}}, 1, 5);
  B b;
  b.RawSeries(series);
  WriteRequest r;
  ASSERT_TRUE(DecodeWriteRequest(b.Build(), &r).ok());
  EXPECT_EQ(r.batch.t_ms, std::vector<int64_t>{5});
  EXPECT_EQ(r.batch.histograms.size(), 1u);
  EXPECT_EQ(r.histogram_series.size(), 1u);
  EXPECT_EQ(r.refused_histograms, 1u);
  EXPECT_EQ(r.refusal.message(), "histogram has unknown schema 99");
  EXPECT_EQ(r.batch.exemplars.size(), 2u);
  EXPECT_EQ(r.exemplar_series.size(), 2u);
  EXPECT_EQ(r.refused_exemplars, 2u);
  ASSERT_TRUE(DecodeWriteRequest("", &r).ok());
  EXPECT_TRUE(r.refusal.ok());
  EXPECT_EQ(r.refused_histograms + r.refused_exemplars, 0u);
}

TEST(WriteRequest, ChecksHistograms) {
  const auto check = [](const std::vector<HistogramSpan>& spans, uint64_t count,
                        const std::vector<int64_t>& deltas,
                        const std::vector<double>& bounds = {}) {
    std::string h = "\x08";
    PutVarint(&h, count);
    h += '\x20';
    PutVarint(&h, ZigZag(bounds.empty() ? 0 : kCustomBucketsSchema));
    for (const HistogramSpan& s : spans) {
      std::string span = "\x08";
      PutVarint(&span, ZigZag(s.offset));
      span += '\x10';
      PutVarint(&span, s.length);
      h += '\x5a';
      PutString(&h, span);
    }
    std::string packed;
    for (const int64_t d : deltas) PutSignedVarint(&packed, d);
    h += '\x62';
    PutString(&h, packed);
    packed.clear();
    for (const double bound : bounds) PutDouble(&packed, bound);
    h += "\x82\x01";
    PutString(&h, packed);
    std::string series = WriteRequestBuilder::Label("__name__", "m") + '\x22';
    PutString(&series, h);
    WriteRequestBuilder b;
    b.RawSeries(series);
    WriteRequest r;
    EXPECT_TRUE(DecodeWriteRequest(b.Build(), &r).ok());
    return r.refusal.message();
  };
  const std::string spans = "histogram spans do not match its buckets";
  const std::string custom = "histogram with custom bounds has other buckets";
  const std::string bounds = "histogram bounds do not rise";
  EXPECT_EQ(check({{-3, 1}, {0, 1}}, 3, {1, 1}), "");
  EXPECT_EQ(check({{0, 2}}, 1, {1}), spans);
  EXPECT_EQ(check({{5, 1}, {-5, 1}}, 2, {1, 0}), spans);
  EXPECT_EQ(check({{INT32_MAX, 1}, {INT32_MAX, 1}}, 2, {1, 0}), spans);
  EXPECT_EQ(check({{INT32_MIN, 1}}, 1, {1}), spans);
  EXPECT_EQ(check({{0, 1}}, 1, {-1}), spans);
  EXPECT_EQ(check({{0, 2}}, 4, {1, 1}), "histogram's count is not that of its buckets");
  EXPECT_EQ(check({{0, 2}, {1, 1}}, 3, {1, 0, 0}, {1, 2, 3}), "");
  EXPECT_EQ(check({{0, 2}, {2, 1}}, 3, {1, 0, 0}, {1, 2, 3}), custom);
  EXPECT_EQ(check({{-1, 1}}, 1, {1}, {1, 2, 3}), custom);
  EXPECT_EQ(check({{0, 1}}, 1, {1}, {2, 1}), bounds);
  EXPECT_EQ(check({{0, 1}}, 1, {1}, {std::nan("")}), bounds);
  EXPECT_EQ(check({{0, 1}}, 1, {1}, {std::numeric_limits<double>::infinity()}), bounds);
}

TEST(WriteRequest, SurvivesTruncationAndBitFlips) {
  WriteRequestBuilder b;
  for (int i = 0; i < 5; ++i) {
    b.Series({{"__name__", "m"}, {"i", std::to_string(i)}}, {{i * 1.5, 1000 + i}});
  }
  b.Metadata("m", 1, "help");
  const std::string message = b.Build();
  WriteRequest r;
  for (size_t n = 0; n < message.size(); ++n) {
    if (DecodeWriteRequest(std::string_view(message).substr(0, n), &r).ok()) {
      EXPECT_LE(r.batch.t_ms.size(), 5u);
    }
  }
  for (size_t bit = 0; bit < message.size() * 8; ++bit) {
    std::string damaged = message;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    if (!DecodeWriteRequest(damaged, &r).ok()) continue;
    ASSERT_EQ(r.batch.t_ms.size(), r.batch.value.size());
    ASSERT_EQ(r.batch.ref.size(), r.batch.value.size());
    for (const auto& s : r.series) (void)DecodeWireLabels(s.labels).ok();
  }
}

// ---- the receiver

// Counts, and forgets series on demand.
class FakeStore : public Appender {
 public:
  Status Resolve(std::span<const LabelsView> labels, uint64_t, std::span<SeriesRef> refs) override {
    for (size_t i = 0; i < labels.size(); ++i) {
      if (series.size() == room) return Status::ResourceExhausted("no room");
      series.emplace_back(labels[i]);
      refs[i] = series.size();
    }
    return {};
  }
  Result<AppendResult> Commit(const WriteBatch& batch) override {
    AppendResult r;
    for (uint32_t i = 0; i < batch.ref.size(); ++i) {
      if (batch.ref[i] == kNoSeries) continue;
      if (batch.ref[i] <= forgotten) {
        r.unknown_ref.push_back(i);
      } else if (batch.t_ms[i] < oldest_ms) {
        ++r.too_old;
      } else {
        ++r.appended;
        samples.emplace_back(series[batch.ref[i] - 1], batch.value[i]);
      }
    }
    for (uint32_t i = 0; i < batch.histograms.size(); ++i) {
      const SeriesRef ref = batch.histograms[i].ref;
      if (ref <= forgotten) {
        r.unknown_histogram.push_back(i);
      } else {
        histograms.push_back(series[ref - 1]);
      }
    }
    for (uint32_t i = 0; i < batch.exemplars.size(); ++i) {
      const SeriesRef ref = batch.exemplars[i].ref;
      if (ref <= forgotten) {
        r.unknown_exemplar.push_back(i);
      } else {
        exemplars.push_back(series[ref - 1]);
      }
    }
    return r;
  }
  std::vector<Labels> series;
  std::vector<std::pair<Labels, double>> samples;
  std::vector<Labels> histograms, exemplars;  // whose they are
  SeriesRef forgotten = 0;
  size_t room = SIZE_MAX;  // for series
  int64_t oldest_ms = INT64_MIN;
};

TEST(RemoteWriter, ResolvesASeriesOnce) {
  FakeStore store;
  RemoteWriter writer(&store, 1 << 20);
  WriteRequestBuilder b;
  b.Series({{"__name__", "a"}}, {{1, 1}});
  b.Series({{"job", "no name"}}, {{2, 1}});
  const std::string packed = b.Compressed();
  ASSERT_TRUE(writer.Write(packed).ok());
  ASSERT_TRUE(writer.Write(packed).ok());
  EXPECT_EQ(store.series.size(), 1u);
  EXPECT_EQ(store.samples.size(), 2u);
  EXPECT_EQ(writer.counters().samples, 2u);
  EXPECT_EQ(writer.counters().invalid_series, 2u);
}

TEST(RemoteWriter, WritesKnownSeriesWhenThereIsNoRoomForNewOnes) {
  FakeStore store;
  RemoteWriter writer(&store, 1 << 20);
  store.room = 1;
  WriteRequestBuilder b;
  b.Series({{"__name__", "a"}}, {{1, 1}});
  b.Series({{"__name__", "b"}}, {{2, 1}});
  for (size_t samples : {1, 2}) {
    EXPECT_EQ(writer.Write(b.Compressed()).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(store.samples.size(), samples);
  }
  store.room = 2;
  EXPECT_TRUE(writer.Write(b.Compressed()).ok());
  EXPECT_EQ(store.samples.size(), 4u);
}

TEST(RemoteWriter, ResolvesAgainWhatTheStoreHasForgotten) {
  FakeStore store;
  RemoteWriter writer(&store, 1 << 20);
  WriteRequestBuilder b;
  b.Series({{"__name__", "a"}}, {{1, 1}, {2, 2}});
  b.Series({{"__name__", "b"}}, {{3, 1}});
  const std::string packed = b.Compressed();
  ASSERT_TRUE(writer.Write(packed).ok());
  store.samples.clear();
  store.forgotten = 1;  // the first series
  ASSERT_TRUE(writer.Write(packed).ok());
  EXPECT_EQ(store.series.size(), 3u);
  EXPECT_EQ(store.samples.size(), 3u);
  store.samples.clear();
  ASSERT_TRUE(writer.Write(packed).ok());  // the new ref is remembered
  EXPECT_EQ(store.series.size(), 3u);
}

TEST(RemoteWriter, CommitsForgottenHistogramsAndExemplarsAgain) {
  using B = WriteRequestBuilder;
  FakeStore store;
  RemoteWriter writer(&store, 1 << 20);
  WriteRequestBuilder b;
  b.Series({{"__name__", "plain"}}, {{1, 1}, {2, 2}});
  b.RawSeries(B::Label("__name__", "exemplary") + B::Exemplar({{"id", "7"}}, 0.5, 1) +
              B::Sample(3, 1));
  b.RawSeries(B::Label("__name__", "native") + B::EmptyHistogram(1));
  b.RawSeries(B::Label("__name__", "both") + B::Exemplar({}, 0.5, 1) + B::EmptyHistogram(1));
  ASSERT_TRUE(writer.Write(b.Compressed()).ok());
  store.samples.clear(), store.histograms.clear(), store.exemplars.clear();
  store.forgotten = 4;
  ASSERT_TRUE(writer.Write(b.Compressed()).ok());
  const auto named = [](const char* name) { return Labels{{"__name__", name}}; };
  EXPECT_EQ(store.samples, (std::vector<std::pair<Labels, double>>{
                               {named("plain"), 1}, {named("plain"), 2}, {named("exemplary"), 3}}));
  EXPECT_EQ(store.histograms, (std::vector<Labels>{named("native"), named("both")}));
  EXPECT_EQ(store.exemplars, (std::vector<Labels>{named("exemplary"), named("both")}));
}

TEST(RemoteWriter, RefusesDamagedOversizedAndRefusedRequests) {
  FakeStore store;
  RemoteWriter writer(&store, 100);
  EXPECT_EQ(writer.Write("not snappy").code(), StatusCode::kInvalidArgument);
  WriteRequestBuilder big;
  for (int i = 0; i < 50; ++i) big.Series({{"__name__", "a"}}, {{1, 1}});
  EXPECT_NE(writer.Write(big.Compressed()).message().find("exceeds"), std::string::npos);
  EXPECT_TRUE(store.samples.empty());
  WriteRequestBuilder b;
  b.Series({{"__name__", "a"}}, {{1, 1}, {1, 10}});
  store.oldest_ms = 5;
  EXPECT_EQ(writer.Write(b.Compressed()).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store.samples.size(), 1u);  // the good one is kept
}

TEST(RemoteWriter, KeepsWhatIsBesideAnImpossibleHistogram) {
  using B = WriteRequestBuilder;
  FakeStore store;
  RemoteWriter writer(&store, 1 << 20);
  B b;
  std::string series = B::Label("__name__", "bad") + '\x22';
  PutString(&series, std::string("\x08\x05", 2));  // five observations in no bucket
  b.RawSeries(series);
  b.Series({{"__name__", "good"}}, {{1, 1}});
  const Status s = writer.Write(b.Compressed());
  EXPECT_EQ(s.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(s.message(), "histogram's count is not that of its buckets");
  EXPECT_EQ(store.samples.size(), 1u);
  EXPECT_EQ(writer.counters().rejected, 1u);
}

TEST(SeriesCache, KeepsWhatItIsToldAcrossGrowthAndErasure) {
  SeriesCache cache;
  const auto key = [](int i) { return SeriesCache::KeyOf("series " + std::to_string(i)); };
  for (int i = 1; i <= 100'000; ++i) cache.Insert(key(i), static_cast<SeriesRef>(i));
  for (int i = 1; i <= 100'000; i += 2) cache.Erase(key(i));
  std::vector<SeriesCache::Key> keys;
  for (int i = 0; i <= 100'000; ++i) keys.push_back(key(i));
  std::vector<SeriesRef> refs(keys.size());
  cache.Find(keys, refs);
  for (size_t i = 0; i < refs.size(); ++i) ASSERT_EQ(refs[i], i % 2 == 1 ? kNoSeries : i) << i;
}

TEST(SeriesCache, StaysBounded) {
  SeriesCache cache(1024);
  for (int i = 0; i < 500'000; ++i) {
    cache.Insert(SeriesCache::KeyOf("series " + std::to_string(i)), 1);
  }
  EXPECT_LE(cache.size(), 64u * 1024 * 2);
}

}  // namespace
}  // namespace deckwatch::server
