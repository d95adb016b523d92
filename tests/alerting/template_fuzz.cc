// Any text as a template, in both dialects, over a small value: no crash, no hang, bounded memory.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "alerting/template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deckwatch::alerting;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const ValueMap map{
      .kind = ValueMap::Kind::kStrings, .entries = {{"a", Value("b")}}, .method = nullptr};
  for (TemplateDialect dialect : {TemplateDialect::kRules, TemplateDialect::kNotifications}) {
    TemplateSet set(dialect);
    if (!set.Add("t", text).ok()) continue;
    (void)set.Execute("t", Value(map), {.query = nullptr, .now_ms = 1, .external_url = "u"});
  }
  return 0;
}
