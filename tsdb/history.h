// Samples of history on their way into parts: any series, any order of time, more than memory
// holds. They are gathered in memory, written to a scratch file in sorted runs, and read back
// bucket by bucket as one stream of series in SeriesBefore order. A bucket becomes a part, and is
// as wide as the planner would make it: about a tenth of the retention, a day, or two hours of a
// day that is not over.
//
//   run     := a segment for each day, or two hours of such a day, that it has samples of
//   segment := block*, by series, then by time
//   block   := fixed32 length of what follows, fixed32 series, varint n, IntBlock of the times,
//              ValueBlock (codec.h); n <= kBlockSamples
//
// Cost: 24 bytes of memory per gathered sample and as much again while a run is written; on the
// scratch disk about what a part takes before compression. The label sets of all series stay in
// memory. Reading holds a buffer per segment of the bucket, 16 MiB together unless they are more
// than 4,096.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/labels.h"
#include "base/status.h"
#include "base/storage.h"
#include "tsdb/part.h"

namespace deckwatch::tsdb {

class SeriesSource;

// Not thread-safe.
class History {
 public:
  struct Options {
    std::string scratch_path;  // a file, removed at once: it lives as long as this object
    size_t memory_bytes = size_t{256} << 20;
    int64_t settled_ms = 0;    // buckets of a day or more end by then
    int64_t retention_ms = 0;  // decides about the width; 0: as far back as the samples go
    // Samples outside are left out and counted.
    int64_t oldest_ms = INT64_MIN;
    int64_t newest_ms = INT64_MAX;
  };
  static Result<std::unique_ptr<History>> Create(const Options& options);
  ~History();

  // ---- gathering
  // The number of a series; InvalidArgument when its labels are too long.
  Result<uint32_t> SeriesOf(LabelsView labels);
  // Of samples of one series and time the first counts.
  Status Add(uint32_t series, int64_t t_ms, double value);
  void AddExemplar(uint32_t series, Exemplar exemplar);
  void AddMetadata(MetricMetadata metadata) { metadata_.push_back(std::move(metadata)); }

  // ---- reading back; nothing is added after Finish
  Status Finish();
  struct Bucket {
    int64_t start_ms = 0, end_ms = 0;  // both inclusive
    PartLevel level = PartLevel::kDay;
  };
  std::vector<Bucket> Buckets() const;  // ascending
  // The samples of one bucket; what is there twice is counted in `result`. The source lives no
  // longer than this object.
  Result<std::unique_ptr<SeriesSource>> Open(const Bucket& bucket, AppendResult* result) const;
  // In time order; the newest only, as the store keeps no more.
  std::vector<std::pair<Labels, Exemplar>> Exemplars() const;
  size_t series() const { return labels_.size(); }
  const std::vector<MetricMetadata>& metadata() const { return metadata_; }

  // Duplicates found and samples left out while gathering.
  const AppendResult& counts() const { return counts_; }

 private:
  class Segment;
  class Source;
  struct Sample {
    int64_t t_ms;
    double value;
    uint32_t series;
  };
  struct Extent {
    uint64_t offset = 0, bytes = 0;
  };
  struct CloseFile {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };

  explicit History(const Options& options);
  Bucket SlotOf(int64_t t_ms) const;
  void RankSeries();
  Status WriteRun();
  using SeriesSamples = std::vector<std::pair<int64_t, double>>;
  void EncodeSeries(uint32_t series, SeriesSamples* samples,
                    std::map<int64_t, std::string>* segments);
  Status Read(uint64_t offset, size_t bytes, std::string* out) const;

  const Options options_;
  const size_t max_samples_;
  std::unique_ptr<std::FILE, CloseFile> file_;
  uint64_t file_bytes_ = 0;
  std::map<int64_t, std::vector<Extent>> segments_;  // by start of the slot, in order of runs
  std::unordered_map<Labels, uint32_t, LabelsHash, LabelsEqual> numbers_;
  std::vector<const Labels*> labels_;  // by number; keys of numbers_
  std::vector<uint32_t> by_rank_;      // numbers in SeriesBefore order, as of the last run
  std::vector<uint32_t> rank_;
  std::vector<Sample> samples_;
  std::vector<std::pair<uint32_t, Exemplar>> exemplars_;
  std::vector<MetricMetadata> metadata_;
  AppendResult counts_;
};

// Takes out of `columns` the samples whose times `stored` has, counting them as duplicates or
// conflicts.
void LeaveOutStored(const Columns& stored, Columns* columns, AppendResult* result);

}  // namespace deckwatch::tsdb
