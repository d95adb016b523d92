#include "query/selection.h"

#include "query/selector.h"

namespace deckwatch::query {

namespace {

// The query may hold the label sets of so many series. Those that the store keeps are shared, but
// may go from there before this query ends.
Status Admit(QueryContext& ctx, size_t series, Charge* charge) {
  constexpr uint64_t kBytesPerSeries = 128;
  if (series > kLargeSelection) TRY(ctx.ticket.EnterLarge(ctx.stop));
  return ctx.budget.Hold(0, series * kBytesPerSeries, charge);
}

}  // namespace

std::vector<int64_t> ReferenceTimes(const QueryContext& ctx, const Expr& e,
                                    const StepRange& steps) {
  std::vector<int64_t> out(steps.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = AtTime(ctx, e, steps.At(i)) - e.offset_ms;
  return out;
}

Result<const SeriesSet*> Select(QueryContext& ctx, const Expr& selector, int64_t start_ms,
                                int64_t end_ms, SelectHints hints) {
  Charge charge;
  Status admitted;
  // Others may share what is read for this one.
  hints.any_value = ctx.needs.any_value.contains(&selector) && !ctx.shared.Has(selector);
  hints.admit = [&](size_t series) { return admitted = Admit(ctx, series, &charge); };
  auto set = ctx.querier.Select(start_ms, end_ms, selector.matchers, hints);
  TRY(admitted);
  if (!set.ok()) return set.status().Annotate("expanding series");
  TRY(Admit(ctx, (*set)->size(), &charge));  // the store had them already
  ctx.selected_charges.push_back(std::move(charge));
  ctx.budget.CountSeries((*set)->size());
  ctx.selected.push_back(std::move(*set));
  return static_cast<const SeriesSet*>(ctx.selected.back().get());
}

Status ReadSeries(QueryContext& ctx, const SeriesSet& set, size_t begin, size_t end,
                  const SeriesSet::Visit& visit) {
  Status of_visit;
  const Status s = set.ReadEach(begin, end, [&](size_t i, Columns* columns) -> Status {
    if (columns->empty()) return {};
    ctx.budget.CountRead(columns->size());
    if (!columns->histogram.empty()) ctx.budget.NoteHistograms();
    return of_visit = visit(i, columns);
  });
  if (!of_visit.ok()) return of_visit;
  return s.ok() ? s : s.Annotate("expanding series");
}

Status ReadAlone(QueryContext& ctx, LabelsView labels, int64_t start_ms, int64_t end_ms,
                 const SelectHints& hints, Columns* out) {
  std::vector<Matcher> matchers;
  for (LabelRef l : labels) {
    matchers.push_back(Matcher::Equal(std::string(l.name), std::string(l.value)));
  }
  out->Clear();
  TRY_ASSIGN(const auto set, ctx.querier.Select(start_ms, end_ms, matchers, hints));
  for (size_t i = 0; i < set->size(); ++i) {
    if (set->LabelsAt(i) != labels) continue;  // has more of them
    TRY(set->Read(i, out));
    ctx.budget.CountRead(out->size());
    break;
  }
  return {};
}

int64_t AtTime(const QueryContext& ctx, const Expr& e, int64_t t_ms) {
  switch (e.at) {
    case AtModifier::kNone: return t_ms;
    case AtModifier::kTimestamp: return e.at_ms;
    case AtModifier::kStart: return ctx.range.start_ms;
    case AtModifier::kEnd: return ctx.range.end_ms;
  }
  return t_ms;
}

}  // namespace deckwatch::query
