#include "scraper/text_parser.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

namespace deckwatch::scraper {

namespace {

// Far above any sane label_limit. Label sets are built by insertion, so that a hostile line of a
// million labels would keep a worker busy for minutes before the limit could refuse it.
constexpr size_t kMaxLabels = 2000;

bool IsBlank(char c) {
  return c == ' ' || c == '\t';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsNameStart(char c, bool colon) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
}

size_t SkipBlanks(std::string_view s, size_t i) {
  while (i < s.size() && IsBlank(s[i])) ++i;
  return i;
}

// The end of the plain name that begins at `i`; `i` when there is none.
size_t NameEnd(std::string_view s, size_t i, bool colon) {
  if (i >= s.size() || !IsNameStart(s[i], colon)) return i;
  while (i < s.size() && (IsNameStart(s[i], colon) || IsDigit(s[i]))) ++i;
  return i;
}

// The position of the quote that closes the one at `i`; npos when it is missing.
size_t ClosingQuote(std::string_view s, size_t i) {
  for (++i; i < s.size(); ++i) {
    if (s[i] == '\\') {
      ++i;
    } else if (s[i] == '"') {
      return i;
    }
  }
  return std::string_view::npos;
}

// Undoes \\ \n and, when `quotes`, \". Any other backslash stays.
std::string UnescapeText(std::string_view s, bool quotes) {
  std::string out;
  out.reserve(s.size());
  for (size_t i = 0; i < s.size(); ++i) {
    const char next = s[i] == '\\' && i + 1 < s.size() ? s[i + 1] : '\0';
    if (next == '\\' || next == 'n' || (quotes && next == '"')) {
      out += next == 'n' ? '\n' : next;
      ++i;
    } else {
      out += s[i];
    }
  }
  return out;
}

constexpr double kPow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                             1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// Decimal with a mantissa below 2^53 and a power of ten within 22: one correctly rounded operation
// (Clinger 1990, "How to read floating point numbers accurately"). False when the text is anything
// else, valid or not.
bool ParseShortDecimal(std::string_view s, double* out) {
  const char* p = s.data();
  const char* const end = p + s.size();
  const bool negative = p != end && *p == '-';
  p += negative;
  uint64_t mantissa = 0;
  const char* const digits = p;
  while (p != end && IsDigit(*p)) mantissa = mantissa * 10 + static_cast<uint64_t>(*p++ - '0');
  int n_digits = static_cast<int>(p - digits);
  int exponent = 0;
  if (p != end && *p == '.') {
    const char* const fraction = ++p;
    while (p != end && IsDigit(*p)) mantissa = mantissa * 10 + static_cast<uint64_t>(*p++ - '0');
    exponent = -static_cast<int>(p - fraction);
    n_digits -= exponent;
  }
  if (n_digits == 0 || n_digits > 19) return false;
  if (p != end && (*p == 'e' || *p == 'E')) {
    ++p;
    const bool minus = p != end && *p == '-';
    if (p != end && (*p == '-' || *p == '+')) ++p;
    if (end - p < 1 || end - p > 3) return false;
    int e = 0;
    while (p != end && IsDigit(*p)) e = e * 10 + (*p++ - '0');
    exponent += minus ? -e : e;
  }
  if (p != end || mantissa > uint64_t{1} << 53 || exponent < -22 || exponent > 22) return false;
  const auto m = static_cast<double>(mantissa);
  const double v = exponent < 0 ? m / kPow10[-exponent] : m * kPow10[exponent];
  *out = negative ? -v : v;
  return true;
}

bool ParseMillis(std::string_view s, int64_t* out) {
  const auto r = std::from_chars(s.data(), s.data() + s.size(), *out);
  return r.ec == std::errc() && r.ptr == s.data() + s.size() && IsDigit(s[0]);
}

// OpenMetrics times are seconds; Prometheus truncates the product to whole milliseconds.
bool ParseSeconds(std::string_view s, int64_t* out_ms) {
  double seconds = 0;
  if (!ParseNumber(s, &seconds) || !(std::fabs(seconds) < 9e15)) return false;
  *out_ms = static_cast<int64_t>(seconds * 1000);
  return true;
}

// Up to the next blank (Prometheus) or space (OpenMetrics).
std::string_view Token(TextFormat format, std::string_view s) {
  size_t n = 0;
  if (format == TextFormat::kOpenMetrics) {
    while (n < s.size() && s[n] != ' ') ++n;
  } else {
    while (n < s.size() && !IsBlank(s[n])) ++n;
  }
  return s.substr(0, n);
}

Result<MetricType> ParseType(TextFormat format, std::string_view text) {
  const bool open = format == TextFormat::kOpenMetrics;
  if (text == "counter") return MetricType::kCounter;
  if (text == "gauge") return MetricType::kGauge;
  if (text == "histogram") return MetricType::kHistogram;
  if (text == "summary") return MetricType::kSummary;
  if (text == (open ? "unknown" : "untyped")) return MetricType::kUnknown;
  if (open && text == "gaugehistogram") return MetricType::kGaugeHistogram;
  if (open && text == "info") return MetricType::kInfo;
  if (open && text == "stateset") return MetricType::kStateSet;
  return Status::InvalidArgument("invalid metric type " + QuoteGo(text.substr(0, 64)));
}

Status Expected(std::string_view what, std::string_view line, size_t at) {
  const std::string_view rest = line.substr(std::min(at, line.size()));
  return Status::InvalidArgument(
      "expected " + std::string(what) +
      (rest.empty() ? " at the end of the line" : " before " + QuoteGo(rest.substr(0, 32))));
}

// The keyword of a "# HELP", "# TYPE" or "# UNIT" line and where the name begins.
LineKind MetaKind(TextFormat format, std::string_view line, size_t* name_at) {
  const bool open = format == TextFormat::kOpenMetrics;
  size_t i = open ? 1 + (line.size() > 1 && line[1] == ' ') : SkipBlanks(line, 1);
  if (i == 1 || line.size() < i + 5) return LineKind::kComment;
  const std::string_view word = line.substr(i, 4);
  if (!(open ? line[i + 4] == ' ' : IsBlank(line[i + 4]))) return LineKind::kComment;
  *name_at = open ? i + 5 : SkipBlanks(line, i + 5);
  if (word == "HELP") return LineKind::kHelp;
  if (word == "TYPE") return LineKind::kType;
  if (word == "UNIT" && open) return LineKind::kUnit;
  return LineKind::kComment;
}

}  // namespace

LineKind ClassifyLine(TextFormat format, std::string_view line) {
  if (format == TextFormat::kOpenMetrics) {
    if (line == "# EOF") return LineKind::kEof;
    if (!line.starts_with('#')) return LineKind::kSample;  // a blank line is then refused
  } else {
    line.remove_prefix(SkipBlanks(line, 0));
    if (line.empty()) return LineKind::kBlank;
    if (line[0] != '#') return LineKind::kSample;
  }
  size_t name_at = 0;
  return MetaKind(format, line, &name_at);
}

Status ParseMetaLine(TextFormat format, LineKind kind, std::string_view line, MetaLine* out) {
  if (format == TextFormat::kPrometheus) line.remove_prefix(SkipBlanks(line, 0));
  size_t i = 0;
  MetaKind(format, line, &i);
  size_t end = 0;
  if (i < line.size() && line[i] == '"') {
    end = ClosingQuote(line, i);
    if (end == std::string_view::npos) return Expected("closing quote", line, i);
    out->name = line.substr(i + 1, end - i - 1);
    ++end;
  } else {
    end = NameEnd(line, i, true);
    out->name = line.substr(i, end - i);
  }
  if (out->name.empty()) return Expected("metric name", line, i);
  if (end < line.size() && !IsBlank(line[end])) return Expected("blank after name", line, end);
  std::string_view text = line.substr(end);
  if (format == TextFormat::kPrometheus) {
    text.remove_prefix(SkipBlanks(text, 0));
  } else if (!text.empty()) {
    text.remove_prefix(1);
  }
  out->text.clear();
  out->type = MetricType::kUnknown;
  if (kind == LineKind::kType) {
    TRY_ASSIGN(out->type, ParseType(format, text));
    return Status::Ok();
  }
  if (!IsValidUtf8(text)) return Status::InvalidArgument("help text is not valid UTF-8");
  out->text = UnescapeText(text, format == TextFormat::kOpenMetrics);
  if (kind == LineKind::kUnit && !out->text.empty() &&
      !(out->name.size() > out->text.size() && out->name.ends_with(out->text) &&
        out->name[out->name.size() - out->text.size() - 1] == '_')) {
    return Status::InvalidArgument("unit " + QuoteGo(out->text) + " is not a suffix of metric " +
                                   QuoteGo(out->name));
  }
  return Status::Ok();
}

std::string_view SeriesText::Unescape(std::string_view quoted) {
  if (quoted.find('\\') == std::string_view::npos) return quoted;
  unescaped_.push_back(UnescapeText(quoted, true));
  return unescaped_.back();
}

// Reads the series part of a line, token by token.
class SeriesLexer {
 public:
  SeriesLexer(TextFormat format, std::string_view line, SeriesText* out)
      : open_(format == TextFormat::kOpenMetrics), line_(line), out_(out) {}

