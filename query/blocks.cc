#include "query/blocks.h"

#include <algorithm>
#include <optional>

namespace deckwatch::query {

namespace {

// A block has this many series, fewer when they have many steps: about what a core's cache holds.
constexpr size_t kMaxBlockSeries = 256;
constexpr size_t kMaxBlockCells = 1 << 17;

// How many blocks are evaluated before the sink gets them. Waking threads and waiting for them
// costs tens of microseconds: little work is done alone, and waves are long where blocks are small,
// as far as their cells stay in a cache.
size_t BlocksPerWave(const QueryContext& ctx, size_t n, size_t block_series, size_t steps) {
  constexpr size_t kAloneCost = 20'000;  // of series that cost as much as 20 steps, and their steps
  constexpr size_t kWaveCells = size_t{1} << 18, kMostBlocks = 64;
  if (ctx.pool == nullptr || n * (20 + steps) < kAloneCost) return 1;
  const size_t least = static_cast<size_t>(ctx.pool->threads()) * 2 + 1;
  return std::max(least, std::min(kWaveCells / (block_series * steps), kMostBlocks));
}

}  // namespace

Status RunBlocks(QueryContext& ctx, size_t n, size_t steps, const BlockFunction& evaluate,
                 const BlockSink& sink) {
  struct Slot {
    std::optional<StepVector> out;
    AnnotationSet annotations;
    Status status;
  };
  const size_t block_series = std::clamp<size_t>(kMaxBlockCells / steps, 1, kMaxBlockSeries);
  const size_t blocks = (n + block_series - 1) / block_series;
  const size_t wave = BlocksPerWave(ctx, n, block_series, steps);
  for (size_t first = 0; first < blocks; first += wave) {
    std::vector<Slot> slots(std::min(wave, blocks - first));
    const auto run = [&](size_t i) {
      Slot& slot = slots[i];
      slot.status = ctx.budget.Check();
      if (!slot.status.ok()) return;
      slot.out.emplace(steps);
      const size_t begin = (first + i) * block_series, end = std::min(n, begin + block_series);
      slot.out->Reserve(end - begin);
      slot.status = evaluate(begin, end, &*slot.out, &slot.annotations);
      if (slot.status.ok()) slot.status = ctx.Hold(&*slot.out);
    };
    if (slots.size() > 1) {
      ctx.pool->ParallelFor(slots.size(), run);
    } else {
      run(0);
    }
    for (Slot& slot : slots) {
      TRY(slot.status);
      ctx.annotations.Merge(std::move(slot.annotations));
      TRY(sink(std::move(*slot.out)));
    }
  }
  return {};
}

}  // namespace deckwatch::query
