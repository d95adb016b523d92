// diskstats, filesystem.
#include <set>

#include <sys/statvfs.h>

#include "base/regex.h"
#include "scraper/collectors/host_parts.h"
#include "scraper/collectors/procfs.h"

namespace deckwatch::scraper {
namespace {

constexpr double kSectorBytes = 512;

// node_exporter's default exclusions.
const Regex& ExcludedDevices() {
  static const Regex* const regex =
      new Regex(Regex::Compile(R"((ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+)").value());
  return *regex;
}
const Regex& ExcludedMountPoints() {
  static const Regex* const regex = new Regex(
      Regex::Compile(
          R"(/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/.*))")
          .value());
  return *regex;
}
const Regex& ExcludedTypes() {
  static const Regex* const regex = new Regex(
      Regex::Compile(
          "autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|"
          "iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|"
          "sysfs|tracefs")
          .value());
  return *regex;
}
// Whoever answers for these may be gone, and statvfs would then hang for minutes. So they are not
// asked; fuseblk is a local disk.
const Regex& RemoteTypes() {
  static const Regex* const regex = new Regex(
      Regex::Compile("9p|afs|beegfs|ceph|cifs|fuse|fuse\\..*|gfs2?|glusterfs|gpfs|lustre|ncpfs|nfs|"
                     "nfs4|ocfs2|smb3|smbfs|virtiofs")
          .value());
  return *regex;
}

struct DiskColumn {
  std::string_view name, type;
  double scale;
  std::string_view help;
};
// The columns of /proc/diskstats after the device's name; older kernels have fewer.
constexpr DiskColumn kDiskColumns[] = {
    {"reads_completed_total", "counter", 1, "The total number of reads completed successfully."},
    {"reads_merged_total", "counter", 1, "The total number of reads merged."},
    {"read_bytes_total", "counter", kSectorBytes, "The total number of bytes read successfully."},
    {"read_time_seconds_total", "counter", .001, "The total number of seconds spent by all reads."},
    {"writes_completed_total", "counter", 1, "The total number of writes completed successfully."},
    {"writes_merged_total", "counter", 1, "The number of writes merged."},
    {"written_bytes_total", "counter", kSectorBytes,
     "The total number of bytes written successfully."},
    {"write_time_seconds_total", "counter", .001,
     "This is the total number of seconds spent by all writes."},
    {"io_now", "gauge", 1, "The number of I/Os currently in progress."},
    {"io_time_seconds_total", "counter", .001, "Total seconds spent doing I/Os."},
    {"io_time_weighted_seconds_total", "counter", .001,
     "The weighted # of seconds spent doing I/Os."},
    {"discards_completed_total", "counter", 1,
     "The total number of discards completed successfully."},
    {"discards_merged_total", "counter", 1, "The total number of discards merged."},
    {"discarded_sectors_total", "counter", 1,
     "The total number of sectors discarded successfully."},
    {"discard_time_seconds_total", "counter", .001,
     "This is the total number of seconds spent by all discards."},
    {"flush_requests_total", "counter", 1,
     "The total number of flush requests completed successfully"},
    {"flush_requests_time_seconds_total", "counter", .001,
     "This is the total number of seconds spent by all flush requests."},
};

struct Mount {
  std::string device, point, type;
  bool read_only = false;
};

// Blanks and backslashes stand as \ooo in the mounts file.
std::string Unescape(std::string_view s) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '\\' && i + 3 < s.size() && octal(s[i + 1]) && octal(s[i + 2]) && octal(s[i + 3])) {
      out += static_cast<char>((s[i + 1] - '0') * 64 + (s[i + 2] - '0') * 8 + (s[i + 3] - '0'));
      i += 3;
    } else {
      out += s[i];
    }
  }
  return out;
}

bool HasOption(std::string_view options, std::string_view wanted) {
  while (!options.empty()) {
    const size_t comma = options.find(',');
    if (options.substr(0, comma) == wanted) return true;
    options.remove_prefix(comma == std::string_view::npos ? options.size() : comma + 1);
  }
  return false;
}

