#include "bench/recorded_pages.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <unordered_map>

#include <zstd.h>

#include "base/sample.h"

namespace deckwatch::bench {
namespace {

std::string Decompress(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string packed((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  std::string out, chunk(1 << 20, 0);
  ZSTD_DCtx* context = ZSTD_createDCtx();
  ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 27);
  ZSTD_inBuffer input{packed.data(), packed.size(), 0};
  while (input.pos < input.size) {
    ZSTD_outBuffer output{chunk.data(), chunk.size(), 0};
    const size_t r = ZSTD_decompressStream(context, &output, &input);
    if (ZSTD_isError(r) != 0) break;
    out.append(chunk, 0, output.pos);
  }
  ZSTD_freeDCtx(context);
  return out;
}

Labels ParseKey(std::string_view key, const std::string& job) {
  LabelsBuilder b;
  const size_t brace = key.find('{');
  b.Set(kMetricName, key.substr(0, brace)).Set("job", job);
  if (brace == std::string_view::npos) return b.Build();
  for (size_t i = brace + 1; i < key.size() && key[i] != '}';) {
    const size_t equals = key.find('=', i);
    std::string value;
    size_t k = equals + 2;
    for (; key[k] != '"'; ++k) {
      if (key[k] == '\\') ++k;
      value += key[k];
    }
    b.Set(key.substr(i, equals - i), value);
    i = key[k + 1] == ',' ? k + 2 : k + 1;
  }
  return b.Build();
}

// Every `stride`-th page, beginning with page `phase`.
RecordedTarget ParsePages(const std::string& text, const std::string& job, size_t rounds,
                          size_t stride, size_t phase) {
  RecordedTarget t;
  t.job = job;
  t.phase = std::to_string(phase);
  std::unordered_map<std::string, uint32_t> numbers;
  size_t frame = 0;
  for (size_t at = 0; at < text.size() && t.rounds.size() < rounds; ++frame) {
    const size_t line_end = text.find('\n', at);
    const size_t bytes = std::strtoull(text.c_str() + text.rfind(' ', line_end), nullptr, 10);
    const std::string_view page = std::string_view(text).substr(line_end + 1, bytes);
    at = line_end + 1 + bytes;
    if (frame % stride != phase) continue;
    RecordedTarget::Row row;
    for (size_t i = 0; i < page.size();) {
      const size_t end = std::min(page.find('\n', i), page.size());
      const std::string_view line = page.substr(i, end - i);
      i = end + 1;
      if (line.empty() || line[0] == '#') continue;
      const size_t brace = line.rfind('}');
      const size_t space = line.find(' ', brace == std::string_view::npos ? 0 : brace);
      double v;
      if (space == std::string_view::npos ||
          !ParseFloat(line.substr(space + 1, line.find(' ', space + 1) - space - 1), &v)) {
        continue;
      }
      const auto [it, added] =
          numbers.emplace(line.substr(0, space), static_cast<uint32_t>(t.labels.size()));
      if (added) t.labels.push_back(ParseKey(line.substr(0, space), t.job));
      row.series.push_back(it->second);
      row.value.push_back(v);
    }
    t.rounds.push_back(std::move(row));
  }
  return t;
}

}  // namespace

std::vector<RecordedTarget> ReadRecordedPages(const std::string& directory, size_t rounds,
                                              size_t stride, size_t phases) {
  std::vector<RecordedTarget> targets;
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ec)) {
    if (entry.path().extension() != ".zst") continue;
    const std::string file = entry.path().filename().string();
    const std::string text = Decompress(entry.path());
    for (size_t phase = 0; phase < std::min(phases, stride); ++phase) {
      targets.push_back(ParsePages(text, file.substr(0, file.find('.')), rounds, stride, phase));
    }
  }
  return targets;
}

}  // namespace deckwatch::bench
