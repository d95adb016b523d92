#include "base/heap.h"

#include <algorithm>
#include <thread>

#include <malloc.h>

namespace deckwatch {

void SetUpHeap() {
  mallopt(M_ARENA_MAX, static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  mallopt(M_MMAP_THRESHOLD, 8 << 20);
  mallopt(M_TRIM_THRESHOLD, 32 << 20);
}

void TrimHeap() {
  malloc_trim(0);
}

}  // namespace deckwatch
