#include "server/commands.h"

#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/executor.h"
#include "base/log.h"
#include "query/promqltest.h"
#include "server/commands_check.h"
#include "server/commands_query.h"
#include "server/commands_tsdb.h"
#include "tsdb/db.h"

namespace deckwatch::server {

namespace {

// ---- test promql: every script runs against the real store, each in a directory of its own.

class TemporaryStore : public query::ScriptStorage {
 public:
  static Result<std::unique_ptr<query::ScriptStorage>> Create() {
    std::string path = (std::filesystem::temp_directory_path() / "deckwatch-test-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) return Status::Io("cannot make a directory " + path);
    auto store = std::unique_ptr<TemporaryStore>(new TemporaryStore(path));
    tsdb::DbOptions options;
    options.path = path;
    options.retention_ms = 100LL * 365 * 86'400'000;  // scripts begin at the epoch
    options.background = false;
    TRY_ASSIGN(store->db_, tsdb::Db::Open(options));
    return std::unique_ptr<query::ScriptStorage>(std::move(store));
  }
  ~TemporaryStore() override {
    db_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Appender& appender() override { return *db_; }
  const Queryable& queryable() override { return *db_; }

 private:
  explicit TemporaryStore(std::string path) : path_(std::move(path)) {}
  std::string path_;
  std::unique_ptr<tsdb::Db> db_;
};

int TestPromql(const ToolCommand& command) {
  ConfigureLog(LogLevel::kWarn, LogFormat::kLogfmt);  // a store is opened for each script
  ThreadPool pool("query", static_cast<int>(std::thread::hardware_concurrency()), 4096);
  return query::RunScriptFiles(command.args, TemporaryStore::Create, &pool, stdout);
}

}  // namespace

int RunTool(const ToolCommand& command) {
  const std::string group = command.name.substr(0, command.name.find(' '));
  if (group == "check") return RunCheck(command);
  if (group == "query") return RunQuery(command);
  if (group == "test") return TestPromql(command);
  return RunTsdb(command);
}

}  // namespace deckwatch::server
