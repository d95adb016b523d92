#include "server/config.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <glob.h>

#include "base/http_config.h"
#include "server/config_sections.h"
#include "server/config_yaml.h"

namespace deckwatch::server {

namespace {

// $NAME and ${NAME} from the environment, $$ is a dollar sign; an unset variable is empty.
std::string ExpandEnvironment(std::string_view text) {
  const auto is_name = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  };
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '$') {
      out += text[i++];
      continue;
    }
    size_t begin = ++i;
    if (i < text.size() && text[i] == '$') {
      out += '$';
      ++i;
      continue;
    }
    size_t end;
    if (i < text.size() && text[i] == '{') {
      ++begin;
      end = std::min(text.find('}', begin), text.size());
      i = std::min(end + 1, text.size());
    } else {
      while (i < text.size() && is_name(text[i])) ++i;
      end = i;
    }
    const char* value = std::getenv(std::string(text.substr(begin, end - begin)).c_str());
    if (value) out += value;
  }
  return out;
}

Status DecodeExternalLabels(const YamlNode& node, std::string_view file, Labels* out) {
  YamlDecoder d(node, file, "external_labels");
  LabelsBuilder builder;
  for (const auto& [name, ignored] : node.entries) {
    if (!IsValidUtf8(name) || name.empty() || name.substr(0, 2) == "__") {
      return d.ErrorAt(name, QuoteGo(name) + " is not a valid label name");
    }
    std::string value;
    d.String(name, &value);
    if (!IsValidUtf8(value)) return d.ErrorAt(name, QuoteGo(value) + " is not a valid label value");
    builder.Set(name, ExpandEnvironment(value));
  }
  TRY(d.Finish());
  *out = builder.Build();
  return {};
}

// The keys of `global` that are not scraping's; scraper/config.h reads and checks the others.
Status DecodeGlobal(const YamlNode& node, std::string_view file, Config* out) {
  YamlDecoder d(node, file, "global");
  d.Duration("evaluation_interval", &out->evaluation_interval_ms);
  d.Duration("rule_query_offset", &out->rule_query_offset_ms);
  d.Child("external_labels",
          [&](const YamlNode& n) { return DecodeExternalLabels(n, file, &out->external_labels); });
  d.String("query_log_file", &out->query_log_file);
  for (const auto& entry : node.entries) d.Ignore(entry.first);
  TRY(d.Finish());
  if (!out->query_log_file.empty()) out->query_log_file = ResolvePath(file, out->query_log_file);
  if (out->evaluation_interval_ms == 0) out->evaluation_interval_ms = 60'000;
  return {};
}

// A star is allowed in the last part of the path only, as in Prometheus.
bool IsFilePattern(std::string_view p) {
  const size_t star = p.find('*');
  return star == std::string_view::npos || p.find('/', star) == std::string_view::npos;
}

// Sorted matches; a pattern without matches is fine, a plain name is kept for its reader to miss.
std::vector<std::string> Glob(const std::string& pattern) {
  if (pattern.find_first_of("*?[") == std::string::npos) return {pattern};
  glob_t found{};
  std::vector<std::string> out;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    out.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  globfree(&found);
  return out;
}

Status DecodeFilePatterns(YamlDecoder* d, std::string_view key, const std::string& path,
                          std::vector<std::string>* out) {
  std::vector<std::string> patterns;
  d->Strings(key, &patterns);
  for (const std::string& p : patterns) {
    if (!IsFilePattern(p)) {
      return d->ErrorAt(
          key, "invalid file path " + QuoteGo(p) + ": a pattern may only stand in the last part");
    }
    for (std::string& file : Glob(ResolvePath(path, p))) out->push_back(std::move(file));
  }
  return {};
}

Status AppendScrapeConfigs(scraper::ScrapeConfigs more, scraper::ScrapeConfigs* out) {
  for (auto& c : more) out->push_back(std::move(c));
  return {};
}

Status DecodeScrapeConfigFile(const std::string& path, const scraper::ScrapeDefaults& defaults,
                              std::set<std::string>* jobs, scraper::ScrapeConfigs* out) {
  TRY_ASSIGN(const YamlNode root, ParseYamlFile(path));
  YamlDecoder d(root, path, "scrape_config_file");
  d.Child("scrape_configs", [&](const YamlNode& list) -> Status {
    TRY_ASSIGN(auto configs, scraper::ParseScrapeConfigs(list, path, defaults, jobs));
    return AppendScrapeConfigs(std::move(configs), out);
  });
  return d.Finish();
}

const YamlNode& Section(const YamlNode& root, std::string_view key) {
  static const YamlNode null;
  const YamlNode* found = root.Find(key);
  return found ? *found : null;
}

Status DecodeScraping(YamlDecoder* d, const YamlNode& root, Config* out) {
  TRY_ASSIGN(const auto defaults, scraper::ParseScrapeDefaults(Section(root, "global"), out->path));
  std::set<std::string> jobs;
  d->Child("scrape_configs", [&](const YamlNode& list) -> Status {
    TRY_ASSIGN(out->scrape_configs, scraper::ParseScrapeConfigs(list, out->path, defaults, &jobs));
    return {};
  });
  std::vector<std::string> files;
  TRY(DecodeFilePatterns(d, "scrape_config_files", out->path, &files));
  for (const std::string& file : files) {
    TRY(DecodeScrapeConfigFile(file, defaults, &jobs, &out->scrape_configs));
  }
  return {};
}

}  // namespace

Result<Config> ParseConfig(std::string_view text, const std::string& path) {
  TRY_ASSIGN(const YamlNode root, ParseYaml(text, path));
  Config out;
  out.path = path;
  YamlDecoder d(root, path, "config");
  d.Child("global", [&](const YamlNode& n) { return DecodeGlobal(n, path, &out); });
  TRY(DecodeScraping(&d, root, &out));
  TRY(DecodeFilePatterns(&d, "rule_files", path, &out.rule_files));
  TRY(DecodeOtherSections(&d, root, &out));
  TRY(d.Finish());
  out.redacted_yaml = RedactedYaml(root);
  return out;
}

Result<Config> LoadConfig(const std::string& path) {
  std::error_code ec;
  const std::filesystem::path absolute = std::filesystem::absolute(path, ec);
  std::ifstream in(absolute);
  if (ec || !in) return Status::NotFound("cannot read configuration file " + path);
  std::ostringstream text;
  text << in.rdbuf();
  return ParseConfig(text.str(), absolute.string());
}

}  // namespace deckwatch::server
