#include "tsdb/kv_log.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <rocksdb/env.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mutex.h"

namespace deckwatch::tsdb {

namespace {

namespace fs = std::filesystem;

// A log begins with a record: checksum (4), length (2), type (1), and then a batch of writes, whose
// first 8 bytes are the number of the first one.
constexpr size_t kRecordHead = 7, kLogHead = kRecordHead + sizeof(uint64_t);
constexpr std::string_view kBegin = "BEGIN-", kLog = ".log";

std::string BeginOf(const fs::path& log) {
  return (log.parent_path() / std::string(kBegin).append(log.stem().string())).string();
}

// The number (8) and FNV-1a (8) of it and of the names: it is of no use under another name.
std::string BeginText(const fs::path& log, uint64_t sequence) {
  std::string out;
  PutFixed64(&out, sequence);
  PutFixed64(&out, Fnv1a(log.parent_path().filename().string() + "/" + log.stem().string() + out));
  return out;
}

// At most `n` bytes from the start of a file; empty when there is none.
Result<std::string> ReadHead(const std::string& path, size_t n) {
  rocksdb::Env* env = rocksdb::Env::Default();
  std::unique_ptr<rocksdb::SequentialFile> file;
  auto s = env->NewSequentialFile(path, &file, {});
  if (s.IsNotFound() || s.IsPathNotFound()) return std::string();
  std::string buffer(n, '\0');
  rocksdb::Slice read;
  if (s.ok()) s = file->Read(n, &read, buffer.data());
  if (!s.ok()) return Status::Io("read " + path + ": " + s.ToString());
  return read.ToString();
}

// Whether `log` begins with that number.
Result<bool> BeginsWith(const std::string& log, uint64_t sequence) {
  TRY_ASSIGN(const std::string head, ReadHead(log, kLogHead));
  if (head.size() < kLogHead) return false;
  uint64_t found = 0;
  Reader in(std::string_view(head).substr(kRecordHead));
  return in.GetFixed64(&found) && found == sequence;
}

// The file of a log. Synced by others than RocksDB, which does not know: so it may be closed at any
// moment.
class SharedLog {
 public:
  SharedLog(std::string path, std::unique_ptr<rocksdb::FSWritableFile> file)
      : path_(std::move(path)), file_(std::move(file)) {}

  rocksdb::FSWritableFile* file() const { return file_.get(); }
  const std::string& path() const { return path_; }
  void Appended() { unsynced_ = true; }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& o, rocksdb::IODebugContext* d) {
    MutexLock lock(mutex_);
    if (closed_ || !error_.ok()) return error_;
    if (!unsynced_.exchange(false)) return rocksdb::IOStatus::OK();
    error_ = file_->Sync(o, d);
    if (error_.ok() && !in_folder_) error_ = SyncFolder();
    in_folder_ = true;
    return error_;
  }
  rocksdb::IOStatus Close(const rocksdb::IOOptions& o, rocksdb::IODebugContext* d) {
    MutexLock lock(mutex_);
    closed_ = true;
    return file_->Close(o, d);
  }

 private:
  rocksdb::IOStatus SyncFolder() const {
    rocksdb::FileSystem* fs = rocksdb::FileSystem::Default().get();
    std::unique_ptr<rocksdb::FSDirectory> folder;
    const rocksdb::IOStatus s =
        fs->NewDirectory(fs::path(path_).parent_path().string(), {}, &folder, nullptr);
    return s.ok() ? folder->Fsync({}, nullptr) : s;
  }

