#include "query/query_registry.h"

#include <gtest/gtest.h>

#include "tests/query/memory_storage.h"

namespace deckwatch::query {
namespace {

using Kind = QueryRegistry::Kind;

class QueryRegistryTest : public testing::Test {
 protected:
  static Budget::Limits Within(int64_t timeout_ms) {
    return {.max_samples = 1000, .max_bytes = 1000, .timeout_ms = timeout_ms, .stop = {}};
  }
  Result<QueryRegistry::Ticket> Enter(Kind kind, Budget* budget) {
    return registry_.Enter("up", kind, budget, {}, 60'000);
  }

  QueryRegistry registry_{{.concurrent = 4, .concurrent_large = 1, .bytes = 1 << 20},
                          Clock::Real()};
  Budget patient_{Within(3'600'000), Clock::Real()};
  Budget other_{Within(3'600'000), Clock::Real()};
};

TEST_F(QueryRegistryTest, LargeQueriesWaitForOneAnother) {
  auto waiting = Enter(Kind::kUser, &other_);
  {
    auto first = Enter(Kind::kUser, &patient_);
    EXPECT_TRUE(first->EnterLarge({}).ok());
    EXPECT_TRUE(first->EnterLarge({}).ok());  // is large already
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(waiting->EnterLarge(stop.get_token()).message(), "query was canceled in query queue");
    Budget impatient(Within(1), Clock::Real());
    auto late = Enter(Kind::kUser, &impatient);
    EXPECT_EQ(late->EnterLarge({}).code(), StatusCode::kDeadlineExceeded);
  }
  EXPECT_TRUE(waiting->EnterLarge({}).ok());
}

TEST_F(QueryRegistryTest, LargeRulesWaitForNobody) {
  auto user = Enter(Kind::kUser, &patient_);
  ASSERT_TRUE(user->EnterLarge({}).ok());
  auto rule = Enter(Kind::kRule, &other_);
  EXPECT_TRUE(rule->EnterLarge({}).ok());
}

TEST_F(QueryRegistryTest, AnEndedQueryWaitsNoLonger) {
  auto first = Enter(Kind::kUser, &patient_);
  ASSERT_TRUE(first->EnterLarge({}).ok());
  auto waiting = Enter(Kind::kUser, &other_);
  ASSERT_TRUE(registry_.Cancel(registry_.List().back().id));
  EXPECT_EQ(waiting->EnterLarge({}).message(), "query was canceled in expression evaluation");
}

// Says of each selector that it chooses so many series; `hook` is called while a query may.
class ClaimingStorage : public Queryable {
 public:
  ClaimingStorage(const Queryable& storage, size_t series, std::function<void()> hook)
      : storage_(storage), series_(series), hook_(std::move(hook)) {}
  Result<std::unique_ptr<Querier>> NewQuerier() const override {
    TRY_ASSIGN(auto querier, storage_.NewQuerier());
    return std::unique_ptr<Querier>(std::make_unique<View>(*this, std::move(querier)));
  }

 private:
  class View : public Querier {
   public:
    View(const ClaimingStorage& storage, std::unique_ptr<Querier> querier)
        : storage_(storage), querier_(std::move(querier)) {}
    Result<std::unique_ptr<SeriesSet>> Select(int64_t start_ms, int64_t end_ms,
                                              const std::vector<Matcher>& matchers,
                                              const SelectHints& hints) const override {
      TRY(hints.admit(storage_.series_));
      storage_.hook_();
      return querier_->Select(start_ms, end_ms, matchers, hints);
    }
    Result<std::vector<std::string>> LabelNames(const LabelQuery& q) const override {
      return querier_->LabelNames(q);
    }
    Result<std::vector<std::string>> LabelValues(const std::string& name,
                                                 const LabelQuery& q) const override {
      return querier_->LabelValues(name, q);
    }
    Result<std::vector<Labels>> Series(const LabelQuery& q) const override {
      return querier_->Series(q);
    }
    Result<std::vector<SeriesExemplars>> Exemplars(const LabelQuery& q) const override {
      return querier_->Exemplars(q);
    }

   private:
    const ClaimingStorage& storage_;
    const std::unique_ptr<Querier> querier_;
  };

  const Queryable& storage_;
  const size_t series_;
  const std::function<void()> hook_;
};

TEST(Engine, OnlyLargeSelectionsWaitForLargeQueries) {
  MemoryStorage storage;
  storage.Add(Labels{{"__name__", "up"}}, 0, 10'000, {1});
  EngineOptions options;
  options.max_concurrent_large = 1;
  const Engine engine(options, nullptr);
  const ClaimingStorage small(storage, kLargeSelection, [] {});
  const ClaimingStorage large(storage, kLargeSelection + 1, [] {});
  std::vector<std::string> messages;
  const ClaimingStorage outer(storage, kLargeSelection + 1, [&] {
    QueryOptions impatient;
    impatient.timeout_ms = 20;
    messages.push_back(engine.Instant(large, "up", 0, impatient).status().message());
    messages.push_back(engine.Instant(small, "up", 0).status().message());
  });
  EXPECT_TRUE(engine.Instant(outer, "up", 0).ok());
  EXPECT_EQ(messages, (std::vector<std::string>{"query timed out in query queue", ""}));
  EXPECT_TRUE(engine.Instant(large, "up", 0).ok());
}

TEST(Engine, TheLabelSetsOfASelectionAreAccountedForBeforeTheyAreMade) {
  MemoryStorage storage;
  EngineOptions options;
  options.max_bytes_per_query = 1'000'000;
  bool made = false;
  const ClaimingStorage large(storage, 10'000, [&] { made = true; });
  const auto r = Engine(options, nullptr).Instant(large, "count(up)", 0);
  EXPECT_EQ(r.status().code(), StatusCode::kResourceExhausted) << r.status().message();
  EXPECT_FALSE(made);
}

}  // namespace
}  // namespace deckwatch::query
