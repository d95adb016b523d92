#include "tsdb/kv_log.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <fcntl.h>
#include <rocksdb/env.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include "base/bytes.h"

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

class NotingFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  NotingFile(std::string path, std::unique_ptr<rocksdb::FSWritableFile> log)
      : FSWritableFileOwnerWrapper(std::move(log)), path_(std::move(path)) {}

  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& o,
                           rocksdb::IODebugContext* d) override {
    const rocksdb::IOStatus s = target()->Append(data, o, d);
    if (s.ok() && head_.size() < kLogHead) Note(data);
    return s;
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& o,
                           const rocksdb::DataVerificationInfo& info,
                           rocksdb::IODebugContext* d) override {
    const rocksdb::IOStatus s = target()->Append(data, o, info, d);
    if (s.ok() && head_.size() < kLogHead) Note(data);
    return s;
  }

 private:
  // After it is written: what is noted was there. One that cannot be noted is not looked after.
  void Note(const rocksdb::Slice& data) {
    head_.append(data.data(), std::min(data.size(), kLogHead - head_.size()));
    if (head_.size() < kLogHead) return;
    uint64_t sequence = 0;
    Reader in(std::string_view(head_).substr(kRecordHead));
    if (!in.GetFixed64(&sequence)) return;
    std::ofstream(BeginOf(path_), std::ios::binary) << BeginText(path_, sequence);
  }

  const std::string path_;
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

uint64_t Fnv1a(std::string_view bytes) {
  uint64_t h = 0xcbf29ce484222325;
  for (const char c : bytes) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return h;
}

std::unique_ptr<rocksdb::FSWritableFile> NotingBegin(const std::string& path,
                                                     std::unique_ptr<rocksdb::FSWritableFile> log) {
  return std::make_unique<NotingFile>(path, std::move(log));
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

LogMark::LogMark(const std::string& folder)
    : fd_(open((folder + "/SYNCED").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640)) {}

LogMark::~LogMark() {
  if (fd_ >= 0) close(fd_);
}

std::optional<uint64_t> LogMark::Read() const {
  char bytes[16];
  if (fd_ < 0 || pread(fd_, bytes, sizeof bytes, 0) != sizeof bytes) return {};
  uint64_t sequence = 0, inverse = 0;
  Reader in({bytes, sizeof bytes});
  if (!in.GetFixed64(&sequence) || !in.GetFixed64(&inverse) || inverse != ~sequence) return {};
  return sequence;
}

void LogMark::Write(uint64_t sequence) const {
  std::string bytes;
  PutFixed64(&bytes, sequence);
  PutFixed64(&bytes, ~sequence);
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
