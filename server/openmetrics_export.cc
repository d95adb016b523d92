#include "server/openmetrics_export.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <deque>
#include <memory>
#include <span>
#include <tuple>

#include "base/sample.h"
#include "server/text_page.h"

namespace deckwatch::server {

namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr int64_t kMaxSlices = 16;
constexpr size_t kWriteBytes = 256 << 10;

void AppendNumber(double v, std::string* out) {
  if (std::isnan(v)) {
    *out += "NaN";
  } else if (std::isinf(v)) {
    *out += v > 0 ? "+Inf" : "-Inf";
  } else {
    char buffer[32];
    out->append(buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr);
  }
}

bool MayHaveExemplars(MetricType type, std::string_view metric) {
  if (type == MetricType::kCounter) return metric.ends_with("_total");
  return (type == MetricType::kHistogram || type == MetricType::kGaugeHistogram) &&
         metric.ends_with("_bucket");
}

std::string_view PointLabel(MetricType type) {
  if (type == MetricType::kHistogram || type == MetricType::kGaugeHistogram) return "le";
  return type == MetricType::kSummary ? "quantile" : "";
}

// One series of a metric in one slice of time: a stream of lines.
struct Stream {
  size_t slice = 0;
  // Buckets or quantiles by their number, then the other names of the family.
  size_t name = 0;
  double bound = 0;
  const SeriesSet* set = nullptr;
  size_t series = 0;
  auto Place() const { return std::tie(slice, name, bound, series); }
};

// Writes one family.
class FamilyWriter {
 public:
  FamilyWriter(const Querier& querier, const ExportOptions& options, const ExportFamily& family,
               const std::function<Status(std::string_view)>& write, ExportCounts* counts)
      : querier_(querier), options_(options), family_(family), write_(write), counts_(*counts) {}

  Status Run() {
    TRY(Collect());
    TRY(CollectExemplars());
    if (metrics_.empty()) return {};
    Head();
    for (auto& [labels, streams] : metrics_) TRY(Metric(&streams));
    for (const auto& [labels, left] : exemplars_) counts_.exemplars_left_out += left.size();
    return write_(text_);
  }

 private:
  // The series of the family by metric, which is a label set without `le` or `quantile`.
  Status Collect() {
    const int64_t range = options_.end_ms - options_.start_ms;
    const int64_t width = std::max(kDayMs, range / kMaxSlices + 1);
    size_t slice = 0;
    for (int64_t from = options_.start_ms; from <= options_.end_ms; from += width, ++slice) {
      for (size_t name = 0; name < family_.metrics.size(); ++name) {
        const int64_t to = std::min(from + width - 1, options_.end_ms);
        TRY(SelectInto({.slice = slice, .name = name}, from, to));
      }
    }
    for (auto& [labels, streams] : metrics_) {
      std::sort(streams.begin(), streams.end(),
                [](const Stream& a, const Stream& b) { return a.Place() < b.Place(); });
    }
    return {};
  }

  Status SelectInto(Stream stream, int64_t from_ms, int64_t to_ms) {
    std::vector<std::vector<Matcher>> matcher_sets = options_.matcher_sets;
    if (matcher_sets.empty()) matcher_sets.emplace_back();
    std::set<Labels> taken;  // by the first of several selectors
    LabelsBuilder builder;
    for (std::vector<Matcher>& matchers : matcher_sets) {
      matchers.push_back(Matcher::Equal(std::string(kMetricName), family_.metrics[stream.name]));
      TRY_ASSIGN(auto set, querier_.Select(from_ms, to_ms, matchers, {}));
      for (size_t i = 0; i < set->size(); ++i) {
        const LabelsView labels = set->LabelsAt(i);
        if (matcher_sets.size() > 1 && !taken.insert(Labels(labels)).second) continue;
        const std::string_view point = PointLabel(family_.type);
        builder.Reset(labels);
        builder.Del(kMetricName);
        if (!point.empty()) builder.Del(point);
        stream.set = set.get();
        stream.series = i;
        stream.bound = 0;
        if (!point.empty()) ParseFloat(labels.Get(point), &stream.bound);
        metrics_[builder.Build()].push_back(stream);
      }
      sets_.push_back(std::move(set));
    }
    return {};
  }

  Status CollectExemplars() {
    for (const std::string& metric : family_.metrics) {
      LabelQuery query;
      query.start_ms = options_.start_ms;
      query.end_ms = options_.end_ms;
      query.matcher_sets = options_.matcher_sets;
      if (query.matcher_sets.empty()) query.matcher_sets.emplace_back();
      for (auto& matchers : query.matcher_sets) {
        matchers.push_back(Matcher::Equal(std::string(kMetricName), metric));
      }
      TRY_ASSIGN(auto found, querier_.Exemplars(query));
      for (Querier::SeriesExemplars& s : found) {
        if (MayHaveExemplars(family_.type, metric)) {
          exemplars_[s.labels] = {s.exemplars.begin(), s.exemplars.end()};
        } else {
          counts_.exemplars_left_out += s.exemplars.size();
        }
      }
    }
    return {};
  }

