#include "tsdb/store_lock.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace deckwatch::tsdb {

StoreLock::~StoreLock() {
  if (fd_ >= 0) close(fd_);
}

Status StoreLock::Take(const std::string& store_path) {
  const std::string path = store_path + "/LOCK";
  fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (fd_ < 0) return Status::Io("open " + path + ": " + std::strerror(errno));
  if (flock(fd_, LOCK_EX | LOCK_NB) == 0) return {};
  if (errno == EWOULDBLOCK) return Status::Unavailable("another process holds it (" + path + ")");
  return Status::Io("lock " + path + ": " + std::strerror(errno));
}

}  // namespace deckwatch::tsdb
