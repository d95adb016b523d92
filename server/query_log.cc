#include "server/query_log.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"

namespace deckwatch::server {

class QueryLog::File {
 public:
  explicit File(int fd) : fd_(fd) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { close(fd_); }
  // One write, so that lines of several threads do not mix.
  bool Append(const std::string& line) const {
    return write(fd_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  }

 private:
  const int fd_;
};

Result<QueryLog::FilePtr> QueryLog::Open(const std::string& path) {
  if (path.empty()) return FilePtr();
  const int fd = open(path.c_str(), O_APPEND | O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
  if (fd < 0) {
    return Status::Io("can't create json log file: open " + path + ": " + std::strerror(errno));
  }
  return FilePtr(std::make_shared<const File>(fd));
}

void QueryLog::Use(FilePtr file) {
  MutexLock lock(mutex_);
  file_.swap(file);  // the old one is closed after the lock is gone
}

bool QueryLog::enabled() const {
  MutexLock lock(mutex_);
  return file_ != nullptr;
}

namespace {

double Seconds(int64_t ns) {
  return static_cast<double>(ns) / 1e9;
}

int64_t TotalNs(const query::QueryStats& s) {
  return s.queue_ns + s.prepare_ns + s.eval_ns;
}

std::string Line(const query::FinishedQuery& q, int64_t now_ms) {
  std::string line, stats;
  AppendQueryStats(q.stats, &stats);
  JsonWriter w(&line);
  w.BeginObject().Key("time").String(FormatRfc3339Ms(now_ms)).Key("level").String("INFO");
  w.Key("msg").String("promql query logged").Key("params").BeginObject();
  w.Key("end").String(FormatRfc3339Ms(q.end_ms)).Key("query").String(q.text);
  w.Key("start").String(FormatRfc3339Ms(q.start_ms)).Key("step").Int(q.step_ms / 1000).EndObject();
  if (!q.status.ok()) w.Key("error").String(q.status.message());
  w.Key("stats").Raw(stats).Key("spanID").String("0000000000000000");
  if (!q.origin.path.empty()) {
    w.Key("httpRequest").BeginObject().Key("clientIP").String(q.origin.client);
    w.Key("method").String(q.origin.method).Key("path").String(q.origin.path).EndObject();
  }
  if (!q.origin.rule_group.empty()) {
    w.Key("ruleGroup").BeginObject().Key("file").String(q.origin.rule_file);
    w.Key("name").String(q.origin.rule_group).EndObject();
  }
  w.EndObject();
  return line + '\n';
}

}  // namespace

void QueryLog::Write(const query::FinishedQuery& q) {
  if (slow_ms_ > 0 && TotalNs(q.stats) >= slow_ms_ * 1'000'000) {
    LogWarn("slow query",
            {{"query", q.text},
             {"seconds", std::to_string(Seconds(TotalNs(q.stats)))},
             {"samples", q.stats.samples_read},
             {"bytes", q.stats.peak_bytes},
             {"start", FormatRfc3339Ms(q.start_ms)},
             {"end", FormatRfc3339Ms(q.end_ms)},
             {"step_ms", q.step_ms},
             {"by", q.origin.rule_group.empty() ? q.origin.client : q.origin.rule_group},
             {"error", q.status.ok() ? std::string() : q.status.message()}});
  }
  FilePtr file;
  {
    MutexLock lock(mutex_);
    file = file_;
  }
  if (file != nullptr && !file->Append(Line(q, clock_->WallMs()))) ++failures_;
}

void AppendQueryStats(const query::QueryStats& stats, std::string* out) {
  const int64_t eval_ns = stats.prepare_ns + stats.eval_ns;
  JsonWriter w(out);
  w.BeginObject().Key("timings").BeginObject();
  w.Key("evalTotalTime").Double(Seconds(eval_ns)).Key("resultSortTime").Double(0);
  w.Key("queryPreparationTime").Double(Seconds(stats.prepare_ns));
  w.Key("innerEvalTime").Double(Seconds(stats.eval_ns));
  w.Key("execQueueTime").Double(Seconds(stats.queue_ns));
  w.Key("execTotalTime").Double(Seconds(TotalNs(stats))).EndObject();
  w.Key("samples").BeginObject();
  if (!stats.queryable_per_step.empty()) {
    w.Key("totalQueryableSamplesPerStep").BeginArray();
    for (const auto& [t_ms, samples] : stats.queryable_per_step) {
      w.BeginArray().Double(static_cast<double>(t_ms) / 1000).Uint(samples).EndArray();
    }
    w.EndArray();
  }
  w.Key("totalQueryableSamples").Uint(stats.queryable_samples);
  w.Key("samplesRead").Uint(stats.samples_read);
  w.Key("peakSamples").Uint(stats.peak_samples).EndObject();
  // Ours: what the answer cost, and how much of it was kept from before.
  w.Key("series").Uint(stats.series_selected).Key("peakBytes").Uint(stats.peak_bytes);
  w.Key("steps").Uint(stats.steps).Key("stepsCached").Uint(stats.steps_cached).EndObject();
}

}  // namespace deckwatch::server
