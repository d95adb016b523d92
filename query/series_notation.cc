#include "query/series_notation.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/clock.h"
#include "query/histogram_math.h"
#include "query/parser.h"
#include "query/runes.h"

namespace deckwatch::query {

namespace {

// A position in the text, and what can be read from there.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool AtEnd() const { return pos_ >= text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[pos_]; }
  bool TakeIf(std::string_view word) {
    if (!text_.substr(pos_).starts_with(word)) return false;
    pos_ += word.size();
    return true;
  }
  void SkipSpace() {
    while (!AtEnd() && IsSpace(Peek())) ++pos_;
  }

  Status Fail(std::string_view expected) const {
    const std::string_view rest = text_.substr(std::min(pos_, text_.size()), 20);
    return Status::InvalidArgument("column " + std::to_string(pos_ + 1) + ": expected " +
                                   std::string(expected) +
                                   (rest.empty() ? " at the end" : ", found " + QuoteGo(rest)));
  }

  std::string_view Word() {
    const size_t begin = pos_;
    while (IsAlpha(Peek())) ++pos_;
    return text_.substr(begin, pos_ - begin);
  }

  // Decimal, or Inf or NaN in any case, with an optional sign.
  Result<double> Number() {
    const size_t begin = pos_;
    if (Peek() == '+' || Peek() == '-') ++pos_;
    if (IsAlpha(Peek())) {
      while (IsAlpha(Peek()) && Peek() != 'x') ++pos_;
    } else {
      while (IsDigit(Peek()) || Peek() == '.' || Peek() == '_') ++pos_;
      if (Peek() == 'e' || Peek() == 'E') {
        ++pos_;
        if (Peek() == '+' || Peek() == '-') ++pos_;
        while (IsDigit(Peek())) ++pos_;
      }
    }
    std::string digits(text_.substr(begin, pos_ - begin));
    std::erase(digits, '_');
    double value = 0;
    if (ParseFloat(digits, &value)) return value;
    pos_ = begin;
    return Fail("a number");
  }

  Result<uint64_t> Count() {
    uint64_t n = 0;
    const auto r = std::from_chars(text_.data() + pos_, text_.data() + text_.size(), n);
    if (r.ec != std::errc() || n > kMaxSequence) return Fail("a number of repetitions");
    pos_ = static_cast<size_t>(r.ptr - text_.data());
    return n;
  }

  // A duration with an optional sign, in milliseconds.
  Result<double> SignedDuration() {
    const bool negative = Peek() == '-';
    if (negative || Peek() == '+') ++pos_;
    const size_t begin = pos_;
    while (IsDigit(Peek())) ++pos_;
    while (IsAlpha(Peek()) && Peek() != 'x') ++pos_;
    TRY_ASSIGN(const int64_t ms, ParseDurationMs(text_.substr(begin, pos_ - begin)));
    return static_cast<double>(negative ? -ms : ms);
  }

 private:
  std::string_view text_;
  size_t pos_ = 0;
};

// ---- histograms

struct HistogramLiteral {
  Histogram histogram;
  bool hint_given = false;
};

class HistogramParser {
 public:
  explicit HistogramParser(Scanner* in) : in_(in) {}

  // What stands behind "{{", up to and with "}}".
  Result<HistogramLiteral> Parse() {
    for (;;) {
      in_->SkipSpace();
      if (in_->TakeIf("}}")) break;
      TRY(Field());
    }
    SetSpan(offset_, out_.histogram.positive_buckets, &out_.histogram.positive_spans);
    SetSpan(negative_offset_, out_.histogram.negative_buckets, &out_.histogram.negative_spans);
    return std::move(out_);
  }

