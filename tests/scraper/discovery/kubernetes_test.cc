// kubernetes_sd_configs as a whole, and how it is configured.
#include <atomic>
#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>

#include "scraper/discovery/kubernetes/access.h"
#include "scraper/discovery/mechanisms.h"
#include "tests/scraper/discovery/discovery_testing.h"

namespace deckwatch::scraper {
namespace {

using ::testing::HasSubstr;

// Serves the recorded snapshot; watches stay silent.
RawServer::Reply Snapshot(const std::string& head) {
  if (head.find("watch=1") != std::string::npos) return {RawServer::ChunkedHead(), true};
  const std::string path = head.substr(4, head.find('?') - 4);
  const std::string resource = path.substr(path.rfind('/') + 1);
  return {RawServer::Answer(200, ReadTestData("kubernetes/snapshot/" + resource + ".json"))};
}

TEST(KubernetesDiscovery, FindsPodsAndEndsQuickly) {
  RawServer api(Snapshot);
  RunningDiscovery running(ParseKubernetesConfig, "role: pod\napi_server: " + api.url() + "/\n");
  EXPECT_EQ(running.WaitForCount(22).size(), 22u);
  const int64_t start = Clock::Real()->MonotonicMs();
  running.Stop();
  EXPECT_LT(Clock::Real()->MonotonicMs() - start, 1'000);
}

TEST(KubernetesDiscovery, TellsNothingBeforeAllListsAreThere) {
  std::atomic<int> service_lists = 0;
  RawServer api([&](const std::string& head) -> RawServer::Reply {
    if (head.find("/services?") != std::string::npos && ++service_lists < 2) {
      return {RawServer::Answer(403, R"({"message":"services is forbidden"})")};
    }
    return Snapshot(head);
  });
  RunningDiscovery running(ParseKubernetesConfig,
                           "role: endpointslice\napi_server: " + api.url() + "\n");
  const auto all = running.WaitForCount(32);
  EXPECT_EQ(all.size(), 32u);
  for (const std::string& target : all) EXPECT_THAT(target, HasSubstr("service_name"));
  EXPECT_EQ(running.deliveries(), 1);
}

TEST(KubernetesDiscovery, SendsTheTokenAndAsksPerNamespace) {
  std::string heads;
  RawServer api([&](const std::string& head) -> RawServer::Reply {
    heads += head;
    if (head.find("watch=1") != std::string::npos) return {RawServer::ChunkedHead(), true};
    const bool shop = head.find("/namespaces/shop/pods?") != std::string::npos;
    return {RawServer::Answer(
        200,
        std::string(R"({"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"p",)") +
            R"("namespace":")" + (shop ? "shop" : "infra") +
            R"("},"spec":{"containers":[{"name":"c"}]},"status":{"podIP":"1.2.3.4"}}]})")};
  });
  RunningDiscovery running(ParseKubernetesConfig, "role: pod\napi_server: " + api.url() +
                                                      "\nauthorization: {credentials: tok}\n"
                                                      "namespaces: {names: [shop, infra]}\n"
                                                      "selectors: [{role: pod, label: a=b}]\n");
  EXPECT_EQ(running.WaitForCount(2).size(), 2u);
  running.Stop();
  EXPECT_THAT(api.Read(heads), HasSubstr("Authorization: Bearer tok\r\n"));
  EXPECT_THAT(api.Read(heads), HasSubstr("/api/v1/namespaces/infra/pods?labelSelector=a%3Db&"));
}

TEST(KubernetesConfig, RefusesBadSections) {
  const auto error = [](const std::string& yaml) {
    return ParseError(ParseKubernetesConfig, yaml);
  };
  EXPECT_EQ(error("role: node\n"), "");
  EXPECT_EQ(error("role: pod\nattach_metadata: {node: true}\nselectors: [{role: node}]\n"), "");
  EXPECT_THAT(error("api_server: http://x\n"), HasSubstr("role missing"));
  EXPECT_THAT(error("role: pods\n"), HasSubstr("test.yml:1"));
  EXPECT_THAT(error("role: namespace\n"), HasSubstr("unknown role"));
  EXPECT_THAT(error("role: pod\nroles: x\n"), HasSubstr("roles"));
  EXPECT_EQ(error("role: pod\nselectors: [{role: node}]\n"), "");
  EXPECT_THAT(error("role: endpoints\nselectors: [{role: node}]\n"), HasSubstr("no use"));
  EXPECT_THAT(error("role: pod\nselectors: [{role: pod}, {role: pod}]\n"), HasSubstr("second"));
  EXPECT_THAT(error("role: pod\napi_server: http://x\nkubeconfig_file: y\n"),
              HasSubstr("kubeconfig_file"));
  EXPECT_THAT(error("role: pod\napi_server: x\n"), HasSubstr("invalid URL"));
  EXPECT_THAT(error("role: pod\nfollow_redirects: false\n"), HasSubstr("api_server"));
  EXPECT_THAT(error("role: pod\nnamespaces: {own_namespace: true}\napi_server: http://x\n"),
              HasSubstr("own_namespace"));
}

