#include "query/promqltest.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "query/function_id.h"
#include "query/functions.h"
#include "query/parser.h"
#include "query/promqltest_compare.h"
#include "query/promqltest_load.h"
#include "query/promqltest_script.h"

namespace deckwatch::query {

namespace {

// Functions whose result depends on the time of evaluation even when all samples are pinned.
bool DependsOnTime(FunctionId id) {
  static constexpr std::array kIds = {
      FunctionId::kDaysInMonth, FunctionId::kDayOfMonth, FunctionId::kDayOfWeek,
      FunctionId::kDayOfYear,   FunctionId::kHour,       FunctionId::kMinute,
      FunctionId::kMonth,       FunctionId::kYear,       FunctionId::kPredictLinear,
      FunctionId::kTime,        FunctionId::kTimestamp,  FunctionId::kStartTimestamp,
      FunctionId::kStart,       FunctionId::kEnd,        FunctionId::kStep,
      FunctionId::kRange};
  return std::ranges::find(kIds, id) != kIds.end();
}

// Sets @ t_ms on every selector that has no timestamp; what is inside a subquery follows it. False
// when the result may depend on the time of evaluation all the same.
bool PinTime(Expr* e, int64_t t_ms) {
  if (e->kind == NodeKind::kCall && DependsOnTime(e->function->id)) return false;
  if (e->kind == NodeKind::kVectorSelector || e->kind == NodeKind::kSubquery) {
    if (e->at != AtModifier::kTimestamp) {
      e->at = AtModifier::kTimestamp;
      e->at_ms = t_ms;
    }
    return true;
  }
  for (Expr* child : {e->lhs.get(), e->rhs.get(), e->param.get()}) {
    if (child && !PinTime(child, t_ms)) return false;
  }
  return std::ranges::all_of(e->args, [&](const auto& arg) { return PinTime(arg.get(), t_ms); });
}

// start(), end(), step() and range() mean something else in a range query.
bool DependsOnQueryRange(std::string_view expr) {
  return std::ranges::any_of(std::array{"start()", "end()", "step()", "range()"},
                             [&](const char* call) { return expr.find(call) != expr.npos; });
}

// The step of a range result at t_ms, as an instant result of type `type`.
QueryResult StepOf(const QueryResult& range, int64_t t_ms, ValueType type) {
  QueryResult out;
  out.type = type;
  for (const ResultSeries& s : range.series) {
    const auto at = std::ranges::find(s.t_ms, t_ms) - s.t_ms.begin();
    if (static_cast<size_t>(at) == s.t_ms.size()) continue;
    out.scalar = s.value[at];
    ResultSeries point{s.labels, {t_ms}, {s.value[at]}, {}};
    if (!s.histogram.empty() && s.histogram[at]) point.histogram = {s.histogram[at]};
    out.series.push_back(std::move(point));
  }
  return out;
}

class ScriptRun {
 public:
  ScriptRun(const ScriptStorageFactory& factory, const Engine& engine)
      : factory_(factory), engine_(engine) {}

  Result<ScriptReport> Run(const std::vector<ScriptCommand>& commands) {
    TRY_ASSIGN(storage_, factory_());
    for (const ScriptCommand& c : commands) {
      if (std::holds_alternative<ClearCommand>(c.command)) {
        storage_.reset();
        TRY_ASSIGN(storage_, factory_());
      } else if (const auto* load = std::get_if<LoadCommand>(&c.command)) {
        const Status stored = StoreLoad(*load, &storage_->appender());
        if (!stored.ok()) return stored.Annotate("line " + std::to_string(c.line));
      } else {
        const auto& eval = std::get<EvalCommand>(c.command);
        ++report_.evals;
        const Status passed = eval.is_range ? Range(eval) : Instant(eval);
        if (!passed.ok()) report_.failures.push_back({c.line, eval.expr, passed.message()});
      }
    }
    return std::move(report_);
  }

 private:
  Status Range(const EvalCommand& eval) {
    const auto result =
        engine_.Range(storage_->queryable(), eval.expr, eval.start_ms, eval.end_ms, eval.step_ms);
    return Check(eval, result);
  }

