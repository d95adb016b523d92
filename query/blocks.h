// Series worked through in blocks: several at a time when there are threads, handed on in order.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "query/query_context.h"
#include "query/selector.h"

namespace deckwatch::query {

// Evaluates series [begin, end) into `out`, which is empty.
using BlockFunction =
    std::function<Status(size_t begin, size_t end, StepVector* out, AnnotationSet* annotations)>;

// Evaluates series [0, n) block by block and hands the blocks to `sink` in order. Blocks of one
// wave are evaluated in parallel.
Status RunBlocks(QueryContext& ctx, size_t n, size_t steps, const BlockFunction& evaluate,
                 const BlockSink& sink);

// State that is costly to build up, lent to one block at a time: as many are made as blocks are
// evaluated in parallel. Thread-safe.
template <typename T>
class Lender {
 public:
  explicit Lender(std::function<std::unique_ptr<T>()> make) : make_(std::move(make)) {}

  // Gives it back when it goes.
  class Loan {
   public:
    Loan(Lender* lender, std::unique_ptr<T> item) : lender_(lender), item_(std::move(item)) {}
    Loan(Loan&&) noexcept = default;
    ~Loan() {
      if (item_ != nullptr) lender_->GiveBack(std::move(item_));
    }
    T* operator->() const { return item_.get(); }
    T* get() const { return item_.get(); }

   private:
    Lender* lender_;
    std::unique_ptr<T> item_;
  };

  Loan Borrow() EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      if (!free_.empty()) {
        std::unique_ptr<T> item = std::move(free_.back());
        free_.pop_back();
        return Loan(this, std::move(item));
      }
    }
    return Loan(this, make_());
  }

  // Calls `f` with each one that was made, when all are given back.
  template <typename F>
  void ForEach(F f) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    for (const std::unique_ptr<T>& item : free_) f(*item);
  }

 private:
  void GiveBack(std::unique_ptr<T> item) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    free_.push_back(std::move(item));
  }

  const std::function<std::unique_ptr<T>()> make_;
  Mutex mutex_;
  std::vector<std::unique_ptr<T>> free_ GUARDED_BY(mutex_);
};

}  // namespace deckwatch::query
