// Containers ranked by use. Two questions: which are highest now (cheap on any cluster), then the
// past of just those.
#include <algorithm>
#include <cmath>

#include "dashboard/views/health.h"

namespace deckwatch::dashboard {
namespace {

constexpr int kTop = 12;
constexpr float kRowHeight = 21, kMaxRowHeight = 30;

struct Ranked {
  std::string container;  // the `name` label
  std::string shown;
  double value = 0;
};

// A container name as a literal inside a PromQL string holding a regular expression.
std::string EscapedForRegex(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '"' || c == '\\' ||
        std::string_view(".+*?()[]{}|^$").find(c) != std::string_view::npos) {
      out += c == '"' ? "\\" : "\\\\";
      if (c == '\\') out += "\\";
    }
    out += c;
  }
  return out;
}

std::string Usage(const RankSpec& spec, const std::string& matcher, const std::string& rate) {
  const std::string selector = spec.metric + "{" + matcher + "}";
  return "sum by (name, namespace, pod, container) (" +
         (spec.is_counter ? "rate(" + selector + "[" + rate + "])" : selector) + ")";
}

std::string ShownName(const Labels& labels) {
  if (!labels.Has("pod")) {
    constexpr size_t kIdLength = 64, kShortIdLength = 12;  // as container engines show ids
    const std::string_view name = labels.Get("name");
    const bool is_id = name.size() == kIdLength &&
                       name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
    return std::string(is_id ? name.substr(0, kShortIdLength) : name);
  }
  std::string out = std::string(labels.Get("namespace")) + "/" + std::string(labels.Get("pod"));
  if (labels.Has("container")) out += "/" + std::string(labels.Get("container"));
  return out;
}

// The highest at the end of the window.
const Reading<QueryResult>& Ranking(const PageContext& page, const RankSpec& spec) {
  const TimeRange now = {page.link->window.to_ms, page.link->window.to_ms};
  return page.feed->Range("topk(" + std::to_string(kTop) + ", " +
                              Usage(spec, "name!=\"\",container!=\"POD\"", page.rate) + ")",
                          now, page.link->step_ms);
}

std::vector<Ranked> Top(const QueryResult& result) {
  std::vector<Ranked> out;
  for (const Series& s : result.series) {
    out.push_back({std::string(s.labels.Get("name")), ShownName(s.labels), s.value.back()});
  }
  std::sort(out.begin(), out.end(), [](const Ranked& a, const Ranked& b) {
    return std::tie(b.value, a.shown) < std::tie(a.value, b.shown);
  });
  return out;
}

// The past of `top`, by the `name` label.
const Reading<QueryResult>& History(const PageContext& page, const RankSpec& spec,
                                    const std::vector<Ranked>& top) {
  std::vector<std::string> names;
  for (const Ranked& r : top) names.push_back(EscapedForRegex(r.container));
  std::sort(names.begin(), names.end());  // the order of ranks must not change the question
  std::string pattern;
  for (const std::string& name : names) pattern += (pattern.empty() ? "" : "|") + name;
  return page.feed->Range(Usage(spec, "name=~\"" + pattern + "\"", page.rate), page.link->window,
                          page.link->step_ms);
}

void DrawRow(const PageContext& page, Rect row, const RankSpec& spec, const Ranked& ranked,
             double highest, const Series* past, int64_t gap_ms) {
  const Canvas& canvas = page.canvas;
  const Theme& theme = canvas.theme();
  canvas.Text(theme.small, row.CutRight(canvas.Px(92), canvas.Px(10)), kTextColor,
              FormatValue(UnitById(spec.unit), ranked.value), Align::kRight);
  const Rect spark = row.CutRight(row.w * 0.38F, canvas.Px(12)).Inset(0, canvas.Px(3));
  if (past != nullptr) DrawSparkline(canvas, spark, *past, page.link->window, gap_ms, spec.color);
  Rect bar = row.CutRight(row.w * 0.32F, canvas.Px(12));
  bar = bar.Inset(0, std::floor((bar.h - canvas.Px(7)) / 2));
  canvas.Fill(bar, kRaisedColor, canvas.Px(2));
  const float part = highest > 0 ? static_cast<float>(ranked.value / highest) : 0;
  canvas.Fill({bar.x, bar.y, bar.w * std::clamp(part, 0.F, 1.F), bar.h}, spec.color, canvas.Px(2));
  canvas.Text(theme.body, row, kTextColor, ranked.shown);
}

}  // namespace

float RankingHeight(const PageContext& page, const RankSpec& spec) {
  const auto& ranking = Ranking(page, spec);
  const bool is_absent = ranking.data && ranking.data->series.empty();
  const size_t rows = ranking.data ? ranking.data->series.size() : kTop;
  return page.canvas.Px(is_absent ? 118 : 46 + kMaxRowHeight * static_cast<float>(rows));
}

void DrawRanking(const PageContext& page, const Rect& area, const RankSpec& spec) {
  const Canvas& canvas = page.canvas;
  const Rect inside = canvas.Panel(area, spec.title);
  const auto& ranking = Ranking(page, spec);
  if (!ranking.data || ranking.data->series.empty()) {
    const auto& any =
        page.feed->Range("count(" + spec.metric + ")", page.link->window, page.link->step_ms);
    const std::string absent =
        any.data && !any.data->series.empty()
            ? "No container is running: " + spec.metric + " has no series with a container's name."
            : spec.metric +
                  " is absent on this server. Deckwatch's own container collector (target "
                  "deckwatch://containers), the kubelet or cAdvisor gives it.";
    Rect box = inside;
    if (ranking.data) {
      canvas.Text(canvas.theme().strong, box.CutTop(canvas.Px(22)), kMutedColor, "No data");
    }
    canvas.Paragraph(canvas.theme().body, box, kMutedColor,
                     NoDataText(*page.feed, ranking, absent));
    return;
  }
  const std::vector<Ranked> top = Top(*ranking.data);
  const auto& history = History(page, spec, top);
  Rect rows = inside;
  const float row_h = std::floor(std::clamp(rows.h / static_cast<float>(top.size()),
                                            canvas.Px(kRowHeight), canvas.Px(kMaxRowHeight)));
  for (const Ranked& ranked : top) {
    if (rows.h < row_h) break;
    const Series* past = nullptr;
    if (history.data) {
      for (const Series& s : history.data->series) {
        if (s.labels.Get("name") == ranked.container) past = &s;
      }
    }
    DrawRow(page, rows.CutTop(row_h), spec, ranked, top.front().value, past,
            history.step_ms * 3 / 2);
  }
}

}  // namespace deckwatch::dashboard
