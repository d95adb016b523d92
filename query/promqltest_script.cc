#include "query/promqltest_script.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/clock.h"
#include "query/lexer.h"
#include "query/parser.h"

namespace deckwatch::query {

namespace {

std::string_view Trim(std::string_view s) {
  const size_t begin = s.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return s.substr(begin, s.find_last_not_of(" \t\r\n") - begin + 1);
}

// Takes the first word off `s`, which keeps no leading space.
std::string_view TakeWord(std::string_view* s) {
  const size_t end = std::min(s->find_first_of(" \t"), s->size());
  const std::string_view word = s->substr(0, end);
  *s = Trim(s->substr(end));
  return word;
}

// The expression of an eval line starts here; `*s` keeps its trailing part only when `word` leads.
bool TakeIf(std::string_view* s, std::string_view word) {
  std::string_view rest = *s;
  if (TakeWord(&rest) != word) return false;
  *s = rest;
  return true;
}

// Lines without surrounding space; comments are empty.
std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = Trim(text.substr(0, end));
    if (line.starts_with('#')) line = {};
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// A Go-quoted string.
Result<std::string> UnquoteLine(std::string_view text) {
  const auto parsed = ParseExpr(text);
  if (!parsed.ok() || (*parsed)->kind != NodeKind::kString) {
    return Status::InvalidArgument(
        "expected string literal not valid - check that the string is correctly quoted");
  }
  return (*parsed)->string;
}

// What Go's strconv takes for a number: octal and hexadecimal integers too.
bool ParseNumberLine(std::string_view line, double* value) {
  std::string_view digits = line;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.empty() || digits.find_first_of(" \t(){}") != std::string_view::npos) return false;
  const auto parsed = ParseExpr(digits);
  if (!parsed.ok() || (*parsed)->kind != NodeKind::kNumber || (*parsed)->number_is_duration) {
    return false;
  }
  *value = negative ? -(*parsed)->number : (*parsed)->number;
  return true;
}

class ScriptParser {
 public:
  explicit ScriptParser(std::string_view text) : lines_(Lines(text)) {}

  Result<std::vector<ScriptCommand>> Parse() {
    for (; at_ < lines_.size(); ++at_) {
      if (lines_[at_].empty()) continue;
      const int line = static_cast<int>(at_) + 1;
      Status status = One(line);
      if (!status.ok()) return status.Annotate("line " + std::to_string(at_ + 1));
    }
    return std::move(commands_);
  }

 private:
  Status One(int line) {
    std::string_view rest = lines_[at_];
    std::string word(TakeWord(&rest));
    std::ranges::transform(word, word.begin(), [](unsigned char c) { return std::tolower(c); });
    if (word == "clear") {
      commands_.push_back({line, ClearCommand{}});
      return Status::Ok();
    }
    if (word == "load" || word == "load_with_nhcb") {
      TRY_ASSIGN(LoadCommand load, Load(rest));
      load.with_nhcb = word != "load";
      commands_.push_back({line, std::move(load)});
      return Status::Ok();
    }
    if (word == "eval" || word.starts_with("eval_")) {
      TRY_ASSIGN(EvalCommand eval, Eval(word, rest));
      commands_.push_back({line, std::move(eval)});
      return Status::Ok();
    }
    return Status::InvalidArgument("invalid command " + QuoteGo(lines_[at_]));
  }

  // The next line of the block the parser is in; false at its end.
  bool NextLine(std::string_view* line) {
    if (at_ + 1 >= lines_.size() || lines_[at_ + 1].empty()) return false;
    *line = lines_[++at_];
    return true;
  }

  // ---- load

