#include "base/executor.h"

#include <algorithm>
#include <future>

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

}  // namespace
}  // namespace deckwatch
