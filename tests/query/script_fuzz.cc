// Any bytes are read as a script and as a series, or refused.
#include <cstdint>
#include <string_view>

#include "query/promqltest_script.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deckwatch::query;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)ParseScript(text).ok();
  (void)ParseSeriesLine(text).ok();
  (void)ParseStartTimes(text).ok();
  return 0;
}
