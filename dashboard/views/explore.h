// One expression, one large plot: ask anything, look closely.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dashboard/views/panel.h"

namespace deckwatch::dashboard {

class ExploreView {
 public:
  explicit ExploreView(std::string expr);
  void Draw(const PageContext& page, const Rect& area);

 private:
  void DrawQueryBox(const PageContext& page, Rect area);
  void DrawCompletion(const PageContext& page, const Rect& below);
  void Run();

  std::string text_;  // being edited
  std::optional<Panel> panel_;
  std::vector<std::string> suggestions_;  // for the name being typed
  bool editing_ = false;
};

// The metric name that is being typed at the end of `text`, and the names that contain it: those
// that begin with it first, at most `limit`.
std::string_view TrailingName(std::string_view text);
std::vector<std::string> MatchingNames(const std::vector<std::string>& names,
                                       std::string_view typed, size_t limit);

}  // namespace deckwatch::dashboard