// The file systems to tell of, each once.
Result<std::vector<Mount>> ReadMounts(const std::string& proc) {
  auto text = ReadSmallFile(proc + "/1/mounts");
  if (!text.ok()) text = ReadSmallFile(proc + "/self/mounts");
  TRY(text);
  std::vector<Mount> out;
  std::set<std::tuple<std::string, std::string, std::string>> seen;
  std::string_view rest = *text;
  for (std::string_view line; NextLine(&rest, &line);) {
    const auto words = Words(line);
    if (words.size() < 4) continue;
    Mount m{Unescape(words[0]), Unescape(words[1]), std::string(words[2]),
            HasOption(words[3], "ro")};
    if (ExcludedMountPoints().FullMatch(m.point) || ExcludedTypes().FullMatch(m.type) ||
        RemoteTypes().FullMatch(m.type)) {
      continue;
    }
    if (seen.emplace(m.device, m.point, m.type).second) out.push_back(std::move(m));
  }
  return out;
}

struct Usage {
  bool ok = false;
  double size = 0, free = 0, avail = 0, files = 0, files_free = 0;
};

Usage ReadUsage(const std::string& path) {
  struct statvfs s {};
  if (::statvfs(path.c_str(), &s) != 0) return {};
  const auto unit = static_cast<double>(s.f_frsize);
  return {true,
          static_cast<double>(s.f_blocks) * unit,
          static_cast<double>(s.f_bfree) * unit,
          static_cast<double>(s.f_bavail) * unit,
          static_cast<double>(s.f_files),
          static_cast<double>(s.f_ffree)};
}

}  // namespace

Status CollectDiskstats(const HostContext& host, MetricPage* page) {
  TRY_ASSIGN(const std::string text, ReadSmallFile(host.options.proc + "/diskstats"));
  std::vector<std::vector<std::string_view>> disks;
  std::string_view rest = text;
  for (std::string_view line; NextLine(&rest, &line);) {
    auto words = Words(line);
    if (words.size() < 4 || ExcludedDevices().FullMatch(words[2])) continue;
    disks.push_back(std::move(words));
  }
  for (size_t c = 0; c < std::size(kDiskColumns); ++c) {
    const DiskColumn& column = kDiskColumns[c];
    page->Family("node_disk_" + std::string(column.name), column.type, column.help);
    for (const auto& words : disks) {
      const auto v = c + 3 < words.size() ? ParseNumber(words[c + 3]) : std::nullopt;
      if (v) page->Sample({{"device", words[2]}}, *v * column.scale);
    }
  }
  return Status::Ok();
}

Status CollectFilesystem(const HostContext& host, MetricPage* page) {
  TRY_ASSIGN(const std::vector<Mount> mounts, ReadMounts(host.options.proc));
  std::vector<Usage> usages;
  for (const Mount& m : mounts) {
    std::string root = host.options.rootfs;
    while (!root.empty() && root.back() == '/') root.pop_back();
    usages.push_back(ReadUsage(root + m.point));
  }
  const auto family = [&](std::string_view name, std::string_view help, auto value) {
    page->Family(name, "gauge", help);
    for (size_t i = 0; i < mounts.size(); ++i) {
      const std::optional<double> v = value(mounts[i], usages[i]);
      const Mount& m = mounts[i];
      if (v) page->Sample({{"device", m.device}, {"fstype", m.type}, {"mountpoint", m.point}}, *v);
    }
  };
  const auto of = [](double Usage::*field) {
    return [field](const Mount&, const Usage& u) {
      return u.ok ? std::optional<double>(u.*field) : std::nullopt;
    };
  };
  family("node_filesystem_avail_bytes", "Filesystem space available to non-root users in bytes.",
         of(&Usage::avail));
  family("node_filesystem_device_error",
         "Whether an error occurred while getting statistics for the given device.",
         [](const Mount&, const Usage& u) -> std::optional<double> { return u.ok ? 0 : 1; });
  family("node_filesystem_files", "Filesystem total file nodes.", of(&Usage::files));
  family("node_filesystem_files_free", "Filesystem total free file nodes.", of(&Usage::files_free));
  family("node_filesystem_free_bytes", "Filesystem free space in bytes.", of(&Usage::free));
  family("node_filesystem_readonly", "Filesystem read-only status.",
         [](const Mount& m, const Usage& u) {
           return u.ok ? std::optional<double>(m.read_only ? 1 : 0) : std::nullopt;
         });
  family("node_filesystem_size_bytes", "Filesystem size in bytes.", of(&Usage::size));
  return Status::Ok();
}

}  // namespace deckwatch::scraper
