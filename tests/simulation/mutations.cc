// Trials in which the files of a store are damaged while it is closed. Right: the store opens, the
// content is the same, or what is missing is told to the reader, and listed once the store was
// mended. Wrong: a start refused, another value, something missing without a word, a crash.
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
    if (e.is_regular_file() && !name.starts_with("LOG")) {
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

// What is done to a file; `at` and `n` are inside it.
std::string Replace(const fs::path& file, const std::vector<fs::path>& files, Random* random) {
  std::vector<fs::path> others;
  for (const fs::path& f : files) {
    if (f != file && f.extension() == file.extension()) others.push_back(f);
  }
  if (others.empty()) return {};
  const fs::path& other = others[random->Below(others.size())];
  fs::copy_file(other, file, fs::copy_options::overwrite_existing);
  return "holds what belongs into " + other.filename().string();
}

void Overwrite(const fs::path& file, uint64_t at, const std::string& bytes) {
  std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
  f.seekp(static_cast<std::streamoff>(at));
  f << bytes;
}

std::string FlipBit(const fs::path& file, uint64_t at, int bit) {
  std::ifstream in(file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(at));
  Overwrite(file, at, std::string(1, static_cast<char>(in.get() ^ 1 << bit)));
  return "bit " + std::to_string(bit) + " of byte " + std::to_string(at);
}

std::string Zero(const fs::path& file, uint64_t at, uint64_t n) {
  Overwrite(file, at, std::string(n, '\0'));
  return std::to_string(n) + " zeros at byte " + std::to_string(at);
}

Mutation Mutate(const std::string& store, Random* random) {
  const std::vector<fs::path> files = FilesOf(store);
  const fs::path file = Choose(files, random);
  const uint64_t size = fs::file_size(file);
  const uint64_t at = size == 0 ? 0 : random->Below(size);
  Mutation m{.file = fs::relative(file, store).string(), .kind = KindOf(file), .what = {}};
  constexpr uint64_t kPage = 4096;
  const uint64_t page = at / kPage * kPage;
  switch (size == 0 ? 4 + random->Below(2) : random->Below(8)) {
    case 0:
      fs::resize_file(file, at);
      m.what = "cut at byte " + std::to_string(at);
      break;
    case 1: m.what = Zero(file, at, std::min(size - at, 1 + random->Below(64))); break;
    case 2: m.what = Zero(file, page, std::min(size - page, kPage)); break;
    case 3: m.what = Replace(file, files, random); break;
    case 4:
      fs::remove(file);
      m.what = "removed";
      break;
    case 5:
      Overwrite(file, at, "garbage");
      m.what = "garbage at byte " + std::to_string(at);
      break;
    default: m.what = FlipBit(file, at, static_cast<int>(random->Below(8))); break;
  }
  return m;
}

bool Usable(tsdb::Db* db, int64_t now_ms) {
  const Labels labels{{"__name__", "after"}};
  const LabelsView view = labels;
  SeriesRef ref = kNoSeries;
  if (!db->Resolve({&view, 1}, 0, {&ref, 1}).ok()) return false;
  WriteBatch batch;
  batch.Add(ref, now_ms, 1);
  return db->Commit(batch).ok();
}

Result<std::unique_ptr<tsdb::Db>> OpenAt(const std::string& folder, const Clock* clock) {
  tsdb::DbOptions options;
  options.path = StoreOf(folder);
  options.retention_ms = kRetentionMs;
  options.window_ms = kWindowMs;
  options.clock = clock;
  options.background = false;
  return tsdb::Db::Open(options);
}

// A damaged log ends where it is damaged: a prefix of the writes is left, and the time of the rest
// is listed.
std::string PrefixOf(const Model& whole, const Content& found, const Damage& damage) {
  Model prefix(whole.seed());
  const uint64_t newest = NewestMarker(found);
  const int64_t oldest_ms = WallMsAt(whole.step()) - kRetentionMs;
  std::string nearest = "nothing";
  for (uint64_t step = newest; step < std::min(whole.step(), newest + 16); ++step) {
    prefix.AdvanceTo(step);
    const auto d = Difference(prefix.content(), found, oldest_ms, {});
    if (!d.has_value()) {
      const bool listed =
          std::any_of(damage.losses.begin(), damage.losses.end(), [&](const tsdb::Loss& l) {
            return l.min_ms <= WallMsAt(newest + 1) && l.max_ms >= WallMsAt(whole.step());
          });
      return listed ? "" : "the log was cut at step " + std::to_string(step) + " without a word";
    }
    if (step == newest) nearest = "of step " + std::to_string(newest) + ": " + *d;
  }
  return nearest;
}

// "same", "reported", "log cut, reported", "refused", or the violation.
std::string LookAt(const std::string& folder, const Model& whole) {
  const FakeClock clock(WallMsAt(whole.step()));
  auto db = OpenAt(folder, &clock);
  if (!db.ok()) return "refused: " + db.status().message();
  const int64_t oldest_ms = WallMsAt(whole.step()) - kRetentionMs;
  Damage damage;
  const Content found = ReadEverything(**db, &damage);
  const auto difference = Difference(whole.content(), found, oldest_ms, damage);
  bool cut = false;
  if (difference.has_value()) {
    const std::string problem = PrefixOf(whole, found, damage);
    if (!problem.empty()) return "violation: " + *difference + "; as a prefix: " + problem;
    cut = true;
  }
  const Status mended = (*db)->Repair([](double) {});
  if (!mended.ok()) return "violation: cannot be mended: " + mended.message();
  if (!Usable(db->get(), clock.WallMs())) return "violation: takes no writes";
  db->reset();
  db = OpenAt(folder, &clock);
  if (!db.ok()) return "violation: refused after it was mended: " + db.status().message();
  Damage listed{.told = {}, .losses = {}, .exact = true};
  const Content again = ReadEverything(**db, &listed);
  if (cut) {
    const auto d = MissingSample(whole.content(), again, oldest_ms, listed);
    return d.has_value() ? "violation: the log was cut; not listed: " + *d : "log cut, reported";
  }
  Content expected = whole.content();
  const Labels after{{"__name__", "after"}};
  expected.labels.emplace(after.ToString(), after);
  expected.series[after.ToString()][WallMsAt(whole.step())] = {.value = 1};
  if (auto d = Difference(expected, again, oldest_ms, listed); d.has_value()) {
    return "violation: after it was mended: " + *d;
  }
  return damage.any() || listed.any() ? "reported" : "same";
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
    run.flags.emplace_back(random.OneIn(2) ? "close" : "sync_ms=0");  // all of the log is synced
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
        return LookAt(victim, model);
      });
      tally.runs++;
      tally.steps = std::max(tally.steps, end.acked);
      const bool refused = outcome.starts_with("refused");
      tally.counts[m.kind + ": " + outcome.substr(0, outcome.find(':'))]++;
      tally.counts[refused ? "starts refused" : "starts"]++;
      if (refused || outcome.starts_with("violation") || outcome.starts_with("crash")) {
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
