// Go's text/template language, as Prometheus annotations and Alertmanager notifications use it:
// actions, pipelines, variables, if / else / with / range / break / continue, define / template /
// block, trim markers, comments. Our own implementation; a template can neither loop for ever nor
// fill the memory (limits below).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/seams.h"
#include "alerting/template_value.h"
#include "base/status.h"

namespace deckwatch::alerting {

struct TemplateNode;  // template_ast.h

// What functions may reach while a template runs.
struct TemplateContext {
  const QueryFunction* query = nullptr;  // null: `query` is an error
  int64_t now_ms = 0;
  std::string_view external_url;
};

using TemplateFunction = Result<Value> (*)(const TemplateContext& context,
                                           std::span<const Value> args);
struct TemplateFunctionEntry {
  std::string_view name;
  int min_args;
  int max_args;  // -1: any number
  TemplateFunction call;
};

// Go's built-ins plus those of Prometheus's rules, or of Alertmanager's notifications.
enum class TemplateDialect { kRules, kNotifications };
// Null when the dialect has no such function.
// Prometheus's own, by name, without Go's.
std::span<const TemplateFunctionEntry> RuleTemplateFunctions();
const TemplateFunctionEntry* FindTemplateFunction(TemplateDialect dialect, std::string_view name);

struct TemplateVariable {
  std::string name;  // with its '$'
  Value value;
};

// A set of templates that may call one another. Immutable once its templates are added, then
// thread-safe.
class TemplateSet {
 public:
  explicit TemplateSet(TemplateDialect dialect) : dialect_(dialect) {}

  // Parses `text` as template `name`, together with what it defines; a later definition replaces an
  // earlier one of the same name. `variables` are those that Execute will provide.
  // InvalidArgument "template: <name>:<line>: <reason>".
  Status Add(const std::string& name, std::string_view text,
             std::span<const std::string_view> variables = {});

  // Runs template `name` on `dot`. Errors read "template: <name>:<line>:<col>: executing …"; more
  // than 1 MB of output, 100,000 steps or 100 nested templates is ResourceExhausted.
  Result<std::string> Execute(const std::string& name, const Value& dot,
                              const TemplateContext& context,
                              std::vector<TemplateVariable> variables = {}) const;

 private:
  TemplateDialect dialect_;
  std::map<std::string, std::shared_ptr<const TemplateNode>, std::less<>> templates_;
};

}  // namespace deckwatch::alerting
