#include "dashboard/plot/units.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace deckwatch::dashboard {
namespace {

struct Case {
  const char* unit;
  double value;
  const char* text;
};

TEST(Units, ShowAboutThreeDigits) {
  const Case cases[] = {
      {"short", 0, "0"},
      {"short", 7, "7"},
      {"short", 1234, "1.23 k"},
      {"short", 999'960, "1.00 M"},
      {"short", -1500, "-1.50 k"},
      {"none", 0.395, "0.40"},
      {"bytes", 0, "0 B"},
      {"bytes", 512, "512 B"},
      {"bytes", 1536, "1.50 KiB"},
      {"bytes", 8.5 * 1024 * 1024 * 1024, "8.50 GiB"},
      {"Bps", 142e6, "142 MB/s"},
      {"bps", 12.5e3, "12.5 kb/s"},
      {"percent", 61.44, "61.4%"},
      {"percentunit", 0.614, "61.4%"},
      {"percentunit", 1, "100%"},
      {"percentunit", 0.00004, "0.00%"},
      {"s", 0.2134, "213 ms"},
      {"s", 0, "0 s"},
      {"s", 90, "1.50 min"},
      {"ms", 2500, "2.50 s"},
      {"ops", 1500, "1.50k ops/s"},
      {"cores", 0.0042, "0.0042 cores"},
      {"celsius", 41.25, "41.2 °C"},
      {"bool_yes_no", 1, "yes"},
      {"bool", 0, "no"},
      {"no such unit", 12, "12"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(FormatValue(UnitById(c.unit), c.value), c.text) << c.unit << " " << c.value;
  }
}

TEST(Units, ShowWhatIsNoNumber) {
  EXPECT_EQ(FormatValue(UnitById("bytes"), std::nan("")), "–");
  EXPECT_EQ(FormatValue(UnitById("bytes"), std::numeric_limits<double>::infinity()), "∞");
  EXPECT_EQ(FormatValue(UnitById("bytes"), -std::numeric_limits<double>::infinity()), "-∞");
}

TEST(Units, TicksHaveTheDecimalsThatTellThemApart) {
  EXPECT_EQ(FormatTick(UnitById("percentunit"), 0.8, 0.2), "80%");
  EXPECT_EQ(FormatTick(UnitById("percentunit"), 0.005, 0.0025), "0.5%");
  EXPECT_EQ(FormatTick(UnitById("short"), 0.25, 0.05), "0.25");
  EXPECT_EQ(FormatTick(UnitById("bytes"), 3 * 1024.0 * 1024, 1024.0 * 1024), "3 MiB");
  EXPECT_EQ(FormatTick(UnitById("s"), 0.3, 0.1), "300 ms");
  EXPECT_EQ(FormatTick(UnitById("Bps"), 0, 50e6), "0 B/s");
}

TEST(Units, AreGuessedFromMetricNames) {
  EXPECT_EQ(GuessUnit("node_memory_MemFree_bytes").id, "bytes");
  EXPECT_EQ(GuessUnit("rate(node_network_receive_bytes_total[5m])").id, "binBps");
  EXPECT_EQ(GuessUnit("histogram_quantile(0.9, rate(x_seconds_bucket[5m]))").id, "s");
  EXPECT_EQ(GuessUnit("rate(node_cpu_seconds_total[1m])").id, "cores");
  EXPECT_EQ(GuessUnit("a_bytes / b_bytes").id, "short");
  EXPECT_EQ(GuessUnit("up").id, "short");
}

TEST(Units, AgesHaveOneUnit) {
  EXPECT_EQ(FormatAge(-5), "0 s");
  EXPECT_EQ(FormatAge(59'999), "59 s");
  EXPECT_EQ(FormatAge(61'000), "1 m");
  EXPECT_EQ(FormatAge(7'200'000), "2 h");
  EXPECT_EQ(FormatAge(int64_t{72} * 3'600'000), "3 d");
}

}  // namespace
}  // namespace deckwatch::dashboard
