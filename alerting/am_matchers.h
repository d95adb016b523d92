// Matchers as alertmanager.yml and silences write them: `name="value"`, `name=~value`, several in
// `{…}` or between commas. UTF-8 rules first, the classic ones when only those understand the text,
// as Alertmanager's default mode has it. (matcher/parse, matcher/compat.)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/matcher.h"
#include "base/status.h"

namespace deckwatch::alerting {

// InvalidArgument with the reason and the text.
Result<std::vector<Matcher>> ParseAlertMatchers(std::string_view text);

// `{a="b",c=~"d"}`, sorted by name, as route keys hold it.
std::string MatchersToString(const std::vector<Matcher>& matchers);

}  // namespace deckwatch::alerting
