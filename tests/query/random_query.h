// Random data and random queries about it.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "tests/query/memory_storage.h"

namespace deckwatch::query {

// Gauges, counters with resets, gaps, stale markers, NaN and infinities, and native histograms,
// every 10 s from -5 min to 10 min. `histograms` adds series that hold or switch to them.
void FillRandomly(std::mt19937_64& random, bool histograms, MemoryStorage* storage);

class QueryGenerator {
 public:
  QueryGenerator(std::mt19937_64& random, bool floats_only)
      : random_(random), floats_only_(floats_only) {}

  // An expression of type instant vector, nested at most `depth` deep.
  std::string Vector(int depth);

 private:
  std::string Pick(const std::vector<std::string>& of);
  bool Chance(double p);
  std::string Selector();
  std::string Modifiers();
  std::string RangeVector(int depth);
  std::string RangeFunction(int depth);
  std::string Aggregation(int depth);
  std::string Binary(int depth);
  std::string Function(int depth);

  std::mt19937_64& random_;
  bool floats_only_;
};

}  // namespace deckwatch::query
