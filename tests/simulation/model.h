// What the store must hold after a number of steps: plain maps.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/workload.h"

namespace deckwatch::simulation {

// What a store holds, or should.
struct Content {
  struct Point {
    double value = 0;
    int64_t start_ms = 0;
    HistogramPtr histogram = nullptr;
  };
  std::map<std::string, std::map<int64_t, Point>> series;  // by label set as text
  std::map<std::string, Labels> labels;  // of the series; filled by the model only
  std::map<std::string, std::string> state;
  std::map<std::string, std::string> help;   // metadata, by family
  std::map<std::string, int64_t> exemplars;  // their time, by series and all else as text
};

class Model {
 public:
  explicit Model(uint64_t seed) : seed_(seed) {}
  uint64_t seed() const { return seed_; }
  uint64_t step() const { return step_; }
  const Content& content() const { return content_; }
  void AdvanceTo(uint64_t step);  // not back

 private:
  void Take(const Step& step);

  uint64_t seed_;
  uint64_t step_ = 0;
  Content content_;
};

struct Damage {
  std::vector<std::string> told;   // what the reader was told, and errors
  std::vector<tsdb::Loss> losses;  // what the store lists
  bool state = false;              // the scan of the state did not come to its end
  bool exact = false;              // all that is missing must be listed, not only something be told
  uint64_t counted = 0;            // DbStats::counters.corruptions
  bool any() const { return !told.empty() || !losses.empty() || counted > 0; }
  bool MayMiss(const Labels& labels, int64_t t_ms) const;
};

// Reads all there is; what is told beside it is collected in `damage`, which may not be null.
Content ReadEverything(const tsdb::Db& db, Damage* damage);

// The step that wrote the newest marker; 0 when there is none.
uint64_t NewestMarker(const Content& found);

// The first sample that is missing, as Difference says it.
std::optional<std::string> MissingSample(const Content& expected, const Content& found,
                                         int64_t oldest_ms, const Damage& damage);

// The first difference, as text. What is older than `oldest_ms` may be gone; what `damage` reports
// as lost may be as well.
std::optional<std::string> Difference(const Content& expected, const Content& found,
                                      int64_t oldest_ms, const Damage& damage);

}  // namespace deckwatch::simulation
