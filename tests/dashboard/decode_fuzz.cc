// Any bytes as an answer of the HTTP API: no crash, and columns that keep their promises.
#include <cstdint>

#include "base/status.h"
#include "dashboard/data/decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deckwatch::dashboard;
  const std::string body(reinterpret_cast<const char*>(data), size);
  if (const auto result = DecodeQueryResult(body); result.ok()) {
    for (const Series& s : result->series) {
      CHECK(!s.t_ms.empty() && s.t_ms.size() == s.value.size());
      for (size_t i = 1; i < s.t_ms.size(); ++i) CHECK(s.t_ms[i - 1] < s.t_ms[i]);
    }
  }
  (void)DecodeTargets(body);
  (void)DecodeAlerts(body);
  (void)DecodeRules(body);
  (void)DecodeBuildVersion(body);
  (void)DecodeNames(body);
  return 0;
}