class KubernetesAccess : public ::testing::Test {
 protected:
  KubernetesAccess()
      : folder_(::testing::TempDir() + "dw_kube_" + std::to_string(::getpid()) + "/") {
    std::filesystem::create_directories(folder_);
  }
  ~KubernetesAccess() override { std::filesystem::remove_all(folder_); }
  std::string Put(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + name) << text;
    return folder_ + name;
  }
  const std::string folder_;
};

TEST_F(KubernetesAccess, ReadsAKubeconfig) {
  const std::string path = Put("config", R"(
apiVersion: v1
kind: Config
current-context: dev
preferences: {}
clusters:
- {name: other, cluster: {server: 'https://nowhere'}}
- name: main
  cluster: {server: 'https://api.example:6443/', certificate-authority-data: 'Q0EgUEVN', tls-server-name: api}
contexts:
- {name: dev, context: {cluster: main, user: me, namespace: x}}
users:
- {name: me, user: {token: abc, client-certificate: me.crt, client-key: /keys/me.key}}
)");
  const auto access = kubernetes::KubeconfigAccess(path);
  ASSERT_TRUE(access.ok()) << access.status().message();
  EXPECT_EQ(access->base_url, "https://api.example:6443");
  EXPECT_EQ(access->http.tls.ca, "CA PEM");
  EXPECT_EQ(access->http.tls.server_name, "api");
  EXPECT_EQ(access->http.tls.cert_file, folder_ + "me.crt");
  EXPECT_EQ(access->http.tls.key_file, "/keys/me.key");
  EXPECT_EQ(*AuthorizationHeader(access->http), "Bearer abc");
}

TEST_F(KubernetesAccess, RefusesKubeconfigsItCannotUse) {
  const auto error = [&](const std::string& text) {
    const auto access = kubernetes::KubeconfigAccess(Put("config", text));
    return access.ok() ? "" : access.status().message();
  };
  const std::string cluster =
      "current-context: c\nclusters: [{name: k, cluster: {server: 'http://h'}}]\n"
      "contexts: [{name: c, context: {cluster: k, user: u}}]\n";
  EXPECT_EQ(error(cluster + "users: [{name: u, user: {}}]\n"), "");
  EXPECT_THAT(error("{}\n"), HasSubstr("no context named"));
  EXPECT_THAT(error(cluster), HasSubstr("no user named \"u\""));
  EXPECT_THAT(error(cluster + "users: [{name: u, user: {exec: {command: aws}}}]\n"),
              HasSubstr("exec"));
  EXPECT_THAT(error(cluster + "users: [{name: u, user: {client-key-data: '?'}}]\n"),
              HasSubstr("not base64"));
  EXPECT_FALSE(kubernetes::KubeconfigAccess(folder_ + "absent").ok());
}

TEST_F(KubernetesAccess, UsesTheServiceAccountInAPod) {
  Put("token", "tok\n");
  Put("namespace", "shop");
  ::setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
  ::setenv("KUBERNETES_SERVICE_PORT", "443", 1);
  const auto access = kubernetes::InClusterAccess(folder_);
  ::unsetenv("KUBERNETES_SERVICE_HOST");
  ::unsetenv("KUBERNETES_SERVICE_PORT");
  ASSERT_TRUE(access.ok());
  EXPECT_EQ(access->base_url, "https://[fd00::1]:443");
  EXPECT_EQ(access->own_namespace, "shop");
  EXPECT_EQ(*AuthorizationHeader(access->http), "Bearer tok");
  EXPECT_FALSE(kubernetes::InClusterAccess(folder_).ok());
}

}  // namespace
}  // namespace deckwatch::scraper