  Status Instant(const EvalCommand& eval) {
    TRY(InstantAt(eval, eval.expr, eval.eval_ms));
    TRY_ASSIGN(const std::unique_ptr<Expr> expr, ParseExpr(eval.expr));
    const int64_t t = eval.eval_ms;
    if (!PinTime(expr.get(), t)) return Status::Ok();
    const std::string pinned = ToString(*expr);
    const std::vector<int64_t> times = t == 0 ? std::vector<int64_t>{-1000, 0, 1000}
                                              : std::vector<int64_t>{-10 * t, 0, t / 5, t, 10 * t};
    for (int64_t at : times) {
      const Status passed = InstantAt(eval, pinned, at);
      if (!passed.ok()) return passed.Annotate("as " + pinned + " at " + std::to_string(at) + "ms");
    }
    return Status::Ok();
  }

  Status InstantAt(const EvalCommand& eval, const std::string& expr, int64_t t_ms) {
    const auto result = engine_.Instant(storage_->queryable(), expr, t_ms);
    TRY(Check(eval, result));
    if (eval.failure || eval.range_vector || eval.string || DependsOnQueryRange(expr)) {
      return Status::Ok();
    }
    constexpr int64_t kMinuteMs = 60'000;
    const auto range =
        engine_.Range(storage_->queryable(), expr, t_ms - kMinuteMs, t_ms + kMinuteMs, kMinuteMs);
    if (!range.ok()) return range.status().Annotate("in range mode");
    if (eval.ordered) return Status::Ok();
    return CompareResult(eval, StepOf(*range, t_ms, result->type)).Annotate("in range mode");
  }

  static Status Check(const EvalCommand& eval, const Result<QueryResult>& result) {
    if (!result.ok()) return CompareFailure(eval, result.status());
    if (eval.failure) return Status::InvalidArgument("expected error, got none");
    TRY(CompareAnnotations(eval, result->annotations));
    return CompareResult(eval, *result);
  }

  const ScriptStorageFactory& factory_;
  const Engine& engine_;
  std::unique_ptr<ScriptStorage> storage_;
  ScriptReport report_;
};

// Folders become the scripts in them.
std::vector<std::string> ScriptFiles(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    std::vector<std::string> found;
    std::filesystem::directory_iterator entry(path, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      if (entry->path().extension() == ".test") found.push_back(entry->path().string());
    }
    if (error) found.push_back(path);  // a file; reading it tells whether it is there
    std::ranges::sort(found);
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return Status::Io("cannot read " + path);
  return text.str();
}

Result<ScriptReport> RunFile(const std::string& path, const ScriptStorageFactory& storage,
                             const Engine& engine) {
  TRY_ASSIGN(const std::string text, ReadFile(path));
  return RunScript(text, storage, engine);
}

}  // namespace

EngineOptions ScriptEngineOptions() {
  EngineOptions options;
  options.lookback_delta_ms = 300'000;
  options.timeout_ms = 100'000;
  options.max_samples = 10'000;
  options.default_subquery_step_ms = 60'000;
  options.delayed_name_removal = true;
  options.use_start_timestamps = true;
  return options;
}

Result<ScriptReport> RunScript(std::string_view script, const ScriptStorageFactory& storage,
                               const Engine& engine) {
  TRY_ASSIGN(const std::vector<ScriptCommand> commands, ParseScript(script));
  return ScriptRun(storage, engine).Run(commands);
}

int RunScriptFiles(const std::vector<std::string>& paths, const ScriptStorageFactory& storage,
                   ThreadPool* pool, std::FILE* out) {
  const Engine engine(ScriptEngineOptions(), pool);
  size_t evals = 0, failures = 0, broken_files = 0;
  for (const std::string& file : ScriptFiles(paths)) {
    const auto report = RunFile(file, storage, engine);
    if (!report.ok()) {
      ++broken_files;
      std::fprintf(out, "%s: %s\n", file.c_str(), report.status().message().c_str());
      continue;
    }
    evals += static_cast<size_t>(report->evals);
    failures += report->failures.size();
    for (const ScriptFailure& f : report->failures) {
      std::fprintf(out, "%s:%d: %s\n    %s\n", file.c_str(), f.line, f.query.c_str(),
                   f.message.c_str());
    }
    std::fprintf(out, "%s: %d evals, %zu failed\n", file.c_str(), report->evals,
                 report->failures.size());
  }
  std::fprintf(out, "%zu evals, %zu failed, %zu broken files\n", evals, failures, broken_files);
  return failures + broken_files == 0 ? 0 : 1;
}

}  // namespace deckwatch::query
