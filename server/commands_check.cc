#include "server/commands_check.h"

#include <cstdio>
#include <iostream>
#include <iterator>

#include "alerting/am_config.h"
#include "alerting/rules_config.h"
#include "server/config.h"
#include "server/metrics_lint.h"
#include "server/web_config.h"

namespace deckwatch::server {

namespace {

constexpr int kFailed = 1;
constexpr int kLint = 3;

// Runs `check` on every file; it prints what it finds.
template <typename Check>
int EachFile(const ToolCommand& command, Check check) {
  int code = 0;
  for (const std::string& file : command.args) {
    std::printf("Checking %s\n", file.c_str());
    const Status s = check(file);
    if (!s.ok()) {
      std::fprintf(stderr, "  FAILED: %s\n", s.message().c_str());
      code = kFailed;
    }
    std::printf("\n");
  }
  return code;
}

Status CheckRules(const std::string& file) {
  TRY_ASSIGN(const auto groups, alerting::ParseRuleFile(file));
  size_t rules = 0;
  for (const auto& g : groups) rules += g.rules.size();
  std::printf("  SUCCESS: %zu rules found\n", rules);
  return {};
}

int CheckConfig(const ToolCommand& command) {
  int code = 0;
  for (const std::string& file : command.args) {
    std::printf("Checking %s\n", file.c_str());
    const auto config = LoadConfig(file);
    if (!config.ok()) {
      std::fprintf(stderr, "  FAILED: %s\n\n", config.status().message().c_str());
      code = kFailed;
      continue;
    }
    if (!config->rule_files.empty()) {
      std::printf("  SUCCESS: %zu rule files found\n", config->rule_files.size());
    }
    std::printf(" SUCCESS: %s is valid prometheus config file syntax\n\n", file.c_str());
    ToolCommand rules;
    rules.args = config->rule_files;
    code = std::max(code, EachFile(rules, CheckRules));
  }
  return code;
}

Status CheckAlertmanager(const std::string& file) {
  TRY_ASSIGN(const auto config, alerting::ParseAmConfigFile(file));
  std::printf("  SUCCESS\nFound:\n - %zu inhibit rules\n - %zu receivers\n",
              config.inhibit_rules.size(), config.receivers.size());
  return {};
}

Status CheckWebConfig(const std::string& file) {
  TRY_ASSIGN(const WebConfig config, LoadWebConfig(file));
  std::printf("  SUCCESS: %zu users\n", config.users.size());
  return {};
}

int CheckMetrics() {
  const std::string page{std::istreambuf_iterator<char>(std::cin),
                         std::istreambuf_iterator<char>()};
  const auto problems = LintMetrics(page);
  if (!problems.ok()) {
    std::fprintf(stderr, "error while linting: %s\n", problems.status().message().c_str());
    return kFailed;
  }
  for (const LintProblem& p : *problems) {
    std::fprintf(stderr, "%s %s\n", p.metric.c_str(), p.text.c_str());
  }
  return problems->empty() ? 0 : kLint;
}

}  // namespace

int RunCheck(const ToolCommand& command) {
  if (command.name == "check config") return CheckConfig(command);
  if (command.name == "check rules") return EachFile(command, CheckRules);
  if (command.name == "check alertmanager") return EachFile(command, CheckAlertmanager);
  if (command.name == "check web-config") return EachFile(command, CheckWebConfig);
  return CheckMetrics();
}

}  // namespace deckwatch::server
