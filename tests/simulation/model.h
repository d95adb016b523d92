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
  std::map<std::string, std::string> state;
  std::map<std::string, std::string> help;  // metadata, by family
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
  std::map<std::string, Labels> labels_;
};

struct Damage {
  std::vector<std::string> reads;   // errors of single reads, and of whole selects
  std::vector<std::string> series;  // of them, the series concerned
  bool everything = false;          // no select came through
  bool state = false;               // the scan of the state did not come to its end
  uint64_t counted = 0;             // DbStats::counters.corruptions
  bool any() const { return !reads.empty() || counted > 0; }
};

// Reads all there is. Errors of single reads are collected in `damage`, which may not be null.
Content ReadEverything(const tsdb::Db& db, Damage* damage);

// The step that wrote the newest marker; 0 when there is none.
uint64_t NewestMarker(const Content& found);

// The first difference, as text. What is older than `oldest_ms` may be gone; what `damage` reports
// as lost may be as well.
std::optional<std::string> Difference(const Content& expected, const Content& found,
                                      int64_t oldest_ms, const Damage& damage);

}  // namespace deckwatch::simulation