 private:
  Status Field() {
    std::string key(in_->Word());
    std::ranges::transform(key, key.begin(), [](char c) {
      return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    });
    if (key.empty()) return in_->Fail("a histogram field such as buckets:[5 10 7]");
    if (!in_->TakeIf(":")) return in_->Fail("':' behind " + QuoteGo(key));
    if (!seen_.insert(key).second) {
      return Status::InvalidArgument("duplicate key " + QuoteGo(key) + " in histogram");
    }
    Histogram& h = out_.histogram;
    if (key == "counter_reset_hint") return Hint();
    if (key == "buckets") return List(&h.positive_buckets);
    if (key == "n_buckets") return List(&h.negative_buckets);
    if (key == "custom_values") return List(&h.custom_values);
    if (key == "sum") return Value(&h.sum);
    if (key == "count") return Value(&h.count);
    if (key == "z_bucket") return Value(&h.zero_count);
    if (key == "z_bucket_w") return Value(&h.zero_threshold);
    if (key == "schema") return Schema(&h.schema);
    if (key == "offset") return Integer(&offset_);
    if (key == "n_offset") return Integer(&negative_offset_);
    return Status::InvalidArgument("bad histogram descriptor found: " + QuoteGo(key));
  }

  Status Value(double* value) {
    TRY_ASSIGN(*value, in_->Number());
    return Status::Ok();
  }

  Status Integer(int32_t* value) {
    TRY_ASSIGN(const double number, in_->Number());
    if (number != std::trunc(number) || std::fabs(number) > 1e9) return in_->Fail("an integer");
    *value = static_cast<int32_t>(number);
    return Status::Ok();
  }

  Status Schema(int32_t* schema) {
    TRY(Integer(schema));
    if (*schema == kCustomBucketsSchema ||
        (*schema >= kMinExponentialSchema && *schema <= kMaxExponentialSchema)) {
      return Status::Ok();
    }
    return in_->Fail("a schema, -4 to 8 or -53");
  }

  Status List(std::vector<double>* values) {
    if (!in_->TakeIf("[")) return in_->Fail("'['");
    for (;;) {
      in_->SkipSpace();
      if (in_->TakeIf("]")) return Status::Ok();
      TRY_ASSIGN(values->emplace_back(), in_->Number());
    }
  }

  Status Hint() {
    const std::string_view word = in_->Word();
    static constexpr std::pair<std::string_view, CounterResetHint> kHints[] = {
        {"unknown", CounterResetHint::kUnknown},
        {"reset", CounterResetHint::kReset},
        {"not_reset", CounterResetHint::kNotReset},
        {"gauge", CounterResetHint::kGauge}};
    for (const auto& [name, hint] : kHints) {
      if (word != name) continue;
      out_.histogram.hint = hint;
      out_.hint_given = true;
      return Status::Ok();
    }
    return in_->Fail("a counter reset hint");
  }

  static void SetSpan(int32_t offset, const std::vector<double>& buckets,
                      std::vector<HistogramSpan>* spans) {
    if (!buckets.empty()) spans->push_back({offset, static_cast<uint32_t>(buckets.size())});
  }

  Scanner* in_;
  HistogramLiteral out_;
  int32_t offset_ = 0;
  int32_t negative_offset_ = 0;
  std::set<std::string> seen_;
};

// ---- sequences

class SequenceParser {
 public:
  explicit SequenceParser(std::string_view text) : in_(text) {}

  Result<std::vector<SequenceValue>> Values() {
    return Items([this] {
      return in_.TakeIf("{{") ? HistogramItem() : in_.Peek() == 's' ? Stale() : NumberItem();
    });
  }

  Result<std::vector<SequenceValue>> StartTimes() {
    return Items([this] { return in_.TakeIf("*") ? RepeatLast() : StartTimeItem(); });
  }

 private:
  template <typename Item>
  Result<std::vector<SequenceValue>> Items(Item item) {
    for (in_.SkipSpace(); !in_.AtEnd(); in_.SkipSpace()) {
      TRY(in_.TakeIf("_") ? Omitted() : item());
      if (!in_.AtEnd() && !IsSpace(in_.Peek())) return in_.Fail("a space");
      if (out_.size() > kMaxSequence) return in_.Fail("fewer values");
    }
    return std::move(out_);
  }

  // xN, or nothing.
  Result<std::optional<uint64_t>> Times() {
    if (!in_.TakeIf("x")) return std::optional<uint64_t>();
    TRY_ASSIGN(const uint64_t n, in_.Count());
    return std::optional<uint64_t>(n);
  }

  Status Omitted() {
    TRY_ASSIGN(const auto times, Times());
    out_.insert(out_.end(), times.value_or(1), SequenceValue{true, 0, nullptr, false});
    return Status::Ok();
  }