  void Head() {
    const std::string name = PageMetricName(family_.name);
    text_ += "# TYPE " + name + " " + std::string(MetricTypeName(family_.type)) + "\n";
    if (!family_.unit.empty()) text_ += "# UNIT " + name + " " + family_.unit + "\n";
    if (family_.help.empty()) return;
    text_ += "# HELP " + name + " ";
    AppendPageEscaped(family_.help, &text_);
    text_ += '\n';
  }

  Status Metric(std::vector<Stream>* streams) {
    for (size_t i = 0; i < streams->size();) {
      const size_t begin = i;
      while (i < streams->size() && (*streams)[i].slice == (*streams)[begin].slice) ++i;
      TRY(Slice(std::span(*streams).subspan(begin, i - begin)));
    }
    return {};
  }

  // A stream being merged with its neighbours.
  struct Lines {
    Columns columns;
    size_t next = 0;
    std::string series;                         // the text before the value
    std::deque<Exemplar>* exemplars = nullptr;  // null: none
  };

  // The points of one metric in one slice: for each time the lines of all its series.
  Status Slice(std::span<const Stream> streams) {
    std::vector<Lines> lines(streams.size());
    for (size_t i = 0; i < streams.size(); ++i) {
      TRY(streams[i].set->Read(streams[i].series, &lines[i].columns));
      const LabelsView labels = streams[i].set->LabelsAt(streams[i].series);
      AppendPageSeries(labels, &lines[i].series);
      const auto found = exemplars_.find(Labels(labels));
      if (found != exemplars_.end()) lines[i].exemplars = &found->second;
    }
    for (;;) {
      int64_t t_ms = INT64_MAX;
      for (const Lines& l : lines) {
        if (l.next < l.columns.size()) t_ms = std::min(t_ms, l.columns.t_ms[l.next]);
      }
      bool any = false;
      for (Lines& l : lines) {
        if (l.next == l.columns.size() || l.columns.t_ms[l.next] != t_ms) continue;
        Sample(&l);
        ++l.next;
        any = true;
      }
      if (!any) return {};
      if (text_.size() < kWriteBytes) continue;
      TRY(write_(text_));
      text_.clear();
    }
  }

  void Sample(Lines* l) {
    const double value = l->columns.value[l->next];
    if (!l->columns.histogram.empty() && l->columns.histogram[l->next] != nullptr) {
      ++counts_.native_histograms;
      return;
    }
    if (IsStale(value)) {
      ++counts_.stale_markers;
      return;
    }
    ++counts_.samples;
    text_ += l->series;
    text_ += ' ';
    AppendNumber(value, &text_);
    text_ += ' ';
    AppendExportTime(l->columns.t_ms[l->next], &text_);
    if (l->exemplars != nullptr) AppendExemplar(l->columns.t_ms[l->next], l->exemplars);
    text_ += '\n';
  }

  // A line has one exemplar: the newest of those since the line before.
  void AppendExemplar(int64_t t_ms, std::deque<Exemplar>* exemplars) {
    const auto end = std::find_if(exemplars->begin(), exemplars->end(),
                                  [t_ms](const Exemplar& e) { return e.t_ms > t_ms; });
    if (end == exemplars->begin()) return;
    const Exemplar& e = *std::prev(end);
    text_ += " # ";
    AppendPageLabels(e.labels, &text_);
    text_ += ' ';
    AppendNumber(e.value, &text_);
    text_ += ' ';
    AppendExportTime(e.t_ms, &text_);
    ++counts_.exemplars;
    counts_.exemplars_left_out += static_cast<uint64_t>(end - exemplars->begin() - 1);
    exemplars->erase(exemplars->begin(), end);
  }

