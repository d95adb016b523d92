// The `http_config` that Prometheus and Alertmanager share (basic_auth, authorization, tls_config,
// proxy_url, …): parsed once here, used by scraping, discovery, notification and remote clients.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/yaml.h"

namespace deckwatch {

// A value that must never be printed. ToString gives "<secret>"; only Reveal gives the text.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string v) : value_(std::move(v)) {}
  const std::string& Reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  std::string ToString() const { return value_.empty() ? "" : "<secret>"; }
  bool operator==(const Secret&) const = default;

 private:
  std::string value_;
};

struct TlsConfig {
  std::string ca_file, cert_file, key_file;  // paths; re-read for each new connection
  std::string ca, cert;                      // inline PEM
  Secret key;
  std::string server_name;
  bool insecure_skip_verify = false;
  std::string min_version, max_version;  // "TLS10" … "TLS13", "" = library default
  bool operator==(const TlsConfig&) const = default;
};

struct HttpClientConfig {
  struct BasicAuth {
    std::string username, username_file, password_file;
    Secret password;
    bool operator==(const BasicAuth&) const = default;
  };
  BasicAuth basic_auth;
  std::string authorization_type;  // "" = none; "Bearer" by default when credentials are given
  Secret credentials;
  std::string credentials_file;
  TlsConfig tls;
  std::string proxy_url, no_proxy;
  bool proxy_from_environment = false;
  bool follow_redirects = true;
  bool enable_http2 = true;
  std::vector<std::pair<std::string, std::string>> headers;  // http_headers values
  std::vector<std::pair<std::string, Secret>> secret_headers;
  std::vector<std::pair<std::string, std::string>> header_files;
  std::vector<std::pair<std::string, Secret>> proxy_connect_headers;  // sent to the proxy only
  bool operator==(const HttpClientConfig&) const = default;
};

// Takes the http_config keys out of `d` (which stands on the section that holds them inline) and
// checks their combination (only one kind of auth; inline and file exclude each other). Relative
// paths are made absolute against the folder of `file`, the configuration file. Call before
// d.Finish(), which reports what this found.
void DecodeHttpClientConfig(YamlDecoder* d, std::string_view file, HttpClientConfig* out);

// The value of the Authorization header this configuration asks for, files read now; "" when none.
// NotFound/Io naming the file when a secret's file cannot be read.
Result<std::string> AuthorizationHeader(const HttpClientConfig& config);

// The text of a secret's file without blanks at its ends. NotFound/Io naming the file.
Result<std::string> ReadSecretFile(const std::string& path);

// `path` made absolute against the folder of `config_file`; absolute and empty paths stay.
std::string ResolvePath(std::string_view config_file, const std::string& path);

}  // namespace deckwatch
