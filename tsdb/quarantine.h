// Where damaged files go: <store>/lost/<time>/, with a note that says what each was and why it is
// there. Nothing is read from it again; deleting it frees its room.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"

namespace deckwatch::tsdb {

// Thread-safe. Each object makes one folder, when it first needs it.
class Quarantine {
 public:
  Quarantine(std::string store_path, const Clock* clock)
      : store_path_(std::move(store_path)), clock_(clock) {}

  // Takes `file` (or folder) out of the store. Does nothing when it does not exist.
  Status Move(const std::string& file, const std::string& why);
  // Keeps a hard link to `file`, which may then be deleted.
  Status Keep(const std::string& file, const std::string& why);
  // Where it all goes; empty when nothing has.
  std::string folder() const;

 private:
  // The name that `file` gets; the note is written first.
  Result<std::string> Enter(const std::string& file, const std::string& why);

  const std::string store_path_;
  const Clock* const clock_;
  mutable Mutex mutex_;
  std::string folder_ GUARDED_BY(mutex_);
};

}  // namespace deckwatch::tsdb
