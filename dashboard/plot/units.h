// Values as people read them: "1.42 GiB", "213 ms", "61.4%". Units are named by Grafana's ids
// ("bytes", "percentunit", "Bps", …), in one table.
#pragma once

#include <string>
#include <string_view>

namespace deckwatch::dashboard {

enum class UnitKind {
  kPlain,     // k, M, G … by 1000
  kBinary,    // Ki, Mi, Gi … by 1024
  kDuration,  // base is seconds times `factor`
  kPercent,   // value times `factor` and "%"
  kBool,      // yes / no
  kFixed,     // the number as it is
};

struct Unit {
  std::string_view id;
  UnitKind kind;
  std::string_view suffix;  // after the scale letter: "B", "B/s", " req/s"
  double factor = 1;        // shown = value * factor, before scaling
};

// The unit with this id, or "short" when there is none.
const Unit& UnitById(std::string_view id);

// What an expression most likely measures, from Prometheus's naming rules
// (rate(x_bytes_total[5m]) is bytes per second, …); "short" when nothing says.
const Unit& GuessUnit(std::string_view expr);

// About three significant digits, as for a legend or a tile. NaN is "–".
std::string FormatValue(const Unit& unit, double value);

// An axis label: exactly as many decimals as ticks `step` apart need to differ.
std::string FormatTick(const Unit& unit, double value, double step);

// "4 s", "11 m", "2 h", "3 d": how long ago, one unit only.
std::string FormatAge(int64_t ms);

}  // namespace deckwatch::dashboard
