#include "query/blocks.h"

#include <algorithm>
#include <optional>

namespace deckwatch::query {

namespace {

// A block has this many series, fewer when they have very many steps.
constexpr size_t kMaxBlockSeries = 256;
constexpr size_t kMaxBlockCells = 4'000'000;

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
  const size_t wave = ctx.pool == nullptr ? 1 : static_cast<size_t>(ctx.pool->threads()) * 2 + 1;
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
