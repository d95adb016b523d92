// meminfo, vmstat.
#include "scraper/collectors/host_parts.h"
#include "scraper/collectors/procfs.h"

namespace deckwatch::scraper {

// "MemTotal:  16 kB" -> node_memory_MemTotal_bytes, "Active(anon): …" ->
// node_memory_Active_anon_bytes, "HugePages_Total: 0" -> node_memory_HugePages_Total.
Status CollectMeminfo(const HostContext& host, MetricPage* page) {
  TRY_ASSIGN(const std::string text, ReadSmallFile(host.options.proc + "/meminfo"));
  std::string_view rest = text;
  bool any = false;
  for (std::string_view line; NextLine(&rest, &line);) {
    const auto words = Words(line);
    const auto value = words.size() >= 2 ? ParseNumber(words[1]) : std::nullopt;
    if (!value || words[0].back() != ':') continue;
    std::string field;
    for (const char c : words[0].substr(0, words[0].size() - 1)) {
      if (c == '(') field += '_';
      if (c != '(' && c != ')') field += c;
    }
    const bool kilobytes = words.size() == 3 && words[2] == "kB";
    if (kilobytes) field += "_bytes";
    page->Family("node_memory_" + field, "gauge", "Memory information field " + field + ".");
    page->Sample(kilobytes ? *value * 1024 : *value);
    any = true;
  }
  return any ? Status::Ok() : Status::Corruption("no field in meminfo");
}

Status CollectVmstat(const HostContext& host, MetricPage* page) {
  TRY_ASSIGN(const std::string text, ReadSmallFile(host.options.proc + "/vmstat"));
  std::string_view rest = text;
  for (std::string_view line; NextLine(&rest, &line);) {
    const auto words = Words(line);
    if (words.size() != 2) continue;
    const std::string key(words[0]);
    // node_exporter's default selection: ^(oom_kill|pgpg|pswp|pg.*fault).*
    const bool fault = key.rfind("pg", 0) == 0 && key.find("fault", 2) != std::string::npos;
    if (!fault && key.rfind("oom_kill", 0) != 0 && key.rfind("pgpg", 0) != 0 &&
        key.rfind("pswp", 0) != 0) {
      continue;
    }
    const auto value = ParseNumber(words[1]);
    if (!value) continue;
    page->Family("node_vmstat_" + key, "untyped", "/proc/vmstat information field " + key + ".");
    page->Sample(*value);
  }
  return Status::Ok();
}

}  // namespace deckwatch::scraper