  const std::string path_;
  const std::unique_ptr<rocksdb::FSWritableFile> file_;
  std::atomic<bool> unsynced_{false};
  Mutex mutex_;
  bool closed_ GUARDED_BY(mutex_) = false;
  bool in_folder_ GUARDED_BY(mutex_) = false;   // for good: the folder was synced
  rocksdb::IOStatus error_ GUARDED_BY(mutex_);  // the first one stays: a second fsync would lie
};

// The logs that are open, of all databases of the process, by path.
class OpenLogs {
 public:
  static OpenLogs& Get() {
    static OpenLogs logs;
    return logs;
  }
  void Add(const std::shared_ptr<SharedLog>& log) {
    MutexLock lock(mutex_);
    logs_[log->path()] = log;
  }
  void Remove(const SharedLog* log) {
    MutexLock lock(mutex_);
    const auto it = logs_.find(log->path());
    if (it != logs_.end() && it->second.get() == log) logs_.erase(it);
  }
  std::vector<std::shared_ptr<SharedLog>> In(const std::string& folder) const {
    MutexLock lock(mutex_);
    std::vector<std::shared_ptr<SharedLog>> out;
    for (const auto& [path, log] : logs_) {
      if (fs::path(path).parent_path() == folder) out.push_back(log);
    }
    return out;
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<SharedLog>> logs_ GUARDED_BY(mutex_);
};

class LogFile : public rocksdb::FSWritableFileWrapper {
 public:
  explicit LogFile(std::shared_ptr<SharedLog> log)
      : FSWritableFileWrapper(log->file()), log_(std::move(log)) {
    OpenLogs::Get().Add(log_);
  }
  ~LogFile() override { OpenLogs::Get().Remove(log_.get()); }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& o,
                           rocksdb::IODebugContext* d) override {
    return Appended(data, target()->Append(data, o, d));
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& o,
                           const rocksdb::DataVerificationInfo& info,
                           rocksdb::IODebugContext* d) override {
    return Appended(data, target()->Append(data, o, info, d));
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& o, rocksdb::IODebugContext* d) override {
    return log_->Sync(o, d);
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& o, rocksdb::IODebugContext* d) override {
    return log_->Sync(o, d);
  }
  rocksdb::IOStatus Close(const rocksdb::IOOptions& o, rocksdb::IODebugContext* d) override {
    return log_->Close(o, d);
  }

 private:
  rocksdb::IOStatus Appended(const rocksdb::Slice& data, rocksdb::IOStatus s) {
    log_->Appended();
    if (s.ok() && head_.size() < kLogHead) Note(data);
    return s;
  }
  // After it is written: what is noted was there. One that cannot be noted is not looked after.
  void Note(const rocksdb::Slice& data) {
    head_.append(data.data(), std::min(data.size(), kLogHead - head_.size()));
    if (head_.size() < kLogHead) return;
    uint64_t sequence = 0;
    Reader in(std::string_view(head_).substr(kRecordHead));
    if (!in.GetFixed64(&sequence)) return;
    std::ofstream(BeginOf(log_->path()), std::ios::binary) << BeginText(log_->path(), sequence);
  }

  const std::shared_ptr<SharedLog> log_;
  std::string head_;
};

// What the BEGIN files of a folder say, by the path of the log. Numbers are padded with zeros.
Result<std::map<std::string, uint64_t>> ReadBegins(const std::string& folder) {
  std::map<std::string, uint64_t> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kBegin)) continue;
    const std::string log =
        folder + "/" + name.substr(kBegin.size()).append(kLog.data(), kLog.size());
    TRY_ASSIGN(const std::string text, ReadHead(entry.path().string(), 17));
    uint64_t sequence = 0;
    if (Reader(text).GetFixed64(&sequence) && BeginText(log, sequence) == text) {
      out[log] = sequence;
    }
  }
  return out;
}

std::set<std::string> LogsFrom(const std::string& first) {
  std::set<std::string> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(fs::path(first).parent_path(), ignored)) {
    const std::string path = entry.path().string();
    if (path.ends_with(kLog) && path >= first) out.insert(path);
  }
  return out;
}

}  // namespace

uint64_t Fnv1a(std::string_view bytes, uint64_t start) {
  uint64_t h = start;
  for (const char c : bytes) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return h;
}

std::unique_ptr<rocksdb::FSWritableFile> WatchLog(const std::string& path,
                                                  std::unique_ptr<rocksdb::FSWritableFile> log) {
  return std::make_unique<LogFile>(std::make_shared<SharedLog>(path, std::move(log)));
}

rocksdb::IOStatus SyncLogs(const std::string& folder) {
  // The older first: what is left of them after a power cut is then a prefix.
  for (const auto& log : OpenLogs::Get().In(folder)) {
    const rocksdb::IOStatus s = log->Sync({}, nullptr);
    if (!s.ok()) return s;
  }
  return rocksdb::IOStatus::OK();
}

