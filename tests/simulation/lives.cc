// Trials in which the writer meets a fault: kills, power cuts, full disks, I/O errors.
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <optional>

#include <sys/wait.h>

#include "tests/simulation/modes.h"
#include "tests/simulation/trial.h"

namespace deckwatch::simulation {

namespace {

constexpr uint64_t kTrialsPerLife = 8;
constexpr uint64_t kForEver = uint64_t{1} << 60;

// One store and what is known about it.
struct Life {
  Life(const Settings& settings, uint64_t seed)
      : settings(settings), seed(seed), random(Mix(seed, 77)), model(seed) {
    std::filesystem::remove_all(settings.folder);
    std::filesystem::create_directories(settings.folder);
  }

  WriterRun NextRun(uint64_t steps) {
    WriterRun run{.folder = settings.folder,
                  .seed = seed,
                  .from = model.step(),
                  .steps = steps,
                  .flags = {},
                  .faults = {}};
    if (settings.lie == "ack" || settings.lie == "value") {
      run.flags.push_back("lie=" + settings.lie);
    }
    return run;
  }
  // Half of the time small numbers are as likely as large ones: opening has much in few calls.
  uint64_t CallNumber(double largest) {
    if (random.OneIn(2)) return 1 + random.Below(static_cast<uint64_t>(largest));
    const double unit = static_cast<double>(random.Next() >> 11) / 9007199254740992.0;
    return static_cast<uint64_t>(std::exp(unit * std::log(largest)));
  }

  const Settings& settings;
  const uint64_t seed;
  Random random;
  Model model;
};

struct Judge {
  Tally* tally;
  Life* life;
  const WriterRun* run;

