// file_sd_configs: target groups from JSON and YAML files. The files' folders are watched with
// inotify; the refresh interval catches what inotify cannot see (network file systems, folders that
// appear later). Source of behaviour: Prometheus discovery/file.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/http_config.h"
#include "base/json.h"
#include "base/log.h"
#include "scraper/discovery/mechanisms.h"
#include "scraper/discovery/meta_labels.h"
#include "scraper/discovery/refresh.h"

namespace deckwatch::scraper {
namespace {

constexpr size_t kMaxFileBytes = 64 << 20;

struct FileOptions {
  std::vector<std::string> patterns;  // absolute
  int64_t refresh_interval_ms = 300'000;
};

bool EndsWith(std::string_view s, std::string_view end) {
  return s.size() >= end.size() && s.substr(s.size() - end.size()) == end;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status::Io("cannot open " + path + ": " + std::strerror(errno));
  std::string text((std::istreambuf_iterator<char>(in)), {});
  if (text.size() > kMaxFileBytes) return Status::ResourceExhausted(path + " is too large");
  return text;
}

Status AddTarget(std::string_view address, TargetGroup* group) {
  if (address.empty()) return Status::InvalidArgument("empty target");
  group->targets.push_back(Labels{{"__address__", address}});
  return Status::Ok();
}

Status SetGroupLabel(const std::string& name, const std::string& value, LabelsBuilder* labels) {
  if (name.empty() || !IsValidUtf8(name) || !IsValidUtf8(value)) {
    return Status::InvalidArgument("invalid label " + QuoteGo(name));
  }
  labels->Set(name, value);
  return Status::Ok();
}

Result<TargetGroup> JsonGroup(const Json& json) {
  if (!json.IsObject()) return Status::InvalidArgument("a target group must be an object");
  TargetGroup group;
  LabelsBuilder labels;
  for (const auto& [key, value] : json.AsObject()) {
    if (key == "targets") {
      for (const Json& target : value.AsArray()) TRY(AddTarget(target.AsString(), &group));
    } else if (key == "labels") {
      for (const auto& [name, text] : value.AsObject()) {
        if (!text.IsString()) return Status::InvalidArgument("label " + name + " is not a string");
        TRY(SetGroupLabel(name, text.AsString(), &labels));
      }
    } else {
      return Status::InvalidArgument("unknown field " + QuoteGo(key));
    }
  }
  group.labels = labels.Build();
  return group;
}

Result<TargetGroup> YamlGroup(const YamlNode& node, const std::string& path) {
  if (node.kind != YamlNode::Kind::kMap) {
    return Status::InvalidArgument(path + ":" + std::to_string(node.line) +
                                   ": a target group must be a map");
  }
  TargetGroup group;
  std::vector<std::string> targets;
  std::vector<std::pair<std::string, std::string>> pairs;
  YamlDecoder d(node, path, "target group");
  d.Strings("targets", &targets).StringMap("labels", &pairs);
  TRY(d.Finish());
  LabelsBuilder labels;
  for (const std::string& target : targets) TRY(AddTarget(target, &group));
  for (const auto& [name, value] : pairs) TRY(SetGroupLabel(name, value, &labels));
  group.labels = labels.Build();
  return group;
}

Result<std::vector<TargetGroup>> ParseGroups(const std::string& text, const std::string& path) {
  std::vector<TargetGroup> out;
  if (EndsWith(path, ".json")) {
    TRY_ASSIGN(const Json json, Json::Parse(text));
    if (!json.IsArray()) return Status::InvalidArgument("must be a list of target groups");
    for (const Json& item : json.AsArray()) {
      TRY_ASSIGN(TargetGroup group, JsonGroup(item));
      out.push_back(std::move(group));
    }
    return out;
  }
  TRY_ASSIGN(const YamlNode root, ParseYaml(text, path));
  if (!root.IsNull() && root.kind != YamlNode::Kind::kSequence) {
    return Status::InvalidArgument("must be a list of target groups");
  }
  for (const YamlNode& item : root.items) {
    TRY_ASSIGN(TargetGroup group, YamlGroup(item, path));
    out.push_back(std::move(group));
  }
  return out;
}

// Reads one file; the groups get their source and __meta_filepath.
Result<std::vector<TargetGroup>> LoadFile(const std::string& path) {
  TRY_ASSIGN(const std::string text, ReadFile(path));
  TRY_ASSIGN(std::vector<TargetGroup> groups, ParseGroups(text, path));
  for (size_t i = 0; i < groups.size(); ++i) {
    TargetGroup& group = groups[i];
    LabelsBuilder labels(group.labels);
    labels.Set("__meta_filepath", path);
    group.labels = labels.Build();
    group.source = path + ":" + std::to_string(i);
  }
  return groups;
}

std::set<std::string> MatchingFiles(const std::vector<std::string>& patterns) {
  std::set<std::string> out;
  for (const std::string& pattern : patterns) {
    glob_t found{};
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
      for (size_t i = 0; i < found.gl_pathc; ++i) out.insert(found.gl_pathv[i]);
    }
    ::globfree(&found);
  }
  return out;
}

// Wakes up when something changed in one of the folders. Without inotify (limit reached) it only
// waits.
class FolderWatch {
 public:
  FolderWatch()
      : inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)), wake_(::eventfd(0, EFD_CLOEXEC)) {}
  ~FolderWatch() {
    if (inotify_ >= 0) ::close(inotify_);
    if (wake_ >= 0) ::close(wake_);
  }
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;

  // Adding a folder again is harmless, and needed after it was deleted and made anew.
  void Add(const std::string& folder) {
    if (inotify_ < 0) return;
    ::inotify_add_watch(inotify_, folder.c_str(),
                        IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE);
  }

  // Until a change, `stop`, or the time is over.
  void Wait(const std::stop_token& stop, int64_t timeout_ms) {
    std::stop_callback on_stop(stop, [this] { ::eventfd_write(wake_, 1); });
    pollfd fds[2] = {{wake_, POLLIN, 0}, {inotify_, POLLIN, 0}};
    ::poll(fds, inotify_ >= 0 ? 2 : 1, static_cast<int>(std::min<int64_t>(timeout_ms, 86'400'000)));
    char drain[4096];
    while (inotify_ >= 0 && ::read(inotify_, drain, sizeof drain) > 0) {
    }
  }

 private:
  const int inotify_;
  const int wake_;
};