  Status Run() {
    Skip();
    const size_t end = NameEnd(line_, i_, true);
    out_->name = line_.substr(i_, end - i_);
    i_ = end;
    if (!open_) Skip();
    if (At('{')) {
      ++i_;
      TRY(Braces());
    } else if (out_->name.empty()) {
      return Expected("a metric name", line_, i_);
    }
    if (out_->name.empty()) return Status::InvalidArgument("no metric name");
    if (open_) {
      if (!At(' ')) return Expected("a space before the value", line_, i_);
      ++i_;
    } else {
      // Skip() above has eaten the blank that must end a bare name.
      Skip();
      if (i_ == end && !Done()) return Expected("a blank after the name", line_, i_);
    }
    if (Done()) return Expected("a value", line_, i_);
    out_->length = i_;
    return CheckUnique();
  }

 private:
  bool Done() const { return i_ >= line_.size(); }
  bool At(char c) const { return !Done() && line_[i_] == c; }
  void Skip() {
    if (!open_) i_ = SkipBlanks(line_, i_);
  }

  // A quoted string; the cursor ends behind it.
  Status Quoted(std::string_view what, std::string_view* text) {
    if (!At('"')) return Expected(what, line_, i_);
    const size_t close = ClosingQuote(line_, i_);
    if (close == std::string_view::npos) return Expected("closing quote", line_, i_);
    const std::string_view raw = line_.substr(i_ + 1, close - i_ - 1);
    if (!IsValidUtf8(raw)) {
      return Status::InvalidArgument("invalid UTF-8 label value: " + QuoteGo(raw.substr(0, 64)));
    }
    *text = out_->Unescape(raw);
    i_ = close + 1;
    return Status::Ok();
  }

