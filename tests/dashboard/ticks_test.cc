#include "dashboard/plot/ticks.h"

#include <cmath>
#include <cstdlib>
#include <ctime>
#include <random>

#include <gtest/gtest.h>

#include "base/clock.h"

namespace deckwatch::dashboard {
namespace {

int64_t At(const char* text) {
  return *ParseRfc3339Ms(text);
}

// Local time of a zone for one test.
class Zone {
 public:
  explicit Zone(const char* name) {
    setenv("TZ", name, 1);
    tzset();
  }
  ~Zone() {
    unsetenv("TZ");
    tzset();
  }
};

std::vector<std::string> Labels(const std::vector<TimeTick>& ticks) {
  std::vector<std::string> out;
  for (const TimeTick& t : ticks) out.push_back(t.label);
  return out;
}

TEST(ValueAxis, HasRoundStepsAroundTheData) {
  const ValueAxis axis = MakeValueAxis(0, 0.97, 5, UnitById("percentunit"));
  EXPECT_EQ(axis.min, 0);
  EXPECT_DOUBLE_EQ(axis.max, 1);
  EXPECT_DOUBLE_EQ(axis.step, 0.2);
  EXPECT_EQ(axis.ticks.size(), 6U);
}

TEST(ValueAxis, StepsBytesByPowersOfTwo) {
  const ValueAxis axis = MakeValueAxis(0, 37.0 * 1024 * 1024 * 1024, 5, UnitById("bytes"));
  EXPECT_EQ(std::fmod(std::log2(axis.step), 1), 0);
  EXPECT_EQ(axis.max, 40.0 * 1024 * 1024 * 1024);
}

TEST(ValueAxis, HoldsAnyFiniteRange) {
  const uint64_t seed = 20261120;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const auto draw = [&] {
      const double mantissa = static_cast<double>(static_cast<int64_t>(random())) / 1e18;
      return std::ldexp(mantissa, static_cast<int>(random() % 600) - 300);
    };
    double lo = draw(), hi = i % 7 == 0 ? lo : draw();
    if (lo > hi) std::swap(lo, hi);
    const Unit& unit = UnitById(i % 2 == 0 ? "bytes" : i % 3 == 0 ? "s" : "short");
    const ValueAxis axis = MakeValueAxis(lo, hi, 6, unit);
    const double slack = axis.step * 1e-3;
    ASSERT_LE(axis.min, lo + slack);
    ASSERT_GE(axis.max, hi - slack);
    ASSERT_LT(axis.min, axis.max);
    ASSERT_GE(axis.ticks.size(), 2U);
    ASSERT_LE(axis.ticks.size(), 12U) << lo << " " << hi << " " << unit.id;
  }
}

TEST(ValueAxis, DrawsZeroInWhenDataComesNear) {
  EXPECT_EQ(MakeValueAxis(3, 10, 5, UnitById("short")).min, 0);
  EXPECT_GT(MakeValueAxis(95, 100, 5, UnitById("short")).min, 90);
}

TEST(ValueAxis, ShowsConstantsFromZero) {
  EXPECT_EQ(MakeValueAxis(1, 1, 5, UnitById("short")).min, 0);
  EXPECT_EQ(MakeValueAxis(1, 1, 5, UnitById("short")).max, 1);
  EXPECT_EQ(MakeValueAxis(-3, -3, 5, UnitById("short")).max, 0);
  EXPECT_EQ(MakeValueAxis(0, 0, 5, UnitById("percentunit")).max, 0.01);
}

TEST(TimeTicks, FallOnRoundLocalTimes) {
  const Zone zone("UTC");
  const auto ticks = MakeTimeTicks({At("2026-11-20T11:58:00Z"), At("2026-11-20T18:01:00Z")}, 7);
  EXPECT_EQ(Labels(ticks), (std::vector<std::string>{"12:00", "13:00", "14:00", "15:00", "16:00",
                                                     "17:00", "18:00"}));
}

TEST(TimeTicks, NameTheDayAtMidnight) {
  const Zone zone("UTC");
  const auto ticks = MakeTimeTicks({At("2026-11-20T20:00:00Z"), At("2026-11-21T04:00:00Z")}, 4);
  EXPECT_EQ(Labels(ticks),
            (std::vector<std::string>{"20:00", "22:00", "21 Nov", "02:00", "04:00"}));
}

TEST(TimeTicks, KeepToMidnightOverTheEndOfSummerTime) {
  const Zone zone("Europe/Berlin");  // 2026-10-25 has 25 hours
  const auto ticks = MakeTimeTicks({At("2026-10-23T22:00:00Z"), At("2026-10-27T23:00:00Z")}, 6);
  EXPECT_EQ(Labels(ticks),
            (std::vector<std::string>{"24 Oct", "25 Oct", "26 Oct", "27 Oct", "28 Oct"}));
  EXPECT_EQ(ticks[2].t_ms - ticks[1].t_ms, 25 * 3'600'000);
}

TEST(TimeTicks, KeepToHoursOverTheStartOfSummerTime) {
  const Zone zone("Europe/Berlin");  // 02:00 to 03:00 does not exist on 2026-03-29
  const auto ticks = MakeTimeTicks({At("2026-03-28T23:00:00Z"), At("2026-03-29T05:00:00Z")}, 7);
  EXPECT_EQ(Labels(ticks), (std::vector<std::string>{"29 Mar", "01:00", "03:00", "04:00", "05:00",
                                                     "06:00", "07:00"}));
}

TEST(TimeTicks, ReachFromMillisecondsToDecades) {
  const Zone zone("UTC");
  const int64_t end = At("2026-11-20T12:00:00Z");
  for (int64_t span = 5; span < int64_t{50} * 365 * 86'400'000; span = span * 3 / 2 + 1) {
    const auto ticks = MakeTimeTicks({end - span, end}, 8);
    ASSERT_GE(ticks.size(), 1U) << span;
    ASSERT_LE(ticks.size(), 17U) << span;
    for (size_t i = 1; i < ticks.size(); ++i) ASSERT_LT(ticks[i - 1].t_ms, ticks[i].t_ms);
    for (const TimeTick& t : ticks) {
      ASSERT_GE(t.t_ms, end - span);
      ASSERT_LE(t.t_ms, end);
    }
  }
}

TEST(NiceStep, IsRoundAndStaysUnderTheServersLimit) {
  EXPECT_EQ(NiceStepMs({0, 3'600'000}, 600), 10'000);
  EXPECT_EQ(NiceStepMs({0, 60'000}, 600), 1000);
  EXPECT_EQ(NiceStepMs({0, int64_t{365} * 86'400'000}, 600) % 3'600'000, 0);
  for (int64_t span = 1000; span < int64_t{30} * 365 * 86'400'000; span *= 3) {
    EXPECT_LE(span / NiceStepMs({0, span}, 1'000'000), 11'000) << span;
  }
}

}  // namespace
}  // namespace deckwatch::dashboard
