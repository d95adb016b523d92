// Two pages after one another, as a target would send them: the bytes up to the first NUL, then the
// rest. The first byte chooses the formats. Reading with memory must give what reading from scratch
// gives.
#include <cstdlib>
#include <map>
#include <string>

#include "scraper/page.h"
#include "tests/scraper/fake_appender.h"

namespace deckwatch::scraper {
namespace {

std::map<SeriesRef, uint64_t> Values(const WriteBatch& batch, int64_t t_ms) {
  std::map<SeriesRef, uint64_t> out;
  for (size_t i = 0; i < batch.ref.size(); ++i) {
    const bool plain =
        batch.ref[i] != kNoSeries && batch.t_ms[i] == t_ms && !IsStale(batch.value[i]);
    if (plain) out.emplace(batch.ref[i], std::bit_cast<uint64_t>(batch.value[i]));
  }
  return out;
}

void TwoPages(TextFormat first, TextFormat second, const std::string& a, const std::string& b) {
  auto config = std::make_shared<ScrapeConfig>();
  config->honor_timestamps = false;
  const PageRules rules{Labels{{"job", "fuzz"}}, std::move(config)};
  FakeAppender store;
  Page page(1), fresh(1);
  PageStats stats;
  WriteBatch batch, again;
  if (!page.Read(rules, first, a, 1000, &store, &batch, &stats).ok())
    page.MarkAllStale(1000, &batch);
  batch.Clear();
  const bool with_memory = page.Read(rules, second, b, 2000, &store, &batch, &stats).ok();
  const bool from_scratch = fresh.Read(rules, second, b, 2000, &store, &again, &stats).ok();
  if (with_memory != from_scratch) std::abort();
  if (with_memory && Values(batch, 2000) != Values(again, 2000)) std::abort();
}

}  // namespace
}  // namespace deckwatch::scraper

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deckwatch::scraper;
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t cut = std::min(text.find('\0'), text.size());
  const auto format = [&](int bit) {
    return (data[0] >> bit & 1) != 0 ? TextFormat::kOpenMetrics : TextFormat::kPrometheus;
  };
  const std::string second = cut < text.size() ? text.substr(cut + 1) : text;
  TwoPages(format(0), format(1), text.substr(0, cut), second);
  return 0;
}
