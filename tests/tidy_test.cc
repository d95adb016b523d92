// The house rules as a test: who may include whom, where third-party headers live, sizes.
// The picture they enforce is in docs/architecture.md.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

struct Source {
  std::string path;  // from the root: "server/app.cc"
  std::string room;  // "server"
  std::vector<std::string> lines;
};

const std::vector<std::string> kRooms = {"base",     "tsdb",   "query",    "scraper",
                                         "alerting", "server", "dashboard"};

std::vector<Source> ReadSources(const std::vector<std::string>& folders) {
  std::vector<Source> out;
  for (const std::string& folder : folders) {
    if (!fs::exists(fs::path(PROJECT_DIR) / folder)) continue;
    for (const auto& e : fs::recursive_directory_iterator(fs::path(PROJECT_DIR) / folder)) {
      const std::string ext = e.path().extension().string();
      if (ext != ".cc" && ext != ".h") continue;
      Source s;
      s.path = fs::relative(e.path(), PROJECT_DIR).string();
      s.room = folder;
      std::ifstream in(e.path());
      for (std::string line; std::getline(in, line);) s.lines.push_back(line);
      out.push_back(std::move(s));
    }
  }
  EXPECT_FALSE(out.empty());
  return out;
}

const std::vector<Source>& RoomSources() {
  static const std::vector<Source> sources = ReadSources(kRooms);
  return sources;
}

const std::vector<Source>& AllSources() {
  static const std::vector<Source> sources = [] {
    auto folders = kRooms;
    folders.insert(folders.end(), {"tests", "bench"});
    return ReadSources(folders);
  }();
  return sources;
}

struct Include {
  const Source* source;
  size_t line;
  std::string header;
  bool system;  // <…>
};

std::vector<Include> IncludesOf(const std::vector<Source>& sources) {
  static const std::regex kInclude(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"].*)");
  std::vector<Include> out;
  std::smatch m;
  for (const Source& s : sources) {
    for (size_t i = 0; i < s.lines.size(); ++i) {
      if (std::regex_match(s.lines[i], m, kInclude)) {
        out.push_back({&s, i + 1, m[2].str(), m[1].str() == "<"});
      }
    }
  }
  return out;
}

std::string Where(const Include& i) {
  return i.source->path + ":" + std::to_string(i.line);
}

std::string RoomOf(const std::string& header) {
  return header.substr(0, header.find('/'));
}

TEST(Tidy, RoomsIncludeOnlyWhatTheyMaySee) {
  const std::map<std::string, std::set<std::string>> may_see = {
      {"base", {}},
      {"tsdb", {"base"}},
      {"query", {"base"}},
      {"scraper", {"base"}},
      {"alerting", {"base", "query"}},
      {"dashboard", {"base"}},
      {"server", {"base", "tsdb", "query", "scraper", "alerting"}}};
  // Alerting knows the language and its values, not how queries are evaluated.
  const std::set<std::string> query_for_alerting = {"query/engine.h", "query/value.h",
                                                    "query/parser.h", "query/ast.h",
                                                    "query/series_notation.h"};
  for (const Include& i : IncludesOf(RoomSources())) {
    if (i.system) continue;
    const std::string room = RoomOf(i.header);
    EXPECT_TRUE(i.header.find('/') != std::string::npos &&
                std::find(kRooms.begin(), kRooms.end(), room) != kRooms.end())
        << Where(i) << ": include \"" << i.header << "\" by its full path from the root";
    if (room == i.source->room) continue;
    EXPECT_TRUE(may_see.at(i.source->room).count(room))
        << Where(i) << ": " << i.source->room << " must not see " << i.header;
    if (i.source->room == "alerting" && room == "query") {
      EXPECT_TRUE(query_for_alerting.count(i.header)) << Where(i) << ": " << i.header;
    }
  }
}

