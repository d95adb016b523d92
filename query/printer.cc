// Trees back to text, in Prometheus's canonical spelling (promql/parser/printer.go and
// prettier.go).
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/clock.h"
#include "base/labels.h"
#include "base/sample.h"
#include "query/functions.h"
#include "query/parser.h"

namespace deckwatch::query {

namespace {

std::string JoinLabels(const std::vector<std::string>& labels) {
  std::string out;
  for (const std::string& label : labels) {
    if (!out.empty()) out += ", ";
    out += IsLegacyLabelName(label) ? label : QuoteGo(label);
  }
  return out;
}

std::string Seconds(double seconds) {
  return FormatDurationMs(static_cast<int64_t>(std::trunc(seconds * 1e9)) / 1'000'000);
}

std::string NumberText(const Expr& e) {
  if (!e.number_is_duration) return FormatFloatPlain(e.number);
  return e.number < 0 ? "-" + Seconds(-e.number) : Seconds(e.number);
}

std::string DurationText(const Expr& e) {
  switch (e.duration_op) {
    case 'n': return NumberText(e);
    case 's': return "step()";
    case 'r': return "range()";
    case '(': return "(" + DurationText(*e.lhs) + ")";
    case 'u': return "-" + DurationText(*e.lhs);
    case 'm': return "min_of(" + DurationText(*e.lhs) + ", " + DurationText(*e.rhs) + ")";
    case 'M': return "max_of(" + DurationText(*e.lhs) + ", " + DurationText(*e.rhs) + ")";
    default: return DurationText(*e.lhs) + " " + e.duration_op + " " + DurationText(*e.rhs);
  }
}

std::string AtText(const Expr& e) {
  char text[64];
  switch (e.at) {
    case AtModifier::kTimestamp:
      std::snprintf(text, sizeof text, " @ %.3f", static_cast<double>(e.at_ms) / 1000);
      return text;
    case AtModifier::kStart: return " @ start()";
    case AtModifier::kEnd: return " @ end()";
    case AtModifier::kNone: break;
  }
  return "";
}

std::string OffsetText(const Expr& e) {
  if (e.offset_expr) return " offset " + DurationText(*e.offset_expr);
  return e.offset_ms == 0 ? "" : " offset " + FormatDurationMs(e.offset_ms);
}

std::string RangeModeText(const Expr& e) {
  switch (e.range_mode) {
    case RangeMode::kAnchored: return " anchored";
    case RangeMode::kSmoothed: return " smoothed";
    case RangeMode::kPlain: break;
  }
  return "";
}

// name{matchers}, without modifiers.
std::string SelectorText(const Expr& e) {
  std::vector<std::string> matchers;
  for (const Matcher& m : e.matchers) {
    const bool is_name = m.name() == kMetricName && m.type() == MatchType::kEqual &&
                         m.value() == e.metric_name && !m.value().empty();
    if (!is_name) matchers.push_back(m.ToString());
  }
  if (matchers.empty()) return e.metric_name.empty() ? "{}" : e.metric_name;
  std::ranges::sort(matchers);
  std::string out = e.metric_name + "{";
  for (const std::string& m : matchers) {
    if (&m != &matchers.front()) out += ",";
    out += m;
  }
  return out + "}";
}

std::string RangeText(const Expr& e) {
  return e.range_expr ? DurationText(*e.range_expr) : FormatDurationMs(e.range_ms);
}

// [range:step] @ time offset duration
std::string SubquerySuffix(const Expr& e) {
  const std::string step = e.step_expr      ? DurationText(*e.step_expr)
                           : e.step_ms != 0 ? FormatDurationMs(e.step_ms)
                                            : "";
  return "[" + RangeText(e) + ":" + step + "]" + AtText(e) + OffsetText(e);
}

// The operator of a binary expression with its modifiers.
std::string OperatorText(const Expr& e) {
  std::string out(BinaryOpSymbol(e.op));
  if (e.return_bool) out += " bool";
  if (!e.matching) return out;
  const VectorMatching& m = *e.matching;
  const bool grouped = m.card == Cardinality::kManyToOne || m.card == Cardinality::kOneToMany;
  if (!m.labels.empty() || m.on || grouped) {
    out += (m.on ? " on (" : " ignoring (") + JoinLabels(m.labels) + ")";
  }
  if (grouped) {
    out += m.card == Cardinality::kManyToOne ? " group_left (" : " group_right (";
    out += JoinLabels(m.include) + ")";
  }
  const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  if (m.fill_left && m.fill_right && same(*m.fill_left, *m.fill_right)) {
    return out + " fill (" + FormatFloat(*m.fill_left) + ")";
  }
  if (m.fill_left) out += " fill_left (" + FormatFloat(*m.fill_left) + ")";
  if (m.fill_right) out += " fill_right (" + FormatFloat(*m.fill_right) + ")";
  return out;
}

// The operator of an aggregation with its grouping.
std::string AggregateText(const Expr& e) {
  std::string out(AggregateOpName(e.aggregate));
  if (e.without) return out + " without (" + JoinLabels(e.grouping) + ") ";
  if (!e.grouping.empty()) return out + " by (" + JoinLabels(e.grouping) + ") ";
  return out;
}

std::string Indent(int level) {
  return std::string(2 * static_cast<size_t>(level), ' ');
}

bool FitsOnALine(const Expr& e) {
  constexpr size_t kMaxColumns = 100;
  return ToString(e).size() <= kMaxColumns;
}

std::string PrettyAt(const Expr& e, int level);

std::string PrettyArguments(const Expr& e, int level) {
  std::string out;
  for (const auto& arg : e.args) {
    if (!out.empty()) out += ",\n";
    out += PrettyAt(*arg, level);
  }
  return out;
}

std::string PrettyAt(const Expr& e, int level) {
  const std::string indent = Indent(level);
  if (e.kind == NodeKind::kUnary) {
    const std::string child = PrettyAt(*e.lhs, level);
    return indent + (e.negative ? "-" : "+") + child.substr(child.find_first_not_of(" \n"));
  }
  if (FitsOnALine(e)) return (e.kind == NodeKind::kSubquery ? "" : indent) + ToString(e);
  switch (e.kind) {
    case NodeKind::kAggregate: {
      std::string out = indent + AggregateText(e) + "(\n";
      if (e.param) out += PrettyAt(*e.param, level + 1) + ",\n";
      return out + PrettyAt(*e.lhs, level + 1) + "\n" + indent + ")";
    }
    case NodeKind::kBinary:
      return PrettyAt(*e.lhs, level + 1) + "\n" + indent + OperatorText(e) + "\n" +
             PrettyAt(*e.rhs, level + 1);
    case NodeKind::kCall:
      return indent + std::string(e.function->name) + "(\n" + PrettyArguments(e, level + 1) + "\n" +
             indent + ")";
    case NodeKind::kParen:
      return indent + "(\n" + PrettyAt(*e.lhs, level + 1) + "\n" + indent + ")";
    case NodeKind::kSubquery: return PrettyAt(*e.lhs, level) + SubquerySuffix(e);
    default: return indent + ToString(e);
  }
}

}  // namespace

std::string ToString(const Expr& e) {
  switch (e.kind) {
    case NodeKind::kNumber: return NumberText(e);
    case NodeKind::kString: return QuoteGo(e.string);
    case NodeKind::kVectorSelector:
      return SelectorText(e) + AtText(e) + RangeModeText(e) + OffsetText(e);
    case NodeKind::kMatrixSelector:
      return SelectorText(*e.lhs) + "[" + RangeText(e) + "]" + RangeModeText(*e.lhs) +
             AtText(*e.lhs) + OffsetText(*e.lhs);
    case NodeKind::kSubquery: return ToString(*e.lhs) + SubquerySuffix(e);
    case NodeKind::kParen: return "(" + ToString(*e.lhs) + ")";
    case NodeKind::kUnary: return (e.negative ? "-" : "+") + ToString(*e.lhs);
    case NodeKind::kBinary: {
      // A sign in front would take the whole power.
      const bool bare = e.op == BinaryOp::kPow && e.lhs->kind == NodeKind::kNumber;
      std::string lhs = ToString(*e.lhs);
      if (bare && lhs.starts_with('+')) lhs.erase(0, 1);
      return lhs + " " + OperatorText(e) + " " + ToString(*e.rhs);
    }
    case NodeKind::kAggregate:
      return AggregateText(e) + "(" + (e.param ? ToString(*e.param) + ", " : "") +
             ToString(*e.lhs) + ")";
    case NodeKind::kCall: {
      std::string out = std::string(e.function->name) + "(";
      for (const auto& arg : e.args) {
        if (&arg != &e.args.front()) out += ", ";
        out += ToString(*arg);
      }
      return out + ")";
    }
    case NodeKind::kDuration: return DurationText(e);
  }
  return "";
}

std::string Pretty(const Expr& expr) {
  return PrettyAt(expr, 0);
}

}  // namespace deckwatch::query
