#include "tests/simulation/unsynced.h"

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace deckwatch::simulation {

std::string FolderOf(const std::string& path) {
  std::string folder = path.substr(0, path.rfind('/'));
  while (folder.ends_with('/')) folder.pop_back();
  return folder;
}

uint64_t Unsynced::Next() {
  uint64_t z = random_ += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

void Unsynced::Emptied(int fd) {
  struct stat s;
  if (fstat(fd, &s) == 0) synced_[{s.st_dev, s.st_ino}] = 0;
}

void Unsynced::Created(const std::string& path, int fd) {
  Emptied(fd);
  changes_.push_back({.folder = FolderOf(path), .path = path});
}

void Unsynced::Linked(const std::string& path) {
  changes_.push_back({.folder = FolderOf(path), .path = path});
}

void Unsynced::FileSynced(int fd) {
  struct stat s;
  if (fstat(fd, &s) != 0) return;
  const auto it = synced_.find({s.st_dev, s.st_ino});
  if (it != synced_.end()) it->second = s.st_size;
}

void Unsynced::FileGivenUp(int fd) {
  struct stat s;
  if (fstat(fd, &s) != 0) return;
  const auto it = synced_.find({s.st_dev, s.st_ino});
  if (it == synced_.end() || it->second >= s.st_size) return;
  given_up_[it->first].emplace_back(it->second, s.st_size);
  it->second = s.st_size;
}

void Unsynced::Save(const std::string& file) const {
  std::FILE* out = std::fopen(file.c_str(), "w");
  if (out == nullptr) _exit(23);
  for (const auto& [id, bytes] : synced_) {
    std::fprintf(out, "%ju %ju %jd\n", uintmax_t{id.first}, uintmax_t{id.second}, intmax_t{bytes});
  }
  std::fclose(out);
}

void Unsynced::Load(const std::string& file) {
  std::FILE* in = std::fopen(file.c_str(), "r");
  if (in == nullptr) return;
  uintmax_t device, node;
  intmax_t bytes;
  while (std::fscanf(in, "%ju %ju %jd", &device, &node, &bytes) == 3) {
    synced_[{static_cast<dev_t>(device), static_cast<ino_t>(node)}] = static_cast<off_t>(bytes);
  }
  std::fclose(in);
}

void Unsynced::FolderSynced(const std::string& folder) {
  for (const Change& c : changes_) {
    if (c.folder == folder && !c.shadow.empty()) unlink(c.shadow.c_str());
  }
  std::erase_if(changes_, [&](const Change& c) { return c.folder == folder; });
}

// A second name outside of the store, under which the file outlives its deletion.
std::string Unsynced::Keep(const std::string& path) {
  std::string name = shadow_ + "/" + std::to_string(getpid()) + "." + std::to_string(kept_++);
  return link(path.c_str(), name.c_str()) == 0 ? name : std::string();
}

void Unsynced::BeforeUnlink(const std::string& path) {
  Change c{.kind = ChangeKind::kRemoved, .folder = FolderOf(path), .path = path};
  c.shadow = Keep(path);
  if (!c.shadow.empty()) changes_.push_back(std::move(c));
}

void Unsynced::BeforeRename(const std::string& from, const std::string& to) {
  Change c{.kind = ChangeKind::kRenamed, .folder = FolderOf(to), .path = to, .from = from};
  c.shadow = Keep(to);
  changes_.push_back(std::move(c));
}

void Unsynced::Lose() {
  std::map<std::string, size_t> left;  // changes that survive, by folder
  for (const Change& c : changes_) ++left[c.folder];
  for (auto& [folder, n] : left) {
    const uint64_t form = Next() % 3;
    n = form == 0 ? 0 : form == 1 ? n : Next() % (n + 1);
  }
  std::vector<Change> lost;
  for (Change& c : changes_) {
    if (left[c.folder] > 0) {
      --left[c.folder];
    } else {
      lost.push_back(std::move(c));
    }
  }
  for (auto c = lost.rbegin(); c != lost.rend(); ++c) {
    if (c->kind == ChangeKind::kAdded) unlink(c->path.c_str());
    if (c->kind == ChangeKind::kRenamed) rename(c->path.c_str(), c->from.c_str());
    if (!c->shadow.empty()) rename(c->shadow.c_str(), c->path.c_str());
  }
  LoseTails(dir_);
}

void Unsynced::LoseTails(const std::string& folder) {
  DIR* d = opendir(folder.c_str());
  if (d == nullptr) return;
  std::vector<std::string> names;  // in one order, for the sake of the seed
  for (const dirent* e; (e = readdir(d)) != nullptr;) names.emplace_back(e->d_name);
  closedir(d);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (name == "." || name == "..") continue;
    const std::string path = folder + "/" + name;
    struct stat s;
    if (lstat(path.c_str(), &s) != 0) continue;
    if (S_ISDIR(s.st_mode)) LoseTails(path);
    if (const auto ranges = given_up_.find({s.st_dev, s.st_ino}); ranges != given_up_.end()) {
      LoseGivenUp(path, ranges->second);
      given_up_.erase(ranges);
    }
    const auto it = synced_.find({s.st_dev, s.st_ino});
    if (it == synced_.end() || it->second >= s.st_size) continue;
    LoseTail(path, it->second, s.st_size);
    it->second = s.st_size;  // it may have a second name
  }
}

void Unsynced::LoseGivenUp(const std::string& path,
                           const std::vector<std::pair<off_t, off_t>>& ranges) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  struct stat s;
  if (fd < 0 || fstat(fd, &s) != 0) _exit(23);
  for (const auto& [begin, end] : ranges) {
    const std::string zeros(
        static_cast<size_t>(std::max<off_t>(0, std::min(end, s.st_size) - begin)), '\0');
    if (pwrite(fd, zeros.data(), zeros.size(), begin) < 0) _exit(23);
  }
  close(fd);
}

void Unsynced::LoseTail(const std::string& path, off_t synced, off_t size) {
  constexpr off_t kPage = 4096;
  const uint64_t form = Next() % 3;
  if (form < 2) {
    const auto kept = form == 0 ? 0 : Next() % static_cast<uint64_t>(size - synced + 1);
    if (truncate(path.c_str(), synced + static_cast<off_t>(kept)) != 0) _exit(23);
    return;
  }
  // The new length reached the disk, some of the pages did not.
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  const std::string zeros(kPage, '\0');
  for (off_t at = synced; at < size;) {
    const off_t end = std::min(size, (at / kPage + 1) * kPage);
    if (Next() % 2 == 0 && pwrite(fd, zeros.data(), static_cast<size_t>(end - at), at) < 0) {
      _exit(23);
    }
    at = end;
  }
  close(fd);
}

}  // namespace deckwatch::simulation
