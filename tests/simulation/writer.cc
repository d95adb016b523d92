// The process that the faults hit: carries out the steps of a workload on a store and writes down
// each one that was acknowledged. Ends as its plan of faults says, by SIGKILL at the last step, or
// with one of the codes below.
//
//   sim_writer PATH ACKS SEED FROM STEPS [sync_ms=0|1] [faults] [patient] [threads] [lie=ack|value]
//   [close]
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>

#include <fcntl.h>
#include <unistd.h>

#include "base/executor.h"
#include "base/log.h"
#include "base/mutex.h"
#include "tests/simulation/model.h"
#include "tests/simulation/protocol.h"
#include "tests/simulation/workload.h"

namespace deckwatch::simulation {
namespace {

constexpr int kMaxRestarts = 300;  // more than the longest passing fault has calls

// Wall time belongs to the workload; waiting is real.
class StepClock : public Clock {
 public:
  int64_t WallMs() const override { return wall_ms_; }
  int64_t MonotonicMs() const override { return Real()->MonotonicMs(); }
  int64_t MonotonicNs() const override { return Real()->MonotonicNs(); }
  void MoveTo(uint64_t step) { wall_ms_ = WallMsAt(step); }

 private:
  std::atomic<int64_t> wall_ms_{kStartMs};
};

struct Options {
  std::string path, acks;
  uint64_t seed = 0, from = 0, steps = 0;
  int64_t sync_ms = 100;
  bool faults = false;   // errors are expected: try again, and open the store anew when that fails
  bool threads = false;  // maintenance beside the writes
  bool patient = false;  // errors are expected: lets the store recover by itself
  bool close = false;    // close the store and exit at the last step
  bool lie_ack = false, lie_value = false;
};

class Writer {
 public:
  explicit Writer(const Options& options) : options_(options), model_(options.seed) {
    acks_ = open(options.acks.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  }
  int Run();

 private:
  Status Open();
  Status Carry(const Step& step);
  Status Commit(const Step& step);
  Status Snapshot();
  bool Persist(const Step& step);
  void CheckAnswers(uint64_t done);
  void Acknowledge(AckKind kind, uint64_t step);
  void StartMaintenance();

  const Options options_;
  int acks_ = -1;
  StepClock clock_;
  Model model_;
  int checks_left_ = 40;  // of answers while errors are met
  std::unique_ptr<tsdb::Db> db_;
  std::jthread maintenance_;
};

Status Writer::Open() {
  tsdb::DbOptions o;
  o.path = options_.path;
  o.retention_ms = kRetentionMs;
  o.window_ms = kWindowMs;
  o.sync_interval_ms = options_.sync_ms;
  o.memory_bytes = 16 << 20;
  o.clock = &clock_;
  o.background = options_.sync_ms > 0;
  TRY_ASSIGN(db_, tsdb::Db::Open(o));
  return {};
}

void Writer::StartMaintenance() {
  maintenance_ = StartThread("maintain", [this](std::stop_token stop) {
    Mutex idle;
    CondVar never;
    while (!stop.stop_requested()) {
      (void)db_->Maintain();
      MutexLock lock(idle);
      never.WaitFor(idle, stop, 3, [] { return false; });
    }
  });
}

// One number and one time per acknowledgement, in one write: whole or not there.
void Writer::Acknowledge(AckKind kind, uint64_t step) {
  const Ack ack{.kind = kind, .step = step, .monotonic_ns = Clock::Real()->MonotonicNs()};
  if (write(acks_, &ack, sizeof ack) != sizeof ack) _exit(kExitHarness);
}

Status Writer::Commit(const Step& step) {
  WriteBatch batch;
  for (const Sample& s : step.samples) {
    const LabelsView view = s.labels;
    SeriesRef ref = kNoSeries;
    TRY(db_->Resolve({&view, 1}, 0, {&ref, 1}));
    if (s.histogram != nullptr) {
      batch.histograms.push_back({ref, s.t_ms, s.histogram, s.start_ms});
      continue;
    }
    const bool lie = options_.lie_value && step.number % 16 == 0 && s.value == 1;
    batch.Add(ref, s.t_ms, lie ? 1.25 : s.value);
    batch.start_ms.push_back(s.start_ms);
  }
  if (step.exemplar.has_value()) {
    const LabelsView view = step.samples.front().labels;
    SeriesRef ref = kNoSeries;
    TRY(db_->Resolve({&view, 1}, 0, {&ref, 1}));
    batch.exemplars.push_back({ref, *step.exemplar});
  }
  if (step.metadata.has_value()) batch.metadata.push_back(*step.metadata);
  TRY_ASSIGN(const AppendResult result, db_->Commit(batch));
  // Forgotten by the maintenance between Resolve and Commit: once more, as the contract says.
  const bool known = result.unknown_ref.empty() && result.unknown_histogram.empty() &&
                     result.unknown_exemplar.empty();
  return known ? Status::Ok() : Commit(step);
}

// One snapshot is kept at a time.
Status Writer::Snapshot() {
  std::error_code ignored;
  std::filesystem::remove_all(options_.path + "/snapshots", ignored);
  return db_->Snapshot("s");
}

Status Writer::Carry(const Step& step) {
  switch (step.kind) {
    case StepKind::kCommit: return Commit(step);
    case StepKind::kApply: return db_->Apply(step.changes);
    case StepKind::kDelete: return db_->DeleteSeries({*step.matcher}, step.start_ms, step.end_ms);
    case StepKind::kMaintain: return db_->Maintain();
    case StepKind::kCompact: return db_->Compact();
    case StepKind::kClean: return db_->CleanTombstones();
    case StepKind::kSnapshot: return Snapshot();
  }
  return {};
}

// Reads all there is. What a reader is given is right, whatever is going wrong; something may be
// missing when he is told. The step after `done` may have happened, as a whole.
void Writer::CheckAnswers(uint64_t done) {
  Damage damage;
  const Content found = ReadEverything(*db_, &damage);
  const int64_t oldest_ms = clock_.WallMs() - kRetentionMs;
  model_.AdvanceTo(done);
  auto wrong = Difference(model_.content(), found, oldest_ms, damage);
  if (wrong.has_value()) {
    Model next = model_;
    next.AdvanceTo(done + 1);
    if (!Difference(next.content(), found, oldest_ms, damage).has_value()) wrong.reset();
  }
  if (!options_.faults && damage.any()) wrong = "something is told to be lost";
  if (!wrong.has_value()) return;
  std::cerr << "wrong answer after step " << done << ": " << *wrong << "\n";
  _exit(kExitWrongAnswer);
}

// What a client does: tries again while the store may recover by itself; then what an operator
// does: restarts it. False when that did not help either.
bool Writer::Persist(const Step& step) {
  constexpr int kRetries = 3;
  Status last;
  for (int restart = 0; restart <= kMaxRestarts; ++restart) {
    if (restart > 0) {
      Acknowledge(AckKind::kRestart, step.number);
      db_.reset();
      last = Open();
      if (!last.ok()) continue;
    }
    for (int retry = 0; retry < kRetries; ++retry) {
      last = Carry(step);
      if (last.ok()) return true;
      Acknowledge(AckKind::kError, step.number);
      if (options_.patient) (void)db_->Maintain();  // as it would do within a second
      if (checks_left_ > 0 && --checks_left_ > 0) CheckAnswers(step.number - 1);
    }
  }
  std::cerr << "step " << step.number << ": " << last.message() << "\n";
  return false;
}

int Writer::Run() {
  clock_.MoveTo(options_.from);
  Status opened = Open();
  for (int k = 0; k < kMaxRestarts && !opened.ok() && options_.faults; ++k) opened = Open();
  if (!opened.ok()) {
    std::cerr << "open: " << opened.message() << "\n";
    return options_.faults ? kExitGaveUp : kExitUnexpected;
  }
  if (options_.threads) StartMaintenance();
  for (uint64_t number = options_.from + 1; number <= options_.from + options_.steps; ++number) {
    const Step step = MakeStep(options_.seed, number);
    clock_.MoveTo(number);
    if (options_.lie_ack) Acknowledge(AckKind::kOk, number);
    if (options_.faults) {
      if (!Persist(step)) return kExitGaveUp;
    } else if (const Status s = Carry(step); !s.ok()) {
      std::cerr << "step " << number << ": " << s.message() << "\n";
      return kExitUnexpected;
    }
    if (!options_.lie_ack) Acknowledge(AckKind::kOk, number);
    if (number % 32 == 0) CheckAnswers(number);
  }
  if (!options_.close) raise(SIGKILL);
  maintenance_ = {};
  db_.reset();
  return 0;
}

}  // namespace
}  // namespace deckwatch::simulation

int main(int argc, char** argv) {
  using namespace deckwatch::simulation;
  if (argc < 6) return kExitHarness;
  Options o;
  o.path = argv[1], o.acks = argv[2];
  o.seed = std::strtoull(argv[3], nullptr, 10);
  o.from = std::strtoull(argv[4], nullptr, 10);
  o.steps = std::strtoull(argv[5], nullptr, 10);
  const std::map<std::string, std::function<void()>> flags = {
      {"sync_ms=0", [&] { o.sync_ms = 0; }},  {"sync_ms=1", [&] { o.sync_ms = 1; }},
      {"faults", [&] { o.faults = true; }},   {"patient", [&] { o.patient = o.faults = true; }},
      {"threads", [&] { o.threads = true; }}, {"close", [&] { o.close = true; }},
      {"lie=ack", [&] { o.lie_ack = true; }}, {"lie=value", [&] { o.lie_value = true; }}};
  for (int i = 6; i < argc; ++i) {
    const auto flag = flags.find(argv[i]);
    if (flag == flags.end()) return kExitHarness;
    flag->second();
  }
  deckwatch::ConfigureLog(deckwatch::LogLevel::kError, deckwatch::LogFormat::kLogfmt);
  return Writer(o).Run();
}