  bool Violation(const std::string& problem) const {
    std::string flags;
    for (const std::string& f : run->flags) flags += " " + f;
    tally->violations.push_back("seed " + std::to_string(life->seed) + ", steps " +
                                std::to_string(run->from + 1) + "…," + flags + " faults \"" +
                                run->faults + "\": " + problem);
    return false;
  }
  // Whether the store holds what some step of low … high left; then the life goes on from there.
  bool Holds(uint64_t low, uint64_t high) const {
    const Inspection i = Inspect(run->folder, life->model, low, high);
    if (!i.ok) return Violation(i.problem);
    life->model.AdvanceTo(i.step);
    return true;
  }
  // Whether a snapshot that was made in this run is the store as it was then.
  bool SnapshotHolds(const WriterEnd& end) const {
    const auto makes_one = [&](uint64_t step) {
      return MakeStep(life->seed, step).kind == StepKind::kSnapshot;
    };
    uint64_t step = end.acked;
    while (step > run->from && !makes_one(step)) --step;
    if (step == run->from || makes_one(end.acked + 1)) return true;  // none, or being replaced
    namespace fs = std::filesystem;
    const std::string restored = run->folder + "/restored";
    fs::remove_all(restored);
    fs::create_directories(restored);
    std::error_code ec;
    fs::copy(StoreOf(run->folder) + "/snapshots/s", StoreOf(restored), fs::copy_options::recursive,
             ec);
    if (ec) return Violation("snapshot: " + ec.message());
    const Inspection i = Inspect(restored, life->model, step, step);
    tally->counts["snapshots restored"]++;
    return i.ok || Violation("snapshot of step " + std::to_string(step) + ": " + i.problem);
  }
  bool KilledAsPlanned(const WriterEnd& end) const {
    if (end.Killed()) return true;
    return Violation("the writer ended by itself, status " + std::to_string(end.status) + ": " +
                     end.output);
  }
};

// Lives of several trials each, until enough have run. A life ends early with a violation.
Tally RunLives(const Settings& settings, const Progress& progress,
               const std::function<bool(Life*, Tally*)>& trial) {
  Tally tally;
  for (uint64_t seed = settings.seed; !settings.Enough(tally.runs); ++seed) {
    Life life(settings, seed);
    for (uint64_t k = 0; k < kTrialsPerLife && tally.runs < settings.runs; ++k) {
      const bool fine = trial(&life, &tally);
      progress(tally);
      if (!fine && !settings.keep_going) return tally;
      if (!fine) break;
    }
  }
  return tally;
}

bool KillTrial(Life* life, Tally* tally) {
  Random& random = life->random;
  WriterRun run = life->NextRun(20 + random.Below(200));
  if (random.OneIn(4)) run.flags.emplace_back("sync_ms=0");
  if (random.OneIn(3)) run.flags.emplace_back("threads");
  if (random.OneIn(3)) {
    run.kill_after_us = 1'000 + static_cast<int64_t>(random.Below(120'000));
    tally->counts["killed from outside"]++;
  } else {
    run.faults = "mode=kill at=" + std::to_string(life->CallNumber(4'000)) +
                 " seed=" + std::to_string(random.Below(1'000));
    tally->counts["killed at a call"]++;
  }
  const WriterEnd end = RunWriter(run);
  const Judge judge{tally, life, &run};
  tally->runs++;
  tally->steps += end.acked - run.from;
  return judge.KilledAsPlanned(end) && judge.SnapshotHolds(end) &&
         judge.Holds(end.acked, end.acked + 1);
}

// A process before, which is killed; what it left unsynced is still that for the next one. Its
// acknowledgements; nullopt after a violation.
std::optional<std::vector<Ack>> KilledBefore(Life* life, Tally* tally, WriterRun* next) {
  Random& random = life->random;
  const std::string unsynced = next->folder + "/unsynced";
  std::filesystem::remove(unsynced);
  WriterRun run = *next;
  run.faults = "mode=kill at=" + std::to_string(life->CallNumber(3'000)) +
               " seed=" + std::to_string(random.Below(1'000)) + " unsynced=" + unsynced;
  WriterEnd end = RunWriter(run);
  const Judge judge{tally, life, &run};
  if (!judge.KilledAsPlanned(end)) return {};
  tally->counts["after a kill that left bytes unsynced"]++;
  next->from = end.acked;
  next->faults += " unsynced=" + unsynced;
  return std::move(end.acks);
}

// The last step that has to be there after a cut at `cut_ns`: what was acknowledged up to a while
// before. An fsync that failed is like a cut, until the store has recovered from it.
uint64_t SafeStep(uint64_t from, const std::vector<Ack>& acks, int64_t cut_ns, int64_t young_ns) {
  const auto is_ok = [](const Ack& a) { return a.kind == AckKind::kOk; };
  const auto failed = std::find_if_not(acks.begin(), acks.end(), is_ok);
  const auto recovered = std::find_if(failed, acks.end(), is_ok);
  int64_t until_ns = cut_ns;
  if (failed != acks.end() && recovered == acks.end()) until_ns = failed->monotonic_ns;
  uint64_t step = from;
  for (auto a = acks.begin(); a != acks.end(); ++a) {
    const bool settled = recovered != acks.end() && a < failed;
    if (is_ok(*a) && (settled || young_ns == 0 || a->monotonic_ns <= until_ns - young_ns)) {
      step = a->step;
    }
  }
  return step;
}

bool PowerTrial(Life* life, Tally* tally) {
  Random& random = life->random;
  WriterRun run = life->NextRun(400);
  const uint64_t from = run.from;
  const bool every_commit = random.OneIn(3);
  if (every_commit) run.flags.emplace_back("sync_ms=0");
  if (random.OneIn(3)) run.flags.emplace_back("threads");
  run.faults = "mode=cut at=" + std::to_string(life->CallNumber(3'000)) +
               " seed=" + std::to_string(random.Below(1'000'000));
  if (life->settings.lie == "sync") run.faults += " lie=sync";
  std::vector<Ack> acks;
  if (random.OneIn(4)) {
    auto before = KilledBefore(life, tally, &run);
    if (!before.has_value()) return false;
    acks = std::move(*before);
  } else if (random.OneIn(4)) {
    run.flags.emplace_back("patient");
    run.faults += " fail_sync=" + std::to_string(1 + random.Below(60));
  }
  const WriterEnd end = RunWriter(run);
  const Judge judge{tally, life, &run};
  if (!judge.KilledAsPlanned(end)) return false;
  if (end.report == 0) {  // came to its last step before the cut: a kill, then
    tally->counts["ended before the cut"]++;
    return judge.Holds(end.acked, end.acked + 1);
  }
  tally->runs++;
  tally->steps += end.acked - from;
  tally->counts[every_commit ? "cut, sync on every commit" : "cut, sync interval 100 ms"]++;
  tally->counts["an fsync had failed before"] += end.errors > 0;
  acks.insert(acks.end(), end.acks.begin(), end.acks.end());
  const auto cut_ns = static_cast<int64_t>(end.report);
  const int64_t young_ns = every_commit ? 0 : (100 + kSyncSlackMs) * 1'000'000;
  if (!judge.Holds(SafeStep(from, acks, cut_ns, young_ns), end.acked + 1)) return false;
  for (const Ack& a : acks) {
    if (a.kind != AckKind::kOk || a.step <= life->model.step()) continue;
    tally->counts["lost an acknowledgement younger than that"]++;
    tally->worst_ms = std::max(tally->worst_ms, static_cast<double>(cut_ns - a.monotonic_ns) / 1e6);
    break;
  }
  return true;
}

bool ErrorTrial(Life* life, Tally* tally, int error) {
  Random& random = life->random;
  WriterRun run = life->NextRun(120);
  run.flags = {"faults"};
  if (life->settings.lie == "ack") run.flags.emplace_back("lie=ack");
  if (const uint64_t sync = random.Below(3); sync < 2) {
    run.flags.push_back("sync_ms=" + std::to_string(sync));  // 1: beside nearly every write
  }
  if (random.OneIn(4)) run.flags.emplace_back("close");
  const uint64_t form = random.Below(4);
  const uint64_t span = form == 0 ? 1 : form < 3 ? 2 + random.Below(200) : kForEver;
  const bool reads = error == EIO && random.OneIn(4);
  run.faults = "mode=error errno=" + std::to_string(error) +
               " at=" + std::to_string(life->CallNumber(1'500)) + " span=" + std::to_string(span) +
               " seed=" + std::to_string(random.Below(1'000)) + (reads ? " calls=read" : "");
  const WriterEnd end = RunWriter(run);
  const Judge judge{tally, life, &run};
  tally->runs++;
  tally->steps += end.acked - run.from;
  const bool gave_up = WIFEXITED(end.status) && WEXITSTATUS(end.status) == kExitGaveUp;
  const bool closed = WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0;
  if (!gave_up && !closed && !judge.KilledAsPlanned(end)) return false;
  if (gave_up && span != kForEver) {
    return judge.Violation("not usable again after the fault had passed: " + end.output);
  }
  tally->counts[span == 1          ? "one call failed"
                : span == kForEver ? "every call failed from some moment on"
                                   : "calls failed for a while"]++;
  if (end.errors == 0 && !gave_up) {
    tally->counts["not noticed by the writer"]++;
  } else if (end.restarts == 0) {
    tally->counts["went on without being opened anew"]++;
  } else if (!gave_up) {
    tally->counts["went on after being opened anew"]++;
  }
  return judge.SnapshotHolds(end) && judge.Holds(end.acked, end.acked + 1);
}

}  // namespace

Tally RunKills(const Settings& settings, const Progress& progress) {
  return RunLives(settings, progress, KillTrial);
}

Tally RunPowerCuts(const Settings& settings, const Progress& progress) {
  return RunLives(settings, progress, PowerTrial);
}

Tally RunFullDisks(const Settings& settings, const Progress& progress) {
  return RunLives(settings, progress,
                  [](Life* life, Tally* tally) { return ErrorTrial(life, tally, ENOSPC); });
}

Tally RunIoErrors(const Settings& settings, const Progress& progress) {
  return RunLives(settings, progress,
                  [](Life* life, Tally* tally) { return ErrorTrial(life, tally, EIO); });
}

}  // namespace deckwatch::simulation
