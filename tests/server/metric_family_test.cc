// What is written reads back, field by field, by the numbers of io.prometheus.client.
#include "server/metric_family.h"

#include <map>

#include <gtest/gtest.h>
#include <protozero/pbf_reader.hpp>

namespace deckwatch::server {
namespace {

using protozero::pbf_reader;

// The messages of `page`.
std::vector<std::string> Messages(const std::string& page) {
  std::vector<std::string> out;
  const char* at = page.data();
  const char* const end = at + page.size();
  while (at < end) {
    const auto size = protozero::decode_varint(&at, end);
    out.emplace_back(at, size);
    at += size;
  }
  return out;
}

TEST(MetricFamily, HoldsFloatsWithLabelsAndTime) {
  const std::vector<FamilySample> samples = {{{{"a", "b"}, {"instance", ""}}, 1234, 2.5, nullptr},
                                             {{}, -1, 0, nullptr}};
  std::string page;
  AppendMetricFamily("m", samples, &page);
  AppendMetricFamily("n", {}, &page);
  const auto messages = Messages(page);
  ASSERT_EQ(messages.size(), 2u);
  pbf_reader family(messages[0]);
  std::vector<std::string> metrics;
  while (family.next()) {
    switch (family.tag()) {
      case 1: EXPECT_EQ(std::string(family.get_view()), "m"); break;
      case 3: EXPECT_EQ(family.get_enum(), 3); break;  // untyped
      case 4: metrics.push_back(family.get_string()); break;
      default: ADD_FAILURE() << family.tag(); family.skip();
    }
  }
  ASSERT_EQ(metrics.size(), 2u);
  pbf_reader m(metrics[0]);
  std::map<std::string, std::string> labels;
  while (m.next()) {
    if (m.tag() == 1) {
      pbf_reader pair(m.get_message());
      ASSERT_TRUE(pair.next(1));
      const std::string name = pair.get_string();
      ASSERT_TRUE(pair.next(2));
      labels[name] = pair.get_string();
    } else if (m.tag() == 5) {
      pbf_reader untyped(m.get_message());
      ASSERT_TRUE(untyped.next(1));
      EXPECT_EQ(untyped.get_double(), 2.5);
    } else {
      ASSERT_EQ(m.tag(), 6u);
      EXPECT_EQ(m.get_int64(), 1234);
    }
  }
  EXPECT_EQ(labels, (std::map<std::string, std::string>{{"a", "b"}, {"instance", ""}}));
}

TEST(MetricFamily, HoldsHistogramsWithSpansAndCounts) {
  Histogram h;
  h.schema = -1;
  h.zero_threshold = 0.25;
  h.zero_count = 1;
  h.count = 9.5;
  h.sum = -3;
  h.positive_spans = {{-2, 2}, {1, 1}};
  h.positive_buckets = {1, 2, 3};
  h.negative_spans = {{5, 1}};
  h.negative_buckets = {2.5};
  const auto read = [](const Histogram& from, int32_t* type) {
    std::string page;
    const std::vector<FamilySample> samples = {{{}, 7, 0, std::make_shared<Histogram>(from)}};
    AppendMetricFamily("h", samples, &page);
    Histogram out;
    const std::string message = Messages(page).at(0);
    pbf_reader family(message);
    while (family.next()) {
      if (family.tag() == 3) {
        *type = family.get_enum();
        continue;
      }
      if (family.tag() != 4) {
        family.skip();
        continue;
      }
      pbf_reader m(family.get_message());
      EXPECT_TRUE(m.next(7));
      pbf_reader w(m.get_message());
      const auto span = [&w] {
        pbf_reader s(w.get_message());
        HistogramSpan into;
        EXPECT_TRUE(s.next(1));
        into.offset = s.get_sint32();
        EXPECT_TRUE(s.next(2));
        into.length = s.get_uint32();
        return into;
      };
      while (w.next()) {
        switch (w.tag()) {
          case 2: out.sum = w.get_double(); break;
          case 4: out.count = w.get_double(); break;
          case 5: out.schema = w.get_sint32(); break;
          case 6: out.zero_threshold = w.get_double(); break;
          case 8: out.zero_count = w.get_double(); break;
          case 9: out.negative_spans.push_back(span()); break;
          case 11: out.negative_buckets.push_back(w.get_double()); break;
          case 12: out.positive_spans.push_back(span()); break;
          case 14: out.positive_buckets.push_back(w.get_double()); break;
          default: ADD_FAILURE() << w.tag(); w.skip();
        }
      }
    }
    return out;
  };
  int32_t type = 0;
  EXPECT_EQ(read(h, &type), h);
  EXPECT_EQ(type, 4);  // histogram
  Histogram gauge;
  gauge.hint = CounterResetHint::kGauge;
  const Histogram got = read(gauge, &type);
  EXPECT_EQ(type, 5);  // gauge histogram
  EXPECT_EQ(got.positive_spans, std::vector<HistogramSpan>{{}});
}

TEST(MetricFamily, GivesCustomBoundsTheFormOfAClassicHistogram) {
  Histogram h;
  h.schema = kCustomBucketsSchema;
  h.count = 10;
  h.sum = 7;
  h.custom_values = {0.5, 1, 2, 5};
  h.positive_spans = {{1, 1}, {2, 1}};  // (0.5, 1] and (5, +Inf]
  h.positive_buckets = {4, 6};
  std::string page;
  const std::vector<FamilySample> samples = {{{}, 7, 0, std::make_shared<Histogram>(h)}};
  AppendMetricFamily("h", samples, &page);
  const std::string message = Messages(page).at(0);
  pbf_reader family(message);
  ASSERT_TRUE(family.next(4));
  pbf_reader m(family.get_message());
  ASSERT_TRUE(m.next(7));
  pbf_reader w(m.get_message());
  std::vector<std::pair<double, double>> buckets;
  while (w.next()) {
    if (w.tag() == 3) {
      pbf_reader bucket(w.get_message());
      ASSERT_TRUE(bucket.next(2));
      const double bound = bucket.get_double();
      ASSERT_TRUE(bucket.next(4));
      buckets.emplace_back(bound, bucket.get_double());
    } else {
      ASSERT_TRUE(w.tag() == 2 || w.tag() == 4) << w.tag();
      EXPECT_EQ(w.get_double(), w.tag() == 2 ? 7 : 10);
    }
  }
  EXPECT_EQ(buckets, (std::vector<std::pair<double, double>>{{0.5, 0}, {1, 4}, {2, 4}, {5, 4}}));
}

}  // namespace
}  // namespace deckwatch::server
