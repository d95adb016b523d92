// Trials in which the files of a store are damaged while it is closed. Right: the same content, or
// errors for what is lost, or a start that is refused with the file's name. Wrong: another value,
// something missing without a word, a crash.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "tests/simulation/modes.h"
#include "tests/simulation/trial.h"

namespace deckwatch::simulation {

namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMutationsPerStore = 40;

struct Mutation {
  std::string file;  // from the store's folder
  std::string kind;  // of the file
  std::string what;  // was done
};

std::vector<fs::path> FilesOf(const std::string& store) {
  std::vector<fs::path> files;
  for (const auto& e : fs::recursive_directory_iterator(store)) {
    const std::string name = e.path().filename().string();
    if (e.is_regular_file() && !name.starts_with("LOG") && name != "LOCK" && e.file_size() > 0) {
      files.push_back(e.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string KindOf(const fs::path& file) {
  const std::string folder = file.parent_path().filename().string();
  if (file.extension() == ".sst") return folder + " .sst";
  if (file.extension() == ".log") return folder + " .log";
  const std::string name = file.filename().string();
  return folder + " " + name.substr(0, name.find('-'));
}

// Half of the mutations go to a file, whatever its size, and half to a byte of all.
fs::path Choose(const std::vector<fs::path>& files, Random* random) {
  if (random->OneIn(2)) return files[random->Below(files.size())];
  uint64_t bytes = 0;
  for (const fs::path& f : files) bytes += fs::file_size(f);
  uint64_t at = random->Below(bytes);
  for (const fs::path& f : files) {
    const uint64_t size = fs::file_size(f);
    if (at < size) return f;
    at -= size;
  }
  return files.back();
}

Mutation Mutate(const std::string& store, Random* random) {
  const fs::path file = Choose(FilesOf(store), random);
  const uint64_t size = fs::file_size(file);
  const uint64_t at = random->Below(size);
  Mutation m{.file = fs::relative(file, store).string(), .kind = KindOf(file), .what = {}};
  const uint64_t form = random->Below(3);
  if (form == 0) {
    fs::resize_file(file, at);
    m.what = "cut at byte " + std::to_string(at);
    return m;
  }
  std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
  f.seekg(static_cast<std::streamoff>(at));
  if (form == 1) {
    const int bit = static_cast<int>(random->Below(8));
    const int old = f.get();
    f.seekp(static_cast<std::streamoff>(at));
    f.put(static_cast<char>(old ^ 1 << bit));
    m.what = "bit " + std::to_string(bit) + " of byte " + std::to_string(at);
  } else {
    const uint64_t n = std::min(size - at, 1 + random->Below(64));
    f.seekp(static_cast<std::streamoff>(at));
    f << std::string(n, '\0');
    m.what = std::to_string(n) + " zeros at byte " + std::to_string(at);
  }
  return m;
}

bool Usable(tsdb::Db* db) {
  const Labels labels{{"__name__", "after"}};
  const LabelsView view = labels;
  SeriesRef ref = kNoSeries;
  if (!db->Resolve({&view, 1}, 0, {&ref, 1}).ok()) return false;
  WriteBatch batch;
  batch.Add(ref, kStartMs, 1);
  return db->Commit(batch).ok();
}

// "same", "reported", "log cut", "refused", or the violation.
std::string LookAt(const std::string& folder, const Model& whole, const Mutation& mutation) {
  const FakeClock clock(WallMsAt(whole.step()));
  tsdb::DbOptions options;
  options.path = StoreOf(folder);
  options.retention_ms = kRetentionMs;
  options.window_ms = kWindowMs;
  options.clock = &clock;
  options.background = false;
  const auto db = tsdb::Db::Open(options);
  if (!db.ok()) {
    const std::string name = fs::path(mutation.file).filename().string();
    const bool named = db.status().message().find(name) != std::string::npos;
    return named ? "refused, by name" : "refused without the file's name: " + db.status().message();
  }
  Damage damage;
  const Content found = ReadEverything(**db, &damage);
  const int64_t oldest_ms = WallMsAt(whole.step()) - kRetentionMs;
  const auto difference = Difference(whole.content(), found, oldest_ms, damage);
  if (!difference.has_value()) {
    if (!Usable(db->get())) return "takes no writes: violation";
    return damage.any() ? "reported" : "same";
  }
  // A damaged log ends where it is damaged, as one that was torn: a prefix of the writes is left.
  Model prefix(whole.seed());
  const uint64_t newest = NewestMarker(found);
  std::string nearest;
  for (uint64_t step = newest; step < std::min(whole.step(), newest + 16); ++step) {
    prefix.AdvanceTo(step);
    const auto d = Difference(prefix.content(), found, oldest_ms, damage);
    if (!d.has_value()) return "log cut";
    if (step == newest) nearest = ", of step " + std::to_string(newest) + ": " + *d;
  }
  return "violation: of step " + std::to_string(whole.step()) + ": " + *difference + nearest;
}

}  // namespace

Tally RunMutations(const Settings& settings, const Progress& progress) {
  Tally tally;
  const std::string source = settings.folder + "/source", victim = settings.folder + "/victim";
  for (uint64_t seed = settings.seed; !settings.Enough(tally.runs); ++seed) {
    fs::remove_all(settings.folder);
    fs::create_directories(source);
    Random random(Mix(seed, 78));
    WriterRun run{.folder = source,
                  .seed = seed,
                  .from = 0,
                  .steps = 40 + random.Below(300),
                  .flags = {},
                  .faults = {}};
    if (random.OneIn(2)) run.flags.emplace_back("close");
    const WriterEnd end = RunWriter(run);
    Model model(seed);
    const Inspection whole = Inspect(source, model, end.acked, end.acked);
    fs::remove_all(StoreOf(source) + "/snapshots");
    fs::remove(StoreOf(source) + "/ballast");  // holds nothing, and is made anew
    if (!whole.ok) tally.violations.push_back("undamaged store: " + whole.problem);
    model.AdvanceTo(end.acked);
    for (uint64_t k = 0; k < kMutationsPerStore && tally.runs < settings.runs; ++k) {
      fs::remove_all(victim);
      fs::create_directories(victim);
      fs::copy(StoreOf(source), StoreOf(victim), fs::copy_options::recursive);
      const Mutation m = Mutate(StoreOf(victim), &random);
      const std::string outcome = InChild([&]() -> std::string {
        // The store says of each damage what it met; here there are thousands.
        if (std::freopen("/dev/null", "w", stderr) == nullptr) return "violation: no /dev/null";
        return LookAt(victim, model, m);
      });
      tally.runs++;
      tally.steps = std::max(tally.steps, end.acked);
      const bool refused = outcome.starts_with("refused");
      tally.counts[m.kind + ": " + outcome.substr(0, outcome.find(':'))]++;
      tally.counts[refused ? "starts refused" : "starts"]++;
      if (outcome.starts_with("violation") || outcome.starts_with("crash") ||
          outcome.starts_with("takes")) {
        tally.violations.push_back("seed " + std::to_string(seed) + ", mutation " +
                                   std::to_string(k) + ", " + m.file + ", " + m.what + ": " +
                                   outcome);
      }
      progress(tally);
    }
  }
  return tally;
}

}  // namespace deckwatch::simulation
