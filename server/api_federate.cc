// /federate: the newest sample of each matching series, as a page that another server can scrape.
#include <algorithm>

#include "query/parser.h"
#include "server/api.h"
#include "server/metric_family.h"
#include "server/text_page.h"

namespace deckwatch::server {

namespace {

struct Federated {
  Labels labels;
  int64_t t_ms;
  double value;
  HistogramPtr histogram;  // instead of `value` when set

  // What one family of the protobuf form may hold.
  int Kind() const {
    if (!histogram) return 0;
    return histogram->hint == CounterResetHint::kGauge ? 2 : 1;
  }
};

// The newest sample of each series of one selector, unless the series has gone stale.
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
    Federated f{{}, columns.t_ms[last], columns.value[last], nullptr};
    if (!columns.histogram.empty()) f.histogram = columns.histogram[last];
    if (f.histogram ? IsStale(*f.histogram) : IsStale(f.value)) continue;
    f.labels = Labels(set->LabelsAt(i));
    out->push_back(std::move(f));
  }
  return {};
}

// In the order of names, each series once, none without a name.
void Arrange(std::vector<Federated>* samples) {
  std::sort(samples->begin(), samples->end(),
            [](const Federated& a, const Federated& b) { return a.labels < b.labels; });
  samples->erase(std::unique(samples->begin(), samples->end(),
                             [](const auto& a, const auto& b) { return a.labels == b.labels; }),
                 samples->end());
  std::erase_if(*samples, [](const Federated& f) { return f.labels.MetricName().empty(); });
  std::stable_sort(samples->begin(), samples->end(), [](const auto& a, const auto& b) {
    return a.labels.MetricName() < b.labels.MetricName();
  });
}

// Labels of the series win over external ones; an absent `instance` is sent empty, so that the
// scraping server does not add its own.
std::vector<std::pair<std::string_view, std::string_view>> SentLabels(const Federated& f,
                                                                      const Labels& external) {
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  for (const LabelRef& l : f.labels) {
    if (l.name != kMetricName) pairs.emplace_back(l.name, l.value);
  }
  for (const LabelRef& l : external) {
    if (!f.labels.Has(l.name)) pairs.emplace_back(l.name, l.value);
  }
  if (!f.labels.Has("instance") && !external.Has("instance")) pairs.emplace_back("instance", "");
  return pairs;
}

// Native histograms have no text form.
std::string TextPage(const std::vector<Federated>& samples, const Labels& external) {
  std::string page;
  std::string_view family;
  for (const Federated& f : samples) {
    if (f.histogram) continue;
    const std::string_view name = f.labels.MetricName();
    if (name != family) {
      page.append("# TYPE ").append(PageMetricName(name)).append(" untyped\n");
      family = name;
    }
    AppendPageSample(name, SentLabels(f, external), f.value, f.t_ms, &page);
  }
  return page;
}

std::string ProtobufPage(const std::vector<Federated>& samples, const Labels& external) {
  std::string page;
  std::vector<FamilySample> family;
  for (size_t i = 0; i < samples.size(); ++i) {
    const Federated& f = samples[i];
    FamilySample& s = family.emplace_back();
    for (const auto& [name, value] : SentLabels(f, external)) s.labels.emplace_back(name, value);
    s.t_ms = f.t_ms;
    s.value = f.value;
    s.histogram = f.histogram;
    const std::string_view name = f.labels.MetricName();
    if (i + 1 < samples.size() && samples[i + 1].labels.MetricName() == name &&
        samples[i + 1].Kind() == f.Kind()) {
      continue;
    }
    AppendMetricFamily(name, family, &page);
    family.clear();
  }
  return page;
}

// Whether the client would rather have protobuf than text: of what it accepts, the form of the
// highest weight, the first of equals.
bool WantsProtobuf(std::string_view accept) {
  double best = 0;
  bool protobuf = false;
  while (!accept.empty()) {
    const std::string_view item = accept.substr(0, accept.find(','));
    accept.remove_prefix(std::min(item.size() + 1, accept.size()));
    const auto has = [&](std::string_view part) {
      return item.find(part) != std::string_view::npos;
    };
    const bool is_protobuf = has("application/vnd.google.protobuf") &&
                             has("proto=io.prometheus.client.MetricFamily") &&
                             has("encoding=delimited");
    if (!is_protobuf && !has("text/plain")) continue;
    double weight = 1;
    if (const size_t q = item.find("q="); q != std::string_view::npos) {
      const std::string_view number = item.substr(q + 2);
      ParseFloat(number.substr(0, number.find_first_of("; \t")), &weight);
    }
    if (weight > best) {
      best = weight;
      protobuf = is_protobuf;
    }
  }
  return protobuf;
}

// Unlike the endpoints of the API, this one may be asked for everything.
Result<std::vector<std::vector<Matcher>>> Selectors(const Request& request) {
  std::vector<std::vector<Matcher>> sets;
  for (const std::string& text : request.Params("match[]")) {
    TRY_ASSIGN(sets.emplace_back(), query::ParseAnySelector(text));
  }
  return sets;
}

void Federate(const ApiContext& c, const Request& request, Response* response) {
  if (!ReadyGate(c, response)) return;
  const auto matcher_sets = Selectors(request);
  if (!matcher_sets.ok()) return response->Text(400, matcher_sets.status().message() + "\n");
  const int64_t end_ms = c.clock->WallMs();
  const int64_t start_ms = end_ms - c.engine->options().lookback_delta_ms;
  const auto querier = c.db->NewQuerier();
  if (!querier.ok()) return response->Text(500, querier.status().message() + "\n");
  std::vector<Federated> samples;
  for (const auto& matchers : *matcher_sets) {
    const Status s = Collect(**querier, matchers, start_ms, end_ms, &samples);
    if (!s.ok()) return response->Text(500, s.message() + "\n");
  }
  // A page has no place for a warning, and what is not on it counts as gone.
  const std::vector<std::string> losses = (*querier)->Losses();
  if (!losses.empty()) return response->Text(500, losses.front() + "\n");
  Arrange(&samples);
  const Labels external = c.external_labels();
  if (WantsProtobuf(request.Header("Accept"))) {
    response->content_type = kMetricFamilyContentType;
    response->body = ProtobufPage(samples, external);
  } else {
    response->content_type = kPageContentType;
    response->body = TextPage(samples, external);
  }
}

}  // namespace

void RegisterFederateApi(Api* api) {
  const ApiContext* c = api->context();
  api->server()->Route("GET", "/federate", Lane::kQuery,
                       [c](const Request& r, Response* out) { Federate(*c, r, out); });
}

}  // namespace deckwatch::server
