#include "scraper/failure_log.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

namespace deckwatch::scraper {

Status LogFailure(const std::string& path, int64_t t_ms, std::string_view job, std::string_view url,
                  std::string_view error) {
  std::string line;
  JsonWriter w(&line);
  w.BeginObject().Key("time").String(FormatRfc3339Ms(t_ms)).Key("level").String("ERROR");
  w.Key("msg").String(error).Key("job_name").String(job).Key("target").String(url).EndObject();
  line += '\n';
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0) return Status::Io("open " + path + ": " + std::strerror(errno));
  const ssize_t written = write(fd, line.data(), line.size());
  const int why = errno;
  close(fd);
  if (written == static_cast<ssize_t>(line.size())) return Status::Ok();
  return Status::Io("write " + path + ": " + std::strerror(written < 0 ? why : ENOSPC));
}

}  // namespace deckwatch::scraper
