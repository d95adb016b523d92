// What the tests of the collectors share: machines made of recorded files, and pages read back.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/clock.h"
#include "scraper/collectors/collector.h"

namespace deckwatch::scraper {

inline std::string ReadTestData(const std::string& name) {
  std::ifstream in(std::string(TEST_DATA_DIR) + "/" + name, std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// A folder that looks like a machine, gone at the end.
class FakeMachine {
 public:
  FakeMachine() {
    static int count = 0;
    root_ = std::filesystem::path(::testing::TempDir()) /
            ("dw_machine_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
    std::filesystem::create_directories(root_);
  }
  ~FakeMachine() { std::filesystem::remove_all(root_); }

  void Put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }
  // Recorded files: "### path" before the text of each.
  void Unpack(const std::string& data, const std::string& folder) {
    std::istringstream lines(ReadTestData(data));
    std::string path, text;
    const auto flush = [&] {
      if (!path.empty()) Put(folder + "/" + path, text);
      text.clear();
    };
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("### ", 0) == 0) {
        flush();
        path = line.substr(4);
      } else {
        text += line + "\n";
      }
    }
    flush();
  }
  std::filesystem::path path(const std::string& p) const { return root_ / p; }

  CollectorOptions Options() const {
    CollectorOptions o;
    o.proc = (root_ / "proc").string();
    o.sys = (root_ / "sys").string();
    o.rootfs = (root_ / "rootfs").string();
    o.docker_socket = "";
    o.clock = &clock;
    return o;
  }

  FakeClock clock{1'795'183'340'000};

 private:
  std::filesystem::path root_;
};

// A page read back: "name{a="b"}" -> value, and the type of each family.
struct Page {
  std::map<std::string, double> samples;
  std::map<std::string, std::string> types;

  explicit Page(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string hash, kind, name, type;
      if (line.rfind("# TYPE ", 0) == 0) {
        words >> hash >> kind >> name >> type;
        EXPECT_TRUE(types.emplace(name, type).second) << name << " comes twice";
      } else if (line[0] != '#') {
        const size_t blank = line.rfind(' ');
        const std::string series = line.substr(0, blank);
        EXPECT_TRUE(samples.emplace(series, std::stod(line.substr(blank + 1))).second) << series;
        EXPECT_EQ(types.count(series.substr(0, series.find('{'))), 1u) << series;
      }
    }
  }
  double At(const std::string& series) const {
    const auto it = samples.find(series);
    EXPECT_TRUE(it != samples.end()) << series;
    return it == samples.end() ? -1e99 : it->second;
  }
  bool Has(const std::string& series) const { return samples.count(series) > 0; }
  // True when a series of this family exists, whatever its labels.
  bool HasFamily(const std::string& name) const { return types.count(name) > 0; }
};

inline Page CollectPage(Collector* collector) {
  const auto text = collector->Collect();
  EXPECT_TRUE(text.ok()) << text.status().message();
  return Page(text.ok() ? *text : "");
}

// "name type" lines.
inline std::map<std::string, std::string> ReadTypes(const std::string& data) {
  std::map<std::string, std::string> out;
  std::istringstream lines(ReadTestData(data));
  for (std::string name, type; lines >> name >> type;) out[name] = type;
  EXPECT_FALSE(out.empty());
  return out;
}

}  // namespace deckwatch::scraper