  Status Stale() {
    if (in_.Word() != "stale") return in_.Fail("a number or \"stale\"");
    out_.push_back({false, StaleNan(), nullptr, false});
    return Status::Ok();
  }

  Status NumberItem() {
    TRY_ASSIGN(const double first, in_.Number());
    double step = 0;
    const bool stepped = in_.Peek() == '+' || in_.Peek() == '-';
    if (stepped) {
      TRY_ASSIGN(step, in_.Number());
    }
    return Steps(first, step, stepped);
  }

  Status StartTimeItem() {
    TRY_ASSIGN(const double first, in_.SignedDuration());
    double step = 0;
    const bool stepped = in_.Peek() == '+' || in_.Peek() == '-';
    if (stepped) {
      TRY_ASSIGN(step, in_.SignedDuration());
    }
    return Steps(first, step, stepped);
  }

  Status RepeatLast() {
    const auto last =
        std::find_if(out_.rbegin(), out_.rend(), [](const SequenceValue& v) { return !v.omitted; });
    return Steps(last == out_.rend() ? 0 : last->value, 0, false);
  }

  Status Steps(double value, double step, bool must_repeat) {
    TRY_ASSIGN(const auto times, Times());
    if (must_repeat && !times) return in_.Fail("'x' and a number of repetitions");
    for (uint64_t i = 0; i <= times.value_or(0); ++i, value += step) {
      out_.push_back({false, value, nullptr, false});
    }
    return Status::Ok();
  }

  Status HistogramItem() {
    TRY_ASSIGN(HistogramLiteral base, HistogramParser(&in_).Parse());
    std::optional<HistogramLiteral> step;
    const bool subtract = in_.TakeIf("-{{");
    if (subtract || in_.TakeIf("+{{")) {
      TRY_ASSIGN(step, HistogramParser(&in_).Parse());
    }
    TRY_ASSIGN(const auto times, Times());
    if (step && !times) return in_.Fail("'x' and a number of repetitions");
    const bool hint_given = step ? step->hint_given : base.hint_given;
    Histogram current = std::move(base.histogram);
    for (uint64_t i = 0; i <= times.value_or(0); ++i) {
      if (i > 0 && step) TRY(Combine(&current, step->histogram, subtract));
      out_.push_back({false, 0, std::make_shared<Histogram>(current), hint_given});
    }
    return Status::Ok();
  }

  static Status Combine(Histogram* current, const Histogram& step, bool subtract) {
    const bool finer = current->schema > step.schema;
    if (finer ||
        !(subtract ? SubtractHistogram(current, step) : AddHistogram(current, step)).compatible) {
      return Status::InvalidArgument("error combining histograms: cannot merge from schema " +
                                     std::to_string(step.schema) + " to " +
                                     std::to_string(current->schema));
    }
    return Status::Ok();
  }

  Scanner in_;
  std::vector<SequenceValue> out_;
};

// Where the metric ends: behind the closing brace outside of strings, or at the first space.
size_t MetricLength(std::string_view line) {
  size_t i = 0;
  while (i < line.size() && line[i] != '{' && !IsSpace(line[i])) ++i;
  if (i == line.size() || line[i] != '{') return i;
  char quote = '\0';
  for (; i < line.size(); ++i) {
    if (quote != '\0') {
      if (line[i] == '\\' && quote != '`') {
        ++i;
      } else if (line[i] == quote) {
        quote = '\0';
      }
    } else if (line[i] == '"' || line[i] == '\'' || line[i] == '`') {
      quote = line[i];
    } else if (line[i] == '}') {
      return i + 1;
    }
  }
  return line.size();
}

}  // namespace

Result<std::vector<SequenceValue>> ParseSequence(std::string_view text) {
  return SequenceParser(text).Values();
}

Result<std::vector<SequenceValue>> ParseStartTimes(std::string_view text) {
  return SequenceParser(text).StartTimes();
}

Result<SeriesLine> ParseSeriesLine(std::string_view line) {
  while (!line.empty() && IsSpace(line.front())) line.remove_prefix(1);
  const size_t metric = MetricLength(line);
  SeriesLine out;
  TRY_ASSIGN(out.labels, ParseMetric(line.substr(0, metric)));
  TRY_ASSIGN(out.values, ParseSequence(line.substr(metric)));
  return out;
}

}  // namespace deckwatch::query
