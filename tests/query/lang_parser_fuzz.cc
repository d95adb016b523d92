// Any bytes are parsed or refused; what is parsed prints to text that prints itself.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "query/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deckwatch::query;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)ParseSelector(text).ok();
  (void)ParseMetric(text).ok();
  auto expr = ParseExpr(text);
  if (!expr.ok()) return 0;
  const std::string canonical = ToString(**expr);
  const auto again = ParseExpr(canonical);
  if (again.ok() && ToString(**again) != canonical) std::abort();
  (void)Pretty(**expr);
  (void)ResolveDurations(expr->get(), 0, 3'600'000, 60'000).ok();
  return 0;
}
