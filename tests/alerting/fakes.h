// The neighbours of alerting, in memory.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "alerting/seams.h"
#include "base/state_store.h"
#include "base/storage.h"

namespace deckwatch::alerting {

// Survives the objects that use it, as a disk does. `fail` makes every Apply fail.
class MemoryStateStore : public StateStore {
 public:
  Status Apply(const std::vector<StateChange>& changes) override {
    if (fail) return Status::Io("disk is gone");
    ++commits;
    for (const StateChange& c : changes) {
      if (c.value) {
        rows[c.key] = *c.value;
      } else {
        rows.erase(c.key);
      }
    }
    if (after_commit) after_commit();
    return Status::Ok();
  }
  Result<std::string> Get(std::string_view key) const override {
    const auto it = rows.find(key);
    if (it == rows.end()) return Status::NotFound("no row");
    return it->second;
  }
  Status Scan(std::string_view prefix,
              const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    for (auto it = rows.lower_bound(prefix); it != rows.end() && it->first.starts_with(prefix);
         ++it) {
      if (!visit(it->first, it->second)) break;
    }
    return Status::Ok();
  }

  std::map<std::string, std::string, std::less<>> rows;
  bool fail = false;
  int commits = 0;
  std::function<void()> after_commit;
};

class MemoryAppender : public Appender {
 public:
  Status Resolve(std::span<const LabelsView> labels, uint64_t, std::span<SeriesRef> refs) override {
    for (size_t i = 0; i < labels.size(); ++i) {
      const std::string text = labels[i].ToString();
      if (!ids.contains(text)) {
        names.push_back(text);
        ids[text] = names.size();
      }
      refs[i] = ids[text];
    }
    return Status::Ok();
  }
  Result<AppendResult> Commit(const WriteBatch& batch) override {
    for (size_t i = 0; i < batch.ref.size(); ++i) {
      samples[names[batch.ref[i] - 1]].emplace_back(batch.t_ms[i], batch.value[i]);
    }
    AppendResult result;
    result.appended = batch.ref.size();
    return result;
  }

  std::vector<std::string> names;
  std::map<std::string, SeriesRef> ids;
  std::map<std::string, std::vector<std::pair<int64_t, double>>> samples;  // by series text
};

// Answers by expression text; unknown expressions are an empty vector.
class FakeEngine {
 public:
  void Set(const std::string& expr, std::vector<std::pair<Labels, double>> vector) {
    answers_[expr] = std::move(vector);
  }
  void Fail(const std::string& expr, std::string reason) { errors_[expr] = std::move(reason); }
  void Heal(const std::string& expr) { errors_.erase(expr); }

  GroupQueries Function() {
    return [this](const std::string&, const std::string&) { return Asker(); };
  }
  QueryFunction Asker() {
    return [this](std::string_view expr, int64_t t_ms) -> Result<query::QueryResult> {
      const std::string text(expr);
      asked.emplace_back(text, t_ms);
      if (errors_.contains(text)) return Status::Internal(errors_[text]);
      query::QueryResult r;
      r.type = query::ValueType::kVector;
      for (const auto& [labels, value] : answers_[text]) {
        r.series.push_back({labels, {t_ms}, {value}, {}});
      }
      if (!lost.empty()) {
        r.incomplete = true;
        r.annotations.warnings.push_back(lost);
      }
      return r;
    };
  }

  std::vector<std::pair<std::string, int64_t>> asked;
  std::string lost;  // what every answer is without; empty: nothing

 private:
  std::map<std::string, std::vector<std::pair<Labels, double>>> answers_;
  std::map<std::string, std::string> errors_;
};

}  // namespace deckwatch::alerting
