#include "base/http_config.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace deckwatch {

namespace {

// Headers that the client itself writes; setting them by configuration would break requests
// (prometheus/common config/headers.go keeps the same list).
constexpr std::array<std::string_view, 20> kReservedHeaders = {
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "www-authenticate",
    "x-prometheus-remote-read-version",
    "x-prometheus-remote-write-version",
    "x-prometheus-scrape-timeout-seconds",
};

std::string Lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return out;
}

std::string_view Trim(std::string_view s) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t begin = s.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return s.substr(begin, s.find_last_not_of(kSpace) - begin + 1);
}

std::string Base64(std::string_view in) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((in.size() + 2) / 3 * 4);
  for (size_t i = 0; i < in.size(); i += 3) {
    const size_t n = std::min<size_t>(3, in.size() - i);
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j) {
      bits = bits << 8 | (j < n ? static_cast<unsigned char>(in[i + j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += j <= n ? kDigits[bits >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

// A secret in a configuration: a plain string, kept so that it cannot be printed by accident.
void DecodeSecret(YamlDecoder* d, std::string_view key, Secret* out) {
  std::string text = out->Reveal();
  d->String(key, &text);
  *out = Secret(std::move(text));
}

void DecodePath(YamlDecoder* d, std::string_view key, std::string_view file, std::string* out) {
  d->String(key, out);
  *out = ResolvePath(file, *out);
}

Status DecodeBasicAuth(const YamlNode& node, std::string_view file,
                       HttpClientConfig::BasicAuth* out) {
  YamlDecoder d(node, file, "basic_auth");
  d.String("username", &out->username);
  DecodePath(&d, "username_file", file, &out->username_file);
  DecodeSecret(&d, "password", &out->password);
  DecodePath(&d, "password_file", file, &out->password_file);
  TRY(d.Finish());
  if (!out->username.empty() && !out->username_file.empty()) {
    return d.Error("at most one of username and username_file must be given");
  }
  if (!out->password.empty() && !out->password_file.empty()) {
    return d.Error("at most one of password and password_file must be given");
  }
  return Status::Ok();
}

Status DecodeAuthorization(const YamlNode& node, std::string_view file, HttpClientConfig* out) {
  YamlDecoder d(node, file, "authorization");
  std::string type;
  d.String("type", &type);
  DecodeSecret(&d, "credentials", &out->credentials);
  DecodePath(&d, "credentials_file", file, &out->credentials_file);
  TRY(d.Finish());
  type = std::string(Trim(type));
  if (Lower(type) == "basic") return d.ErrorAt("type", "use basic_auth for \"basic\"");
  if (!out->credentials.empty() && !out->credentials_file.empty()) {
    return d.Error("at most one of credentials and credentials_file must be given");
  }
  out->authorization_type = type.empty() ? "Bearer" : type;
  return Status::Ok();
}

Status CheckTlsVersion(const YamlDecoder& d, std::string_view key, const std::string& version) {
  constexpr std::array<std::string_view, 5> kKnown = {"", "TLS10", "TLS11", "TLS12", "TLS13"};
  if (std::find(kKnown.begin(), kKnown.end(), version) != kKnown.end()) return Status::Ok();
  return d.ErrorAt(key, "unknown TLS version \"" + version + "\", want TLS10, TLS11, TLS12, TLS13");
}

Status DecodeTls(const YamlNode& node, std::string_view file, TlsConfig* out) {
  YamlDecoder d(node, file, "tls_config");
  d.String("ca", &out->ca).String("cert", &out->cert);
  DecodeSecret(&d, "key", &out->key);
  DecodePath(&d, "ca_file", file, &out->ca_file);
  DecodePath(&d, "cert_file", file, &out->cert_file);
  DecodePath(&d, "key_file", file, &out->key_file);
  d.String("server_name", &out->server_name);
  d.Bool("insecure_skip_verify", &out->insecure_skip_verify);
  d.String("min_version", &out->min_version).String("max_version", &out->max_version);
  TRY(d.Finish());
  TRY(CheckTlsVersion(d, "min_version", out->min_version));
  TRY(CheckTlsVersion(d, "max_version", out->max_version));
  if (!out->min_version.empty() && !out->max_version.empty() &&
      out->min_version > out->max_version) {
    return d.ErrorAt("min_version", "is above max_version");
  }
  const auto both = [](bool a, bool b) { return a && b; };
  if (both(!out->ca.empty(), !out->ca_file.empty())) {
    return d.Error("at most one of ca and ca_file must be given");
  }
  if (both(!out->cert.empty(), !out->cert_file.empty())) {
    return d.Error("at most one of cert and cert_file must be given");
  }
  if (both(!out->key.empty(), !out->key_file.empty())) {
    return d.Error("at most one of key and key_file must be given");
  }
  const bool has_cert = !out->cert.empty() || !out->cert_file.empty();
  const bool has_key = !out->key.empty() || !out->key_file.empty();
  if (has_cert != has_key) return d.Error("a client certificate and its key must come together");
  return Status::Ok();
}

// {name: {values: […], secrets: […], files: […]}}
Status DecodeHeaders(const YamlNode& node, std::string_view file, HttpClientConfig* out) {
  if (node.IsNull()) return Status::Ok();
  YamlDecoder all(node, file, "http_headers");
  for (const auto& [name, value] : node.entries) {
    const std::string& header = name;
    all.Child(header, [&](const YamlNode& entry) -> Status {
      if (std::find(kReservedHeaders.begin(), kReservedHeaders.end(), Lower(header)) !=
          kReservedHeaders.end()) {
        return all.ErrorAt(header, "setting this header is not allowed");
      }
      std::vector<std::string> values, secrets, files;
      YamlDecoder d(entry, file, "http_headers");
      d.Strings("values", &values).Strings("secrets", &secrets).Strings("files", &files);
      TRY(d.Finish());
      for (auto& v : values) out->headers.emplace_back(header, std::move(v));
      for (auto& v : secrets) out->secret_headers.emplace_back(header, Secret(std::move(v)));
      for (auto& v : files) out->header_files.emplace_back(header, ResolvePath(file, v));
      return Status::Ok();
    });
  }
  return all.Finish();
}

// {name: [secret, …]}
Status DecodeProxyConnectHeaders(const YamlNode& node, std::string_view file,
                                 HttpClientConfig* out) {
  YamlDecoder d(node, file, "proxy_connect_header");
  for (const auto& entry : node.entries) {
    std::vector<std::string> values;
    d.Strings(entry.first, &values);
    for (auto& v : values) out->proxy_connect_headers.emplace_back(entry.first, Secret(v));
  }
  return d.Finish();
}

// Refuses the section at `key` with `reason`. A no-op when the key is absent or `d` has failed.
void Refuse(YamlDecoder* d, std::string_view key, std::string_view reason) {
  d->Child(key, [&](const YamlNode&) { return d->ErrorAt(key, reason); });
}

void CheckAuth(YamlDecoder* d) {
  constexpr std::array<std::string_view, 4> kKinds = {"basic_auth", "authorization", "bearer_token",
                                                      "bearer_token_file"};
  int given = 0;
  for (std::string_view key : kKinds) {
    given += d->Has(key);
    if (given > 1) {
      Refuse(d, key,
             "at most one of basic_auth, authorization, oauth2, bearer_token and "
             "bearer_token_file must be given");
    }
  }
}

void CheckProxy(YamlDecoder* d, const HttpClientConfig& c) {
  if (c.proxy_from_environment && !c.proxy_url.empty()) {
    Refuse(d, "proxy_from_environment", "excludes proxy_url");
  }
  if (c.proxy_from_environment && !c.no_proxy.empty()) {
    Refuse(d, "proxy_from_environment", "excludes no_proxy");
  }
  if (c.proxy_url.empty() && !c.no_proxy.empty()) Refuse(d, "no_proxy", "needs proxy_url");
  if (!c.proxy_from_environment && c.proxy_url.empty() && !c.proxy_connect_headers.empty()) {
    Refuse(d, "proxy_connect_header", "needs proxy_url or proxy_from_environment");
  }
}

}  // namespace

void DecodeHttpClientConfig(YamlDecoder* d, std::string_view file, HttpClientConfig* out) {
  d->Child("basic_auth",
           [&](const YamlNode& n) { return DecodeBasicAuth(n, file, &out->basic_auth); });
  d->Child("authorization", [&](const YamlNode& n) { return DecodeAuthorization(n, file, out); });
  DecodeSecret(d, "bearer_token", &out->credentials);
  DecodePath(d, "bearer_token_file", file, &out->credentials_file);
  if (d->Has("bearer_token") || d->Has("bearer_token_file")) out->authorization_type = "Bearer";
  Refuse(d, "oauth2", "not supported yet");
  d->Child("tls_config", [&](const YamlNode& n) { return DecodeTls(n, file, &out->tls); });
  d->String("proxy_url", &out->proxy_url).String("no_proxy", &out->no_proxy);
  d->Bool("proxy_from_environment", &out->proxy_from_environment);
  d->Child("proxy_connect_header",
           [&](const YamlNode& n) { return DecodeProxyConnectHeaders(n, file, out); });
  d->Bool("follow_redirects", &out->follow_redirects).Bool("enable_http2", &out->enable_http2);
  d->Child("http_headers", [&](const YamlNode& n) { return DecodeHeaders(n, file, out); });
  CheckAuth(d);
  CheckProxy(d, *out);
}

Result<std::string> ReadSecretFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status::NotFound("read secret file " + path + ": no such file or not readable");
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) return Status::Io("read secret file " + path + ": failed");
  return std::string(Trim(text.str()));
}

Result<std::string> AuthorizationHeader(const HttpClientConfig& config) {
  const auto& basic = config.basic_auth;
  if (basic != HttpClientConfig::BasicAuth()) {
    std::string user = basic.username;
    std::string password = basic.password.Reveal();
    if (!basic.username_file.empty()) {
      TRY_ASSIGN(user, ReadSecretFile(basic.username_file));
    }
    if (!basic.password_file.empty()) {
      TRY_ASSIGN(password, ReadSecretFile(basic.password_file));
    }
    return "Basic " + Base64(user + ":" + password);
  }
  if (config.authorization_type.empty()) return std::string();
  std::string credentials(Trim(config.credentials.Reveal()));
  if (!config.credentials_file.empty()) {
    TRY_ASSIGN(credentials, ReadSecretFile(config.credentials_file));
  }
  return credentials.empty() ? std::string() : config.authorization_type + " " + credentials;
}

std::string ResolvePath(std::string_view config_file, const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  std::error_code error;
  const auto absolute = std::filesystem::absolute(std::filesystem::path(config_file), error);
  return ((error ? std::filesystem::path(config_file) : absolute).parent_path() / path)
      .lexically_normal()
      .string();
}

}  // namespace deckwatch
