// The keys and values of a part: an immutable, self-contained set of samples with its own labels,
// index and clocks, in one column family. Numbers in keys are big-endian.
//
//   index.sst
//     D block           64 pairs in order: (varint bytes shared with the one before, string rest)*
//     M                 PartMeta
//     P pair            Postings of the series that have it (postings.h)
//     S ordinal/64      64 label sets: (varint pairs shared with the one before, varint further
//                       pairs, per further pair zigzag varint difference to the pair at that place
//                       before, or to 0)*
//     T clock           group key (8 bytes), varint count, IntBlocks of 960 (codec.h)
//   values.sst
//     V ordinal         varint clock + 1 (0: own times), varint n, flags byte,
//                       [varint ordinals back to the neighbour],
//                       times: own: IntBlocks; else varint runs, (varint rows left out, varint
//                       rows)* values: constant: one ValueBlock of 1; else a ValueColumn
//                       (value_column.h) [start times: IntBlocks] [varint runs, (varint floats,
//                       varint histograms)*, Histograms]
//
//   A neighbour has samples on the same rows of the same clock and no neighbour itself.
//   pair := name length (2 bytes), name, value      its number is its rank in P
//   ordinal := rank of the label set by metric name, then by the rest
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/labels.h"
#include "base/status.h"

namespace deckwatch::tsdb {

inline constexpr uint64_t kPartVersion = 2;
inline constexpr uint32_t kPairsPerBlock = 64;
inline constexpr uint32_t kSeriesPerBlock = 64;

enum ValueFlags : uint8_t { kHasStart = 1, kHasHistograms = 2, kConstant = 4, kBeside = 8 };

// How far a part has been merged.
enum class PartLevel : uint8_t { kWindow = 0, kHours = 1, kDay = 2, kRange = 3 };
std::string_view PartLevelName(PartLevel level);

struct PartMeta {
  PartLevel level = PartLevel::kWindow;
  int64_t min_ms = INT64_MAX;
  int64_t max_ms = INT64_MIN;
  uint64_t series = 0;
  uint64_t samples = 0;
  uint64_t pairs = 0;
  uint64_t clocks = 0;
  // File bytes of values.sst and index.sst, and of the latter what keys and values take before
  // compression.
  uint64_t value_bytes = 0;
  uint64_t index_bytes = 0;
  uint64_t label_raw_bytes = 0;
  uint64_t postings_raw_bytes = 0;
  uint64_t clock_raw_bytes = 0;

  void EncodeTo(std::string* out) const;
  static Result<PartMeta> Decode(std::string_view data);
};

// The order of series in parts and in answers.
bool SeriesBefore(LabelsView a, LabelsView b);

std::string PartKey(char kind, uint32_t number);
std::string PairText(std::string_view name, std::string_view value);
// Views into `text`; false when damaged.
[[nodiscard]] bool SplitPair(std::string_view text, std::string_view* name,
                             std::string_view* value);

}  // namespace deckwatch::tsdb
