#include "tests/simulation/trial.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

namespace deckwatch::simulation {

namespace {

namespace fs = std::filesystem;

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

[[noreturn]] void Become(const WriterRun& run) {
  std::vector<std::string> words = {SIM_WRITER,
                                    StoreOf(run.folder),
                                    run.folder + "/acks",
                                    std::to_string(run.seed),
                                    std::to_string(run.from),
                                    std::to_string(run.steps)};
  words.insert(words.end(), run.flags.begin(), run.flags.end());
  std::vector<std::string> env;
  for (char** e = environ; *e != nullptr; ++e) env.emplace_back(*e);
  if (!run.faults.empty()) {
    env.emplace_back(std::string("LD_PRELOAD=") + SIM_FAULT_LIBRARY);
    env.emplace_back("ASAN_OPTIONS=verify_asan_link_order=0");
    env.emplace_back("SIM_FAULTS=dir=" + StoreOf(run.folder) + " report=" + run.folder +
                     "/report shadow=" + run.folder + "/shadow " + run.faults);
  }
  std::vector<char*> argv, envp;
  for (std::string& w : words) argv.push_back(w.data());
  for (std::string& e : env) envp.push_back(e.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  const int out = open((run.folder + "/output").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  dup2(out, STDERR_FILENO);
  dup2(out, STDOUT_FILENO);
  execve(argv[0], argv.data(), envp.data());
  _exit(kExitHarness);
}

std::string FindStep(tsdb::Db* db, Model model, uint64_t low, uint64_t high) {
  Damage damage;
  const Content found = ReadEverything(*db, &damage);
  if (damage.any()) {
    return "reads fail: " + (damage.told.empty() ? "see the log" : damage.told.front());
  }
  const uint64_t newest = NewestMarker(found);
  const std::string where = " (newest step found: " + std::to_string(newest) +
                            ", acknowledged: " + std::to_string(low) +
                            ", attempted: " + std::to_string(high) + ")";
  // Deletes and maintenance leave no marker: a few steps more may be in the store than it shows.
  constexpr uint64_t kLookAhead = 16;
  std::string problem = "steps that were never taken";
  const uint64_t first = std::max(low, newest);
  for (uint64_t step = first; step <= std::min(high, first + kLookAhead); ++step) {
    model.AdvanceTo(step);
    const auto d = Difference(model.content(), found, WallMsAt(high) - kRetentionMs, damage);
    if (!d.has_value()) return "ok " + std::to_string(step);
    if (step == first) problem = *d;
  }
  return problem + where;
}

}  // namespace

bool WriterEnd::Killed() const {
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

WriterEnd RunWriter(const WriterRun& run) {
  fs::create_directories(run.folder + "/shadow");
  for (const char* name : {"/acks", "/report", "/output"}) fs::remove(run.folder + name);
  const pid_t pid = fork();
  if (pid == 0) Become(run);
  if (run.kill_after_us > 0) {
    usleep(static_cast<useconds_t>(run.kill_after_us));
    kill(pid, SIGKILL);
  }
  WriterEnd end;
  waitpid(pid, &end.status, 0);
  const std::string acks = ReadFile(run.folder + "/acks");
  end.acks.resize(acks.size() / sizeof(Ack));
  if (!end.acks.empty()) {
    std::memcpy(end.acks.data(), acks.data(), end.acks.size() * sizeof(Ack));
  }
  end.acked = run.from;
  for (const Ack& a : end.acks) {
    if (a.kind == AckKind::kOk) end.acked = a.step;
    end.errors += a.kind == AckKind::kError;
    end.restarts += a.kind == AckKind::kRestart;
  }
  end.report = std::strtoull(ReadFile(run.folder + "/report").c_str(), nullptr, 10);
  end.output = ReadFile(run.folder + "/output");
  return end;
}

std::string InChild(const std::function<std::string()>& body) {
  int fds[2];
  if (pipe(fds) != 0) return "crash: no pipe";
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(120);  // what hangs has failed
    close(fds[0]);
    const std::string text = body();
    const bool sent = write(fds[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(sent ? 0 : kExitHarness);
  }
  close(fds[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(fds[0], buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(n));
  }
  close(fds[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) return "crash: signal " + std::to_string(WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) return "crash: exit code " + std::to_string(WEXITSTATUS(status));
  return text;
}

Inspection Inspect(const std::string& folder, const Model& model, uint64_t low, uint64_t high) {
  const std::string text = InChild([&]() -> std::string {
    const FakeClock clock(WallMsAt(high));
    tsdb::DbOptions options;
    options.path = StoreOf(folder);
    options.retention_ms = kRetentionMs;
    options.window_ms = kWindowMs;
    options.clock = &clock;
    options.background = false;
    const auto db = tsdb::Db::Open(options);
    if (!db.ok()) return "does not open: " + db.status().message();
    return FindStep(db->get(), model, low, high);
  });
  if (text.starts_with("ok ")) {
    return {.ok = true, .step = std::strtoull(text.c_str() + 3, nullptr, 10), .problem = {}};
  }
  return {.ok = false, .step = 0, .problem = text};
}

}  // namespace deckwatch::simulation