TEST(Tidy, ThirdPartyHeadersLiveInFewFiles) {
  // Library by the beginning of its headers -> the files (or folders) that may include it.
  const std::vector<std::pair<std::string, std::vector<std::string>>> homes = {
      {"rocksdb/",
       {"tsdb/kv.cc", "tsdb/kv_log.cc", "tsdb/kv_log.h", "tsdb/kv_mirror.cc", "tsdb/kv_mirror.h",
        "tsdb/kv_options.cc", "tsdb/kv_options.h", "tsdb/kv_sst.cc"}},
      {"zstd.h", {"server/content_coding.cc"}},
      {"zlib.h", {"server/content_coding.cc"}},
      {"httplib.h", {"base/http_client.cc", "server/http_server.cc"}},
      {"yaml-cpp/", {"base/yaml.cc"}},
      {"nlohmann/", {"base/json.cc"}},
      {"re2/", {"base/regex.cc"}},
      {"spdlog/", {"base/log.cc"}},
      {"curl/", {"scraper/fetcher.cc"}},
      {"imgui", {"dashboard/"}},
      {"GLFW/", {"dashboard/"}},
      {"EGL/", {"dashboard/"}},
      {"GL/", {"dashboard/"}},
      {"png.h", {"dashboard/png.cc"}},
      {"simdjson", {"dashboard/"}},
      {"CLI/", {"server/flags.cc", "dashboard/main.cc"}},
      {"protozero/", {"server/metric_family.cc", "server/write_request.cc"}},
      {"snappy", {"server/remote_write.cc"}},
      {"cctz/", {"alerting/"}},
      {"openssl/", {"base/", "server/web_config.cc"}},
      {"crypt.h", {"server/web_config.cc"}}};
  for (const Include& i : IncludesOf(RoomSources())) {
    for (const auto& [library, files] : homes) {
      if (i.header.rfind(library, 0) != 0) continue;
      EXPECT_TRUE(
          std::any_of(files.begin(), files.end(),
                      [&](const std::string& f) { return i.source->path.rfind(f, 0) == 0; }))
          << Where(i) << ": <" << i.header << "> does not belong here";
    }
  }
}

TEST(Tidy, OnlyTheExecutorMakesThreads) {
  static const std::regex kThread(R"(std::j?thread\s*[({]|std::async|pthread_create)");
  for (const Source& s : RoomSources()) {
    if (s.path == "base/executor.cc") continue;
    for (size_t i = 0; i < s.lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(s.lines[i], kThread)) << s.path << ":" << i + 1;
    }
  }
}

TEST(Tidy, TimeComesFromTheClock) {
  static const std::regex kNow(
      R"((system|steady|high_resolution)_clock::now|\bgettimeofday\(|\btime\((nullptr|NULL|0)\))");
  for (const Source& s : RoomSources()) {
    if (s.path == "base/clock.cc") continue;
    for (size_t i = 0; i < s.lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(s.lines[i], kNow)) << s.path << ":" << i + 1;
    }
  }
}

TEST(Tidy, HeadersAreGuardedAndLinesShort) {
  for (const Source& s : AllSources()) {
    if (s.path.substr(s.path.size() - 2) == ".h") {
      EXPECT_NE(std::find(s.lines.begin(), s.lines.end(), "#pragma once"), s.lines.end()) << s.path;
    }
    for (size_t i = 0; i < s.lines.size(); ++i) {
      // In characters: a continuation byte of UTF-8 is none of its own.
      const auto length = std::count_if(s.lines[i].begin(), s.lines[i].end(),
                                        [](char c) { return (c & 0xc0) != 0x80; });
      const bool raw = s.lines[i].find("R\"") != std::string::npos ||
                       s.lines[i].find("http") != std::string::npos;
      EXPECT_TRUE(length <= 100 || raw || s.room == "tests")
          << s.path << ":" << i + 1 << ": " << length << " columns";
    }
  }
}

// A ratchet: no file passes 500 lines, and those that do today may only shrink.
TEST(Tidy, FilesStaySmall) {
  constexpr size_t kMaxLines = 500;
  const std::map<std::string, size_t> larger = {{"scraper/manager.cc", 553},
                                                {"scraper/page.cc", 573}};
  for (const Source& s : RoomSources()) {
    const auto allowed = larger.find(s.path);
    EXPECT_LE(s.lines.size(), allowed == larger.end() ? kMaxLines : allowed->second)
        << s.path << ": split it";
  }
}

TEST(Tidy, NothingIsLeftUnfinishedOrTiedToOneMachine) {
  // Put together from pieces, so that this file does not find itself.
  const std::string todo = std::string("TO") + "DO";
  const std::string fixme = std::string("FIX") + "ME";
  const std::string workspace = std::string("/wo") + "rk/";
  for (const Source& s : AllSources()) {
    for (size_t i = 0; i < s.lines.size(); ++i) {
      for (const std::string& word : {todo, fixme, workspace}) {
        EXPECT_EQ(s.lines[i].find(word), std::string::npos)
            << s.path << ":" << i + 1 << ": " << word;
      }
    }
  }
}

}  // namespace
