// What the kernel says of this process.
#pragma once

#include <cstdint>

namespace deckwatch::server {

struct ProcessStats {
  double cpu_seconds = 0;
  uint64_t open_fds = 0;
  uint64_t max_fds = 0;
  uint64_t virtual_bytes = 0;
  uint64_t resident_bytes = 0;
  double start_seconds = 0;  // since the Unix epoch
};

// Of the machine, or of the container where that has less. 4 GiB when neither can be read.
int64_t MachineMemoryBytes();

// Figures that cannot be read are 0.
ProcessStats ReadProcessStats();

}  // namespace deckwatch::server
