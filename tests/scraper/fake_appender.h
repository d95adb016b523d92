// A store in memory that behaves as Appender promises, for tests of the scraper.
#pragma once

#include <bit>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/storage.h"

namespace deckwatch::scraper {

class FakeAppender : public Appender {
 public:
  Status Resolve(std::span<const LabelsView> labels, uint64_t group,
                 std::span<SeriesRef> refs) override {
    MutexLock lock(mutex_);
    ++resolve_calls_;
    bool full = false;
    for (size_t i = 0; i < labels.size(); ++i) {
      const std::string name = labels[i].ToString();
      auto it = refs_.find(name);
      if (it == refs_.end()) {
        if (refs_.size() >= max_series_) {
          refs[i] = kNoSeries;
          full = true;
          continue;
        }
        it = refs_.emplace(name, ++last_ref_).first;
        names_[it->second] = name;
        groups_.insert(group);
      }
      refs[i] = it->second;
    }
    return full ? Status::ResourceExhausted("series limit") : Status::Ok();
  }

  Result<AppendResult> Commit(const WriteBatch& batch) override {
    MutexLock lock(mutex_);
    if (!commit_error_.ok()) return commit_error_;
    AppendResult result;
    for (size_t i = 0; i < batch.ref.size(); ++i) {
      if (batch.ref[i] == kNoSeries) continue;
      const auto name = names_.find(batch.ref[i]);
      if (name == names_.end()) {
        result.unknown_ref.push_back(static_cast<uint32_t>(i));
        continue;
      }
      const auto [at, fresh] = samples_[name->second].emplace(batch.t_ms[i], batch.value[i]);
      const bool equal =
          std::bit_cast<uint64_t>(at->second) == std::bit_cast<uint64_t>(batch.value[i]);
      ++(fresh ? result.appended : equal ? result.duplicate : result.conflicting);
    }
    for (size_t i = 0; i < batch.exemplars.size(); ++i) {
      const WriteBatch::ExemplarSample& e = batch.exemplars[i];
      if (e.ref == kNoSeries) continue;
      if (names_.contains(e.ref)) {
        exemplars_.push_back(e.exemplar);
      } else {
        result.unknown_exemplar.push_back(static_cast<uint32_t>(i));
      }
    }
    metadata_.insert(metadata_.end(), batch.metadata.begin(), batch.metadata.end());
    return result;
  }

  // Every sample of every series, as lines `series value@t`, stale markers as "stale".
  std::vector<std::string> Dump() const {
    MutexLock lock(mutex_);
    std::vector<std::string> out;
    for (const auto& [name, samples] : samples_) {
      for (const auto& [t, v] : samples) {
        out.push_back(name + " " + (IsStale(v) ? "stale" : FormatFloat(v)) + "@" +
                      std::to_string(t));
      }
    }
    return out;
  }
  // Those of the series whose text begins with `prefix`, without the series: "1@1000 stale@2000".
  std::string Samples(const std::string& prefix) const {
    MutexLock lock(mutex_);
    std::string out;
    for (const auto& [name, samples] : samples_) {
      if (!name.starts_with(prefix)) continue;
      for (const auto& [t, v] : samples) {
        out += (out.empty() ? "" : " ") + (IsStale(v) ? "stale" : FormatFloat(v)) + "@" +
               std::to_string(t);
      }
    }
    return out;
  }
  std::set<std::string> SeriesNames() const {
    MutexLock lock(mutex_);
    std::set<std::string> out;
    for (const auto& [name, samples] : samples_) out.insert(name);
    return out;
  }
  std::vector<Exemplar> exemplars() const {
    MutexLock lock(mutex_);
    return exemplars_;
  }
  std::vector<MetricMetadata> TakeMetadata() {
    MutexLock lock(mutex_);
    return std::exchange(metadata_, {});
  }
  int resolve_calls() const {
    MutexLock lock(mutex_);
    return resolve_calls_;
  }

  // The store forgets which series the refs given so far stand for.
  void ForgetRefs() {
    MutexLock lock(mutex_);
    refs_.clear();
    names_.clear();
  }
  void SetMaxSeries(size_t n) {
    MutexLock lock(mutex_);
    max_series_ = n;
  }
  void SetCommitError(Status s) {
    MutexLock lock(mutex_);
    commit_error_ = std::move(s);
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, SeriesRef> refs_ GUARDED_BY(mutex_);
  std::map<SeriesRef, std::string> names_ GUARDED_BY(mutex_);
  std::map<std::string, std::map<int64_t, double>> samples_ GUARDED_BY(mutex_);
  std::vector<Exemplar> exemplars_ GUARDED_BY(mutex_);
  std::vector<MetricMetadata> metadata_ GUARDED_BY(mutex_);
  std::set<uint64_t> groups_ GUARDED_BY(mutex_);
  SeriesRef last_ref_ GUARDED_BY(mutex_) = 0;
  size_t max_series_ GUARDED_BY(mutex_) = SIZE_MAX;
  int resolve_calls_ GUARDED_BY(mutex_) = 0;
  Status commit_error_ GUARDED_BY(mutex_);
};

}  // namespace deckwatch::scraper