  Result<LoadCommand> Load(std::string_view step) {
    TRY_ASSIGN(const int64_t step_ms, ParseDurationMs(step));
    LoadCommand load;
    std::vector<SequenceValue> default_starts, starts;
    std::optional<Labels> starts_of;
    std::string_view line;
    while (NextLine(&line)) {
      std::string_view rest = line;
      std::string_view metric = TakeWord(&rest);
      if (metric.ends_with("@st")) {
        if (starts_of) break;
        metric.remove_suffix(3);
        TRY_ASSIGN(starts, ParseStartTimes(rest));
        if (metric.empty()) {
          default_starts = std::move(starts);
        } else {
          TRY_ASSIGN(starts_of, ParseMetric(metric));
        }
        continue;
      }
      TRY_ASSIGN(const SeriesLine series, ParseSeriesLine(line));
      if (starts_of && *starts_of != series.labels) {
        return Status::InvalidArgument(
            "@st metric does not match the following sample line metric");
      }
      if (starts_of && starts.size() != series.values.size()) {
        return Status::InvalidArgument("@st line has " + std::to_string(starts.size()) +
                                       " values but sample line has " +
                                       std::to_string(series.values.size()));
      }
      load.series[series.labels] =
          Samples(series.values, step_ms, starts_of ? starts : default_starts);
      starts_of.reset();
    }
    if (starts_of) return Status::InvalidArgument("@st line has no following sample line");
    return load;
  }

