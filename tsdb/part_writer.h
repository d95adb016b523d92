// Writes one part (format: part.h) as two files, ready to be ingested.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/labels.h"
#include "base/status.h"
#include "base/storage.h"
#include "tsdb/kv.h"
#include "tsdb/neighbours.h"
#include "tsdb/part.h"
#include "tsdb/part_labels.h"
#include "tsdb/value_column.h"

namespace deckwatch::tsdb {

// Not thread-safe. Clocks first, then series in SeriesBefore order, then Finish. The files are
// removed on destruction where they still stand (ingesting moves them).
class PartWriter {
 public:
  // Files are made in `directory`, which must exist.
  static Result<std::unique_ptr<PartWriter>> Create(const std::string& directory, PartLevel level);
  ~PartWriter();

  // Times ascending. Series of the group whose times are all among them share the clock.
  void AddClock(uint64_t group_key, std::vector<int64_t> times_ms);
  // `columns` not empty.
  Status AddSeries(LabelsView labels, uint64_t group_key, const Columns& columns);
  uint64_t series() const { return meta_.series; }

  struct Finished {
    PartMeta meta;
    std::vector<std::string> files;
  };
  Result<Finished> Finish();

 private:
  struct Clock {
    uint64_t group_key = 0;
    std::vector<int64_t> times_ms;
    bool used = false;
  };
  PartWriter() = default;
  void EncodeTimes(Clock* clock, uint32_t number, const std::vector<int64_t>& t_ms,
                   std::string* head, std::string* out);
  uint32_t EncodeVarying(const std::vector<double>& v, const std::string& rows, std::string* out);
  Status WriteIndex(SstWriter* index);
  Status WriteClocks(SstWriter* index);
  Status Put(SstWriter* index, const std::string& key, const std::string& value,
             uint64_t* class_bytes);

  std::string values_path_, index_path_;
  std::unique_ptr<SstWriter> values_;
  SstWriter::Options index_options_;
  PartMeta meta_;
  Effort effort_ = Effort::kQuick;
  Neighbours neighbours_;
  std::vector<Clock> clocks_;
  std::unordered_map<uint64_t, uint32_t> clock_of_group_;
  PartLabels labels_;
};

}  // namespace deckwatch::tsdb
