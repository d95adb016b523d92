#include "tests/simulation/model.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace deckwatch::simulation {

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

std::optional<std::string> PointDifference(const std::string& name,
                                           const std::map<int64_t, Content::Point>& expected,
                                           const std::map<int64_t, Content::Point>& found,
                                           int64_t oldest_ms,
                                           const std::function<bool(int64_t)>& may_miss) {
  const auto at = [&](int64_t t_ms) {
    return name + " at step " + std::to_string((t_ms - kStartMs) / kStepMs) + " (" +
           FormatRfc3339Ms(t_ms) + ")";
  };
  for (const auto& [t_ms, point] : found) {
    const auto it = expected.find(t_ms);
    if (it == expected.end()) return "phantom sample " + at(t_ms);
    if (!Same(it->second, point)) {
      return "wrong value " + at(t_ms) + ": " + FormatFloat(point.value) + " instead of " +
             FormatFloat(it->second.value);
    }
  }
  for (const auto& [t_ms, point] : expected) {
    if (t_ms >= oldest_ms && !found.contains(t_ms) && !may_miss(t_ms))
      return "missing sample " + at(t_ms);
  }
  return {};
}

}  // namespace

std::optional<std::string> Difference(const Content& expected, const Content& found,
                                      int64_t oldest_ms, const Damage& damage) {
  static const std::map<int64_t, Content::Point> kNone;
  for (const auto& [name, points] : found.series) {
    if (points.empty() || expected.series.contains(name)) continue;
    return "phantom series " + name;
  }
  for (const auto& [name, points] : expected.series) {
    const auto it = found.series.find(name);
    auto difference = PointDifference(
        name, points, it == found.series.end() ? kNone : it->second, oldest_ms,
        [&](int64_t t_ms) { return damage.MayMiss(expected.labels.at(name), t_ms); });
    if (difference.has_value()) return difference;
  }
  if (auto d = MapDifference(expected.state, found.state, "state row", damage.state); d.has_value())
    return d;
  return MapDifference(expected.help, found.help, "metadata", false);
}

}  // namespace deckwatch::simulation
