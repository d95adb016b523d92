// Faults against the store, and whether it kept its word.
//
//   simulation --mode kill|power|space|io|mutate [--runs N] [--seed N]
//              [--dir FOLDER]            where the stores are made
//              [--seconds N]             stops earlier, when that much time has passed
//              [--report FILE]           adds the result as a section of Markdown
//              [--lie ack|value|sync]    breaks the harness itself: violations must be found
//
// Exit code: 0 no violation (with --lie: at least one), 1 otherwise, 2 wrong usage. Every violation
// comes with the seed of its life: --seed that seed --runs 8 repeats it.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include <unistd.h>

#include "base/log.h"
#include "tests/simulation/modes.h"

namespace deckwatch::simulation {
namespace {

struct Mode {
  Tally (*run)(const Settings&, const Progress&);
  const char* title;
};
const std::map<std::string, Mode> kModes = {{"kill", {RunKills, "Kill -9"}},
                                            {"power", {RunPowerCuts, "Power cuts"}},
                                            {"space", {RunFullDisks, "Full disk (ENOSPC)"}},
                                            {"io", {RunIoErrors, "I/O errors (EIO)"}},
                                            {"mutate", {RunMutations, "Damaged files"}}};

void Show(const Tally& tally, uint64_t runs) {
  static uint64_t last = 0;
  static size_t shown = 0;
  for (; shown < tally.violations.size(); ++shown) {
    std::cerr << "\nVIOLATION " << tally.violations[shown] << "\n";
  }
  if (!isatty(STDERR_FILENO) && tally.runs < last + std::max<uint64_t>(1, runs / 10)) return;
  last = tally.runs;
  std::cerr << (isatty(STDERR_FILENO) ? "\r" : "") << tally.runs << " of " << runs << " runs, "
            << tally.violations.size() << " violations" << (isatty(STDERR_FILENO) ? "   " : "\n")
            << std::flush;
}

void Print(std::ostream& out, const std::string& title, const Settings& s, const Tally& t) {
  out << "### " << title << "\n\n| | |\n|---|---|\n";
  out << "| runs | " << t.runs << " (seeds from " << s.seed << ") |\n";
  out << "| violations | **" << t.violations.size() << "** |\n";
  out << "| steps acknowledged | " << t.steps << " |\n";
  for (const auto& [name, n] : t.counts) out << "| " << name << " | " << n << " |\n";
  if (t.worst_ms > 0) {
    out << "| oldest acknowledgement lost to a cut, ms before it | " << t.worst_ms << " |\n";
  }
  out << "\n";
  for (const std::string& v : t.violations) out << "- " << v << "\n";
  if (!t.violations.empty()) out << "\n";
}

int Main(int argc, char** argv) {
  Settings settings;
  std::string mode, report;
  // In memory where there is such a place: no real power is cut here.
  const std::string memory = "/dev/shm";
  settings.folder =
      (access(memory.c_str(), W_OK) == 0 ? memory
                                         : std::filesystem::temp_directory_path().string()) +
      "/deckwatch_simulation_" + std::to_string(getpid());
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i], value = argv[i + 1];
    if (flag == "--mode") mode = value;
    if (flag == "--runs") settings.runs = std::strtoull(value.c_str(), nullptr, 10);
    if (flag == "--seconds") {
      settings.until_ms = Clock::Real()->MonotonicMs() + 1'000 * std::atoll(value.c_str());
    }
    if (flag == "--seed") settings.seed = std::strtoull(value.c_str(), nullptr, 10);
    if (flag == "--dir")
      settings.folder = value + "/deckwatch_simulation_" + std::to_string(getpid());
    if (flag == "--report") report = value;
    if (flag == "--lie") settings.lie = value;
  }
  const auto found = kModes.find(mode);
  if (found == kModes.end() || argc % 2 == 0) {
    std::cerr << "usage: simulation --mode kill|power|space|io|mutate [--runs N] [--seed N] "
                 "[--seconds N] [--dir FOLDER] [--report FILE] [--lie ack|value|sync]\n";
    return 2;
  }
  ConfigureLog(LogLevel::kError, LogFormat::kLogfmt);
  settings.keep_going = settings.lie.empty();
  const Tally tally = found->second.run(settings, [&](const Tally& t) { Show(t, settings.runs); });
  std::filesystem::remove_all(settings.folder);
  std::cerr << "\n";
  Print(std::cout, found->second.title, settings, tally);
  if (!report.empty()) {
    std::ofstream out(report, std::ios::app);
    Print(out, found->second.title, settings, tally);
  }
  return tally.violations.empty() == settings.lie.empty() ? 0 : 1;
}

}  // namespace
}  // namespace deckwatch::simulation

int main(int argc, char** argv) {
  return deckwatch::simulation::Main(argc, argv);
}
