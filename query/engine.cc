#include "query/engine.h"

#include <algorithm>

#include <unistd.h>

#include "query/budget.h"
#include "query/eval.h"
#include "query/label_sets.h"
#include "query/parser.h"
#include "query/query_context.h"
#include "query/query_registry.h"
#include "query/result_cache.h"

namespace deckwatch::query {

namespace {

uint64_t MachineBytes() {
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

Budget::Limits LimitsOf(const EngineOptions& engine, const QueryOptions& query) {
  Budget::Limits limits;
  limits.max_samples = engine.max_samples;
  limits.max_bytes =
      engine.max_bytes_per_query > 0 ? engine.max_bytes_per_query : MachineBytes() / 4;
  limits.timeout_ms =
      query.timeout_ms != 0 ? std::min(query.timeout_ms, engine.timeout_ms) : engine.timeout_ms;
  limits.stop = query.stop;
  return limits;
}

// The rows of `v` as series of a result, at the times of `steps`.
std::vector<ResultSeries> ToSeries(StepVector&& v, const StepRange& steps) {
  std::vector<ResultSeries> out;
  out.reserve(v.size());
  std::vector<int64_t> times(v.empty() ? 0 : v.steps);
  for (size_t i = 0; i < times.size(); ++i) times[i] = steps.At(i);
  for (size_t row = 0; row < v.size(); ++row) {
    ResultSeries s;
    s.labels = std::move(v.series[row].labels).Take();
    const uint8_t* cells = v.Cells(row);
    const auto count = v.steps - static_cast<size_t>(std::count(cells, cells + v.steps, kAbsent));
    const bool histograms = std::find(cells, cells + v.steps, kHistogram) != cells + v.steps;
    if (count == v.steps && !histograms) {
      s.t_ms = times;
      s.value.assign(v.Values(row), v.Values(row) + v.steps);
      out.push_back(std::move(s));
      continue;
    }
    s.t_ms.reserve(count);
    s.value.reserve(count);
    for (size_t i = 0; i < v.steps; ++i) {
      if (cells[i] == kAbsent) continue;
      s.t_ms.push_back(times[i]);
      s.value.push_back(v.Values(row)[i]);
      if (histograms) {
        s.histogram.push_back(cells[i] == kHistogram ? v.Histograms(row)[i] : nullptr);
      }
    }
    out.push_back(std::move(s));
  }
  return out;
}

void SortByLabels(std::vector<ResultSeries>* series) {
  const auto before = [](const ResultSeries& a, const ResultSeries& b) {
    return a.labels < b.labels;
  };
  if (std::is_sorted(series->begin(), series->end(), before)) return;
  std::sort(series->begin(), series->end(), before);
}

// One query from text to result.
class Run {
 public:
  Run(const EngineOptions& engine, ThreadPool* pool, QueryRegistry* registry, ResultCache* cache,
      const QueryOptions& query, std::string_view text)
      : options_(engine),
        pool_(pool),
        registry_(registry),
        cache_(query.use_cache ? cache : nullptr),
        query_(query),
        text_(text),
        lookback_ms_(query.lookback_delta_ms > 0 ? query.lookback_delta_ms
                                                 : engine.lookback_delta_ms),
        budget_(LimitsOf(engine, query), engine.clock) {}

  // step_ms 0: an instant query.
  Result<QueryResult> Execute(const Queryable& storage, int64_t start_ms, int64_t end_ms,
                              int64_t step_ms) {
    begun_ns_ = options_.clock->MonotonicNs();
    TRY_ASSIGN(const std::unique_ptr<Expr> expr, ParseExpr(text_));
    TRY(ResolveDurations(expr.get(), start_ms, end_ms, step_ms));
    if (step_ms > 0 && expr->type != ValueType::kScalar && expr->type != ValueType::kVector) {
      return Status::InvalidArgument("invalid expression type \"" +
                                     std::string(ValueTypeName(expr->type)) +
                                     "\" for range query, must be Scalar or instant Vector");
    }
    const StepRange steps =
        step_ms > 0 ? StepRange{start_ms, end_ms, step_ms} : StepRange::Instant(start_ms);
    if (query_.per_step_stats) {
      for (size_t i = 0; i < steps.size(); ++i) per_step_.emplace_back(steps.At(i), 0);
    }
    CachedQuery cached(cache_, storage, text_, *expr, steps, step_ms, lookback_ms_);
    Result<QueryResult> result = Answer(storage, *expr, steps, step_ms, &cached);
    const QueryStats stats = Stats(steps, cached);
    if (result.ok()) result->stats = stats;
    if (options_.on_finished) {
      const Status status = result.ok() ? Status::Ok() : result.status();
      options_.on_finished({text_, start_ms, end_ms, step_ms, status, stats, query_.origin});
    }
    return result;
  }

 private:
  Result<QueryResult> Answer(const Queryable& storage, const Expr& expr, const StepRange& steps,
                             int64_t step_ms, CachedQuery* cached) {
    cached->Look();
    QueryResult result;
    if (cached->complete()) {
      prepared_ns_ = options_.clock->MonotonicNs();
      result = cached->Join({});
    } else {
      const int64_t waiting_ns = options_.clock->MonotonicNs();
      const auto kind = query_.for_rules ? QueryRegistry::Kind::kRule : QueryRegistry::Kind::kUser;
      auto ticket = registry_->Enter(text_, kind, &budget_, query_.stop, budget_.timeout_ms());
      queue_ns_ = options_.clock->MonotonicNs() - waiting_ns;
      TRY(ticket.status());
      cached->Look();  // the wait may have been long
      TRY_ASSIGN(const std::unique_ptr<Querier> querier, storage.NewQuerier());
      QueryContext ctx{options_, *querier, pool_,        budget_, *ticket, query_.stop,
                       steps,    step_ms,  lookback_ms_, {},      nullptr, 0,
                       {},       {},       {},           {},      {}};
      if (query_.trace) ctx.trace = &result.trace;
      ctx.needs = SelectorNeeds::Of(expr);
      if (ctx.needs.statistics_only.empty()) ctx.shared.FindIn(expr);  // else equal text may differ
      prepared_ns_ = options_.clock->MonotonicNs();
      TRY(Evaluate(ctx, expr, cached, &result));
    }
    if (cached->steps_taken() > 0) TRY(HoldRows(result.series));
    cached->Keep(result, budget_.saw_histograms(), budget_.saw_chunks());
    return result;
  }

  // The steps that `cached` lacks, joined with those that it has.
  Status Evaluate(QueryContext& ctx, const Expr& expr, CachedQuery* cached, QueryResult* out) {
    std::vector<QueryResult> pieces(cached->missing().size());
    for (size_t i = 0; i < pieces.size(); ++i) {
      const StepRange& steps = cached->missing()[i];
      ctx.tally = per_step_.empty() ? SampleTally() : SampleTally(steps.size());
      TRY(EvaluateSteps(ctx, expr, steps, &pieces[i]));
      Count(ctx.tally, steps);
    }
    Annotations annotations = ctx.annotations.Render(text_);
    const std::vector<std::string> losses = ctx.querier.Losses();
    annotations.warnings.insert(annotations.warnings.end(), losses.begin(), losses.end());
    const bool plain =
        annotations.warnings.empty() && annotations.infos.empty() && !budget_.saw_histograms();
    if (!plain && cached->steps_taken() > 0) {
      cached->Forget();
      queryable_samples_ = 0;
      return Evaluate(ctx, expr, cached, out);
    }
    std::vector<TraceNode> trace = std::move(out->trace);
    *out = cached->Join(std::move(pieces));
    out->annotations = std::move(annotations);
    out->incomplete = !losses.empty();
    out->trace = std::move(trace);
    return {};
  }

  Status EvaluateSteps(QueryContext& ctx, const Expr& expr, const StepRange& steps,
                       QueryResult* out) {
    out->scalar_t_ms = steps.start_ms;
    out->type = expr.type;
    Evaluator evaluator(ctx);
    switch (expr.type) {
      case ValueType::kString: out->string = Unwrap(expr).string; return {};
      case ValueType::kScalar: return EvaluateScalar(ctx, evaluator, expr, steps, out);
      case ValueType::kMatrix: return EvaluateMatrix(ctx, evaluator, expr, steps, out);
      default: break;
    }
    TRY_ASSIGN(StepVector v, evaluator.Vector(expr, steps));
    // The series of one selector keep their names and differ.
    if (Unwrap(expr).kind != NodeKind::kVectorSelector) TRY(FinishNames(&v));
    out->series = ToSeries(std::move(v), steps);
    if (ctx.step_ms > 0) {
      out->type = ValueType::kMatrix;
      SortByLabels(&out->series);
    }
    return {};
  }

  Status EvaluateScalar(QueryContext& ctx, Evaluator& evaluator, const Expr& expr,
                        const StepRange& steps, QueryResult* out) {
    TRY_ASSIGN(std::vector<double> values, evaluator.Scalar(expr, steps));
    if (ctx.step_ms == 0) {
      out->scalar = values[0];
      return {};
    }
    out->type = ValueType::kMatrix;
    ResultSeries series;
    for (size_t i = 0; i < values.size(); ++i) series.t_ms.push_back(steps.At(i));
    series.value = std::move(values);
    out->series.push_back(std::move(series));
    return {};
  }

  // An instant query of a range: raw samples, or the points of a subquery.
  Status EvaluateMatrix(QueryContext& ctx, Evaluator& evaluator, const Expr& expr,
                        const StepRange& steps, QueryResult* out) {
    const Expr& range = Unwrap(expr);
    if (range.kind == NodeKind::kMatrixSelector) {
      TRY(SelectRaw(ctx, range, steps.start_ms, &out->series));
    } else {
      StepRange inner_steps;
      Result<StepVector> v = StepVector();
      const uint64_t samples =
          TallyApart(ctx, [&] { v = evaluator.Subquery(range, steps, &inner_steps); });
      TRY(v.status());
      ctx.tally.AddAt(0, samples);
      TRY(FinishNames(&*v));
      out->series = ToSeries(std::move(*v), inner_steps);
    }
    SortByLabels(&out->series);
    return {};
  }

  // What evaluating `steps` looked at.
  void Count(const SampleTally& tally, const StepRange& steps) {
    queryable_samples_ += tally.total();
    const auto at = [](const auto& entry, int64_t t_ms) { return entry.first < t_ms; };
    auto to = std::lower_bound(per_step_.begin(), per_step_.end(), steps.start_ms, at);
    for (const uint64_t samples : tally.per_step()) (to++)->second = samples;
  }

  // The name removals put off until now.
  Status FinishNames(StepVector* v) {
    v->RemoveEmptyRows();
    for (SeriesInfo& s : v->series) {
      if (s.drop_name) s.labels = DropMetadataLabels(s.labels);
    }
    return MergeEqualSeries(v);
  }

  // The limits hold for what was not evaluated here, too.
  Status HoldRows(const std::vector<ResultSeries>& rows) {
    uint64_t samples = 0, bytes = 0;
    for (const ResultSeries& row : rows) {
      samples += row.t_ms.size();
      bytes += row.t_ms.size() * (sizeof(int64_t) + sizeof(double));
    }
    Charge charge;
    return budget_.Hold(samples, bytes, &charge);
  }

  QueryStats Stats(const StepRange& steps, const CachedQuery& cached) const {
    QueryStats stats;
    stats.samples_read = budget_.samples_read();
    stats.queryable_samples = queryable_samples_;
    stats.queryable_per_step = per_step_;
    stats.peak_samples = budget_.peak_samples();
    stats.series_selected = budget_.series_selected();
    stats.peak_bytes = budget_.peak_bytes();
    stats.steps = steps.size();
    stats.steps_cached = cached.steps_taken();
    const int64_t now_ns = options_.clock->MonotonicNs();
    stats.queue_ns = queue_ns_;
    stats.prepare_ns = (prepared_ns_ > 0 ? prepared_ns_ : now_ns) - begun_ns_ - queue_ns_;
    stats.eval_ns = prepared_ns_ > 0 ? now_ns - prepared_ns_ : 0;
    return stats;
  }

  const EngineOptions& options_;
  ThreadPool* const pool_;
  QueryRegistry* const registry_;
  ResultCache* const cache_;  // null: not asked for
  const QueryOptions& query_;
  const std::string_view text_;
  const int64_t lookback_ms_;
  Budget budget_;
  int64_t begun_ns_ = 0;
  int64_t queue_ns_ = 0;
  int64_t prepared_ns_ = 0;  // when evaluation began; 0: it did not
  uint64_t queryable_samples_ = 0;
  std::vector<std::pair<int64_t, uint64_t>> per_step_;  // empty: not asked for
};

QueryRegistry::Limits RegistryLimits(const EngineOptions& o, const ThreadPool* pool) {
  const int threads = pool == nullptr ? 1 : pool->threads();
  return {.concurrent = o.max_concurrent,
          .concurrent_large = o.max_concurrent_large > 0 ? o.max_concurrent_large : threads,
          .bytes = o.max_bytes > 0 ? o.max_bytes : MachineBytes() / 2};
}

}  // namespace

Engine::Engine(EngineOptions options, ThreadPool* pool)
    : options_(std::move(options)),
      pool_(pool),
      registry_(std::make_unique<QueryRegistry>(RegistryLimits(options_, pool), options_.clock)),
      cache_(options_.cache_bytes > 0 ? std::make_unique<ResultCache>(options_.cache_bytes)
                                      : nullptr) {}
Engine::~Engine() = default;

std::vector<ActiveQuery> Engine::Active() const {
  return registry_->List();
}

bool Engine::Cancel(uint64_t id) const {
  return registry_->Cancel(id);
}

CacheStats Engine::Cached() const {
  return cache_ == nullptr ? CacheStats() : cache_->Stats();
}

Result<QueryResult> Engine::Instant(const Queryable& storage, std::string_view text, int64_t t_ms,
                                    const QueryOptions& options) const {
  return Run(options_, pool_, registry_.get(), cache_.get(), options, text)
      .Execute(storage, t_ms, t_ms, 0);
}

Result<QueryResult> Engine::Range(const Queryable& storage, std::string_view text, int64_t start_ms,
                                  int64_t end_ms, int64_t step_ms,
                                  const QueryOptions& options) const {
  if (step_ms <= 0 || end_ms < start_ms) {
    return Status::InvalidArgument("a range query needs a positive step and start <= end");
  }
  return Run(options_, pool_, registry_.get(), cache_.get(), options, text)
      .Execute(storage, start_ms, end_ms, step_ms);
}

}  // namespace deckwatch::query
