#include "base/heap.h"

#include <algorithm>
#include <thread>

#include <malloc.h>

namespace deckwatch {

void LimitHeapArenas() {
  mallopt(M_ARENA_MAX, static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
}

void TrimHeap() {
  malloc_trim(0);
}

}  // namespace deckwatch
