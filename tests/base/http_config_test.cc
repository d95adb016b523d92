#include "base/http_config.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace deckwatch {
namespace {

using ::testing::HasSubstr;

struct Parsed {
  Status status;
  HttpClientConfig config;
};

Parsed Decode(std::string_view yaml) {
  const auto node = ParseYaml(yaml, "/etc/dw/c.yml");
  EXPECT_TRUE(node.ok()) << node.status().message();
  Parsed out;
  YamlDecoder d(*node, "/etc/dw/c.yml", "scrape_config");
  DecodeHttpClientConfig(&d, "/etc/dw/c.yml", &out.config);
  out.status = d.Finish();
  return out;
}

std::string HeaderOf(const HttpClientConfig& config) {
  const auto header = AuthorizationHeader(config);
  EXPECT_TRUE(header.ok()) << header.status().message();
  return header.ok() ? *header : "";
}

TEST(HttpConfig, EmptyGivesDefaults) {
  const Parsed p = Decode("");
  ASSERT_TRUE(p.status.ok()) << p.status.message();
  EXPECT_EQ(p.config, HttpClientConfig());
  EXPECT_EQ(HeaderOf(p.config), "");
}

TEST(HttpConfig, BasicAuthMakesTheRfc7617Header) {
  const Parsed p = Decode("basic_auth: {username: Aladdin, password: 'open sesame'}");
  ASSERT_TRUE(p.status.ok()) << p.status.message();
  EXPECT_EQ(HeaderOf(p.config), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

TEST(HttpConfig, Base64PadsEveryLength) {
  const std::pair<const char*, const char*> cases[] = {
      {"a", "Basic YTo="}, {"ab", "Basic YWI6"}, {"abc", "Basic YWJjOg=="}};
  for (const auto& [user, want] : cases) {
    HttpClientConfig config;
    config.basic_auth.username = user;
    EXPECT_EQ(HeaderOf(config), want);
  }
}

TEST(HttpConfig, SecretsComeFromFilesAtEachUse) {
  const std::string path = testing::TempDir() + "dw_http_config_token_" + std::to_string(getpid());
  std::ofstream(path) << "first\n";
  const Parsed p = Decode("authorization: {credentials_file: " + path + "}");
  ASSERT_TRUE(p.status.ok()) << p.status.message();
  EXPECT_EQ(HeaderOf(p.config), "Bearer first");
  std::ofstream(path) << "  second \n";
  EXPECT_EQ(HeaderOf(p.config), "Bearer second");
  std::remove(path.c_str());
  const auto gone = AuthorizationHeader(p.config);
  EXPECT_EQ(gone.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(gone.status().message(), HasSubstr(path));
}

TEST(HttpConfig, BearerTokenIsTheOldFormOfAuthorization) {
  EXPECT_EQ(HeaderOf(Decode("bearer_token: t").config), "Bearer t");
  EXPECT_EQ(HeaderOf(Decode("authorization: {type: Token, credentials: t}").config), "Token t");
}

TEST(HttpConfig, RelativePathsStandBesideTheConfigFile) {
  const Parsed p = Decode("tls_config: {ca_file: tls/ca.pem, cert_file: /abs/c, key_file: ../k}");
  ASSERT_TRUE(p.status.ok()) << p.status.message();
  EXPECT_EQ(p.config.tls.ca_file, "/etc/dw/tls/ca.pem");
  EXPECT_EQ(p.config.tls.cert_file, "/abs/c");
  EXPECT_EQ(p.config.tls.key_file, "/etc/k");
}

TEST(HttpConfig, HeadersKeepSecretsApart) {
  const Parsed p = Decode(
      "http_headers:\n  X-Scope: {values: [a, b], secrets: [s], files: [f]}\n"
      "proxy_url: http://p:3128\nproxy_connect_header: {X-P: [q]}\n");
  ASSERT_TRUE(p.status.ok()) << p.status.message();
  ASSERT_EQ(p.config.headers.size(), 2u);
  EXPECT_EQ(p.config.headers[1], (std::pair<std::string, std::string>("X-Scope", "b")));
  EXPECT_EQ(p.config.secret_headers.at(0).second.ToString(), "<secret>");
  EXPECT_EQ(p.config.secret_headers.at(0).second.Reveal(), "s");
  EXPECT_EQ(p.config.header_files.at(0).second, "/etc/dw/f");
  EXPECT_EQ(p.config.proxy_connect_headers.at(0).second.Reveal(), "q");
}

TEST(HttpConfig, RefusesBadCombinationsNamingLineAndKey) {
  const std::pair<const char*, const char*> cases[] = {
      {"\nbasic_auth: {username: u}\nbearer_token: t", "c.yml:3: scrape_config: bearer_token: at"},
      {"authorization: {credentials: a, credentials_file: b}", "credentials and credentials_file"},
      {"authorization: {type: Basic}", "use basic_auth"},
      {"bearer_token: a\nbearer_token_file: b", "at most one of"},
      {"basic_auth: {password: a, password_file: b}", "password and password_file"},
      {"basic_auth: {username: a, username_file: b}", "username and username_file"},
      {"basic_auth: {user: a}", "user: unknown key"},
      {"oauth2: {client_id: x}", "oauth2: not supported yet"},
      {"tls_config: {ca: a, ca_file: b}", "ca and ca_file"},
      {"tls_config: {cert_file: b}", "must come together"},
      {"tls_config: {min_version: TLS9}", "unknown TLS version"},
      {"tls_config: {min_version: TLS13, max_version: TLS12}", "above max_version"},
      {"http_headers: {Authorization: {values: [x]}}", "not allowed"},
      {"no_proxy: a", "needs proxy_url"},
      {"proxy_from_environment: true\nproxy_url: http://x", "excludes proxy_url"},
      {"proxy_connect_header: {A: [b]}", "needs proxy_url"},
  };
  for (const auto& [yaml, want] : cases) {
    const Parsed p = Decode(yaml);
    EXPECT_FALSE(p.status.ok()) << yaml;
    EXPECT_THAT(p.status.message(), HasSubstr(want)) << yaml;
  }
}

}  // namespace
}  // namespace deckwatch