void ForgetBegin(const std::string& path) {
  std::error_code ignored;
  if (!fs::remove(BeginOf(path), ignored)) return;
  // Were the log gone after a power cut and this not, it would be missed.
  const int folder = open(fs::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  (void)fsync(folder);
  close(folder);
}

void ForgetBegins(const std::string& folder, uint64_t below) {
  std::vector<std::string> logs;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kBegin)) continue;
    const std::string number = name.substr(kBegin.size());
    if (std::strtoull(number.c_str(), nullptr, 10) >= below) continue;
    logs.push_back(folder + "/" + number + std::string(kLog));
  }
  for (const std::string& log : logs) ForgetBegin(log);
}

Result<std::optional<uint64_t>> SetAsideBehindHole(const std::string& folder,
                                                   Quarantine* quarantine) {
  TRY_ASSIGN(const auto begins, ReadBegins(folder));
  for (const auto& [log, sequence] : begins) {
    TRY_ASSIGN(const bool sound, BeginsWith(log, sequence));
    if (sound) continue;
    const std::set<std::string> logs = LogsFrom(log);
    // The last one first: cut short, this is done again.
    for (auto it = logs.rbegin(); it != logs.rend(); ++it) {
      std::error_code ignored;
      const bool empty = fs::is_empty(*it, ignored);  // by a power cut, most likely
      if (!empty) TRY(quarantine->Move(*it, "writes before it are missing"));
      if (*it != log) ForgetBegin(*it);
    }
    ForgetBegin(log);
    return std::optional<uint64_t>(sequence);
  }
  return std::optional<uint64_t>();
}

Status SyncOldLogs(const std::string& folder) {
  const std::set<std::string> logs = LogsFrom(folder + "/");
  if (logs.empty()) return {};
  const auto sync = [](const std::string& path, int flags) -> Status {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
    const bool synced = fd >= 0 && fsync(fd) == 0;
    const int error = errno;
    if (fd >= 0) close(fd);
    return synced ? Status::Ok() : Status::Io("sync " + path + ": " + std::strerror(error));
  };
  for (const std::string& log : logs) TRY(sync(log, 0));
  return sync(folder, O_DIRECTORY);
}

LogMark::LogMark(const std::string& folder)
    : fd_(open((folder + "/SYNCED").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640)) {}

LogMark::~LogMark() {
  if (fd_ >= 0) close(fd_);
}

std::optional<LogMark::Text> LogMark::Read() const {
  char bytes[32];
  const ssize_t n = fd_ < 0 ? -1 : pread(fd_, bytes, sizeof bytes, 0);
  if (n < 0) return {};
  Reader in({bytes, static_cast<size_t>(n)});
  const auto get = [&in](uint64_t* value) {
    uint64_t inverse = 0;
    return in.GetFixed64(value) && in.GetFixed64(&inverse) && inverse == ~*value;
  };
  Text text;
  uint64_t oldest = 0;
  if (!get(&text.sequence)) return {};
  if (get(&oldest)) text.oldest_ms = static_cast<int64_t>(oldest);  // else from before it was kept
  return text;
}

void LogMark::Write(const Text& text) {
  std::string bytes;
  for (const uint64_t value : {text.sequence, static_cast<uint64_t>(text.oldest_ms)}) {
    PutFixed64(&bytes, value);
    PutFixed64(&bytes, ~value);
  }
  if (fd_ >= 0) (void)!pwrite(fd_, bytes.data(), bytes.size(), 0);
}

rocksdb::WalFilter::WalProcessingOption StopAtHole::LogRecordFound(unsigned long long,
                                                                   const std::string&,
                                                                   const rocksdb::WriteBatch& batch,
                                                                   rocksdb::WriteBatch*, bool*) {
  uint64_t sequence = 0;
  Reader in(batch.Data());  // its header begins with the number of its first write
  if (!in.GetFixed64(&sequence)) return WalProcessingOption::kIgnoreCurrentRecord;
  if (next_ != 0 && sequence > next_) return WalProcessingOption::kIgnoreCurrentRecord;
  next_ = sequence + batch.Count();
  return WalProcessingOption::kContinueProcessing;
}

}  // namespace deckwatch::tsdb