  // `starts` is repeated as often as needed.
  static std::vector<LoadedSample> Samples(const std::vector<SequenceValue>& values,
                                           int64_t step_ms,
                                           const std::vector<SequenceValue>& starts) {
    std::vector<LoadedSample> samples;
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i].omitted) continue;
      const int64_t t_ms = static_cast<int64_t>(i) * step_ms;
      LoadedSample sample{t_ms, values[i].value, values[i].histogram, 0};
      if (!starts.empty() && !starts[i % starts.size()].omitted) {
        sample.start_ms = t_ms + static_cast<int64_t>(starts[i % starts.size()].value);
      }
      samples.push_back(std::move(sample));
    }
    return samples;
  }

  // ---- eval

  Result<EvalCommand> Eval(std::string_view word, std::string_view rest) {
    EvalCommand eval;
    if (word == "eval_fail") {
      eval.failure.emplace();
    } else if (word == "eval_warn") {
      eval.any_warning = true;
    } else if (word == "eval_info") {
      eval.any_info = true;
    } else if (word == "eval_ordered") {
      eval.ordered = true;
    } else if (word != "eval") {
      return Status::InvalidArgument("invalid command " + QuoteGo(word));
    }
    if (TakeIf(&rest, "instant")) {
      if (!TakeIf(&rest, "at")) return BadEval();
      TRY_ASSIGN(eval.eval_ms, ParseDurationMs(TakeWord(&rest)));
      eval.start_ms = eval.end_ms = eval.eval_ms;
    } else if (TakeIf(&rest, "range") && TakeIf(&rest, "from")) {
      eval.is_range = true;
      TRY_ASSIGN(rest, Range(rest, &eval));
    } else {
      return BadEval();
    }
    eval.expr = std::string(rest);
    TRY(ParseExpr(eval.expr));
    TRY(Expectations(&eval));
    return eval;
  }

  static Status BadEval() {
    return Status::InvalidArgument(
        "invalid evaluation command. Must be either 'eval[_fail|_warn|_ordered] instant [at "
        "<offset:duration>] <query>' or 'eval[_fail|_warn] range from <from> to <to> step <step> "
        "<query>'");
  }

  // "<start> to <end> step <step>"; returns what follows.
  static Result<std::string_view> Range(std::string_view rest, EvalCommand* eval) {
    TRY_ASSIGN(eval->start_ms, ParseDurationMs(TakeWord(&rest)));
    if (!TakeIf(&rest, "to")) return BadEval();
    TRY_ASSIGN(eval->end_ms, ParseDurationMs(TakeWord(&rest)));
    if (!TakeIf(&rest, "step")) return BadEval();
    TRY_ASSIGN(eval->step_ms, ParseDurationMs(TakeWord(&rest)));
    if (eval->end_ms < eval->start_ms) {
      return Status::InvalidArgument("invalid test definition, end timestamp is before start");
    }
    return rest;
  }

  Status Expectations(EvalCommand* eval) {
    fail_expected_ = false;
    std::string_view line;
    for (int position = 1; NextLine(&line);) {
      std::string_view rest = line;
      const std::string_view word = TakeWord(&rest);
      if (eval->failure && word == "expected_fail_message") {
        eval->failure->message = std::string(rest);
        break;
      }
      if (eval->failure && word == "expected_fail_regexp") {
        TRY_ASSIGN(eval->failure->regex, Pattern(rest));
        break;
      }
      if (word == "expect") {
        TRY(Expect(rest, eval));
        continue;
      }
      SequenceValue number;
      if (ParseNumberLine(line, &number.value)) {
        eval->scalar = number;
        break;
      }
      TRY_ASSIGN(SeriesLine series, ParseSeriesLine(line));
      if (series.values.size() > 1 && !eval->is_range && !eval->range_vector) {
        return Status::InvalidArgument(
            "expecting multiple values in instant evaluation not allowed. consider using 'expect "
            "range vector' directive to enable a range vector result for an instant query");
      }
      if (series.values.empty()) return Status::InvalidArgument("a series without values");
      eval->series[series.labels] = {position++, std::move(series.values)};
    }
    return Status::Ok();
  }

  Status Expect(std::string_view rest, EvalCommand* eval) {
    if (TakeIf(&rest, "string")) {
      TRY_ASSIGN(eval->string, UnquoteLine(rest));
      return Status::Ok();
    }
    if (TakeIf(&rest, "range")) {
      if (!TakeIf(&rest, "vector") || !TakeIf(&rest, "from")) {
        return Status::InvalidArgument("invalid range vector definition");
      }
      eval->range_vector = true;
      TRY(Range(rest, eval));
      eval->eval_ms = eval->end_ms;
      return Status::Ok();
    }
    const std::string_view what = TakeWord(&rest);
    TRY_ASSIGN(TextExpectation text, Text(rest));
    if (what == "ordered") {
      eval->ordered = true;
    } else if (what == "fail") {
      if (fail_expected_) {
        return Status::InvalidArgument(
            "invalid expect lines, multiple expect fail lines are not allowed");
      }
      fail_expected_ = true;
      eval->failure = std::move(text);
    } else if (what == "warn") {
      eval->warnings.push_back(std::move(text));
    } else if (what == "info") {
      eval->infos.push_back(std::move(text));
    } else if (what == "no_warn") {
      eval->no_warnings = true;
    } else if (what == "no_info") {
      eval->no_infos = true;
    } else {
      return Status::InvalidArgument(
          "invalid expect statement, must match `expect <type> <match_type>: <string>` format");
    }
    if (eval->no_warnings && !eval->warnings.empty()) {
      return Status::InvalidArgument(
          "invalid expect lines, warn and no_warn cannot be used together");
    }
    if (eval->no_infos && !eval->infos.empty()) {
      return Status::InvalidArgument(
          "invalid expect lines, info and no_info cannot be used together");
    }
    return Status::Ok();
  }

  static Result<TextExpectation> Text(std::string_view rest) {
    TextExpectation text;
    if (rest.starts_with("msg:")) {
      text.message = std::string(Trim(rest.substr(4)));
    } else if (rest.starts_with("regex:")) {
      TRY_ASSIGN(text.regex, Pattern(Trim(rest.substr(6))));
    } else if (!rest.empty()) {
      return Status::InvalidArgument("invalid expect statement: " + QuoteGo(rest));
    }
    return text;
  }

  // Patterns may match anywhere; Regex is anchored.
  static Result<Regex> Pattern(std::string_view pattern) {
    return Regex::Compile(".*(?:" + std::string(pattern) + ").*");
  }

  std::vector<std::string_view> lines_;
  size_t at_ = 0;
  bool fail_expected_ = false;  // by an expect line of this eval
  std::vector<ScriptCommand> commands_;
};

}  // namespace

bool TextExpectation::Accepts(const std::string& text) const {
  if (message) return *message == text;
  return !regex || regex->FullMatch(text);
}

std::string TextExpectation::ToString() const {
  if (message) return QuoteGo(*message);
  return regex ? "/" + regex->pattern() + "/" : "anything";
}

Result<std::vector<ScriptCommand>> ParseScript(std::string_view text) {
  return ScriptParser(text).Parse();
}

}  // namespace deckwatch::query
