// entropy, filefd, time, uname.
#include <sys/utsname.h>

#include "scraper/collectors/host_parts.h"
#include "scraper/collectors/procfs.h"

namespace deckwatch::scraper {

Status CollectEntropy(const HostContext& host, MetricPage* page) {
  const std::string folder = host.options.proc + "/sys/kernel/random/";
  const auto bits = ReadNumber(folder + "entropy_avail"), pool = ReadNumber(folder + "poolsize");
  if (!bits || !pool) return Status::NotFound("no random pool in " + folder);
  page->Family("node_entropy_available_bits", "gauge", "Bits of available entropy.").Sample(*bits);
  page->Family("node_entropy_pool_size_bits", "gauge", "Bits of entropy pool.").Sample(*pool);
  return Status::Ok();
}

Status CollectFilefd(const HostContext& host, MetricPage* page) {
  TRY_ASSIGN(const std::string text, ReadSmallFile(host.options.proc + "/sys/fs/file-nr"));
  std::string_view rest = text, line;
  NextLine(&rest, &line);
  const auto words = Words(line);  // allocated, unused, maximum
  const auto allocated = words.size() == 3 ? ParseNumber(words[0]) : std::nullopt;
  const auto maximum = words.size() == 3 ? ParseNumber(words[2]) : std::nullopt;
  if (!allocated || !maximum) return Status::Corruption("unexpected text in file-nr");
  page->Family("node_filefd_allocated", "gauge", "File descriptor statistics: allocated.");
  page->Sample(*allocated);
  page->Family("node_filefd_maximum", "gauge", "File descriptor statistics: maximum.");
  page->Sample(*maximum);
  return Status::Ok();
}

Status CollectTime(const HostContext& host, MetricPage* page) {
  page->Family("node_time_seconds", "gauge", "System time in seconds since epoch (1970).");
  page->Sample(static_cast<double>(host.options.clock->WallMs()) / 1000);
  return Status::Ok();
}

Status CollectUname(const HostContext&, MetricPage* page) {
  utsname u{};
  if (::uname(&u) != 0) return Status::Io("uname failed");
  page->Family("node_uname_info", "gauge",
               "Labeled system information as provided by the uname system call.");
  page->Sample({{"domainname", u.domainname},
                {"machine", u.machine},
                {"nodename", u.nodename},
                {"release", u.release},
                {"sysname", u.sysname},
                {"version", u.version}},
               1);
  return Status::Ok();
}

}  // namespace deckwatch::scraper
