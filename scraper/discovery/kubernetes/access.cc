#include "scraper/discovery/kubernetes/access.h"

#include <cstdlib>

#include "base/labels.h"
#include "base/yaml.h"
#include "scraper/discovery/meta_labels.h"

namespace deckwatch::scraper::kubernetes {
namespace {

std::string WithoutSlash(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

Result<std::string> DecodeBase64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    int v = -1;
    if (c >= 'A' && c <= 'Z') v = c - 'A';
    if (c >= 'a' && c <= 'z') v = c - 'a' + 26;
    if (c >= '0' && c <= '9') v = c - '0' + 52;
    if (c == '+') v = 62;
    if (c == '/') v = 63;
    if (c == '=' || c == '\n' || c == '\r') continue;
    if (v < 0) return Status::InvalidArgument("not base64");
    bits = bits << 6 | static_cast<uint32_t>(v);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xff);
    }
  }
  return out;
}

// Reads the scalars of one kubeconfig map. Unknown keys are others' business (kubectl's,
// plug-ins').
class Fields {
 public:
  Fields(const YamlNode* node, const std::string& path) : node_(node), path_(path) {}

  std::string Text(std::string_view key) const {
    const YamlNode* n = node_ == nullptr ? nullptr : node_->Find(key);
    return n == nullptr ? "" : n->scalar;
  }
  std::string Path(std::string_view key) const { return ResolvePath(path_, Text(key)); }
  Result<std::string> Data(std::string_view key) const {
    auto data = DecodeBase64(Text(key));
    if (!data.ok()) return data.status().Annotate(path_ + ": " + std::string(key));
    return data;
  }
  bool Has(std::string_view key) const { return node_ != nullptr && node_->Find(key) != nullptr; }

 private:
  const YamlNode* node_;
  const std::string& path_;
};

// The entry called `name` of a list of {name: …, <what>: {…}}.
Result<const YamlNode*> Named(const YamlNode& root, std::string_view list, std::string_view what,
                              const std::string& name, const std::string& path) {
  if (const YamlNode* entries = root.Find(list)) {
    for (const YamlNode& entry : entries->items) {
      const YamlNode* n = entry.Find("name");
      if (n != nullptr && n->scalar == name) return entry.Find(what);
    }
  }
  return Status::InvalidArgument(path + ": no " + std::string(what) + " named " + QuoteGo(name));
}

Status SetCluster(const Fields& cluster, const std::string& path, Access* out) {
  out->base_url = WithoutSlash(cluster.Text("server"));
  if (out->base_url.empty()) return Status::InvalidArgument(path + ": the cluster has no server");
  out->http.tls.ca_file = cluster.Path("certificate-authority");
  TRY_ASSIGN(out->http.tls.ca, cluster.Data("certificate-authority-data"));
  out->http.tls.server_name = cluster.Text("tls-server-name");
  out->http.tls.insecure_skip_verify = cluster.Text("insecure-skip-tls-verify") == "true";
  out->http.proxy_url = cluster.Text("proxy-url");
  return Status::Ok();
}

Status SetUser(const Fields& user, const std::string& path, Access* out) {
  if (user.Has("exec") || user.Has("auth-provider")) {
    return Status::InvalidArgument(path + ": users with exec or auth-provider are not supported");
  }
  HttpClientConfig& http = out->http;
  if (user.Has("tokenFile") || user.Has("token")) http.authorization_type = "Bearer";
  http.credentials_file = user.Path("tokenFile");
  http.credentials = Secret(user.Text("token"));
  if (http.authorization_type.empty()) {
    http.basic_auth.username = user.Text("username");
    http.basic_auth.password = Secret(user.Text("password"));
  }
  http.tls.cert_file = user.Path("client-certificate");
  http.tls.key_file = user.Path("client-key");
  TRY_ASSIGN(http.tls.cert, user.Data("client-certificate-data"));
  TRY_ASSIGN(std::string key, user.Data("client-key-data"));
  http.tls.key = Secret(std::move(key));
  return Status::Ok();
}

}  // namespace

Result<Access> InClusterAccess(const std::string& folder) {
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr) {
    return Status::NotFound(
        "not inside a Kubernetes cluster (KUBERNETES_SERVICE_HOST and _PORT are not set)");
  }
  Access access;
  access.base_url = "https://" + JoinHostPort(host, port);
  access.http.authorization_type = "Bearer";
  access.http.credentials_file = folder + "/token";
  access.http.tls.ca_file = folder + "/ca.crt";
  if (auto ns = ReadSecretFile(folder + "/namespace"); ns.ok()) access.own_namespace = *ns;
  return access;
}

Result<Access> KubeconfigAccess(const std::string& path) {
  TRY_ASSIGN(const YamlNode root, ParseYamlFile(path));
  const std::string current = Fields(&root, path).Text("current-context");
  TRY_ASSIGN(const YamlNode* context, Named(root, "contexts", "context", current, path));
  const Fields fields(context, path);
  TRY_ASSIGN(const YamlNode* cluster,
             Named(root, "clusters", "cluster", fields.Text("cluster"), path));
  Access access;
  TRY(SetCluster(Fields(cluster, path), path, &access));
  if (const std::string name = fields.Text("user"); !name.empty()) {
    TRY_ASSIGN(const YamlNode* user, Named(root, "users", "user", name, path));
    TRY(SetUser(Fields(user, path), path, &access));
  }
  return access;
}

}  // namespace deckwatch::scraper::kubernetes
