// Runs promqltest scripts: the acceptance tests of Prometheus's engine, and users' own.
//
// Each instant evaluation is repeated with its selectors pinned by @ at several other times, and
// as a range query, as Prometheus's runner does; so one statement is up to seven evaluations.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/status.h"
#include "base/storage.h"
#include "query/engine.h"

namespace deckwatch::query {

// An empty store; `clear` throws it away and takes a new one.
class ScriptStorage {
 public:
  virtual ~ScriptStorage() = default;
  virtual Appender& appender() = 0;
  virtual const Queryable& queryable() = 0;
};
using ScriptStorageFactory = std::function<Result<std::unique_ptr<ScriptStorage>>()>;

struct ScriptFailure {
  int line = 0;  // of the script, from 1
  std::string query;
  std::string message;  // what was expected and what came
};

struct ScriptReport {
  int evals = 0;
  std::vector<ScriptFailure> failures;  // at most one per statement
};

// The engine's settings that scripts are written for.
EngineOptions ScriptEngineOptions();

// InvalidArgument when the script is malformed (nothing is run then); other errors come from the
// store.
Result<ScriptReport> RunScript(std::string_view script, const ScriptStorageFactory& storage,
                               const Engine& engine);

// Runs files, and the *.test files of folders (in order of their names). Prints failures as
// "file:line: query", then a summary. Returns the exit code: 0 when all passed, 1 else.
int RunScriptFiles(const std::vector<std::string>& paths, const ScriptStorageFactory& storage,
                   ThreadPool* pool, std::FILE* out);

}  // namespace deckwatch::query
