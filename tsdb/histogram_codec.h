// Native histograms to bytes and back, exactly.
//
//   Layout := flags schema zero_threshold spans spans bounds
//     flags          byte: bit 0 integer
//     schema         zigzag varint
//     zero_threshold 8 bytes
//     spans          varint count, then (zigzag varint offset, varint length)*; positive, negative
//     bounds         varint count, then 8 bytes each
//   One       := hint byte, Layout, 8 bytes each of count, sum, zero_count and every bucket
//   Series    := run*, for n histograms in all
//     run            varint length, Layout, then one column of `length` per number: hint
//     (IntBlocks),
//                    count, sum, zero_count, buckets (ValueBlocks); see codec.h
//
// Thread-safe: no state.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/sample.h"

namespace deckwatch::tsdb {

void EncodeHistogram(const Histogram& h, std::string* out);
[[nodiscard]] bool DecodeHistogram(Reader* in, Histogram* out);

void EncodeHistograms(std::span<const HistogramPtr> v, std::string* out);
// Appends n histograms to `out`.
[[nodiscard]] bool DecodeHistograms(Reader* in, size_t n, std::vector<HistogramPtr>* out);

// The same numbers bit for bit and the same shape.
bool SameHistogram(const Histogram& a, const Histogram& b);

}  // namespace deckwatch::tsdb
