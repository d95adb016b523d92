#include "base/executor.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

namespace deckwatch {
namespace {

int Niceness() {
  return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
}

TEST(Executor, ThreadsOfLowerPriorityAreNicerThanWhatStartsThem) {
  const int ours = Niceness();
  const auto of_thread = [](Priority priority) {
    int niceness = 0;
    StartThread(
        "nice", [&](const std::stop_token&) { niceness = Niceness(); }, priority)
        .join();
    return niceness;
  };
  EXPECT_EQ(of_thread(Priority::kNormal), ours);
  EXPECT_EQ(of_thread(Priority::kUpkeep), std::min(ours + 5, 19));
  EXPECT_EQ(of_thread(Priority::kQuery), std::min(ours + 10, 19));
  EXPECT_EQ(Niceness(), ours);
}

TEST(Executor, AllThreadsOfAPoolHaveItsPriority) {
  ThreadPool pool("nice", 2, 4, Priority::kQuery);
  std::promise<int> niceness;
  ASSERT_TRUE(pool.TrySubmit([&] { niceness.set_value(Niceness()); }));
  EXPECT_EQ(niceness.get_future().get(), std::min(Niceness() + 10, 19));
}

TEST(Executor, APoolRunsAllThatItTook) {
  constexpr int kSubmitters = 4, kEach = 2'000;
  std::atomic<int> ran{0};
  {
    ThreadPool pool("many", 3, kSubmitters * kEach);
    std::vector<std::jthread> submitters;
    for (int i = 0; i < kSubmitters; ++i) {
      submitters.push_back(StartThread("submit", [&](const std::stop_token&) {
        for (int k = 0; k < kEach; ++k) ASSERT_TRUE(pool.TrySubmit([&] { ++ran; }));
      }));
    }
    submitters.clear();
    std::atomic<size_t> sum{0};
    pool.ParallelFor(100, [&](size_t i) {
      pool.ParallelFor(3, [&](size_t k) { sum += i * k; });  // nested
    });
    EXPECT_EQ(sum, 4950u * 3);
  }
  EXPECT_EQ(ran, kSubmitters * kEach);
}

TEST(Executor, AFullQueueTakesNothing) {
  std::promise<void> go;
  std::shared_future<void> gone = go.get_future().share();
  ThreadPool pool("full", 1, 1);
  std::promise<void> started;
  ASSERT_TRUE(pool.TrySubmit([&started, gone] {
    started.set_value();
    gone.wait();
  }));
  started.get_future().wait();
  EXPECT_TRUE(pool.TrySubmit([] {}));
  EXPECT_FALSE(pool.TrySubmit([] {}));
  go.set_value();
}

}  // namespace
}  // namespace deckwatch
