// Functions over range vectors, one series at a time: all steps of the query slide over the
// series's samples in one pass.
//
// Samples come as columns without stale markers, floats and histograms apart (as Prometheus keeps
// them); the window of each step is a pair of indexes into either.
#pragma once

#include <cstdint>
#include <vector>

#include "query/annotations.h"
#include "query/ast.h"
#include "query/function_id.h"
#include "query/step_vector.h"

namespace deckwatch::query {

struct Window {
  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t size() const { return end - begin; }
};

// Columns of equal length, times strictly increasing. start_ms may be null: no start times known.
struct FloatSamples {
  const int64_t* t_ms = nullptr;
  const double* value = nullptr;
  const int64_t* start_ms = nullptr;
  size_t size = 0;
  const Window* window = nullptr;  // one per step
  bool constant = false;           // every value has the same bits
};
struct HistogramSamples {
  const int64_t* t_ms = nullptr;
  const HistogramPtr* value = nullptr;
  const int64_t* start_ms = nullptr;
  size_t size = 0;
  const Window* window = nullptr;
};

// What extrapolating a counter's increase to its windows takes from the times of the samples alone,
// in columns over the steps. Steps with less than two samples have no `factor` (0).
struct RateGeometry {
  std::vector<uint32_t> first, last;  // samples
  std::vector<double> sampled_s;      // between first and last sample
  std::vector<double> to_start_s;     // how far the increase reaches before the first sample …
  std::vector<double> to_end_s;       // … and behind the last
  std::vector<double>
      factor;                 // (sampled + to_start + to_end) / sampled, per second where asked for
  std::vector<uint8_t> cell;  // kFloat where there is a factor
};

// Names the windows of a series. Equal numbers: equal windows; a few are in use at a time, each in
// a slot of its own.
struct WindowsId {
  size_t slot = 0;
  uint64_t number = 0;  // from 1 on
};

// Memory that functions reuse from series to series.
struct RangeScratch {
  struct Geometry {
    uint64_t windows = 0;  // the number of those it belongs to
    RateGeometry of_steps;
  };
  std::vector<uint32_t> indexes;
  std::vector<double> values;
  std::vector<Geometry> geometry;  // by slot of the windows
};

// One series under one function. Window i covers (end_ms(i) - range_ms, end_ms(i)], widened by the
// lookback for anchored and smoothed ranges.
struct RangeCall {
  FloatSamples floats;
  HistogramSamples histograms;
  StepRange steps;                  // evaluation times
  const int64_t* end_ms = nullptr;  // per step: the window's end, offset and @ applied
  int64_t range_ms = 0;
  RangeMode mode = RangeMode::kPlain;
  std::vector<const double*> args;  // the scalar arguments, a value per step each
  std::string_view metric_name;     // for annotations
  Position arg_pos;                 // of the range vector argument
  Position args_pos;                // of all arguments
  Position scalar_pos;              // of the first scalar argument
  AnnotationSet* annotations = nullptr;
  RangeScratch* scratch = nullptr;
  WindowsId windows;
  StepVector* out = nullptr;  // results go to row `row`
  size_t row = 0;

  bool mixed(size_t step) const {
    return floats.window[step].size() > 0 && histograms.window[step].size() > 0;
  }
  void Set(size_t step, double v) { out->SetFloat(row, step, v); }
  void Set(size_t step, Histogram&& h) {
    out->SetHistogram(row, step, std::make_shared<const Histogram>(std::move(h)));
  }
  void Set(size_t step, const HistogramPtr& h) { out->SetHistogram(row, step, h); }
};

using RangeFunction = void (*)(RangeCall& call);

// Null for functions that take no range vector.
RangeFunction FindRangeFunction(FunctionId id);

// Implementations, by file.
void Rate(RangeCall& call);
void Increase(RangeCall& call);
void Delta(RangeCall& call);
void Irate(RangeCall& call);
void Idelta(RangeCall& call);
void Resets(RangeCall& call);
void Changes(RangeCall& call);
void SumOverTime(RangeCall& call);
void AvgOverTime(RangeCall& call);
// Of the histograms alone, where a window holds no floats.
void SumHistogramsOverTime(RangeCall& call, size_t step);
void AvgHistogramsOverTime(RangeCall& call, size_t step);

// Steps of `call` at which rate, increase or delta work on histograms or on extended ranges.
void HistogramRate(RangeCall& call, size_t step, bool is_counter, bool is_rate);
void ExtendedRate(RangeCall& call, size_t step, bool is_counter, bool is_rate);

// Whether a sample's start time tells that the counter began anew after the previous sample.
bool IsStartTimeReset(int64_t previous_start_ms, int64_t previous_t_ms, int64_t start_ms,
                      int64_t t_ms);

}  // namespace deckwatch::query
