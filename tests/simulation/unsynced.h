// What a power cut would take: bytes that were not fsynced, and changes of folders that were not
// fsynced. Loaded into the writer as part of the fault library; plain calls of the system.
//
// The model is as strict as POSIX allows, one step short: creating and removing *folders* counts as
// durable at once. A file's data is durable up to where it ended at its last fsync, but for what an
// fsync that failed gave up; folder entries up to the last fsync of the folder.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace deckwatch::simulation {

class Unsynced {
 public:
  Unsynced(std::string dir, std::string shadow, uint64_t seed)
      : dir_(std::move(dir)), shadow_(std::move(shadow)), random_(seed) {}

  // After the call has succeeded, except where named.
  void Emptied(int fd);
  void Created(const std::string& path, int fd);
  void Linked(const std::string& path);
  void FileSynced(int fd);
  void FileGivenUp(int fd);  // its fsync failed
  void FolderSynced(const std::string& folder);
  void BeforeUnlink(const std::string& path);
  void BeforeRename(const std::string& from, const std::string& to);

  // What is known of files, for the next process; not of changes of folders.
  void Save(const std::string& file) const;
  void Load(const std::string& file);

  // Takes it all. Of each folder a prefix of the changes survives, of each file some of the
  // unsynced bytes: none, a prefix, or any of the pages.
  void Lose();

 private:
  enum class ChangeKind { kAdded, kRemoved, kRenamed };
  struct Change {
    ChangeKind kind = ChangeKind::kAdded;
    std::string folder, path;
    std::string from = {};
    std::string shadow = {};  // what was at `path` before; empty: nothing
  };
  using FileId = std::pair<dev_t, ino_t>;

  uint64_t Next();
  std::string Keep(const std::string& path);
  void LoseTails(const std::string& folder);
  void LoseGivenUp(const std::string& path, const std::vector<std::pair<off_t, off_t>>& ranges);
  void LoseTail(const std::string& path, off_t synced, off_t size);

  std::string dir_, shadow_;
  uint64_t random_;
  uint64_t kept_ = 0;
  std::map<FileId, off_t> synced_;  // bytes of the files this process has written
  std::map<FileId, std::vector<std::pair<off_t, off_t>>> given_up_;  // begin, end
  std::vector<Change> changes_;
};

std::string FolderOf(const std::string& path);

}  // namespace deckwatch::simulation