  Status Braces() {
    for (;;) {
      Skip();
      if (At('}')) {
        ++i_;
        return Status::Ok();
      }
      TRY(LabelOrName());
      Skip();
      if (At(',')) {
        ++i_;
      } else if (!At('}')) {
        return Expected("a comma or a closing brace", line_, i_);
      }
    }
  }

  Status LabelOrName() {
    std::string_view name;
    if (At('"')) {
      TRY(Quoted("a label name", &name));
      Skip();
      if (At(',') || At('}')) return SetName(name);
    } else {
      const size_t end = NameEnd(line_, i_, false);
      name = line_.substr(i_, end - i_);
      i_ = end;
      Skip();
    }
    if (name.empty()) return Expected("a label name", line_, i_);
    if (!At('=')) return Expected("an equal sign", line_, i_);
    ++i_;
    Skip();
    std::string_view value;
    TRY(Quoted("a quoted label value", &value));
    if (out_->labels.size() == kMaxLabels) {
      return Status::ResourceExhausted("more than " + std::to_string(kMaxLabels) + " labels");
    }
    out_->labels.emplace_back(name, value);
    return Status::Ok();
  }

  Status SetName(std::string_view name) {
    if (!out_->name.empty()) return Status::InvalidArgument("metric name is given twice");
    if (name.empty()) return Status::InvalidArgument("no metric name");
    out_->name = name;
    return Status::Ok();
  }

