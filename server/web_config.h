// The web configuration file (--web.config.file): who may connect. Keys of Prometheus's
// exporter-toolkit; TLS settings are checked, but a server with them refuses to start: not
// supported yet.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "base/status.h"
#include "server/http_server.h"

namespace deckwatch::server {

struct WebConfig {
  std::map<std::string, std::string> users;                  // name -> bcrypt hash
  std::vector<std::pair<std::string, std::string>> headers;  // added to every response
  bool tls = false;
};

// InvalidArgument "<file>:<line>: …" for unknown keys, weak or malformed hashes.
Result<WebConfig> LoadWebConfig(const std::string& path);

// Basic authentication against the users of one file.
class BasicAuthGate {
 public:
  explicit BasicAuthGate(WebConfig config);

  // True when the request may pass; else `response` asks for credentials. Thread-safe. A checked
  // password is remembered as a keyed hash, because bcrypt costs tens of milliseconds.
  bool Admit(const Request& request, Response* response) const;

 private:
  bool Check(const std::string& user, const std::string& password) const;

  WebConfig config_;
  std::string key_;  // of the remembered hashes; random per process
  mutable Mutex mutex_;
  mutable std::map<std::string, bool> checked_ GUARDED_BY(mutex_);
};

}  // namespace deckwatch::server