  const Querier& querier_;
  const ExportOptions& options_;
  const ExportFamily& family_;
  const std::function<Status(std::string_view)>& write_;
  ExportCounts& counts_;
  std::vector<std::unique_ptr<SeriesSet>> sets_;
  std::map<Labels, std::vector<Stream>> metrics_;
  std::map<Labels, std::deque<Exemplar>> exemplars_;  // not written yet, by series
  std::string text_;
};

struct Suffix {
  std::string_view text;
  MetricType type;
};
// Which names a family of a type has besides its own.
constexpr std::array<Suffix, 13> kSuffixes = {{{"_total", MetricType::kCounter},
                                               {"_created", MetricType::kCounter},
                                               {"_bucket", MetricType::kHistogram},
                                               {"_count", MetricType::kHistogram},
                                               {"_sum", MetricType::kHistogram},
                                               {"_created", MetricType::kHistogram},
                                               {"_count", MetricType::kSummary},
                                               {"_sum", MetricType::kSummary},
                                               {"_created", MetricType::kSummary},
                                               {"_bucket", MetricType::kGaugeHistogram},
                                               {"_gcount", MetricType::kGaugeHistogram},
                                               {"_gsum", MetricType::kGaugeHistogram},
                                               {"_info", MetricType::kInfo}}};
bool HasSuffixesOnly(MetricType type) {
  return type != MetricType::kSummary &&
         std::any_of(kSuffixes.begin(), kSuffixes.end(),
                     [type](const Suffix& s) { return s.type == type; });
}

using MetadataByName = std::map<std::string_view, const MetricMetadata*>;

// The family of one name by the metadata alone.
std::pair<std::string, const MetricMetadata*> FamilyOf(const std::string& name,
                                                       const MetadataByName& known) {
  const std::string_view view = name;
  for (const Suffix& s : kSuffixes) {
    if (!view.ends_with(s.text) || view.size() == s.text.size()) continue;
    const std::string_view base = view.substr(0, view.size() - s.text.size());
    // Prometheus's text format counts the suffix of counters and infos as part of the family's
    // name.
    for (const std::string_view family : {base, view}) {
      const auto it = known.find(family);
      if (it != known.end() && it->second->type == s.type) return {std::string(base), it->second};
    }
  }
  const auto it = known.find(view);
  if (it == known.end() || HasSuffixesOnly(it->second->type)) return {name, nullptr};
  return {name, it->second};
}

bool IsUnitOf(std::string_view unit, std::string_view name) {
  return !unit.empty() && name.size() > unit.size() && name.ends_with(unit) &&
         name[name.size() - unit.size() - 1] == '_';
}

}  // namespace

std::vector<ExportFamily> ExportFamilies(const std::vector<std::string>& names,
                                         const std::vector<MetricMetadata>& metadata) {
  MetadataByName known;
  for (const MetricMetadata& m : metadata) known[m.name] = &m;
  std::map<std::string, std::vector<std::pair<std::string, const MetricMetadata*>>> members;
  for (const std::string& name : names) {
    auto [family, about] = FamilyOf(name, known);
    members[std::move(family)].emplace_back(name, about);
  }
  std::vector<ExportFamily> out;
  for (const auto& [name, metrics] : members) {
    const MetricMetadata* about = metrics[0].second;
    const bool agree = std::all_of(metrics.begin(), metrics.end(), [&](const auto& m) {
      return (m.second == nullptr ? MetricType::kUnknown : m.second->type) ==
             (about == nullptr ? MetricType::kUnknown : about->type);
    });
    if (!agree) {  // two families of one name: each metric stands for itself
      for (const auto& m : metrics)
        out.push_back({m.first, MetricType::kUnknown, "", "", {m.first}});
      continue;
    }
    ExportFamily family{name, MetricType::kUnknown, "", "", {}};
    for (const auto& m : metrics) family.metrics.push_back(m.first);
    if (about != nullptr) {
      family.type = about->type;
      family.help = about->help;
      if (IsUnitOf(about->unit, name)) family.unit = about->unit;
    }
    out.push_back(std::move(family));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

void AppendExportTime(int64_t t_ms, std::string* out) {
  char buffer[32];
  const uint64_t t = t_ms < 0 ? 0 - static_cast<uint64_t>(t_ms) : static_cast<uint64_t>(t_ms);
  if (t_ms < 0) *out += '-';
  out->append(buffer, std::to_chars(buffer, buffer + sizeof buffer, t / 1000).ptr);
  const uint64_t rest = t % 1000;
  if (rest == 0) return;
  // Without zeros at the end.
  const char digits[] = {'.', static_cast<char>('0' + rest / 100),
                         static_cast<char>('0' + rest / 10 % 10),
                         static_cast<char>('0' + rest % 10)};
  const double seconds = static_cast<double>(t) / 1000;
  if (static_cast<uint64_t>(seconds * 1000) == t) {
    out->append(digits, rest % 100 == 0 ? 2 : rest % 10 == 0 ? 3 : 4);
  } else {
    // 1.001 s times 1000 is a little less than 1001: a further digit keeps it from being cut off.
    out->append(digits, 4).append("1");
  }
}

Status WriteOpenMetrics(const Querier& querier, const std::vector<MetricMetadata>& metadata,
                        const ExportOptions& options,
                        const std::function<Status(std::string_view)>& write,
                        const std::function<void(double done)>& progress, ExportCounts* counts) {
  LabelQuery query;
  query.matcher_sets = options.matcher_sets;
  query.start_ms = options.start_ms;
  query.end_ms = options.end_ms;
  TRY_ASSIGN(const auto names, querier.LabelValues(std::string(kMetricName), query));
  const std::vector<ExportFamily> families = ExportFamilies(names, metadata);
  for (size_t i = 0; i < families.size(); ++i) {
    progress(static_cast<double>(i) / static_cast<double>(families.size()));
    TRY(FamilyWriter(querier, options, families[i], write, counts).Run());
  }
  progress(1);
  return write("# EOF\n");
}

}  // namespace deckwatch::server
