#include "query/functions.h"

#include <algorithm>

#include "query/function_id.h"

namespace deckwatch::query {
namespace {

// One line per function. Types are letters: V instant vector, M range vector, S scalar, T string.
struct Row {
  std::string_view name;
  FunctionId id;
  std::string_view args;
  int variadic;
  char returns;
  bool experimental;
};

ValueType TypeOf(char letter) {
  switch (letter) {
    case 'V': return ValueType::kVector;
    case 'M': return ValueType::kMatrix;
    case 'S': return ValueType::kScalar;
    default: return ValueType::kString;
  }
}

// Sorted by name, in the order of FunctionId.
constexpr Row kRows[] = {
    {"abs", FunctionId::kAbs, "V", 0, 'V', false},
    {"absent", FunctionId::kAbsent, "V", 0, 'V', false},
    {"absent_over_time", FunctionId::kAbsentOverTime, "M", 0, 'V', false},
    {"acos", FunctionId::kAcos, "V", 0, 'V', false},
    {"acosh", FunctionId::kAcosh, "V", 0, 'V', false},
    {"asin", FunctionId::kAsin, "V", 0, 'V', false},
    {"asinh", FunctionId::kAsinh, "V", 0, 'V', false},
    {"atan", FunctionId::kAtan, "V", 0, 'V', false},
    {"atanh", FunctionId::kAtanh, "V", 0, 'V', false},
    {"avg_over_time", FunctionId::kAvgOverTime, "M", 0, 'V', false},
    {"ceil", FunctionId::kCeil, "V", 0, 'V', false},
    {"changes", FunctionId::kChanges, "M", 0, 'V', false},
    {"clamp", FunctionId::kClamp, "VSS", 0, 'V', false},
    {"clamp_max", FunctionId::kClampMax, "VS", 0, 'V', false},
    {"clamp_min", FunctionId::kClampMin, "VS", 0, 'V', false},
    {"cos", FunctionId::kCos, "V", 0, 'V', false},
    {"cosh", FunctionId::kCosh, "V", 0, 'V', false},
    {"count_over_time", FunctionId::kCountOverTime, "M", 0, 'V', false},
    {"day_of_month", FunctionId::kDayOfMonth, "V", 1, 'V', false},
    {"day_of_week", FunctionId::kDayOfWeek, "V", 1, 'V', false},
    {"day_of_year", FunctionId::kDayOfYear, "V", 1, 'V', false},
    {"days_in_month", FunctionId::kDaysInMonth, "V", 1, 'V', false},
    {"deg", FunctionId::kDeg, "V", 0, 'V', false},
    {"delta", FunctionId::kDelta, "M", 0, 'V', false},
    {"deriv", FunctionId::kDeriv, "M", 0, 'V', false},
    {"double_exponential_smoothing", FunctionId::kDoubleExponentialSmoothing, "MSS", 0, 'V', true},
    {"end", FunctionId::kEnd, "", 0, 'S', true},
    {"exp", FunctionId::kExp, "V", 0, 'V', false},
    {"first_over_time", FunctionId::kFirstOverTime, "M", 0, 'V', false},
    {"floor", FunctionId::kFloor, "V", 0, 'V', false},
    {"histogram_avg", FunctionId::kHistogramAvg, "V", 0, 'V', false},
    {"histogram_count", FunctionId::kHistogramCount, "V", 0, 'V', false},
    {"histogram_fraction", FunctionId::kHistogramFraction, "SSV", 0, 'V', false},
    {"histogram_quantile", FunctionId::kHistogramQuantile, "SV", 0, 'V', false},
    {"histogram_quantiles", FunctionId::kHistogramQuantiles, "VTSS", 9, 'V', true},
    {"histogram_stddev", FunctionId::kHistogramStddev, "V", 0, 'V', false},
    {"histogram_stdvar", FunctionId::kHistogramStdvar, "V", 0, 'V', false},
    {"histogram_sum", FunctionId::kHistogramSum, "V", 0, 'V', false},
    {"hour", FunctionId::kHour, "V", 1, 'V', false},
    {"idelta", FunctionId::kIdelta, "M", 0, 'V', false},
    {"increase", FunctionId::kIncrease, "M", 0, 'V', false},
    {"info", FunctionId::kInfo, "VV", 1, 'V', true},
    {"irate", FunctionId::kIrate, "M", 0, 'V', false},
    {"label_join", FunctionId::kLabelJoin, "VTTT", -1, 'V', false},
    {"label_replace", FunctionId::kLabelReplace, "VTTTT", 0, 'V', false},
    {"last_over_time", FunctionId::kLastOverTime, "M", 0, 'V', false},
    {"ln", FunctionId::kLn, "V", 0, 'V', false},
    {"log10", FunctionId::kLog10, "V", 0, 'V', false},
    {"log2", FunctionId::kLog2, "V", 0, 'V', false},
    {"mad_over_time", FunctionId::kMadOverTime, "M", 0, 'V', true},
    {"max_of", FunctionId::kMaxOf, "SS", 0, 'S', true},
    {"max_over_time", FunctionId::kMaxOverTime, "M", 0, 'V', false},
    {"min_of", FunctionId::kMinOf, "SS", 0, 'S', true},
    {"min_over_time", FunctionId::kMinOverTime, "M", 0, 'V', false},
    {"minute", FunctionId::kMinute, "V", 1, 'V', false},
    {"month", FunctionId::kMonth, "V", 1, 'V', false},
    {"pi", FunctionId::kPi, "", 0, 'S', false},
    {"predict_linear", FunctionId::kPredictLinear, "MS", 0, 'V', false},
    {"present_over_time", FunctionId::kPresentOverTime, "M", 0, 'V', false},
    {"quantile_over_time", FunctionId::kQuantileOverTime, "SM", 0, 'V', false},
    {"rad", FunctionId::kRad, "V", 0, 'V', false},
    {"range", FunctionId::kRange, "", 0, 'S', true},
    {"rate", FunctionId::kRate, "M", 0, 'V', false},
    {"resets", FunctionId::kResets, "M", 0, 'V', false},
    {"round", FunctionId::kRound, "VS", 1, 'V', false},
    {"scalar", FunctionId::kScalar, "V", 0, 'S', false},
    {"sgn", FunctionId::kSgn, "V", 0, 'V', false},
    {"sin", FunctionId::kSin, "V", 0, 'V', false},
    {"sinh", FunctionId::kSinh, "V", 0, 'V', false},
    {"sort", FunctionId::kSort, "V", 0, 'V', false},
    {"sort_by_label", FunctionId::kSortByLabel, "VT", -1, 'V', true},
    {"sort_by_label_desc", FunctionId::kSortByLabelDesc, "VT", -1, 'V', true},
    {"sort_desc", FunctionId::kSortDesc, "V", 0, 'V', false},
    {"sqrt", FunctionId::kSqrt, "V", 0, 'V', false},
    {"start", FunctionId::kStart, "", 0, 'S', true},
    {"start_timestamp", FunctionId::kStartTimestamp, "V", 0, 'V', true},
    {"stddev_over_time", FunctionId::kStddevOverTime, "M", 0, 'V', false},
    {"stdvar_over_time", FunctionId::kStdvarOverTime, "M", 0, 'V', false},
    {"step", FunctionId::kStep, "", 0, 'S', true},
    {"sum_over_time", FunctionId::kSumOverTime, "M", 0, 'V', false},
    {"tan", FunctionId::kTan, "V", 0, 'V', false},
    {"tanh", FunctionId::kTanh, "V", 0, 'V', false},
    {"time", FunctionId::kTime, "", 0, 'S', false},
    {"timestamp", FunctionId::kTimestamp, "V", 0, 'V', false},
    {"ts_of_first_over_time", FunctionId::kTsOfFirstOverTime, "M", 0, 'V', true},
    {"ts_of_last_over_time", FunctionId::kTsOfLastOverTime, "M", 0, 'V', true},
    {"ts_of_max_over_time", FunctionId::kTsOfMaxOverTime, "M", 0, 'V', true},
    {"ts_of_min_over_time", FunctionId::kTsOfMinOverTime, "M", 0, 'V', true},
    {"vector", FunctionId::kVector, "S", 0, 'V', false},
    {"year", FunctionId::kYear, "V", 1, 'V', false},
};

std::vector<Function> BuildTable() {
  std::vector<Function> table;
  for (const Row& row : kRows) {
    Function f{row.name, row.id, {}, row.variadic, TypeOf(row.returns), row.experimental};
    for (char letter : row.args) f.args.push_back(TypeOf(letter));
    table.push_back(std::move(f));
  }
  return table;
}

}  // namespace

const std::vector<Function>& AllFunctions() {
  static const std::vector<Function> table = BuildTable();
  return table;
}

const Function* FindFunction(std::string_view name) {
  const auto& table = AllFunctions();
  auto it = std::ranges::lower_bound(table, name, {}, &Function::name);
  return it != table.end() && it->name == name ? &*it : nullptr;
}

}  // namespace deckwatch::query
