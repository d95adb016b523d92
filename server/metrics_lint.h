// What is wrong with a page of metrics: the findings of `promtool check metrics`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace deckwatch::server {

struct LintProblem {
  std::string metric;
  std::string text;
};

// By metric name. InvalidArgument naming the line when the page does not parse.
Result<std::vector<LintProblem>> LintMetrics(std::string_view page);

}  // namespace deckwatch::server
