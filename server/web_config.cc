#include "server/web_config.h"

#include <algorithm>
#include <random>

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/http_config.h"
#include "base/yaml.h"

namespace deckwatch::server {

namespace {

constexpr size_t kMaxChecked = 1000;
// Compared against for unknown users, so that they take as long as known ones.
constexpr const char* kNobody = "$2b$10$abcdefghijklmnopqrstuu4T826PRnz0Hu6YlprUuxkZxOOj5Fw5S";

// "$2y$12$" and 53 characters; at least cost 10.
Status CheckHash(const YamlDecoder& d, const std::string& user, const std::string& hash) {
  const bool bcrypt = hash.size() == 60 && hash[0] == '$' && hash[1] == '2' && hash[3] == '$' &&
                      hash[6] == '$' && std::isdigit(static_cast<unsigned char>(hash[4])) &&
                      std::isdigit(static_cast<unsigned char>(hash[5]));
  if (!bcrypt) return d.ErrorAt(user, "not a bcrypt hash");
  if ((hash[4] - '0') * 10 + (hash[5] - '0') < 10) {
    return d.ErrorAt(user, "bcrypt cost is below 10");
  }
  return {};
}

Status DecodeUsers(const YamlNode& node, const std::string& path, WebConfig* out) {
  YamlDecoder d(node, path, "basic_auth_users");
  std::vector<std::pair<std::string, std::string>> users;
  for (const auto& entry : node.entries) {
    std::string hash;
    d.String(entry.first, &hash);
    users.emplace_back(entry.first, std::move(hash));
  }
  TRY(d.Finish());
  for (auto& [user, hash] : users) {
    TRY(CheckHash(d, user, hash));
    out->users.emplace(user, hash);
  }
  return {};
}

Status DecodeTls(const YamlNode& node, const std::string& path, WebConfig* out) {
  YamlDecoder d(node, path, "tls_server_config");
  std::string cert, key, text;
  bool flag = false;
  std::vector<std::string> list;
  d.String("cert_file", &cert).String("key_file", &key).String("cert", &cert).String("key", &key);
  for (const std::string_view k :
       {"client_ca_file", "client_ca", "client_auth_type", "min_version", "max_version"}) {
    d.String(k, &text);
  }
  d.Bool("prefer_server_cipher_suites", &flag);
  for (const std::string_view k : {"cipher_suites", "curve_preferences", "client_allowed_sans"}) {
    d.Strings(k, &list);
  }
  TRY(d.Finish());
  if (cert.empty() != key.empty()) return d.Error("certificate and key belong together");
  out->tls = !cert.empty();
  return {};
}

Status DecodeHttp(const YamlNode& node, const std::string& path, WebConfig* out) {
  YamlDecoder d(node, path, "http_server_config");
  bool http2 = false;
  d.Bool("http2", &http2).StringMap("headers", &out->headers);
  return d.Finish();
}

std::string DecodeBase64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    static constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t v = kAlphabet.find(c);
    if (v == std::string_view::npos) break;
    bits = bits << 6 | static_cast<uint32_t>(v);
    if ((count += 6) >= 8) out += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  return out;
}

std::string Hmac(const std::string& key, const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return {reinterpret_cast<const char*>(digest), size};
}

}  // namespace

Result<WebConfig> LoadWebConfig(const std::string& path) {
  TRY_ASSIGN(const YamlNode root, ParseYamlFile(path));
  WebConfig out;
  YamlDecoder d(root, path, "web_config");
  d.Child("basic_auth_users", [&](const YamlNode& n) { return DecodeUsers(n, path, &out); });
  d.Child("tls_server_config", [&](const YamlNode& n) { return DecodeTls(n, path, &out); });
  d.Child("http_server_config", [&](const YamlNode& n) { return DecodeHttp(n, path, &out); });
  TRY(d.Finish());
  return out;
}

BasicAuthGate::BasicAuthGate(WebConfig config) : config_(std::move(config)) {
  std::random_device random;
  for (int i = 0; i < 32; ++i) key_ += static_cast<char>(random());
}

bool BasicAuthGate::Admit(const Request& request, Response* response) const {
  for (const auto& header : config_.headers) response->headers.push_back(header);
  if (config_.users.empty()) return true;
  const std::string_view header = request.Header("Authorization");
  if (header.size() > 6 && EqualsIgnoreCase(header.substr(0, 6), "Basic ")) {
    const std::string pair = DecodeBase64(header.substr(6));
    const size_t colon = pair.find(':');
    if (colon != std::string::npos && Check(pair.substr(0, colon), pair.substr(colon + 1))) {
      return true;
    }
  }
  response->Text(401, "Unauthorized\n");
  response->headers.emplace_back("WWW-Authenticate", "Basic");
  return false;
}

bool BasicAuthGate::Check(const std::string& user, const std::string& password) const {
  const auto known = config_.users.find(user);
  const std::string hash = known == config_.users.end() ? kNobody : known->second;
  const std::string key = Hmac(key_, std::to_string(user.size()) + ":" + user + hash + password);
  {
    MutexLock lock(mutex_);
    if (const auto it = checked_.find(key); it != checked_.end()) return it->second;
  }
  crypt_data scratch{};
  const char* got = crypt_r(password.c_str(), hash.c_str(), &scratch);
  const bool good = known != config_.users.end() && got != nullptr &&
                    std::string_view(got).size() == hash.size() &&
                    CRYPTO_memcmp(got, hash.data(), hash.size()) == 0;
  MutexLock lock(mutex_);
  if (checked_.size() >= kMaxChecked) checked_.clear();
  checked_[key] = good;
  return good;
}

}  // namespace deckwatch::server