  // Sorting a handful of names beats a set; hostile lines with very many stay n log n.
  Status CheckUnique() const {
    std::vector<std::string_view> names{kMetricName};
    names.reserve(out_->labels.size() + 1);
    for (const auto& label : out_->labels) names.push_back(label.first);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice == names.end()) return Status::Ok();
    return Status::InvalidArgument("label name " + QuoteGo(*twice) + " is not unique");
  }

  const bool open_;
  const std::string_view line_;
  SeriesText* const out_;
  size_t i_ = 0;
};

Status SeriesText::Parse(TextFormat format, std::string_view line) {
  name = {};
  labels.clear();
  unescaped_.clear();
  // Views into short strings would break when the vector grows.
  unescaped_.reserve(static_cast<size_t>(std::count(line.begin(), line.end(), '"')) / 2);
  return SeriesLexer(format, line, this).Run();
}

bool ParseNumber(std::string_view text, double* out) {
  if (ParseShortDecimal(text, out)) return true;
  if (text.find_first_of("pP_xX") != std::string_view::npos || !ParseFloat(text, out)) return false;
  if (std::isnan(*out)) *out = NormalNan();
  return true;
}

const char* ParseSampleTail(TextFormat format, std::string_view tail, SampleTail* out) {
  const bool open = format == TextFormat::kOpenMetrics;
  const std::string_view value = Token(format, tail);
  if (!ParseNumber(value, &out->value)) return "value is not a number";
  out->has_time = false;
  out->exemplar = {};
  if (value.size() == tail.size()) return nullptr;
  std::string_view rest = tail.substr(value.size());
  const auto next = [&] { rest.remove_prefix(open ? 1 : SkipBlanks(rest, 0)); };
  next();
  if (rest.empty()) return open ? "blank at the end of the line" : nullptr;
  if (rest[0] != '#') {
    const std::string_view time = Token(format, rest);
    out->has_time = open ? ParseSeconds(time, &out->t_ms) : ParseMillis(time, &out->t_ms);
    if (!out->has_time) return "timestamp is not a number";
    rest.remove_prefix(time.size());
    if (rest.empty()) return nullptr;
    next();
    if (rest.empty()) return open ? "blank at the end of the line" : nullptr;
  }
  if (!open || !rest.starts_with("# {")) return "unexpected text after the sample";
  out->exemplar = rest.substr(2);
  return nullptr;
}

Status ParseExemplar(std::string_view text, int64_t default_t_ms, Exemplar* out) {
  // The labels have the grammar of a series; give them a name so that one lexer reads both.
  const std::string line = "x" + std::string(text);
  SeriesText labels;
  TRY(labels.Parse(TextFormat::kOpenMetrics, line));
  size_t runes = 0;
  LabelsBuilder builder;
  for (const auto& [name, value] : labels.labels) {
    for (const std::string_view s : {name, value}) {
      runes += static_cast<size_t>(
          std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xc0) != 0x80; }));
    }
    builder.Set(name, value);
  }
  SampleTail tail;
  const std::string_view rest = std::string_view(line).substr(labels.length);
  if (const char* why = ParseSampleTail(TextFormat::kOpenMetrics, rest, &tail)) {
    return Status::InvalidArgument(std::string("exemplar: ") + why);
  }
  if (!tail.exemplar.empty()) return Status::InvalidArgument("exemplar inside an exemplar");
  if (runes > 128) return {StatusCode::kOutOfRange, "exemplar labels exceed 128 characters"};
  *out = {builder.Build(), tail.value, tail.has_time ? tail.t_ms : default_t_ms, tail.has_time};
  return Status::Ok();
}

std::string NormalFloatLabel(std::string_view value) {
  double v = 0;
  if (!ParseFloat(value, &v)) return std::string(value);
  if (v == 0) return std::signbit(v) ? "-0.0" : "0.0";
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  // Go's 'g' with shortest digits: plain for exponents in [-4, 21).
  const int magnitude = static_cast<int>(std::floor(std::log10(std::fabs(v))));
  char buffer[64];
  const bool plain = magnitude >= -4 && magnitude < 21;
  const auto r = std::to_chars(buffer, buffer + sizeof buffer, v,
                               plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string out(buffer, r.ptr);
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

}  // namespace deckwatch::scraper
