// /federate: the newest sample of each matching series, as a page that another server can scrape.
#include <algorithm>

#include "server/api.h"
#include "server/text_page.h"

namespace deckwatch::server {

namespace {

struct Federated {
  Labels labels;
  int64_t t_ms;
  double value;
};

// The newest float of each series of one selector, unless the series has gone stale.
Status Collect(const Querier& querier, const std::vector<Matcher>& matchers, int64_t start_ms,
               int64_t end_ms, std::vector<Federated>* out) {
  SelectHints hints;
  hints.latest_only = true;
  TRY_ASSIGN(const auto set, querier.Select(start_ms, end_ms, matchers, hints));
  Columns columns;
  for (size_t i = 0; i < set->size(); ++i) {
    TRY(set->Read(i, &columns));
    if (columns.empty()) continue;
    const size_t last = columns.size() - 1;
    // Native histograms have no text form.
    if (!columns.histogram.empty() && columns.histogram[last]) continue;
    if (IsStale(columns.value[last])) continue;
    Federated f{{}, columns.t_ms[last], columns.value[last]};
    f.labels = Labels(set->LabelsAt(i));
    out->push_back(std::move(f));
  }
  return {};
}

std::string Page(std::vector<Federated> samples, const Labels& external) {
  std::sort(samples.begin(), samples.end(),
            [](const Federated& a, const Federated& b) { return a.labels < b.labels; });
  samples.erase(std::unique(samples.begin(), samples.end(),
                            [](const auto& a, const auto& b) { return a.labels == b.labels; }),
                samples.end());
  std::stable_sort(samples.begin(), samples.end(), [](const auto& a, const auto& b) {
    return a.labels.MetricName() < b.labels.MetricName();
  });
  std::string page;
  std::string_view family;
  for (const Federated& f : samples) {
    const std::string_view name = f.labels.MetricName();
    if (name.empty()) continue;
    if (name != family) {
      page.append("# TYPE ").append(PageMetricName(name)).append(" untyped\n");
      family = name;
    }
    // Labels of the series win over external ones; an absent `instance` is sent empty, so that
    // the scraping server does not add its own.
    std::vector<std::pair<std::string_view, std::string_view>> pairs;
    for (const LabelRef& l : f.labels) {
      if (l.name != kMetricName) pairs.emplace_back(l.name, l.value);
    }
    for (const LabelRef& l : external) {
      if (!f.labels.Has(l.name)) pairs.emplace_back(l.name, l.value);
    }
    if (!f.labels.Has("instance") && !external.Has("instance")) pairs.emplace_back("instance", "");
    AppendPageSample(name, pairs, f.value, f.t_ms, &page);
  }
  return page;
}

void Federate(const ApiContext& c, const Request& request, Response* response) {
  if (!ReadyGate(c, response)) return;
  ParamReader p(request);
  const auto matcher_sets = p.Matchers();
  if (!p.ok()) return response->Text(400, p.error().error + "\n");
  const int64_t end_ms = c.clock->WallMs();
  const int64_t start_ms = end_ms - c.engine->options().lookback_delta_ms;
  const auto querier = c.db->NewQuerier();
  if (!querier.ok()) return response->Text(500, querier.status().message() + "\n");
  std::vector<Federated> samples;
  for (const auto& matchers : matcher_sets) {
    const Status s = Collect(**querier, matchers, start_ms, end_ms, &samples);
    if (!s.ok()) return response->Text(500, s.message() + "\n");
  }
  // A page has no place for a warning, and what is not on it counts as gone.
  const std::vector<std::string> losses = (*querier)->Losses();
  if (!losses.empty()) return response->Text(500, losses.front() + "\n");
  response->content_type = kPageContentType;
  response->body = Page(std::move(samples), c.external_labels());
}

}  // namespace

void RegisterFederateApi(Api* api) {
  const ApiContext* c = api->context();
  api->server()->Route("GET", "/federate", Lane::kQuery,
                       [c](const Request& r, Response* out) { Federate(*c, r, out); });
}

}  // namespace deckwatch::server
