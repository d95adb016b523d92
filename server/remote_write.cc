#include "server/remote_write.h"

#include <algorithm>
#include <memory>
#include <unordered_map>

#include <snappy.h>

#include "base/log.h"

namespace deckwatch::server {

namespace {

// Both the declared and the actual size are bounded: snappy refuses data that yields anything else
// than what it declares.
Status Uncompress(std::string_view compressed, size_t max_bytes, std::string* out) {
  size_t size = 0;
  if (!snappy::GetUncompressedLength(compressed.data(), compressed.size(), &size)) {
    return Status::InvalidArgument("snappy: corrupt input");
  }
  if (size > max_bytes) {
    return Status::InvalidArgument("snappy: decoded length " + std::to_string(size) +
                                   " exceeds the limit of " + std::to_string(max_bytes) + " bytes");
  }
  out->resize(size);
  if (!snappy::RawUncompress(compressed.data(), compressed.size(), out->data())) {
    return Status::InvalidArgument("snappy: corrupt input");
  }
  return {};
}

// The refusals of a commit in Prometheus's words.
Status Refusals(const AppendResult& r) {
  if (r.too_old > 0) {
    return Status::InvalidArgument("out of bounds: " + std::to_string(r.too_old) +
                                   " samples are older than the retention");
  }
  if (r.too_far_ahead > 0) {
    return Status::InvalidArgument("out of bounds: " + std::to_string(r.too_far_ahead) +
                                   " samples are too far in the future");
  }
  if (r.conflicting > 0) {
    return Status::InvalidArgument(
        "duplicate sample for timestamp: " + std::to_string(r.conflicting) + " samples");
  }
  return {};
}

void Add(const AppendResult& r, AppendResult* total) {
  total->appended += r.appended;
  total->duplicate += r.duplicate;
  total->conflicting += r.conflicting;
  total->too_old += r.too_old;
  total->too_far_ahead += r.too_far_ahead;
}

// Buffers of one request; kept per thread, as their pages cost more than the decoding.
struct Scratch {
  std::string message;
  WriteRequest request;
  std::vector<SeriesRef> refs;
};

void SetRefs(const std::vector<SeriesRef>& refs, WriteRequest* request) {
  WriteBatch& batch = request->batch;
  uint32_t at = 0;
  for (size_t i = 0; i < request->series.size(); ++i) {
    for (; at < request->series[i].samples_end; ++at) batch.ref[at] = refs[i];
  }
  for (size_t i = 0; i < batch.histograms.size(); ++i) {
    batch.histograms[i].ref = refs[request->histogram_series[i]];
  }
  for (size_t i = 0; i < batch.exemplars.size(); ++i) {
    batch.exemplars[i].ref = refs[request->exemplar_series[i]];
  }
}

}  // namespace

Status RemoteWriter::Write(std::string_view compressed) {
  static thread_local Scratch scratch;
  ++requests_;
  TRY(Uncompress(compressed, max_bytes_, &scratch.message));
  WriteRequest& request = scratch.request;
  TRY(DecodeWriteRequest(scratch.message, &request));
  Status refused;
  TRY(Resolve(&request, &scratch.refs, &refused));
  SetRefs(scratch.refs, &request);
  TRY_ASSIGN(const AppendResult first, appender_->Commit(request.batch));
  AppendResult total = first;
  if (!first.unknown_ref.empty() || !first.unknown_histogram.empty() ||
      !first.unknown_exemplar.empty()) {
    TRY(CommitForgotten(request, first, &total, &refused));
  }
  samples_ += total.appended + total.duplicate;
  histograms_ += request.batch.histograms.size();
  rejected_ += total.conflicting + total.too_old + total.too_far_ahead + request.refused_histograms;
  exemplars_rejected_ += request.refused_exemplars;
  if (accept_conflicting_) total.conflicting = 0;
  TRY(Refusals(total));
  TRY(request.refusal);
  return refused;
}

// One ref per series: from the cache, or from the store for those not seen before. A malformed
// label set is counted and left out (kNoSeries), as Prometheus does; so are new series that the
// store has no room for, as `refused` then says: a retry would only hold up the known ones.
Status RemoteWriter::Resolve(WriteRequest* request, std::vector<SeriesRef>* refs, Status* refused) {
  std::vector<SeriesCache::Key> keys;
  keys.reserve(request->series.size());
  for (const WriteRequest::Series& s : request->series) {
    keys.push_back(SeriesCache::KeyOf(s.labels));
  }
  refs->resize(keys.size());
  cache_.Find(keys, *refs);
  std::vector<uint32_t> missing;
  std::vector<Labels> labels;
  for (uint32_t i = 0; i < request->series.size(); ++i) {
    const std::string_view wire = request->series[i].labels;
    if ((*refs)[i] != kNoSeries) continue;
    auto decoded = DecodeWireLabels(wire);
    if (!decoded.ok()) {
      ++invalid_;
      LogDebug("remote write: series left out", {{"err", decoded.status()}});
      continue;
    }
    missing.push_back(i);
    labels.push_back(std::move(decoded).value());
  }
  if (missing.empty()) return {};
  const std::vector<LabelsView> views(labels.begin(), labels.end());
  std::vector<SeriesRef> found(views.size(), kNoSeries);
  const Status resolved = appender_->Resolve(views, 0, found);
  if (resolved.code() != StatusCode::kResourceExhausted) TRY(resolved);
  if (!resolved.ok()) *refused = Status::InvalidArgument(resolved.message());
  for (size_t k = 0; k < missing.size(); ++k) {
    (*refs)[missing[k]] = found[k];
    if (found[k] == kNoSeries) continue;
    cache_.Insert(keys[missing[k]], found[k]);
  }
  return {};
}

// Series idle for long are forgotten by the store: their labels are resolved anew, and their
// samples, histograms and exemplars committed again.
Status RemoteWriter::CommitForgotten(const WriteRequest& request, const AppendResult& first,
                                     AppendResult* total, Status* refused) {
  WriteRequest again;
  std::unordered_map<size_t, uint32_t> place;  // index into request.series -> into again.series
  const auto renew = [&](size_t series) {
    const auto [it, fresh] = place.emplace(series, static_cast<uint32_t>(again.series.size()));
    if (fresh) {
      cache_.Erase(SeriesCache::KeyOf(request.series[series].labels));
      again.series.push_back(
          {request.series[series].labels, static_cast<uint32_t>(again.batch.t_ms.size())});
    }
    return it->second;
  };
  for (const uint32_t s : first.unknown_ref) {  // ascending: the samples of a series come together
    const auto series = std::upper_bound(
        request.series.begin(), request.series.end(), s,
        [](uint32_t sample, const WriteRequest::Series& x) { return sample < x.samples_end; });
    const uint32_t at = renew(static_cast<size_t>(series - request.series.begin()));
    again.batch.Add(kNoSeries, request.batch.t_ms[s], request.batch.value[s]);
    again.series[at].samples_end = static_cast<uint32_t>(again.batch.t_ms.size());
  }
  for (const uint32_t i : first.unknown_histogram) {
    again.histogram_series.push_back(renew(request.histogram_series[i]));
    again.batch.histograms.push_back(request.batch.histograms[i]);
  }
  for (const uint32_t i : first.unknown_exemplar) {
    again.exemplar_series.push_back(renew(request.exemplar_series[i]));
    again.batch.exemplars.push_back(request.batch.exemplars[i]);
  }
  std::vector<SeriesRef> refs;
  TRY(Resolve(&again, &refs, refused));
  SetRefs(refs, &again);
  TRY_ASSIGN(const AppendResult result, appender_->Commit(again.batch));
  Add(result, total);
  return {};
}

RemoteWriteCounters RemoteWriter::counters() const {
  return {requests_,           samples_, histograms_,   rejected_,
          exemplars_rejected_, invalid_, cache_.bytes()};
}

}  // namespace deckwatch::server
