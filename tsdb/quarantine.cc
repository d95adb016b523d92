#include "tsdb/quarantine.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/log.h"

namespace deckwatch::tsdb {

namespace {
namespace fs = std::filesystem;

constexpr const char* kNote =
    "These files were found damaged and taken out of the store. What they held and cannot be read\n"
    "any more is listed by `deckwatch tsdb list`. Deckwatch does not need them; delete them when\n"
    "nobody wants to look into them.\n\n";
}  // namespace

std::string Quarantine::folder() const {
  MutexLock lock(mutex_);
  return folder_;
}

Result<std::string> Quarantine::Enter(const std::string& file, const std::string& why) {
  MutexLock lock(mutex_);
  std::error_code ec;
  if (folder_.empty()) {
    std::string time = FormatRfc3339Ms(clock_->WallMs());
    std::replace(time.begin(), time.end(), ':', '-');
    std::string folder = store_path_ + "/lost/" + time;
    for (int n = 2; fs::exists(folder, ec); ++n) {
      folder = store_path_ + "/lost/" + time + "-" + std::to_string(n);
    }
    if (!fs::create_directories(folder, ec) || ec) {
      return Status::Io("create " + folder + ": " + ec.message());
    }
    folder_ = folder;
    std::ofstream(folder_ + "/README.txt") << kNote;
  }
  const std::string from = fs::path(file).lexically_relative(store_path_).string();
  std::string name = from;
  std::replace(name.begin(), name.end(), '/', '_');
  std::string target = folder_ + "/" + name;
  for (int n = 2; fs::exists(target, ec); ++n) {
    target = folder_ + "/" + name + "." + std::to_string(n);
  }
  std::ofstream note(folder_ + "/README.txt", std::ios::app);
  note << fs::path(target).filename().string() << ": was " << from << ": " << why << "\n";
  if (!note.flush()) return Status::Io("write " + folder_ + "/README.txt");
  LogError("a damaged file is set aside", {{"file", file}, {"reason", why}, {"to", target}});
  return target;
}

Status Quarantine::Move(const std::string& file, const std::string& why) {
  std::error_code ec;
  if (!fs::exists(file, ec)) return {};
  TRY_ASSIGN(const std::string target, Enter(file, why));
  fs::rename(file, target, ec);
  return ec ? Status::Io("move " + file + ": " + ec.message()) : Status::Ok();
}

Status Quarantine::Keep(const std::string& file, const std::string& why) {
  std::error_code ec;
  if (!fs::exists(file, ec)) return {};
  TRY_ASSIGN(const std::string target, Enter(file, why));
  fs::create_hard_link(file, target, ec);
  return ec ? Status::Io("link " + file + ": " + ec.message()) : Status::Ok();
}

}  // namespace deckwatch::tsdb
