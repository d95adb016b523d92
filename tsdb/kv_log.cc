#include "tsdb/kv_log.h"

#include <fcntl.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include "base/bytes.h"

namespace deckwatch::tsdb {

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
