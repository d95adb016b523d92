// What this process has used so far.
#pragma once

#include <cstdint>

namespace deckwatch::bench {

double CpuSeconds();
double WallSeconds();
uint64_t ResidentBytes();
uint64_t OpenFiles();

struct WrittenBytes {
  uint64_t calls = 0;  // handed to write
  uint64_t disk = 0;   // pages made dirty: what the disk gets to see
};
WrittenBytes Written();  // /proc/self/io

}  // namespace deckwatch::bench
