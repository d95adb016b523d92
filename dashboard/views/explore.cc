#include "dashboard/views/explore.h"

#include <algorithm>

#include <imgui_stdlib.h>

namespace deckwatch::dashboard {
namespace {

constexpr size_t kMaxSuggestions = 14;

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == ':';
}

// Tab: the first suggestion in place of the name before the caret. `user_data` is the list shown.
int CompleteName(ImGuiInputTextCallbackData* data) {
  const auto& suggestions = *static_cast<const std::vector<std::string>*>(data->UserData);
  if (suggestions.empty()) return 0;
  const auto caret = static_cast<size_t>(data->CursorPos);
  const auto typed = static_cast<int>(TrailingName({data->Buf, caret}).size());
  data->DeleteChars(data->CursorPos - typed, typed);
  data->InsertChars(data->CursorPos, suggestions.front().c_str());
  return 0;
}

}  // namespace

std::string_view TrailingName(std::string_view text) {
  size_t begin = text.size();
  while (begin > 0 && IsNameChar(text[begin - 1])) --begin;
  return text.substr(begin);
}

std::vector<std::string> MatchingNames(const std::vector<std::string>& names,
                                       std::string_view typed, size_t limit) {
  std::vector<std::string> out;
  for (const bool at_start : {true, false}) {
    for (const std::string& name : names) {
      if (out.size() == limit) return out;
      const size_t at = name.find(typed);
      if (at != name.npos && (at == 0) == at_start) out.push_back(name);
    }
  }
  return out;
}

ExploreView::ExploreView(std::string expr) : text_(std::move(expr)) {
  Run();
}

void ExploreView::Run() {
  if (text_.empty()) return;
  panel_.emplace(PanelSpec{.id = "explore",
                           .title = text_,
                           .unit = std::string(GuessUnit(text_).id),
                           .queries = {{text_, ""}},
                           .fill = 0.12F,
                           .absent = "The expression has no series in this time range."});
}

void ExploreView::Draw(const PageContext& page, const Rect& area) {
  Rect rest = area;
  const Rect box = rest.CutTop(page.canvas.Px(44), page.canvas.Px(8));
  if (panel_) panel_->Draw(page, rest, LegendPlace::kBottom);
  DrawQueryBox(page, box);
}

void ExploreView::DrawQueryBox(const PageContext& page, Rect area) {
  const Canvas& canvas = page.canvas;
  canvas.Fill(area, kPanelColor, canvas.Px(4));
  canvas.Frame(area, editing_ ? kAccentColor : kBorderColor, canvas.Px(4));
  const Rect box = area;
  canvas.Text(canvas.theme().small, area.CutRight(canvas.Px(96), canvas.Px(10)), kFaintColor,
              "Enter runs it", Align::kCenter);
  area = area.Inset(canvas.Px(6), canvas.Px(6));
  ImGui::PushFont(canvas.theme().mono);
  ImGui::PushStyleColor(ImGuiCol_FrameBg, IM_COL32(0, 0, 0, 0));
  ImGui::SetCursorScreenPos({area.x, area.y + (area.h - ImGui::GetFrameHeight()) / 2});
  ImGui::SetNextItemWidth(area.w);
  if (ImGui::InputTextWithHint(
          "##query", "PromQL, for example rate(http_requests_total[5m])", &text_,
          ImGuiInputTextFlags_EnterReturnsTrue | ImGuiInputTextFlags_CallbackCompletion,
          CompleteName, &suggestions_)) {
    Run();
  }
  editing_ = ImGui::IsItemActive();
  ImGui::PopStyleColor();
  ImGui::PopFont();
  if (editing_) DrawCompletion(page, box);
}

void ExploreView::DrawCompletion(const PageContext& page, const Rect& box) {
  suggestions_.clear();
  const auto& names = page.feed->MetricNames();
  const std::string_view typed = TrailingName(text_);
  if (!names.data || typed.size() < 2) return;
  suggestions_ = MatchingNames(*names.data, typed, kMaxSuggestions);
  if (suggestions_.size() == 1 && suggestions_[0] == typed) suggestions_.clear();
  if (suggestions_.empty()) return;
  const Canvas over(ImGui::GetForegroundDrawList(), page.canvas.theme());
  const float row_h = over.Px(22);
  float width = over.Px(240);
  for (const std::string& name : suggestions_) {
    width = std::max(width, over.Width(over.theme().mono, name) + over.Px(28));
  }
  Rect list = {box.x + over.Px(10), box.bottom() + over.Px(4), width,
               row_h * static_cast<float>(suggestions_.size()) + over.Px(10)};
  over.Fill(list, kRaisedColor, over.Px(5));
  over.Frame(list, kBorderColor, over.Px(5));
  Rect rows = list.Inset(over.Px(5), over.Px(5));
  for (const std::string& name : suggestions_) {
    const Rect row = rows.CutTop(row_h);
    over.Text(over.theme().mono, row.Inset(over.Px(8), 0), kTextColor, name);
  }
}

}  // namespace deckwatch::dashboard