class FileDiscoverer : public Discoverer {
 public:
  explicit FileDiscoverer(FileOptions options) : options_(std::move(options)) {}

  void Run(std::stop_token stop, const GroupSink& sink) override {
    FolderWatch watch;
    GroupDelta delta;
    while (!stop.stop_requested()) {
      for (const std::string& pattern : options_.patterns) watch.Add(FolderOf(pattern));
      auto changed = delta.Update(LoadAll());
      if (!changed.empty()) sink(std::move(changed));
      watch.Wait(stop, options_.refresh_interval_ms);
    }
  }

 private:
  // A file that cannot be read or parsed counts with what it held when it last could.
  std::vector<TargetGroup> LoadAll() {
    std::map<std::string, std::vector<TargetGroup>> now;
    for (const std::string& path : MatchingFiles(options_.patterns)) {
      auto groups = LoadFile(path);
      if (groups.ok()) {
        now[path] = std::move(groups).value();
        continue;
      }
      LogWarn("target file ignored, keeping its last targets",
              {{"file", path}, {"err", groups.status()}});
      if (const auto old = last_good_.find(path); old != last_good_.end()) now.insert(*old);
    }
    last_good_ = std::move(now);
    std::vector<TargetGroup> all;
    for (const auto& [path, groups] : last_good_)
      all.insert(all.end(), groups.begin(), groups.end());
    return all;
  }

  const FileOptions options_;
  std::map<std::string, std::vector<TargetGroup>> last_good_;
};

class FileConfig : public DiscoveryConfig {
 public:
  FileConfig(FileOptions options, std::string key)
      : options_(std::move(options)), key_(std::move(key)) {}
  std::string_view mechanism() const override { return "file"; }
  std::string key() const override { return key_; }
  std::unique_ptr<Discoverer> Start(const Clock*) const override {
    return std::make_unique<FileDiscoverer>(options_);
  }

 private:
  const FileOptions options_;
  const std::string key_;
};

// The last segment may hold one '*', the folder none; the name ends in .json, .yml or .yaml.
bool IsValidPattern(const std::string& pattern) {
  const std::string name = pattern.substr(pattern.rfind('/') + 1);
  const bool known = EndsWith(name, ".json") || EndsWith(name, ".yml") || EndsWith(name, ".yaml");
  const std::string folder = pattern.substr(0, pattern.size() - name.size());
  return known && name.find('*') == name.rfind('*') && folder.find('*') == std::string::npos;
}

}  // namespace

Result<std::unique_ptr<DiscoveryConfig>> ParseFileConfig(const YamlNode& node,
                                                         std::string_view file) {
  FileOptions o;
  YamlDecoder d(node, file, "file_sd_config");
  d.Strings("files", &o.patterns).Duration("refresh_interval", &o.refresh_interval_ms);
  TRY(d.Finish());
  if (o.patterns.empty()) return d.Error("files must contain at least one path name");
  for (std::string& pattern : o.patterns) {
    if (!IsValidPattern(pattern)) {
      return d.ErrorAt("files",
                       "path name " + QuoteGo(pattern) + " is not valid for file discovery");
    }
    pattern = ResolvePath(file, pattern);
  }
  if (o.refresh_interval_ms <= 0) return d.ErrorAt("refresh_interval", "must be positive");
  return std::unique_ptr<DiscoveryConfig>(
      std::make_unique<FileConfig>(std::move(o), ConfigKey("file", node, file)));
}

}  // namespace deckwatch::scraper
