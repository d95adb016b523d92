// The `global` section and the receivers of alertmanager.yml: 18 types, their keys, what each needs
// and what excludes what. Private to the configuration loader.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "alerting/am_config.h"

namespace deckwatch::alerting {

struct AmGlobal {
  int64_t resolve_timeout_ms = 300'000;
  HttpClientConfig http;
  std::set<std::string, std::less<>> given;  // keys that stand there with a value
};

Status ParseAmGlobal(const YamlNode& node, const std::string& file, AmGlobal* out);
Status ParseReceiver(const YamlNode& node, const std::string& file, const AmGlobal& global,
                     Receiver* out);

}  // namespace deckwatch::alerting
