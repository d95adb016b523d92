#include "dashboard/plot/units.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <span>

namespace deckwatch::dashboard {
namespace {

constexpr std::array kUnits = {
    Unit{"short", UnitKind::kPlain, ""},
    Unit{"none", UnitKind::kFixed, ""},
    Unit{"percent", UnitKind::kPercent, "%"},
    Unit{"percentunit", UnitKind::kPercent, "%", 100},
    Unit{"bytes", UnitKind::kBinary, "B"},
    Unit{"kbytes", UnitKind::kBinary, "B", 1024},
    Unit{"mbytes", UnitKind::kBinary, "B", 1024.0 * 1024},
    Unit{"bits", UnitKind::kBinary, "b"},
    Unit{"decbytes", UnitKind::kPlain, "B"},
    Unit{"decbits", UnitKind::kPlain, "b"},
    Unit{"Bps", UnitKind::kPlain, "B/s"},
    Unit{"bps", UnitKind::kPlain, "b/s"},
    Unit{"binBps", UnitKind::kBinary, "B/s"},
    Unit{"binbps", UnitKind::kBinary, "b/s"},
    Unit{"ns", UnitKind::kDuration, "", 1e-9},
    Unit{"µs", UnitKind::kDuration, "", 1e-6},
    Unit{"ms", UnitKind::kDuration, "", 1e-3},
    Unit{"s", UnitKind::kDuration, ""},
    Unit{"m", UnitKind::kDuration, "", 60},
    Unit{"h", UnitKind::kDuration, "", 3600},
    Unit{"d", UnitKind::kDuration, "", 86400},
    Unit{"ops", UnitKind::kPlain, " ops/s"},
    Unit{"reqps", UnitKind::kPlain, " req/s"},
    Unit{"rps", UnitKind::kPlain, " reads/s"},
    Unit{"rds", UnitKind::kPlain, " reads/s"},
    Unit{"wps", UnitKind::kPlain, " writes/s"},
    Unit{"iops", UnitKind::kPlain, " io/s"},
    Unit{"pps", UnitKind::kPlain, " p/s"},
    Unit{"eps", UnitKind::kPlain, " events/s"},
    Unit{"cps", UnitKind::kPlain, " c/s"},
    Unit{"hertz", UnitKind::kPlain, "Hz"},
    Unit{"rotrpm", UnitKind::kPlain, " rpm"},
    Unit{"celsius", UnitKind::kFixed, " °C"},
    Unit{"volt", UnitKind::kPlain, "V"},
    Unit{"amp", UnitKind::kPlain, "A"},
    Unit{"watt", UnitKind::kPlain, "W"},
    Unit{"joule", UnitKind::kPlain, "J"},
    Unit{"cores", UnitKind::kPlain, " cores"},
    Unit{"bool", UnitKind::kBool, ""},
    Unit{"bool_yes_no", UnitKind::kBool, ""},
};

struct Scale {
  double size;
  std::string_view suffix;
};
// Nothing below one: a quarter of a core is better read as 0.25 than as 250 m.
constexpr std::array kDecimalScales = {Scale{1, ""},    Scale{1e3, "k"},  Scale{1e6, "M"},
                                       Scale{1e9, "G"}, Scale{1e12, "T"}, Scale{1e15, "P"}};
constexpr std::array kBinaryScales = {Scale{1, ""},        Scale{0x1p10, "Ki"},
                                      Scale{0x1p20, "Mi"}, Scale{0x1p30, "Gi"},
                                      Scale{0x1p40, "Ti"}, Scale{0x1p50, "Pi"}};
constexpr std::array kTimeScales = {
    Scale{1e-9, " ns"}, Scale{1e-6, " µs"}, Scale{1e-3, " ms"}, Scale{1, " s"},
    Scale{60, " min"},  Scale{3600, " h"},  Scale{86400, " d"}, Scale{86400 * 365.0, " y"}};

std::span<const Scale> ScalesOf(const Unit& unit) {
  switch (unit.kind) {
    case UnitKind::kPlain: return kDecimalScales;
    case UnitKind::kBinary: return kBinaryScales;
    case UnitKind::kDuration: return kTimeScales;
    default: return std::span(kDecimalScales).first(1);
  }
}

// The largest scale that leaves at least one digit before the point.
const Scale& PickScale(std::span<const Scale> scales, double magnitude) {
  const Scale* best = &scales.front();
  for (const Scale& s : scales) {
    if (magnitude >= s.size * 0.9995) best = &s;
  }
  return *best;
}

std::string Number(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", decimals, value);
  // "-0" and "-0.00" say nothing more than zero.
  if (std::string_view(text).find_first_not_of("-0.") == std::string_view::npos && *text == '-') {
    return text + 1;
  }
  return text;
}

int DecimalsForStep(double step) {
  if (!(step > 0)) return 0;
  const int decimals = static_cast<int>(std::ceil(-std::log10(step) - 1e-6));
  return std::clamp(decimals, 0, 6);
}

// For about three digits, fewer where they would be zeros.
int DecimalsFor(const Unit& unit, double scaled) {
  if (scaled == std::round(scaled) && (scaled == 0 || unit.kind == UnitKind::kPercent)) return 0;
  if (scaled >= 99.95) return 0;
  if (scaled >= 9.995) return 1;
  if (scaled >= 0.1 || unit.kind == UnitKind::kPercent) return 2;
  return std::clamp(1 - static_cast<int>(std::floor(std::log10(scaled))), 3, 6);
}

std::string Compose(const Unit& unit, double shown, const Scale& scale, int decimals) {
  std::string out = Number(shown / scale.size, decimals);
  // "1.50 KiB" and "142 MB/s", but "1.50k ops/s", "61.4%" and "213 ms", whose parts bring their own
  // space.
  const bool has_letter = !scale.suffix.empty() && scale.suffix[0] != ' ';
  const bool has_own_space = unit.suffix.empty() ? !has_letter : unit.suffix[0] == ' ';
  if (!has_own_space && unit.kind != UnitKind::kPercent) out += ' ';
  out += scale.suffix;
  out += unit.suffix;
  return out;
}

}  // namespace

const Unit& UnitById(std::string_view id) {
  const auto it =
      std::find_if(kUnits.begin(), kUnits.end(), [id](const Unit& unit) { return unit.id == id; });
  return it == kUnits.end() ? kUnits.front() : *it;
}

const Unit& GuessUnit(std::string_view expr) {
  const auto has = [expr](std::string_view part) { return expr.find(part) != expr.npos; };
  const bool is_rate = has("rate(") || has("deriv(");
  const bool is_division = has(" / ") || has(")/");
  if (has("histogram_quantile") && has("_seconds")) return UnitById("s");
  if (is_division) return UnitById("short");
  if (has("_bytes")) return UnitById(is_rate ? "binBps" : "bytes");
  if (has("_ratio")) return UnitById("percentunit");
  if (has("_cpu_seconds") || has("cpu_usage_seconds")) return UnitById(is_rate ? "cores" : "s");
  if (has("_seconds")) return UnitById(is_rate ? "percentunit" : "s");
  if (has("_celsius")) return UnitById("celsius");
  if (has("_requests_total") && is_rate) return UnitById("reqps");
  if (has("_packets") && is_rate) return UnitById("pps");
  return UnitById("short");
}

std::string FormatValue(const Unit& unit, double value) {
  if (std::isnan(value)) return "–";
  if (std::isinf(value)) return value > 0 ? "∞" : "-∞";
  if (unit.kind == UnitKind::kBool) return value != 0 ? "yes" : "no";
  const double shown = value * unit.factor;
  const double magnitude = std::abs(shown);
  const Scale& scale = magnitude == 0 ? Scale{1, unit.kind == UnitKind::kDuration ? " s" : ""}
                                      : PickScale(ScalesOf(unit), magnitude);
  const bool is_count = scale.suffix.empty() && shown == std::round(shown);
  return Compose(unit, shown, scale, is_count ? 0 : DecimalsFor(unit, magnitude / scale.size));
}

std::string FormatTick(const Unit& unit, double value, double step) {
  if (unit.kind == UnitKind::kBool) return value != 0 ? "yes" : "no";
  const double shown = value * unit.factor;
  const double shown_step = std::abs(step * unit.factor);
  const bool is_zero = std::abs(shown) < shown_step * 1e-6;
  const Scale& scale = is_zero ? Scale{1, unit.kind == UnitKind::kDuration ? " s" : ""}
                               : PickScale(ScalesOf(unit), std::abs(shown));
  return Compose(unit, is_zero ? 0 : shown, scale,
                 is_zero ? 0 : DecimalsForStep(shown_step / scale.size));
}

std::string FormatAge(int64_t ms) {
  const int64_t s = std::max<int64_t>(0, ms) / 1000;
  if (s < 60) return std::to_string(s) + " s";
  if (s < 3600) return std::to_string(s / 60) + " m";
  if (s < 48 * 3600) return std::to_string(s / 3600) + " h";
  return std::to_string(s / 86400) + " d";
}

}  // namespace deckwatch::dashboard
