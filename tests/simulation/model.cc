#include "tests/simulation/model.h"

#include <algorithm>
#include <bit>

namespace deckwatch::simulation {

namespace {
std::string ExemplarText(const Labels& series, const Exemplar& e) {
  return series.ToString() + " " + e.labels.ToString() + " " + FormatFloat(e.value) + " at " +
         FormatRfc3339Ms(e.t_ms);
}
}  // namespace

void Model::AdvanceTo(uint64_t step) {
  while (step_ < step) Take(MakeStep(seed_, ++step_));
}

void Model::Take(const Step& step) {
  const int64_t oldest_ms = WallMsAt(step.number) - kRetentionMs;
  for (const Sample& s : step.samples) {
    if (s.t_ms < oldest_ms) continue;
    const std::string name = s.labels.ToString();
    content_.labels.emplace(name, s.labels);
    // The first value of a time stays.
    content_.series[name].emplace(s.t_ms, Content::Point{s.value, s.start_ms, s.histogram});
  }
  if (step.exemplar.has_value()) {
    const std::string text = ExemplarText(step.samples.front().labels, *step.exemplar);
    content_.exemplars[text] = step.exemplar->t_ms;
  }
  if (step.metadata.has_value()) content_.help[step.metadata->name] = step.metadata->help;
  for (const StateChange& c : step.changes) {
    if (c.value.has_value()) {
      content_.state[c.key] = *c.value;
    } else {
      content_.state.erase(c.key);
    }
  }
  if (!step.matcher.has_value()) return;
  for (auto& [name, points] : content_.series) {
    if (!step.matcher->Matches(content_.labels[name])) continue;
    points.erase(points.lower_bound(step.start_ms), points.upper_bound(step.end_ms));
  }
}

bool Damage::MayMiss(const Labels& labels, int64_t t_ms) const {
  if (!exact) return any();
  const std::vector<Matcher> name = {
      Matcher::Equal("__name__", std::string(labels.view().MetricName()))};
  return std::any_of(losses.begin(), losses.end(),
                     [&](const tsdb::Loss& l) { return l.Concerns(t_ms, t_ms, name); });
}

Content ReadEverything(const tsdb::Db& db, Damage* damage) {
  Content out;
  const auto report = [&](const Status& s) { damage->told.push_back(s.message()); };
  const auto querier = db.NewQuerier();
  if (!querier.ok()) {
    report(querier.status());
  } else if (const auto set = (*querier)->Select(INT64_MIN, INT64_MAX, {}, {}); !set.ok()) {
    report(set.status());
  } else {
    Labels labels;
    for (size_t i = 0; i < (*set)->size(); ++i) {
      Columns c;
      labels = Labels((*set)->LabelsAt(i));
      const std::string name = labels.ToString();
      if (const Status s = (*set)->Read(i, &c); !s.ok()) report(s);
      for (size_t k = 0; k < c.size(); ++k) {
        Content::Point p{.value = c.value[k]};
        if (!c.start_ms.empty()) p.start_ms = c.start_ms[k];
        if (!c.histogram.empty()) p.histogram = c.histogram[k];
        out.series[name].emplace(c.t_ms[k], p);
      }
    }
    const auto exemplars = (*querier)->Exemplars({});
    if (!exemplars.ok()) report(exemplars.status());
    if (exemplars.ok()) {
      for (const auto& series : *exemplars) {
        for (const Exemplar& e : series.exemplars) {
          out.exemplars[ExemplarText(series.labels, e)] = e.t_ms;
        }
      }
    }
    for (std::string& loss : (*querier)->Losses()) damage->told.push_back(std::move(loss));
  }
  const Status s = db.Scan("", [&](std::string_view key, std::string_view value) {
    return out.state.emplace(key, value).second;
  });
  if (!s.ok()) report(s);
  damage->state = !s.ok();
  for (const MetricMetadata& m : db.Metadata("")) out.help[m.name] = m.help;
  damage->losses = db.Losses();
  damage->counted = db.Stats().counters.corruptions;
  return out;
}

uint64_t NewestMarker(const Content& found) {
  uint64_t newest = 0;
  for (const auto& [name, points] : found.series) {
    if (!name.starts_with(kMarkerSeries) || points.empty()) continue;
    newest = static_cast<uint64_t>((points.rbegin()->first - kStartMs) / kStepMs);
  }
  if (const auto row = found.state.find(std::string(kMarkerKey)); row != found.state.end()) {
    newest = std::max<uint64_t>(newest, std::strtoull(row->second.c_str(), nullptr, 10));
  }
  return newest;
}

namespace {

bool Same(const Content::Point& a, const Content::Point& b) {
  if ((a.histogram == nullptr) != (b.histogram == nullptr)) return false;
  if (a.histogram != nullptr) return *a.histogram == *b.histogram && a.start_ms == b.start_ms;
  return std::bit_cast<uint64_t>(a.value) == std::bit_cast<uint64_t>(b.value) &&
         a.start_ms == b.start_ms;
}

std::optional<std::string> MapDifference(const std::map<std::string, std::string>& expected,
                                         const std::map<std::string, std::string>& found,
                                         const std::string& what, bool may_miss) {
  if (expected == found) return {};
  for (const auto& [key, value] : expected) {
    const auto it = found.find(key);
    if (it == found.end() && may_miss) continue;
    if (it == found.end()) return "missing " + what + " " + key;
    if (it->second != value) return "wrong " + what + " " + key + ": " + it->second;
  }
  for (const auto& [key, value] : found) {
    if (!expected.contains(key)) return "phantom " + what + " " + key;
  }
  return {};
}

const std::map<int64_t, Content::Point>& PointsOf(const Content& content, const std::string& name) {
  static const std::map<int64_t, Content::Point> kNone;
  const auto it = content.series.find(name);
  return it == content.series.end() ? kNone : it->second;
}

std::string SampleAt(const std::string& name, int64_t t_ms) {
  return "sample " + name + " at step " + std::to_string((t_ms - kStartMs) / kStepMs) + " (" +
         FormatRfc3339Ms(t_ms) + ")";
}

// One that nobody wrote, or with another value.
std::optional<std::string> FalseSample(const Content& expected, const Content& found) {
  for (const auto& [name, points] : found.series) {
    const auto& own = PointsOf(expected, name);
    for (const auto& [t_ms, point] : points) {
      const auto it = own.find(t_ms);
      if (it == own.end()) return "phantom " + SampleAt(name, t_ms);
      if (Same(it->second, point)) continue;
      return "wrong value of " + SampleAt(name, t_ms) + ": " + FormatFloat(point.value) +
             " instead of " + FormatFloat(it->second.value);
    }
  }
  return {};
}

std::optional<std::string> ExemplarDifference(const Content& expected, const Content& found,
                                              int64_t oldest_ms) {
  for (const auto& [text, t_ms] : found.exemplars) {
    if (!expected.exemplars.contains(text)) return "phantom exemplar " + text;
  }
  for (const auto& [text, t_ms] : expected.exemplars) {
    if (t_ms >= oldest_ms && !found.exemplars.contains(text)) return "missing exemplar " + text;
  }
  return {};
}

}  // namespace

std::optional<std::string> MissingSample(const Content& expected, const Content& found,
                                         int64_t oldest_ms, const Damage& damage) {
  for (const auto& [name, points] : expected.series) {
    const auto& there = PointsOf(found, name);
    for (const auto& [t_ms, point] : points) {
      if (t_ms < oldest_ms || there.contains(t_ms)) continue;
      if (damage.MayMiss(expected.labels.at(name), t_ms)) continue;
      return "missing " + SampleAt(name, t_ms);
    }
  }
  return {};
}

std::optional<std::string> Difference(const Content& expected, const Content& found,
                                      int64_t oldest_ms, const Damage& damage) {
  if (auto d = FalseSample(expected, found); d.has_value()) return d;
  if (auto d = MissingSample(expected, found, oldest_ms, damage); d.has_value()) return d;
  if (auto d = ExemplarDifference(expected, found, oldest_ms); d.has_value()) return d;
  if (auto d = MapDifference(expected.state, found.state, "state row", damage.state); d.has_value())
    return d;
  return MapDifference(expected.help, found.help, "metadata", false);
}

}  // namespace deckwatch::simulation
